//! What a field path says about its values: the role of what is found there, and what can be found there at all.
//!
//! The last segment of the path selects candidate rules, the longest that fits the end of the path wins. What no rule knows is
//! judged by the ending of its last segment (`…version`, `…Path`, `…_ip`).

use crate::{
    extract::{context, rules},
    model::Role,
};

/// What kind of values a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Anything, in prose.
    Text,
    /// An address; look-alikes are trusted. A name that is all of the value counts too.
    Ip,
    /// A host name or address; single labels and internal names count.
    Host,
    /// A name of a machine, user-visible but not a look-up target by itself: only names under a public suffix or addresses.
    Machine,
    /// URL or host name.
    Url,
    /// E-mail address, or a name that is all of the value.
    Email,
    /// Hash values.
    Hash,
    /// Paths, file and image names: no domains.
    Path,
    /// Command lines and scripts: file names abound.
    Command,
    /// Names of things, accounts, categories: no domains.
    Name,
    /// Version numbers: no addresses, no hashes and no domains.
    Version,
    /// User agents: addresses only when they stand alone.
    Agent,
    /// Identifiers: no hashes and no domains.
    Id,
    /// Times and other values that hold nothing.
    Nothing,
}

impl Class {
    /// Whether names of hosts are looked for.
    pub(super) const fn has_names(self) -> bool {
        matches!(self, Self::Host | Self::Url | Self::Machine | Self::Text | Self::Command | Self::Ip | Self::Email)
    }

    /// Whether the value is usually an indicator itself.
    pub(super) const fn is_typed(self) -> bool {
        matches!(self, Self::Ip | Self::Host | Self::Machine | Self::Url | Self::Email | Self::Hash)
    }

    /// Whether these may stand under any suffix.
    pub(super) const fn has_any_suffix(self) -> bool {
        matches!(self, Self::Host | Self::Url)
    }
}

/// Role and class of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) role: Role,
    pub(super) class: Class,
}

impl Field {
    /// The field at `path`.
    pub(super) fn of(path: &str) -> Self {
        // No rule is as long as that, and a key may be of any length.
        const END: usize = 256;
        let path = &path[path.floor_char_boundary(path.len().saturating_sub(END))..];
        let last = memchr::memrchr(b'.', path.as_bytes()).map_or(path, |dot| &path[dot + 1..]);
        rules::find(path, last).unwrap_or_else(|| Self::guess(last))
    }

    fn guess(last: &str) -> Self {
        let ends = |suffix: &str| ends_with(last, suffix);
        let class = match last.as_bytes().last_chunk::<2>().map(|end| end.map(|byte| byte | 0x20)) {
            Some([b'o', b'n']) if context::names_version(last.as_bytes()) => Class::Version,
            Some([b'e', b'r']) if is_ver(last) || ends("_ver") => Class::Version,
            Some([b'd', b'r']) if ends("addr") => Class::Ip,
            Some([b's', b's']) if ends("ipaddress") => Class::Ip,
            Some([b'i', b'p']) if ip_word(last) => Class::Ip,
            Some([b'm', b'p']) if ends("timestamp") => Class::Nothing,
            Some([b't', b'h']) if ends("path") => Class::Path,
            Some([b'm', b'e']) if ends("filename") => Class::Path,
            Some([b'm', b'e']) if ends("hostname") => Class::Machine,
            Some([b'm', b'e']) if ends("username") || ends("user_name") || ends("rulename") || ends("classname") => {
                Class::Name
            }
            Some([b'g', b'e']) if ends("image") => Class::Path,
            Some([b'l', b'e']) if ends("module") || ends("file") => Class::Path,
            Some([b'n', b'e']) if ends("cmdline") || ends("commandline") || ends("command_line") => Class::Command,
            Some([b'r', b'l']) if ends("url") => Class::Url,
            Some([b'r', b'i']) if ends("uri") => Class::Url,
            Some([b'd', b'n']) if ends("fqdn") => Class::Machine,
            Some([b'i', b'n']) if ends("domain") => Class::Machine,
            Some([b'i', b'd']) if ends("guid") || ends("uuid") || ends("_id") || camel_id(last) => Class::Id,
            Some([b'r', b'y']) if ends("directory") => Class::Path,
            Some([b'e', b'y']) if ends("registry_key") => Class::Path,
            Some([b'e', b'y']) if is_secret_key(last) => Class::Id,
            Some([b'n', b'g']) if ends("idstring") => Class::Id,
            Some([b'e', b'n']) if ends("token") => Class::Id,
            Some([b'e', b't']) if ends("secret") => Class::Id,
            Some([b'r', b'd'] | [b'w', b'd']) if ends("password") || ends("passwd") => Class::Id,
            Some([b's', b'h']) if is_of_password(last) || ends("commit_hash") || ends("commithash") => Class::Id,
            Some([b'i', b't']) if ends("commit") => Class::Id,
            Some([b'h', b'a']) if ends("commit_sha") || ends("commitsha") || ends("head_sha") => Class::Id,
            Some([b'a', b'l']) if ends("serial") => Class::Nothing,
            Some([b'e', b'r']) if ends("serial_number") || ends("serialnumber") => Class::Nothing,
            Some(_) if is_of_handshake(last) => Class::Nothing,
            Some([b'e', b'r']) if ends("folder") => Class::Path,
            _ => Class::Text,
        };
        Self { role: Role::Freetext, class }
    }
}

