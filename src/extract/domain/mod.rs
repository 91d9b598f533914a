//! Whether a name with a public suffix is meant as a host, and a dotted quad as an address.
//!
//! File names, code, keys and versions look the same; what stands around them and how they are written tells them apart. In
//! fields that are made for host names only the syntax counts.
//!
//! A name that is written as code or files are counts where something proves it to be a host (`proof`): a port, a verb of connections, a query of
//! DNS. Without proof `EvilBank.de` is a brand and `fetchAll.de` a member; `evil-bank.id` is a name and `install-all.sh` a file, as no member of
//! code has a hyphen but many files have.

use std::ops::Range;

use crate::extract::{
    context::{at, before},
    control,
    field::Class,
    name::Suffix,
    script,
};
use words::{
    BRANDS, BRIEF, CODE, ENTRANCES, FAMILIES, FILES, HYPHENED, INTERFACES, MACHINES, MEMBERS, NAMESPACES, OBJECTS,
    OWNERS, POPULAR, PROGRAMS, REAL, RECORDS, ROOTS, SAMPLES, SCARCE, SCRIPTS, SERVICES, SPANS, STEMS, SURNAMES,
    THREATS, WORDS,
};

mod code;
mod proof;
mod version;
mod words;

pub(super) use version::is_version;

/// Whether a name at `start..end` can be reported at all; spares names in paths and in fields of no hosts the look-up of their suffix.
pub(super) fn is_possible(bytes: &[u8], start: usize, end: usize, class: Class) -> bool {
    match class {
        Class::Host | Class::Url | Class::Machine => true,
        // A last label is two characters long, and no digit.
        Class::Text | Class::Command | Class::Ip | Class::Email => {
            !is_component(bytes, &(start..end))
                && !before(bytes, end).is_ascii_digit()
                && before(bytes, end - 1) != b'.'
        }
        Class::Hash | Class::Path | Class::Name | Class::Version | Class::Agent | Class::Id | Class::Nothing => false,
    }
}

/// Whether the name at `range` is reported.
pub(super) fn accept(bytes: &[u8], range: Range<usize>, suffix: Suffix, class: Class) -> bool {
    let public = matches!(suffix, Suffix::Public { .. });
    match class {
        Class::Host => {
            let whole = is_whole(bytes, &range);
            match suffix {
                Suffix::Public { .. } | Suffix::Internal => !is_component(bytes, &range),
                Suffix::Unknown => whole,
                Suffix::SingleLabel => whole && !is_filler(&bytes[range]),
                Suffix::Itself => false,
            }
        }
        Class::Url => {
            (public || suffix == Suffix::Internal) && !is_component(bytes, &range) && at(bytes, range.end) != b'='
        }
        Class::Machine => public && is_whole(bytes, &range),
        Class::Text if suffix == Suffix::Internal => reads_as_own_host(bytes, range),
        Class::Text => public && reads_as_host(bytes, range, suffix, false),
        Class::Command => public && reads_as_host(bytes, range, suffix, true),
        // Devices write the name where they know it.
        Class::Ip => {
            let service = is_service_of_cloud(&bytes[range.clone()]);
            public && !service && proof::is_alone(bytes, &range) && reads_as_host(bytes, range, suffix, false)
        }
        Class::Email => {
            let person = is_person(&bytes[range.clone()]);
            public && !person && proof::is_alone(bytes, &range) && reads_as_host(bytes, range, suffix, false)
        }
        Class::Hash | Class::Path | Class::Name | Class::Version | Class::Agent | Class::Id | Class::Nothing => false,
    }
}

/// Whether nothing else is in the value but white space and a trailing dot.
fn is_whole(bytes: &[u8], range: &Range<usize>) -> bool {
    let blank = |byte: &u8| matches!(byte, b' ' | b'.' | b'\t' | b'\r' | b'\n');
    range.len() <= 256
        && bytes.len() <= range.len() + 16
        && bytes[..range.start].iter().all(blank)
        && bytes[range.end..].iter().all(blank)
}

/// Whether it names a service of a cloud that acted by itself, not a host: `cloudtrail.amazonaws.com`, `ec2.amazonaws.com`. Hosts have numbers and more labels.
fn is_service_of_cloud(name: &[u8]) -> bool {
    let is_one_label = name.iter().filter(|&&byte| byte == b'.').count() == 2;
    ends_with(name, ".amazonaws.com") && (is_one_label || !name.iter().any(u8::is_ascii_digit))
}

