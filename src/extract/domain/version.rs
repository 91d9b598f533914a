//! Whether a dotted quad is the version of something rather than an address.
//!
//! Words that name only versions (`firmware`, `ver`) decide by themselves. Words that name machines and programs as well (`agent`, `edge`, `java`)
//! do not: a port, the length of a prefix or a state of a connection behind the quad make it an address, and else its shape decides. Versions begin
//! with small numbers and hold few of three digits. `agent 7.50.1.2` may be either and is read as a version: inventories are full of those. Numbers
//! that begin with 10 are versions there too, since nobody is asked about such an address anyway.

use super::{is_among, is_component, is_socket};
use crate::extract::{
    context::{self, at, before, last_word},
    field::Class,
};

/// Whether the dotted quad at `start..end` is the version of something.
pub(in crate::extract) fn is_version(bytes: &[u8], start: usize, end: usize, class: Class) -> bool {
    let quad = &bytes[start..end];
    if class == Class::Version {
        return !has_port(bytes, end);
    }
    if quad.starts_with(b"0.") && quad != b"0.0.0.0" {
        return true;
    }
    let previous = before(bytes, start);
    let next = at(bytes, end);
    if next == b'-' && at(bytes, end + 1).is_ascii_alphabetic() {
        return true;
    }
    let revised = next == b'-' && has_revision(bytes, start, end);
    if (revised || may_be_of_agent(bytes, start, class))
        && is_shaped_so(quad)
        && (revised || is_of_agent(bytes, start, end, class))
    {
        return true;
    }
    match previous {
        b'/' => {
            if is_socket(bytes, start) {
                return false;
            }
            // A directory, or an address in the path of a request.
            let inside = next == b'/' && !matches!(before(bytes, start - 1), b'/' | b' ' | 0);
            if class == Class::Agent || (inside && is_shaped_so(quad)) {
                return true;
            }
            let head = &bytes[..start - 1];
            !has_port(bytes, end)
                && (is_product(head) || (is_small(bytes, start) && is_shaped_so(quad) && is_tool(head)))
        }
        b'-' => before(bytes, start - 1).is_ascii_alphabetic(),
        // The tag of an image: `registry/team/app:1.2.3.4`.
        b':' if is_tag(&bytes[..start - 1]) => true,
        b':' if is_small(bytes, start) && is_shaped_so(quad) && is_short_tag(bytes, start, end, class) => true,
        b'=' if is_shaped_so(quad) && is_pinned(&bytes[..start]) => true,
        // Packages of Windows: `Package~31bf3856ad364e35~amd64~~6.1.1.0`.
        b'~' => matches!(before(bytes, start - 1), b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'),
        // Directories of the assembly cache: `System.Web__4.0.0.0__b03f5f7f11d50a3a`.
        b'_' if class == Class::Path => true,
        // Packages of Debian: `name_1.2.3.4_amd64.deb`.
        b'_' => {
            let name = before(bytes, start - 1).is_ascii_alphanumeric();
            name && next == b'_' && at(bytes, end + 1).is_ascii_alphabetic()
        }
        b'\\' => is_component(bytes, &(start..end)),
        // A package: `ruby@2.7.0.1`.
        b'@' => {
            is_small(bytes, start)
                && (ends_in_program(&bytes[..start - 1]) || is_behind(bytes, start, &["npm", "yarn", "pnpm", "npx"]))
        }
        // A telephone number, and an object identifier: `.1.3.6.1`.
        b'+' | b'.' => true,
        _ => match word_before(bytes, start, 4) {
            Said::Version => true,
            Said::Perhaps => is_shaped_so(quad) && !is_met_as_address(bytes, end),
            Said::Nothing => false,
        },
    }
}

/// What the word before a dotted quad says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Version,
    /// It is of something that has versions and addresses.
    Perhaps,
    Nothing,
}

/// Whether a quad looks like a version: it begins with a small number and at most one of the others has three digits, or it begins with the number of
/// a browser and a zero.
fn is_shaped_so(quad: &[u8]) -> bool {
    // Those of browsers have not come to this.
    const LARGEST: u32 = 160;
    const SMALL: u32 = 30;
    let number = |group: &[u8]| {
        group
            .iter()
            .fold(0, |number, digit| u32::saturating_add(u32::saturating_mul(number, 10), u32::from(digit & 15)))
    };
    let mut groups = quad.split(|&byte| byte == b'.');
    let first = groups.next().map_or(0, number);
    let second = groups.clone().next().map_or(0, number);
    let long = groups.filter(|group| group.len() > 2).count();
    (first < SMALL && long < 2) || (second == 0 && first < LARGEST && first != 127)
}

