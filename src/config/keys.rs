//! `[providers.<name>.keys.<key>]`: further keys of a provider, each with a quota of its own.

use secrecy::{ExposeSecret, SecretString};

use super::{
    context::{At, Found},
    parse::from_str,
    providers,
    section::Section,
};
use crate::{budget::Quota, provider::KeyUse};

const KEYS: &str = "keys";
/// Further keys of a provider, at most.
const MOST: usize = 3;
/// Bytes of a name, at most.
const LONGEST: usize = 32;

/// A further key.
pub(super) struct Key {
    /// Names its account; stays the same when the key is replaced.
    pub(super) name: Box<str>,
    pub(super) secret: SecretString,
    pub(super) quota: Quota,
    /// Where its own quota stands; `None` where it is that of the first key.
    pub(super) quota_at: Option<At>,
}

/// Reads the further keys below a provider's table; `first` is its own key, `quota` the quota of that.
pub(super) fn read(
    provider: &mut Section<'_, '_>,
    use_: KeyUse,
    first: Option<&SecretString>,
    quota: Option<&Quota>,
) -> Vec<Key> {
    if use_ == KeyUse::Unused {
        return Vec::new();
    }
    let path = provider.path_of(KEYS);
    provider.ask(KEYS);
    let context = &mut *provider.context;
    let Found::Table(table, header) = context.table(&path) else { return Vec::new() };
    let mut keys: Vec<Key> = Vec::new();
    for (index, (key, _)) in table.iter().enumerate() {
        let name = key.get_ref();
        let at = At::Span(key.span());
        if !is_name(name) {
            let message = format!("`{}` cannot be the name of a key", name.escape_debug());
            let help = format!("at most {LONGEST} lower-case letters, digits, hyphens and underscores");
            context.error(at, &path, message, Some(help));
            continue;
        }
        if index == MOST {
            context.error(At::Span(header.clone()), &path, format!("more than {} keys", MOST + 1), None);
            break;
        }
        let mut section = Section::open(context, &format!("{path}.{name}"));
        // One that the service could do without is none.
        let use_ = if use_ == KeyUse::Pair { KeyUse::Pair } else { KeyUse::Required };
        let secret = providers::key(&mut section, use_).flatten();
        let parse = from_str::<Quota>("a quota", "\"4/min, 500/day, 15500/month\"");
        let quota = section.read("quota", quota.cloned(), |raw| parse(raw).map(Some));
        section.finish();
        let quota_at = quota.place().filter(|_| quota.is_set());
        let known = first.into_iter().chain(keys.iter().map(|key| &key.secret));
        if secret.as_ref().is_some_and(|secret| known.into_iter().any(|key| is_same(key, secret))) {
            let help = "one account of the service has one quota: remove it, or name the source of another key";
            let message = "this is a key that the provider has already: its quota would be spent twice".to_owned();
            context.error(at, &format!("{path}.{name}"), message, Some(help.to_owned()));
            continue;
        }
        if let (Some(secret), Some(quota)) = (secret, quota.value) {
            keys.push(Key { name: (&**name).into(), secret, quota, quota_at });
        }
    }
    keys
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(plain)
}
