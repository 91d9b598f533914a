//! The user's librdkafka properties: `kafka.properties`.
//!
//! Names may be quoted or dotted (`session.timeout.ms = 9000` is the same as `"session.timeout.ms" = 9000`). Which
//! properties are refused, and whether the library takes a value, is for `kafka` to say; the list of names beside this
//! file serves to find the one that was meant. A value may come from a secret's source, and none is ever shown.

use std::{collections::BTreeMap, ops::Range};

use secrecy::ExposeSecret;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    context::{At, Context, Found, kind_of, variable_of},
    nearest::nearest,
    secret,
    section::{Origin, Section},
};
use crate::kafka::{PropertyError, check_property};

/// Names of librdkafka 2.12 properties that hold text, one a line.
const NAMES: &str = include_str!("librdkafka_properties.txt");
const KEY: &str = "properties";

/// Properties that are secrets themselves: they come from elsewhere, never from the file.
const SECRETS: [&str; 6] = [
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.assertion.private.key.passphrase",
];

/// Reads `kafka.properties` and the overrides below it.
pub(super) fn read(kafka: &mut Section<'_, '_>) -> BTreeMap<String, String> {
    let path = kafka.path_of(KEY);
    kafka.ask(KEY);
    let context = &mut *kafka.context;
    context.know(&path);
    let mut properties = BTreeMap::new();
    if let Found::Table(table, _) = context.table(&path) {
        read_table(context, &path, "", table, &mut properties);
    }
    for name in NAMES.lines() {
        if let Some((variable, value)) = context.take_override(&format!("{path}.{name}")) {
            add(context, &path, name, value, At::Variable(variable), &mut properties);
        }
        let named = format!("{path}.{name}");
        if let Some(secret) = secret::from_variables(context, &named)
            && let (Some(secret), Origin::Set(at)) = (secret.value, secret.origin)
        {
            add(context, &path, name, secret.expose_secret().to_owned(), at, &mut properties);
        }
        context.suggest(variable_of(&named));
    }
    properties
}

fn read_table(
    context: &mut Context<'_>,
    path: &str,
    prefix: &str,
    table: &DeTable<'_>,
    properties: &mut BTreeMap<String, String>,
) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        if let DeValue::Table(inner) = value.get_ref()
            && !is_source(inner)
        {
            read_table(context, path, &format!("{name}."), inner, properties);
            continue;
        }
        if let Some(text) = text_of(context, path, &name, value) {
            let span: Range<usize> = key.span();
            add(context, path, &name, text, At::Span(span), properties);
        }
    }
}

/// Whether a table names the source of a secret, and is no part of a dotted name.
fn is_source(table: &DeTable<'_>) -> bool {
    !table.is_empty() && table.keys().all(|key| matches!(key.get_ref().as_ref(), "env" | "file" | "credential"))
}

fn text_of(context: &mut Context<'_>, path: &str, name: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
    let path = format!("{path}.{name}");
    match value.get_ref() {
        DeValue::String(_) if SECRETS.contains(&name) => {
            let message = format!("{name} is written out in the file");
            let advice = format!(
                "take it from elsewhere: \"{name}\" = {{ env = \"NAME\" }}, {{ file = \"…\" }} or {{ credential = \"…\" }}"
            );
            context.error(At::Span(value.span()), &path, message, Some(advice));
            None
        }
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Table(_) => {
            secret::from_file(context, &path, value).value.map(|secret| secret.expose_secret().to_owned())
        }
        other @ (DeValue::Integer(_) | DeValue::Datetime(_) | DeValue::Array(_)) => {
            let message = format!("a property is a text, a number, true or false, not {}", kind_of(other));
            context.error(At::Span(value.span()), &path, message, None);
            None
        }
    }
}

fn add(
    context: &mut Context<'_>,
    path: &str,
    name: &str,
    value: String,
    at: At,
    properties: &mut BTreeMap<String, String>,
) {
    // The library would end the text at the first of these.
    let checked = if value.contains('\0') {
        Err(PropertyError::Value { name: name.to_owned() })
    } else {
        check_property(name, &value)
    };
    let path = format!("{path}.{name}");
    match checked {
        Ok(()) => {
            properties.insert(name.to_owned(), value);
        }
        Err(PropertyError::Reserved { reason, .. }) => {
            context.error(at, &path, format!("the property `{name}` cannot be set"), Some(reason.to_owned()));
        }
        Err(PropertyError::Unknown { reason, .. }) => {
            let listed = NAMES.lines().any(|known| known == name);
            let free = NAMES.lines().filter(|known| {
                !matches!(
                    check_property(known, ""),
                    Err(PropertyError::Reserved { .. } | PropertyError::Unknown { .. })
                )
            });
            let help = match nearest(name, free) {
                Some(near) if !listed => format!("did you mean `{near}`?"),
                Some(_) | None if listed => reason,
                Some(_) | None => {
                    "the names are those of librdkafka 2.12, which differ from the Java client's".to_owned()
                }
            };
            context.error(at, &path, format!("unknown property `{}`", name.escape_debug()), Some(help));
        }
        Err(PropertyError::Value { .. }) => {
            let help = "see the range in librdkafka's CONFIGURATION.md".to_owned();
            context.error(at, &path, format!("the property `{name}` does not take this value"), Some(help));
        }
    }
}