/// What filters compare with addresses.
const ADDRESSED: [&str; 12] =
    ["ip", "addr", "address", "src", "dst", "source", "destination", "host", "server", "client", "peer", "remote"];

/// Whether it is the tag of an image without a path, `app:1.2.3.4`, or stands behind the epoch of a package: `1:1.2.3.4`.
fn is_short_tag(bytes: &[u8], start: usize, end: usize, class: Class) -> bool {
    let head = &bytes[..start - 1];
    let name = before(head, head.len());
    if name.is_ascii_digit() {
        let lead = before(head, head.len() - 1);
        return matches!(lead, 0 | b' ' | b'\t' | b'(' | b'-' | b'=') && !has_port(bytes, end);
    }
    name.is_ascii_alphabetic()
        && !is_among(&ADDRESSED, last_word(head))
        && (class == Class::Path || is_behind(bytes, start, &["docker", "podman", "nerdctl", "image"]))
}

/// Whether `head` ends in `name==`, and the name is not what filters compare with addresses.
fn is_pinned(head: &[u8]) -> bool {
    let Some(head) = head.strip_suffix(b"==") else { return false };
    let name = last_word(head);
    !name.is_empty() && !is_among(&ADDRESSED, name)
}

/// Whether the revision of a package follows: `1.2.3.4-1`, `1.2.3.4-5.el8`; not the rest of a range of addresses or a port.
fn has_revision(bytes: &[u8], start: usize, end: usize) -> bool {
    let digits = length_of_digits(bytes, end + 1);
    if at(bytes, end) != b'-' || !matches!(digits, 1..=3) {
        return false;
    }
    let rest = &bytes[end + 1..];
    match at(rest, digits) {
        b'.' => {
            let more = rest.iter().take(16).take_while(|byte| byte.is_ascii_digit() || **byte == b'.');
            more.filter(|&&byte| byte == b'.').count() < 3 && at(rest, digits + 1).is_ascii_alphanumeric()
        }
        b'_' | b'+' | b'~' => true,
        next if next.is_ascii_alphabetic() => true,
        _ => {
            let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit & 15));
            let last = bytes[start..end].rsplit(|&byte| byte == b'.').next().unwrap_or_default();
            let revision = number(&rest[..digits]);
            revision <= number(last) || (revision < 10 && is_small(bytes, start))
        }
    }
}

/// Whether it stands where versions stand in what a client says of itself, seen without a look at more than a few bytes.
fn may_be_of_agent(bytes: &[u8], start: usize, class: Class) -> bool {
    class == Class::Agent
        || (class == Class::Text && matches!(before(bytes, start), b' ' | b'/') && is_small(bytes, start))
}

/// Whether it stands among products in what a client says of itself, in a field for that or behind its name in a text: `User-Agent: x/1.2.3.4`.
fn is_of_agent(bytes: &[u8], start: usize, end: usize, class: Class) -> bool {
    const REACH: usize = 200;
    if class == Class::Agent {
        return bytes.len() > end - start && !has_port(bytes, end);
    }
    if class != Class::Text {
        return false;
    }
    let head = &bytes[start.saturating_sub(REACH)..start];
    let line = memchr::memrchr3(b'\n', b'\r', b'\t', head).map_or(0, |at| at + 1);
    let head = &head[line..];
    // The versions of engines have colons too: `rv:1.9`.
    for sign in memchr::memrchr2_iter(b'=', b':', head).take(4) {
        let (name, value) = head.split_at(sign);
        if ["useragent", "user-agent", "user_agent"].into_iter().any(|known| context::ends_with(name, known)) {
            return memchr::memchr_iter(b'"', value).count() < 2;
        }
        if value.starts_with(b"=") {
            return false;
        }
    }
    false
}

/// Whether `head` ends in a word in lower case that is no protocol and no name of a machine: `sqlmap` in `sqlmap/1.7.2.3`.
fn is_tool(head: &[u8]) -> bool {
    #[rustfmt::skip]
    // Also the sides of a firewall: `outside/198.51.100.7(53)`.
    const OTHERS: [&str; 39] = [
        "addr", "address", "cifs", "client", "dns", "dst", "ftp", "gateway", "gw", "host", "http", "https", "icmp", "inet", "ip", "ldap", "localhost",
        "net", "nfs", "node", "peer", "proxy", "router", "rtsp", "server", "sip", "smb", "src", "ssh", "tcp", "udp",
        "dmz", "inside", "lan", "mgmt", "outside", "trust", "untrust", "wan",
    ];
    let word = last_word(head);
    let lead = before(head, head.len() - word.len());
    !word.is_empty()
        && word.iter().all(u8::is_ascii_lowercase)
        && !matches!(lead, b'/' | b'\\' | b'.' | b'-' | b':' | b'@' | b'%' | b'+' | b'&' | b'?')
        && !OTHERS.into_iter().any(|other| word == other.as_bytes())
}