/// Whether it may be the name of a person in two parts, the second of which is a top-level domain by chance: `jane.li`.
fn is_person(name: &[u8]) -> bool {
    let mut labels = name.split(|&byte| byte == b'.');
    let (first, last) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    labels.next().is_none() && first.iter().all(u8::is_ascii_alphabetic) && is_among(&SURNAMES, last)
}

/// What stands in a field that holds nothing.
fn is_filler(name: &[u8]) -> bool {
    const FILLERS: [&str; 7] = ["unknown", "none", "null", "na", "undefined", "empty", "nil"];
    FILLERS.into_iter().any(|filler| name.eq_ignore_ascii_case(filler.as_bytes()))
}

/// Whether it stands behind a slash, as parts of paths do, and not behind the two slashes of an authority.
fn is_component(bytes: &[u8], range: &Range<usize>) -> bool {
    match before(bytes, range.start) {
        b'/' => {
            before(bytes, range.start - 1) != b'/' && !is_service(bytes, range.start) && !is_socket(bytes, range.start)
        }
        b'\\' => {
            let head = &bytes[..range.start];
            let slashes = head.iter().rev().take(8).take_while(|byte| **byte == b'\\').count();
            let lead = before(bytes, range.start - slashes);
            // A host of a share stands behind two, four … of them, and nothing before.
            slashes % 2 == 1
                || lead.is_ascii_alphanumeric()
                || matches!(lead, b':' | b'.' | b')' | b'}' | b'%' | b'_' | b'-')
        }
        _ => false,
    }
}

/// Whether it stands where shells take a host to connect to: `/dev/tcp/evil.example.com/4444`.
fn is_socket(bytes: &[u8], start: usize) -> bool {
    let head = bytes.get(..start).unwrap_or_default();
    head.ends_with(b"/dev/tcp/") || head.ends_with(b"/dev/udp/")
}

/// Whether a Kerberos service stands before the slash.
fn is_service(bytes: &[u8], start: usize) -> bool {
    let head = bytes.get(..start - 1).unwrap_or_default();
    let length = head.iter().rev().take(20).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let lead = before(head, head.len() - length);
    let word = &head[head.len() - length..];
    !matches!(lead, b'/' | b'\\' | b'.' | b'-')
        && SERVICES.into_iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether a name in prose or in a command line is meant as a host.
fn reads_as_host(bytes: &[u8], range: Range<usize>, suffix: Suffix, command: bool) -> bool {
    if is_component(bytes, &range)
        || matches!(before(bytes, range.start), b'$' | b'%' | b'#' | b'&' | b'~' | b'^' | b'-' | b'!')
    {
        return false;
    }
    let share = before(bytes, range.start) == b'\\';
    if !share && is_code_behind(bytes, range.end) {
        return false;
    }
    if names_organisation(bytes, &range) || code::is_package(bytes, &range) || code::is_program(bytes, &range) {
        return false;
    }
    // Scripts of others have no case and are met in no code.
    let raw = &bytes[range.clone()];
    if !raw.is_ascii() {
        return true;
    }
    match written(bytes, &range, suffix, command) {
        Written::Host => true,
        Written::AsMember => proof::of_member(bytes, &range),
        Written::AsFile => proof::of_file(bytes, &range),
        Written::AsCode => proof::is_query(bytes, &range),
        Written::Otherwise => false,
    }
}

/// What the writing of a name says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Host,
    /// Members of code have such endings.
    AsMember,
    /// Files have such endings.
    AsFile,
    /// It is as code has it in both ways, and only a query proves that it is a host.
    AsCode,
    Otherwise,
}

/// Whether it begins the name of an organisation in a distinguished name: `O=Example.com Inc.`.
fn names_organisation(bytes: &[u8], range: &Range<usize>) -> bool {
    let head = bytes.get(..range.start).unwrap_or_default();
    let Some(head) = head.strip_suffix(b"O=").or_else(|| head.strip_suffix(b"OU=")) else { return false };
    let begins = head.last().is_none_or(|byte| !byte.is_ascii_alphanumeric());
    begins && at(bytes, range.end) == b' ' && at(bytes, range.end + 1).is_ascii_alphabetic()
}