/// Fields that were asked for lately: events of one source have the same ones again and again.
#[derive(Debug)]
pub(super) struct Fields(Box<[(String, Field)]>);

/// Paths that are kept by their hash; none that is longer than this many bytes.
const KEPT: usize = 256;
const LONGEST: usize = 96;

impl Default for Fields {
    fn default() -> Self {
        Self(vec![(String::new(), Field::of("")); KEPT].into_boxed_slice())
    }
}

impl Fields {
    /// The field at `path`, as [`Field::of`] has it.
    pub(super) fn of(&mut self, path: &str) -> Field {
        match self.0.get_mut(rules::hash(path.as_bytes()) % KEPT) {
            Some((known, said)) if path.len() <= LONGEST => {
                if known != path {
                    known.clear();
                    known.push_str(path);
                    *said = Field::of(path);
                }
                *said
            }
            Some(_) | None => Field::of(path),
        }
    }
}

/// `ip`, `client_ip`, `clientIp`, `ClientIP`; not `zip`.
fn ip_word(last: &str) -> bool {
    last.eq_ignore_ascii_case("ip") || last.ends_with("_ip") || last.ends_with("Ip") || last.ends_with("IP")
}

/// `SessionId`, `sessionID`; not `valid`.
fn camel_id(last: &str) -> bool {
    last.ends_with("Id") || last.ends_with("ID") || last.eq_ignore_ascii_case("id")
}

/// `x_api_key`, `AccessKey`; not `registry_key`.
fn is_secret_key(last: &str) -> bool {
    const NAMES: [&str; 8] =
        ["api_key", "apikey", "api-key", "access_key", "accesskey", "secret_key", "secretkey", "private_key"];
    NAMES.into_iter().any(|name| ends_with(last, name))
}

/// `password_hash`, `ntHash`.
fn is_of_password(last: &str) -> bool {
    const NAMES: [&str; 6] = ["password_hash", "passwordhash", "passwd_hash", "nthash", "ntlm_hash", "lmhash"];
    NAMES.into_iter().any(|name| ends_with(last, name))
}

/// `ja3_digest`, `ja4s`, `hasshAlgorithms`: fingerprints of handshakes.
fn is_of_handshake(last: &str) -> bool {
    let begins = |word: &str| last.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    begins("ja3") || begins("ja4") || begins("hassh")
}

/// `ver`, `appver`; not `server`.
fn is_ver(last: &str) -> bool {
    const NAMES: [&str; 7] = ["ver", "appver", "fwver", "swver", "hwver", "osver", "dbver"];
    NAMES.into_iter().any(|name| last.eq_ignore_ascii_case(name))
}