/// Whether one of these words and a space stand not far before, in the same line.
fn is_behind(bytes: &[u8], start: usize, words: &[&str]) -> bool {
    let head = &bytes[start.saturating_sub(64)..start];
    let line = memchr::memrchr(b'\n', head).map_or(0, |at| at + 1);
    let head = &head[line..];
    memchr::memchr_iter(b' ', head).any(|space| words.iter().any(|word| head[..space].ends_with(word.as_bytes())))
}

/// Whether a port follows: `:443`, `#53`.
fn has_port(bytes: &[u8], end: usize) -> bool {
    let digits = length_of_digits(bytes, end + 1);
    let next = at(bytes, end + 1 + digits);
    matches!(digits, 1..=5)
        && match at(bytes, end) {
            b':' | b'#' => next != b'.',
            // `198.51.100.7(53)`
            b'(' => next == b')',
            _ => false,
        }
}

/// Whether the length of a prefix follows: `/32`.
fn has_prefix(bytes: &[u8], end: usize) -> bool {
    let digits = length_of_digits(bytes, end + 1);
    let next = at(bytes, end + 1 + digits);
    at(bytes, end) == b'/' && matches!(digits, 1..=2) && !next.is_ascii_alphanumeric() && !matches!(next, b'.' | b'/')
}

fn length_of_digits(bytes: &[u8], start: usize) -> usize {
    bytes.get(start..).unwrap_or_default().iter().take(6).take_while(|byte| byte.is_ascii_digit()).count()
}

/// Whether what stands behind a quad is said of addresses alone: a port, a prefix, or the state of a connection.
fn is_met_as_address(bytes: &[u8], end: usize) -> bool {
    #[rustfmt::skip]
    const STATES: [&str; 25] = [
        "alive", "answered", "banned", "connected", "connecting", "connects", "denied", "disconnected", "down", "heartbeat", "joined", "lease", "lost",
        "offline", "online", "port", "refused", "replied", "respond", "responded", "responding", "timed", "timeout", "unreachable", "unresponsive",
    ];
    const BETWEEN: [&str; 9] = ["is", "was", "has", "not", "been", "went", "did", "does", "now"];
    if has_port(bytes, end) || has_prefix(bytes, end) {
        return true;
    }
    let mut rest = bytes.get(end..).unwrap_or_default();
    for _ in 0..4 {
        let signs =
            rest.iter().take(3).take_while(|byte| matches!(byte, b' ' | b',' | b':' | b')' | b']' | b'"')).count();
        rest = &rest[signs..];
        let length = rest.iter().take(16).take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, behind) = rest.split_at(length);
        let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        if signs == 0 || length == 0 {
            return false;
        }
        // Not `up to date`.
        if is_among(&STATES, word) || (is("up") && !behind.starts_with(b" to")) {
            return true;
        }
        if !is_among(&BETWEEN, word) {
            return false;
        }
        rest = behind;
    }
    false
}

/// Whether `head` ends in the name of an image behind a path.
fn is_tag(head: &[u8]) -> bool {
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let length = head.iter().rev().take(64).take_while(part).count();
    let path = &head[..head.len() - length];
    length > 0 && path.ends_with(b"/") && before(path, path.len() - 1).is_ascii_alphanumeric()
}

/// What the word before what starts at `start` says; behind `and` and `to` the number before them decides, of which at most `depth` are looked
/// at.
fn word_before(bytes: &[u8], start: usize, depth: usize) -> Said {
    let key = context::key_before(bytes, start);
    if key.is_empty() {
        // A longer chain says no more of its end.
        return before_arrow(bytes, start, depth)
            .map_or(Said::Nothing, |first| word_before(bytes, first, depth.min(2) - 1));
    }
    let mut lower = [0; 16];
    let version = context::names_version(key);
    let Some(lower) = lower.get_mut(..key.len()) else { return if version { Said::Version } else { Said::Nothing } };
    lower.copy_from_slice(key);
    lower.make_ascii_lowercase();
    if version || names_version(lower) || (is_small(bytes, start) && names_program(lower)) {
        return Said::Version;
    }
    // `.NET`, `PAN-OS`, `FortiOS`
    let system = key == b"NET" || (key.ends_with(b"OS") && !matches!(&*lower, b"dos" | b"ddos"));
    if system || names_either(lower) {
        return Said::Perhaps;
    }
    if depth == 0
        || !matches!(&*lower, b"and" | b"to" | b"or" | b"through" | b"from" | b"than" | b"is" | b"was" | b"now")
    {
        return Said::Nothing;
    }
    let Some(head) = bytes.get(..start) else { return Said::Nothing };
    let Some(word) = memchr::memmem::rfind(&head[start.saturating_sub(40)..], key) else { return Said::Nothing };
    let head = &head[..start.saturating_sub(40) + word];
    let quad = head.trim_ascii_end();
    let digits = quad.iter().rev().take(16).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    // `version is now`
    if digits > 0 && matches!(&*lower, b"is" | b"was" | b"now") {
        return Said::Nothing;
    }
    // `upgraded from`, or another number before `to`.
    word_before(bytes, if digits > 0 { quad.len() - digits } else { head.len() }, depth - 1)
}

