//! Keys and passwords: where they come from, never what they are.
//!
//! A secret is named by exactly one source: `{ env = "NAME" }`, `{ file = "/path" }` or `{ credential = "name" }` (a
//! file in `$CREDENTIALS_DIRECTORY`, as systemd gives it). Paths are relative to the working directory. Nothing here
//! puts the value of a secret, or what could be one, into a message.

use std::{fs::File, io::Read, path::Path};

use secrecy::SecretString;
use toml::de::DeValue;

use super::{
    context::{At, Context, kind_of, variable_of},
    environment::Environment,
    mask::looks_like_a_key,
    nearest::nearest,
    section::{Origin, Section, Setting},
};

/// The largest key file.
const MOST_BYTES: u64 = 64 << 10;
const SOURCES: [&str; 3] = ["env", "file", "credential"];
const HELP: &str = "name its source: { env = \"NAME\" }, { file = \"/path\" } or { credential = \"name\" }";

/// A source that was named.
struct Named {
    kind: &'static str,
    name: String,
    at: At,
}

/// Reads the secret at a key of a section; `None` where nothing names one.
pub(super) fn read(section: &mut Section<'_, '_>, key: &str) -> Setting<Option<SecretString>> {
    let path = section.path_of(key);
    section.ask(key);
    for kind in SOURCES {
        section.context.know(&format!("{path}.{kind}"));
    }
    let context = &mut *section.context;
    if let Some((variable, _)) = context.take_override(&path) {
        let message = format!("`{path}` is written out in a variable that everybody would take for a setting");
        let help = format!("put the key into a variable of your own, NAME, and set {variable}__ENV=NAME");
        context.error(At::Variable(variable), &path, message, Some(help));
        return bad();
    }
    if let Some(overriding) = from_variables(context, &path) {
        return overriding;
    }
    match section.table.and_then(|table| table.get(key)) {
        Some(value) => from_file(context, &path, value),
        None => Setting { value: None, origin: Origin::Default },
    }
}

/// The secret whose source overrides name; these replace what the file names.
pub(super) fn from_variables(context: &mut Context<'_>, path: &str) -> Option<Setting<Option<SecretString>>> {
    let mut named = Vec::new();
    for kind in SOURCES {
        let variable = format!("{}__{}", variable_of(path), kind.to_uppercase());
        if let Some(name) = context.take_variable(&variable, path) {
            named.push(Named { kind, name, at: At::Variable(variable) });
        }
    }
    let at = named.first()?.at.clone();
    Some(resolve(context, path, named, at))
}

/// The secret whose source a value of the file names.
pub(super) fn from_file(
    context: &mut Context<'_>,
    path: &str,
    value: &toml::Spanned<DeValue<'_>>,
) -> Setting<Option<SecretString>> {
    match in_file(context, path, value) {
        Some(named) => resolve(context, path, named, At::Span(value.span())),
        None => bad(),
    }
}

/// The sources that a value names; `None` after an error was pushed.
fn in_file(context: &mut Context<'_>, path: &str, value: &toml::Spanned<DeValue<'_>>) -> Option<Vec<Named>> {
    let table = match value.get_ref() {
        DeValue::Table(table) => table,
        DeValue::String(_) => {
            context.mask(value.span());
            let message = "a key must not be written out in the file: files are copied, logged and committed";
            context.error(At::Span(value.span()), path, message, Some(HELP.to_owned()));
            return None;
        }
        other @ (DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)) => {
            context.mask(value.span());
            let message = format!("expected the source of a key, found {}", kind_of(other));
            context.error(At::Span(value.span()), path, message, Some(HELP.to_owned()));
            return None;
        }
    };
    let mut named = Some(Vec::new());
    for (name, value) in table {
        let Some(kind) = SOURCES.into_iter().find(|kind| kind == name.get_ref()) else {
            match nearest(name.get_ref(), SOURCES) {
                Some(near) => {
                    let path = format!("{path}.{}", name.get_ref());
                    let message = format!("unknown key `{}`", name.get_ref().escape_debug());
                    context.error(At::Span(name.span()), &path, message, Some(format!("did you mean `{near}`?")));
                }
                None => {
                    // It may be the key itself, in the wrong place.
                    context.mask(name.span());
                    context.error(At::Span(name.span()), path, "this is no source of a key", Some(HELP.to_owned()));
                }
            }
            named = None;
            continue;
        };
        match value.get_ref().as_str() {
            Some(text) => {
                if let Some(named) = &mut named {
                    named.push(Named { kind, name: text.to_owned(), at: At::Span(value.span()) });
                }
            }
            None => {
                let message = format!("expected a text, found {}", kind_of(value.get_ref()));
                context.error(At::Span(value.span()), &format!("{path}.{kind}"), message, Some(HELP.to_owned()));
                named = None;
            }
        }
    }
    named
}