/// Whether a name in prose under a suffix that resolves only inside is meant as a host; code has words such as `internal` and `test` too.
fn reads_as_own_host(bytes: &[u8], range: Range<usize>) -> bool {
    const OWN: [&str; 11] =
        ["local", "lan", "corp", "localdomain", "intranet", "internal", "example", "test", "invalid", "home", "arpa"];
    // Names that nobody gives to anything else.
    const CERTAIN: [&str; 4] = ["lan", "corp", "localdomain", "example"];
    let raw = &bytes[range.clone()];
    let mut back = raw.rsplit(|&byte| byte == b'.');
    let last = back.next().unwrap_or_default();
    let stem = back.next().unwrap_or_default();
    let labels = raw.split(|&byte| byte == b'.').count();
    let first = raw.split(|&byte| byte == b'.').next().unwrap_or_default();
    let among = |names: &[&str], label: &[u8]| names.iter().any(|name| label.eq_ignore_ascii_case(name.as_bytes()));
    let title = last.first().is_some_and(u8::is_ascii_uppercase) && last.iter().any(u8::is_ascii_lowercase);
    let reverse = among(&["arpa"], last) && !among(&["home"], stem);
    among(&OWN, last)
        && !reverse
        && !title
        && !among(&SAMPLES, stem)
        && (before(bytes, range.start) != b'.' || !among(&SAMPLES, first))
        && (labels > 2 || among(&CERTAIN, last) || stem.iter().any(|byte| matches!(byte, b'0'..=b'9' | b'-')))
        && (labels > 2 || !among(&NAMESPACES, stem))
        && reads_as_host(bytes, range, Suffix::Public { labels: 2 }, false)
}

/// Whether what follows makes it a call, a key, an index, a scope or a part of a path.
fn is_code_behind(bytes: &[u8], end: usize) -> bool {
    let after = at(bytes, end + 1);
    match at(bytes, end) {
        // Mail servers write `mx.example.org[198.51.100.7]`.
        b'[' => !is_bracketed_address(&bytes[end..]) && !control::begins(&bytes[end..]),
        b'(' | b'=' | b'{' | b'$' | b'@' => true,
        b'!' => after.is_ascii_alphanumeric(),
        b':' => after == b':',
        b'"' | b'\'' => after == b':',
        b'\\' => match after {
            b'"' => at(bytes, end + 2) == b':',
            b'n' | b'r' | b't' | b'\\' | b'\'' | b'u' | b'/' => false,
            _ => !control::begins(&bytes[end..]),
        },
        _ => false,
    }
}

fn is_bracketed_address(rest: &[u8]) -> bool {
    let inside = rest.get(1..).unwrap_or_default();
    let length =
        inside.iter().take(46).take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')).count();
    at(inside, length) == b']' && inside[..length].iter().filter(|byte| matches!(byte, b'.' | b':')).count() >= 2
}