/// Where the version begins from which an arrow leads to what starts at `start`: `1.2.3.4 -> 1.2.3.5`.
fn before_arrow(bytes: &[u8], start: usize, depth: usize) -> Option<usize> {
    let head = bytes.get(..start)?.trim_ascii_end();
    let head = head.strip_suffix(b"->").or_else(|| head.strip_suffix(b"=>"))?.trim_ascii_end();
    let length = head.iter().rev().take(16).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let first = head.len() - length;
    let quad = &head[first..];
    let dots = quad.iter().filter(|&&byte| byte == b'.').count();
    (depth > 0 && dots == 3 && is_shaped_so(quad)).then_some(first)
}

/// Words before versions and other numbers with dots, lower case.
#[rustfmt::skip]
fn names_version(word: &[u8]) -> bool {
    matches!(
        word,
        b"v" | b"ver" | b"rv" | b"rev" | b"firmware" | b"revision" | b"versions" | b"upgraded" | b"downgraded" | b"chrome" | b"firefox" | b"chromium"
        | b"acrobat" | b"flash" | b"framework" | b"runtime" | b"sdk" | b"definitions" | b"signatures" | b"section" | b"chapter" | b"clause"
        | b"paragraph" | b"appendix" | b"oid" | b"tel" | b"phone" | b"fax" | b"mobile" | b"baseline"
    )
}

/// Words before versions and before addresses as well, lower case.
#[rustfmt::skip]
fn names_either(word: &[u8]) -> bool {
    matches!(
        word,
        b"agent" | b"anydesk" | b"bios" | b"build" | b"driver" | b"edge" | b"engine" | b"hotfix" | b"java" | b"kernel" | b"office" | b"openssl" | b"opera"
        | b"patch" | b"plugin" | b"release" | b"safari" | b"teamviewer" | b"uefi" | b"upgrade"
    )
}

/// Whether what starts at `start` is a number that versions begin with, and addresses of machines inside do not.
fn is_small(bytes: &[u8], start: usize) -> bool {
    let rest = bytes.get(start..).unwrap_or_default();
    matches!(rest, [b'1'..=b'9', b'.', ..] | [b'1' | b'2', b'0'..=b'9', b'.', ..]) && !rest.starts_with(b"10.")
}

fn ends_in_program(head: &[u8]) -> bool {
    let length = head.iter().rev().take(16).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    names_program(&head[head.len() - length..])
}

/// Programs and systems whose names stand before versions and before addresses as well, lower case.
#[rustfmt::skip]
fn names_program(word: &[u8]) -> bool {
    matches!(
        word,
        b"postfix" | b"exim" | b"sendmail" | b"dovecot" | b"python" | b"perl" | b"php" | b"ruby" | b"nodejs" | b"golang" | b"nginx" | b"apache"
        | b"tomcat" | b"mysql" | b"mariadb" | b"postgresql" | b"redis" | b"mongodb" | b"elasticsearch" | b"kibana" | b"docker" | b"kubernetes"
        | b"openssh" | b"putty" | b"winscp" | b"curl" | b"wget" | b"git" | b"windows" | b"android" | b"macos" | b"ios" | b"zoom" | b"skype"
        | b"teams" | b"outlook" | b"excel" | b"word" | b"vlc" | b"winrar" | b"notepad" | b"wordpress" | b"drupal" | b"joomla" | b"snort" | b"suricata"
    )
}

/// Whether `head` ends in the name of a program, as `Chrome` in `Chrome/131.0.0.0`.
fn is_product(head: &[u8]) -> bool {
    #[rustfmt::skip]
    const LOWER: [&str; 17] = [
        "curl", "libcurl", "wget", "nginx", "apache", "openssl", "python", "java", "git", "requests", "okhttp",
        "axios", "php", "perl", "ruby", "libssh", "dropbear",
    ];
    let word = last_word(head);
    let capital = word.first().is_some_and(u8::is_ascii_uppercase) && word.iter().any(u8::is_ascii_lowercase);
    capital || LOWER.into_iter().any(|name| word == name.as_bytes())
}