fn resolve(context: &mut Context<'_>, path: &str, named: Vec<Named>, at: At) -> Setting<Option<SecretString>> {
    let source = match named.as_slice() {
        [source] => source,
        [] => {
            context.error(at, path, "no source is named", Some(HELP.to_owned()));
            return bad();
        }
        [first, second, ..] => {
            let message = format!("two sources for one key: {} and {}", first.kind, second.kind);
            context.error(at, path, message, Some("keep one of them".to_owned()));
            return bad();
        }
    };
    let path = format!("{path}.{}", source.kind);
    if looks_like_a_key(&source.name) {
        if let At::Span(span) = &source.at {
            context.mask(span.clone());
        }
        let message = format!("this looks like a key itself, not like the name of its {}", what(source.kind));
        context.error(source.at.clone(), &path, message, Some(HELP.to_owned()));
        return bad();
    }
    match fetch(context.environment(), source.kind, &source.name)
        .and_then(|(text, warning)| Ok((check(text)?, warning)))
    {
        Ok((secret, warning)) => {
            if let Some(warning) = warning {
                context.warn(source.at.clone(), &path, warning, Some("make it readable for its owner only".to_owned()));
            }
            Setting { value: Some(secret), origin: Origin::Set(source.at.clone()) }
        }
        Err((message, help)) => {
            context.error(source.at.clone(), &path, message, help);
            bad()
        }
    }
}

type Failure = (String, Option<String>);

fn fetch(environment: &dyn Environment, kind: &'static str, name: &str) -> Result<(String, Option<String>), Failure> {
    match kind {
        "env" => {
            let shown = name.escape_debug();
            let value = environment.variable(name).ok_or_else(|| {
                let help =
                    "set it in the environment of the process (EnvironmentFile= of a systemd unit, env: of a pod)";
                (format!("the environment variable `{shown}` is not set"), Some(help.to_owned()))
            })?;
            let text = value
                .into_string()
                .map_err(|_| (format!("the environment variable `{shown}` is no UTF-8 text"), None))?;
            Ok((text, None))
        }
        "credential" => {
            let Some(directory) = environment.variable("CREDENTIALS_DIRECTORY") else {
                let help = "it is set by systemd for a unit with LoadCredential=; elsewhere use { file = \"/path\" }";
                return Err(("CREDENTIALS_DIRECTORY is not set".to_owned(), Some(help.to_owned())));
            };
            if name.is_empty() || name.contains('/') || name == ".." || name == "." {
                let message = format!("`{}` is no name of a credential", name.escape_debug());
                return Err((message, Some("a credential is a plain file name".to_owned())));
            }
            read_file(&Path::new(&directory).join(name))
        }
        _ => read_file(Path::new(name)),
    }
}

fn read_file(path: &Path) -> Result<(String, Option<String>), Failure> {
    let shown = path.display().to_string();
    let shown = shown.escape_debug();
    let cannot = |error: std::io::Error| (format!("cannot read the file `{shown}`: {}", error.kind()), None);
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if metadata.is_dir() {
        return Err((format!("`{shown}` is a directory"), None));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        return Err((format!("the file `{shown}` is larger than {MOST_BYTES} bytes"), None));
    }
    let text = String::from_utf8(bytes).map_err(|_| (format!("the file `{shown}` is no UTF-8 text"), None))?;
    let warning =
        readable_by_all(&metadata).then(|| format!("every user of this machine can read the key in `{shown}`"));
    Ok((text, warning))
}

#[cfg(unix)]
fn readable_by_all(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn readable_by_all(_metadata: &std::fs::Metadata) -> bool {
    false
}

/// White space around a secret is that of the file; inside it is a mistake unless it is a multi-line PEM.
fn check(text: String) -> Result<SecretString, Failure> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(("the key is empty".to_owned(), None));
    }
    if trimmed.contains(char::is_control) && !trimmed.starts_with("-----BEGIN ") {
        return Err(("the key holds a line break or another control character".to_owned(), None));
    }
    Ok(SecretString::from(trimmed))
}

fn what(kind: &str) -> &'static str {
    match kind {
        "env" => "variable",
        "file" => "file",
        _ => "credential",
    }
}

fn bad() -> Setting<Option<SecretString>> {
    Setting { value: None, origin: Origin::Bad }
}