fn ends_with(text: &str, suffix: &str) -> bool {
    let (text, suffix) = (text.as_bytes(), suffix.as_bytes());
    text.len().checked_sub(suffix.len()).is_some_and(|at| text[at..].eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_is_asked_for() {
        let mut fields = Fields::default();
        let long = format!("{}_ip", "x".repeat(LONGEST));
        for round in 0..2 {
            for number in 0..2 * KEPT {
                for path in [format!("a.{number}_ip"), format!("b.{number}version")] {
                    assert_eq!(fields.of(&path), Field::of(&path), "{path}");
                }
            }
            for path in ["", "dst", "DST", "destination.ip", "foo.request", "request", long.as_str()] {
                assert_eq!(fields.of(path), Field::of(path), "{path}, {round}");
            }
        }
    }

    #[test]
    fn only_the_end_of_a_long_path_counts() {
        let long = "x".repeat(1_000);
        for path in ["destination.ip", "file.hash.md5", "app_version", "é"] {
            assert_eq!(Field::of(&format!("{long}.{path}")), Field::of(&format!("x.{path}")), "{path}");
        }
        assert_eq!(
            Field::of(&format!("{}query", "x".repeat(251))),
            Field::of("xquery"),
            "no rule for whole paths fits"
        );
    }

    #[test]
    fn paths_have_roles() {
        let rows = [
            ("ECS", "destination.ip", Role::Destination, Class::Ip),
            ("ECS with a prefix", "_source.destination.ip", Role::Destination, Class::Ip),
            ("ECS asset", "host.ip", Role::Asset, Class::Ip),
            ("ECS observer", "observer.ip", Role::Observer, Class::Ip),
            ("ECS query", "dns.question.name", Role::Query, Class::Host),
            ("ECS answers", "dns.answers.data", Role::Answer, Class::Url),
            ("ECS resolved", "dns.resolved_ip", Role::Answer, Class::Ip),
            ("ECS process hash", "process.hash.sha256", Role::Process, Class::Hash),
            ("ECS parent hash", "process.parent.hash.md5", Role::Process, Class::Hash),
            ("ECS module hash", "dll.hash.sha1", Role::Module, Class::Hash),
            ("ECS file hash", "file.hash.sha256", Role::File, Class::Hash),
            ("ECS attachment", "email.attachments.file.hash.sha256", Role::File, Class::Hash),
            ("ECS trace", "trace.id", Role::Freetext, Class::Id),
            ("OCSF", "dst_endpoint.ip", Role::Destination, Class::Ip),
            ("OCSF query", "query.hostname", Role::Query, Class::Host),
            ("OCSF url", "http_request.url.url_string", Role::Url, Class::Url),
            ("CEF", "dst", Role::Destination, Class::Ip),
            ("CEF request", "request", Role::Url, Class::Url),
            ("CEF only at the top", "foo.request", Role::Freetext, Class::Text),
            ("Sysmon", "winlog.event_data.DestinationIp", Role::Destination, Class::Ip),
            ("Sysmon query", "QueryName", Role::Query, Class::Host),
            ("Zeek", "id.resp_h", Role::Destination, Class::Ip),
            ("Zeek query", "query", Role::Query, Class::Host),
            ("the query of a URL", "url.query", Role::Freetext, Class::Text),
            ("Suricata", "dest_ip", Role::Destination, Class::Ip),
            ("Suricata flow", "flow.dest_ip", Role::Destination, Class::Ip),
            ("Suricata answers", "dns.answers.rdata", Role::Answer, Class::Url),
            ("CloudTrail", "sourceIPAddress", Role::Source, Class::Ip),
            ("version", "user_agent.version", Role::Freetext, Class::Version),
            ("file version", "event_data.FileVersion", Role::Freetext, Class::Version),
            ("unknown address", "peer_ip", Role::Freetext, Class::Ip),
            ("zip is none", "zip", Role::Freetext, Class::Text),
        ];
        for (name, path, role, class) in rows {
            assert_eq!(Field::of(path), Field { role, class }, "{name}");
        }
    }
}