fn written(bytes: &[u8], range: &Range<usize>, suffix: Suffix, command: bool) -> Written {
    let raw = &bytes[range.clone()];
    let Suffix::Public { labels: suffix_labels } = suffix else { return Written::Otherwise };
    let labels = raw.split(|&byte| byte == b'.').count();
    let first = raw.split(|&byte| byte == b'.').next().unwrap_or_default();
    let last = raw.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    let is = |word: &str| last.eq_ignore_ascii_case(word.as_bytes());
    let among = |words: &[&str]| is_among(words, last);
    let classic = among(&["com", "net", "org"]);
    let web = first.eq_ignore_ascii_case(b"www");

    // `System.Management`, `failed.No`
    let title = last[0].is_ascii_uppercase() && last[1..].iter().any(u8::is_ascii_lowercase);
    let all_title = raw.split(|&byte| byte == b'.').all(|label| label[0].is_ascii_uppercase());
    let mut odd = title && !((classic || suffix_labels > 1) && all_title);
    let namespace = is_among(&NAMESPACES, first);
    let begins = |words: &[&str]| is_among(words, first);
    let product = begins(&["system", "microsoft", "windows"]);
    let dot_net = begins(&["asp", "ado", "vb", "system"]) && is("net");
    if dot_net || (namespace && labels > 2) || (product && (!classic || title)) {
        return Written::Otherwise;
    }
    for label in raw.split(|&byte| byte == b'.') {
        let camel = label.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
        odd |= camel && !(classic && labels <= 3) && !is_brand(label, last, suffix_labels);
        if label.contains(&b'_') && !is_record(raw) {
            return Written::Otherwise;
        }
        if is_among(&FAMILIES, label) {
            return Written::Otherwise;
        }
    }
    // Where names of hosts have none there are capitals; what stands around it may prove that it is one all the same.
    if odd && !is_machine(first) && !proof::of_capitals(bytes, range) {
        return Written::Otherwise;
    }
    let titled = is_titled(first);
    if names_detection(raw) {
        return Written::Otherwise;
    }
    if INTERFACES.into_iter().any(|domain| ends_with(raw, domain)) && !begins(&REAL) {
        return Written::Otherwise;
    }
    // Members have names that are words, as some top-level domains are.
    let word = last.len() > 2 && !classic && !among(&POPULAR);
    let clear = if odd && word && suffix_labels == 1 { Written::AsCode } else { Written::Host };
    if suffix_labels > 1 {
        return clear;
    }
    let member_like = if odd { Written::AsCode } else { Written::AsMember };
    let registered = raw.rsplit(|&byte| byte == b'.').nth(1).unwrap_or_default();
    let lettered = registered.iter().any(u8::is_ascii_alphabetic);
    if !(lettered || classic || among(&["cn", "ru", "info"])) {
        return Written::Otherwise;
    }
    if among(&FILES) {
        return match web && labels > 2 {
            true => clear,
            false if among(&SCARCE) || (labels == 2 && begins(&STEMS)) => Written::AsCode,
            false => Written::AsFile,
        };
    }
    let or_web = |other| if web { clear } else { other };
    let owns = |words: &[&str]| is_among(words, registered);
    let member = || owns(&OBJECTS) || owns(&OWNERS);
    if (is("id") && owns(&OWNERS)) || (is("in") && owns(&ENTRANCES)) {
        return or_web(Written::Otherwise);
    }
    if among(&WORDS) || (labels == 2 && (is("id") || among(&MEMBERS))) {
        // No member of code has a hyphen.
        let minus = among(&HYPHENED) && is_hyphened(registered);
        let doubt = match begins(&ROOTS) || member() {
            true => Written::Otherwise,
            false if first.len() == 1 => Written::AsCode,
            false => member_like,
        };
        return if minus { clear } else { or_web(doubt) };
    }
    if labels == 2 && first.len() == 1 && !among(&BRIEF) {
        return Written::AsCode;
    }
    let itself = begins(&["this", "self", "cls"]) && !classic;
    let noted = is("info") && labels == 2 && member();
    if itself || noted || begins(&ROOTS) && (word || (labels == 2 && !classic)) || word && member() {
        return or_web(Written::Otherwise);
    }
    if is("ms") && owns(&SPANS) {
        return Written::Otherwise;
    }
    if is("in") && labels == 2 && begins(&STEMS) {
        return Written::AsFile;
    }
    if among(&SCRIPTS) && labels == 2 {
        let stem = begins(&STEMS) || first.len() == 1;
        // `Calculator.app`
        return match command || titled || is("sh") {
            _ if stem => Written::AsCode,
            true => Written::AsFile,
            false => clear,
        };
    }
    let program =
        is("com") && labels == 2 && PROGRAMS.into_iter().any(|name| first.eq_ignore_ascii_case(name.as_bytes()));
    if program { Written::Otherwise } else { clear }
}

fn is_titled(label: &[u8]) -> bool {
    label.first().is_some_and(u8::is_ascii_uppercase) && label.iter().any(u8::is_ascii_lowercase)
}

/// Whether it is what a scanner calls something it found: `Backdoor.Agent.PL`, `JS.Downloader.BD`, `PUA.Win.Tool.Net`. Names of detections have some
/// capitals, names of hosts all or none.
fn names_detection(raw: &[u8]) -> bool {
    let mut labels = raw.split(|&byte| byte == b'.');
    let is_threat = |label: &[u8]| is_among(&THREATS, label);
    let Some(first) = labels.next().filter(|first| first.first().is_some_and(u8::is_ascii_uppercase)) else {
        return false;
    };
    let mixed = raw.iter().any(u8::is_ascii_lowercase);
    let inside = labels.clone().count() > 1 && labels.any(|label| is_titled(label) && is_threat(label));
    (mixed && is_threat(first)) || inside
}

/// Whether a label with capitals inside is how a brand is written, `EvilBank`, before a suffix that names no member of code and is no extension.
fn is_brand(label: &[u8], last: &[u8], suffix_labels: usize) -> bool {
    let is = |word: &&str| last == word.as_bytes();
    let logs = [b"Log".as_slice(), b"Logger"].into_iter().any(|word| label.ends_with(word));
    label[0].is_ascii_uppercase()
        && (suffix_labels > 1
            || (last.iter().all(u8::is_ascii_lowercase)
                && (last.len() == 2 || BRANDS.iter().any(is))
                && !(last == b"info" && logs)
                && !(CODE.iter().any(is) || SCRIPTS.iter().any(is) || FILES.iter().any(is))))
}

/// Whether it is a label that machines have whose names are known, with or without a number.
fn is_machine(label: &[u8]) -> bool {
    let digits = label.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let stem = &label[..label.len() - digits];
    is_among(&MACHINES, stem)
}

/// Whether it has a hyphen and does not end in what has members: `evil-bank`, not `x-request`.
fn is_hyphened(label: &[u8]) -> bool {
    let Some(hyphen) = label.iter().rposition(|&byte| byte == b'-') else { return false };
    let tail = &label[hyphen + 1..];
    !is_among(&OBJECTS, tail) && !is_among(&OWNERS, tail)
}

/// Whether a word that begins with an underscore may be the name of a service record or of a policy.
pub(super) fn begins_record(word: &[u8]) -> bool {
    word.first() == Some(&b'_') && is_record(word)
}

/// Whether the labels with underscores are those of service records and policies: each begins with its only one, and one is known.
fn is_record(name: &[u8]) -> bool {
    let labels = || name.split(|&byte| byte == b'.').filter(|label| label.contains(&b'_'));
    labels().all(|label| label.iter().rposition(|&byte| byte == b'_') == Some(0))
        && labels().any(|label| RECORDS.into_iter().any(|known| label.eq_ignore_ascii_case(known.as_bytes())))
}

/// Whether a label is one of some words, which are in lower case.
fn is_among(words: &[&str], label: &[u8]) -> bool {
    let first = label.first().map_or(0, |byte| byte | 0x20);
    words.iter().map(|word| word.as_bytes()).any(|word| {
        word.len() == label.len()
            && word.first().is_some_and(|&byte| byte | 0x20 == first)
            && word.eq_ignore_ascii_case(label)
    })
}

fn ends_with(name: &[u8], suffix: &str) -> bool {
    name.len().checked_sub(suffix.len()).is_some_and(|at| name[at..].eq_ignore_ascii_case(suffix.as_bytes()))
}

/// The part of a word that is a name, where letters of a script without spaces are glued to an ASCII name.
pub(super) fn split_scripts(word: &str) -> Range<usize> {
    if word.is_ascii() {
        return 0..word.len();
    }
    let mut previous = '.';
    let mut start = 0;
    for (offset, letter) in word.char_indices() {
        if script::is_glued(previous, letter) {
            if word.get(start..offset).is_some_and(|part| part.contains('.')) {
                return start..offset;
            }
            start = offset;
        }
        previous = letter;
    }
    start..word.len()
}

/// The end of the address that digits and dots at `start..end` begin with: all of it, or without the port that packet dumps
/// append as a fifth group.
pub(super) fn address_end(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let run = bytes.get(start..end)?;
    let dots = run.iter().filter(|&&byte| byte == b'.').count();
    match dots {
        3 => Some(end),
        4 => {
            let dot = start + run.iter().rposition(|&byte| byte == b'.')?;
            let port = bytes.get(dot + 1..end)?;
            if port.is_empty() {
                return Some(dot);
            }
            let number: u16 = std::str::from_utf8(port).ok()?.parse().ok()?;
            let dump = number > 255 || at(bytes, end) == b':' || bytes.get(end..end + 2) == Some(b" >");
            (dump && port[0] != b'0').then_some(dot)
        }
        _ => None,
    }
}
