//! Reading the text of one value: pieces between spaces and quotes, and in those that can hold something, candidates from left
//! to right, each handed to its verifier. A byte is looked at a bounded number of times.

use std::ops::Range;

use crate::{
    event::{Layer, Source},
    extract::{
        Defang, address,
        anchor::Anchors,
        context::{self, at, before},
        control, domain, email,
        field::Class,
        hash,
        name::{self, Suffix},
        refang::{self, Undone},
        script,
        sink::Sink,
        url,
    },
    model::IndicatorKind,
};

/// The text of one value.
pub(super) struct Value<'a> {
    pub(super) source: Source<'a>,
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) class: Class,
    /// Marks of defanging were undone in it.
    marked: bool,
}

/// A piece without white space and quotes, and what is in it.
struct Piece {
    range: Range<usize>,
    signs: Signs,
}

/// The set of signs in a piece.
#[derive(Clone, Copy, Debug)]
struct Signs(u8);

impl Signs {
    const DOT: u8 = 1;
    /// A colon, or the percent sign that may stand for one.
    const COLON: u8 = 2;
    const AT: u8 = 4;
    /// An opening bracket of any shape, `]` or `&`: the sign of a defanged form.
    const BRACKET: u8 = 8;
    const WIDE: u8 = 16;
    const DASH: u8 = 32;
    const BACKSLASH: u8 = 64;
    /// White space, a quote, an angle bracket: what separates pieces.
    const STOP: u8 = 128;

    const fn any(self, mask: u8) -> bool {
        self.0 & mask != 0
    }
}

/// The signs that bytes are.
const SIGNS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'.' => Signs::DOT,
            b':' | b'%' => Signs::COLON,
            b'@' => Signs::AT,
            b'[' | b'(' | b'{' | b']' | b'&' => Signs::BRACKET,
            b'-' => Signs::DASH,
            b'\\' => Signs::BACKSLASH,
            0..=b' ' | b'"' | b'<' | b'>' | 0x7f => Signs::STOP,
            0x80..=0xff => Signs::WIDE,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Whether a byte separates pieces.
#[inline]
fn is_stop(byte: u8) -> bool {
    SIGNS[usize::from(byte)] == Signs::STOP
}

/// What begins a sequence of a terminal.
const ESCAPE: u8 = 0x1b;

/// Shorter pieces hold neither a hash nor a CVE identifier.
pub(super) const SHORTEST: usize = 13;

impl<'a> Value<'a> {
    pub(super) fn new(source: Source<'a>, class: Class) -> Self {
        Self { source, text: source.text(), bytes: source.text().as_bytes(), class, marked: false }
    }

    /// Text in which something was undone.
    fn undone(source: Source<'a>, class: Class, undone: Undone) -> Self {
        Self { marked: undone == Undone::Marks, ..Self::new(source, class) }
    }

    /// Finds everything in it.
    pub(super) fn scan(&self, sink: &mut Sink<'_>, layer: &mut Layer) {
        if self.class == Class::Ip && address::is_v4(self.bytes) {
            sink.add_text(IndicatorKind::Ipv4, self.text, self.source.span(0..self.text.len()));
            return;
        }
        if let Some(marks) = self.is_word() {
            self.word(0..self.bytes.len(), marks, sink);
            return;
        }
        let undone = match sink.extractor.defang {
            Defang::Aggressive => refang::refang(self.text, true, layer),
            Defang::Off | Defang::Standard => Undone::Nothing,
        };
        match undone {
            Undone::Nothing if sink.extractor.defang == Defang::Off => self.pieces(sink, None),
            Undone::Nothing => self.pieces(sink, Some(layer)),
            undone @ (Undone::Escapes | Undone::Marks) => {
                Value::undone(layer.over(&self.source), self.class, undone).pieces(sink, None)
            }
        }
    }

    /// What is in the text, if it is a single word of ASCII: nothing can be undone in it, and nothing but a word is there.
    fn is_word(&self) -> Option<u8> {
        let mut marks = 0;
        for &byte in self.bytes {
            let mark = WORD[usize::from(byte)];
            if mark == 0 || mark & WIDE != 0 {
                return None;
            }
            marks |= mark;
        }
        (self.bytes.len() >= 2).then_some(marks)
    }

    /// Goes through the pieces in which something may stand; `layer` is there when defanged forms may still have to be undone.
    fn pieces(&self, sink: &mut Sink<'_>, mut layer: Option<&mut Layer>) {
        if self.class == Class::Host {
            // A name may be any word there.
            let mut start = 0;
            for stop in 0..=self.bytes.len() {
                if self.bytes.get(stop).is_none_or(|&byte| is_stop(byte)) {
                    self.piece(start..stop, sink, layer.as_deref_mut());
                    start = stop + 1;
                }
            }
            return;
        }
        let mut anchors = Anchors::new(self.bytes, self.class, false);
        let mut done = 0;
        while let Some(anchor) = anchors.next(sink.suffixes) {
            let before = &self.bytes[done..anchor];
            let start = before.iter().rposition(|&byte| is_stop(byte)).map_or(done, |stop| done + stop + 1);
            let rest = &self.bytes[anchor..];
            let end = rest.iter().position(|&byte| is_stop(byte)).map_or(self.bytes.len(), |stop| anchor + stop);
            let (start, end) = if layer.is_some() { self.with_spaced(anchor, done, start, end) } else { (start, end) };
            self.piece(start..end, sink, layer.as_deref_mut());
            done = end;
            anchors.pass(end);
        }
    }

    /// The piece with those that spaced forms such as `example [.] com` join to it.
    fn with_spaced(&self, anchor: usize, done: usize, mut start: usize, mut end: usize) -> (usize, usize) {
        if anchor == start && start > done && refang::is_spaced_form(self.bytes, anchor) {
            let head = &self.bytes[done..start - 1];
            start = head.iter().rposition(|&byte| is_stop(byte)).map_or(done, |stop| done + stop + 1);
            end = start.max(anchor - 1);
        }
        while let Some(next) = refang::joined(self.bytes, end) {
            let rest = &self.bytes[next..];
            end = rest.iter().position(|&byte| is_stop(byte)).map_or(self.bytes.len(), |stop| next + stop);
        }
        (start, end)
    }

    fn piece(&self, mut range: Range<usize>, sink: &mut Sink<'_>, layer: Option<&mut Layer>) {
        if before(self.bytes, range.start) == ESCAPE {
            let end = control::end(self.bytes, range.start).filter(|&end| end <= range.end);
            range.start = end.unwrap_or(range.start);
        }
        if range.len() < 2 {
            return;
        }
        let bytes = &self.bytes[range.clone()];
        let signs = Signs(bytes.iter().fold(0, |signs, &byte| signs | SIGNS[usize::from(byte)]));
        let piece = Piece { range, signs };
        let form = || {
            signs.any(Signs::BRACKET | Signs::WIDE)
                || (signs.any(Signs::BACKSLASH) && refang::has_escapes(bytes))
                || (signs.any(Signs::COLON) && memchr::memchr(b'%', bytes).is_some())
        };
        if let Some(layer) = layer
            && form()
        {
            let part = self.source.slice(piece.range.clone());
            let undone = refang::refang(part.text(), false, layer);
            if undone != Undone::Nothing {
                Value::undone(layer.over(&part), self.class, undone).pieces(sink, None);
                return;
            }
        }
        self.urls(&piece, sink);
    }

    /// Takes the URLs out of a piece and reads what is between them.
    fn urls(&self, piece: &Piece, sink: &mut Sink<'_>) {
        let mut start = piece.range.start;
        if piece.signs.any(Signs::COLON) {
            let defang = sink.extractor.defang != Defang::Off;
            while let Some(url) = url::find(self.text, start..piece.range.end, defang, sink.link) {
                self.words(start..url.span.start, piece.signs, sink);
                std::mem::swap(sink.canonical, sink.link);
                if !url.is_name {
                    self.url(&url, sink);
                }
                start = url.span.end + url::decoy(&self.bytes[url.span.end..piece.range.end]);
            }
        }
        self.words(start..piece.range.end, piece.signs, sink);
    }

    fn url(&self, url: &url::Url, sink: &mut Sink<'_>) {
        sink.add_all(IndicatorKind::Url, self.source.span(url.span.clone()));
        if sink.extractor.url_hosts || !sink.wants(IndicatorKind::Url) {
            let mut host = url.canonical_host.clone();
            if sink.canonical.get(host.clone()).is_some_and(|host| host.starts_with('[')) {
                host = host.start + 1..host.end - 1;
            }
            let public = url.host_kind != IndicatorKind::Domain
                || sink
                    .canonical
                    .get(host.clone())
                    .is_some_and(|host| matches!(name::suffix(host), Suffix::Public { .. }));
            if public {
                sink.add(url.host_kind, host, self.source.span(url.host.clone()));
            }
        }
    }

    /// Reads a part without URLs from left to right.
    fn words(&self, range: Range<usize>, signs: Signs, sink: &mut Sink<'_>) {
        let mut pos = range.start;
        let colons = signs.any(Signs::COLON) && memchr::memchr_iter(b':', &self.bytes[range.clone()]).nth(1).is_some();
        // Up to where a candidate of that kind has been looked for in vain.
        let (mut no_address, mut no_email) = (pos, pos);
        // What stands before this is no part of what follows, whatever it looks like.
        let mut floor = pos;
        while pos < range.end {
            let byte = self.bytes[pos];
            if WORD[usize::from(byte)] == 0 && byte != b':' {
                let behind = match byte {
                    b'=' if at(self.bytes, pos + 1) == b'@' => self.email(pos + 1, pos + 1, floor, signs, sink),
                    b'[' | b'#' | b'%' | b'(' | b')' => control::end(self.bytes, pos).filter(|&end| end <= range.end),
                    _ => None,
                };
                if let Some(end) = behind {
                    floor = end;
                }
                pos = behind.unwrap_or(pos + 1);
                continue;
            }
            if colons && pos >= no_address && (byte == b':' || byte.is_ascii_hexdigit()) {
                let (run, found) = self.version_six(pos, floor..range.end, sink);
                if let Some(end) = found {
                    pos = end;
                    continue;
                }
                no_address = run;
            }
            if byte == b':' {
                pos += 1;
                continue;
            }
            if signs.any(Signs::AT) && pos >= no_email {
                let rest = &self.bytes[pos..range.end];
                let sign = pos + rest.iter().position(|&byte| !email::is_local(byte)).unwrap_or(rest.len());
                if sign < range.end
                    && self.bytes[sign] == b'@'
                    && let Some(end) = self.email(pos, sign, floor, signs, sink)
                {
                    pos = end;
                    continue;
                }
                no_email = sign;
            }
            let (mut end, mut marks) = (pos, 0);
            for &byte in &self.bytes[pos..range.end] {
                let mark = WORD[usize::from(byte)];
                if mark == 0 || mark & WIDE != 0 {
                    break;
                }
                marks |= mark;
                end += 1;
            }
            if end < range.end && !self.bytes[end].is_ascii() {
                (end, marks) = self.part(pos, range.end);
                if end == pos {
                    pos += script::letter_at(self.text, pos).len_utf8();
                    continue;
                }
            }
            if marks & DOT != 0 || end - pos >= SHORTEST || self.class == Class::Host {
                self.word(pos..end, marks, sink);
            }
            pos = end;
        }
    }

    fn email(&self, start: usize, sign: usize, floor: usize, signs: Signs, sink: &mut Sink<'_>) -> Option<usize> {
        if !sink.wants(IndicatorKind::Email) {
            return None;
        }
        sink.canonical.clear();
        // In the name of an account the host of another mailbox is no user.
        let host = || matches!(name::suffix(self.text.get(start..sign).unwrap_or_default()), Suffix::Public { .. });
        let bare = self.class == Class::Email || (self.class == Class::Name && host());
        let first = email::first(self.bytes, floor, start, bare);
        let (span, domain) = email::find(self.text, first, sign, sink.canonical)?;
        let canonical_domain = sink.canonical.rfind('@')? + 1..sink.canonical.len();
        let public = match name::suffix(sink.canonical.get(canonical_domain.clone())?) {
            Suffix::Public { .. } | Suffix::Internal => true,
            Suffix::Unknown => self.class == Class::Email,
            Suffix::Itself | Suffix::SingleLabel => false,
        };
        if !public {
            return None;
        }
        if span.start > start {
            // Glued to it by a script without spaces something else may stand.
            self.words(start..span.start, Signs(signs.0 & !Signs::AT), sink);
            sink.canonical.clear();
            email::find(self.text, first, sign, sink.canonical)?;
        }
        sink.add_all(IndicatorKind::Email, self.source.span(span.clone()));
        if sink.extractor.url_hosts {
            sink.add(IndicatorKind::Domain, canonical_domain, self.source.span(domain..span.end));
        }
        Some(span.end)
    }

    /// A run of letters, digits, dots, hyphens, underscores and other scripts.
    pub(super) fn word(&self, range: Range<usize>, mut marks: u8, sink: &mut Sink<'_>) {
        let Range { mut start, mut end } = range;
        while start < end && matches!(self.bytes[start], b'.' | b'-' | b'_') && !self.is_service(start, end) {
            start += 1;
        }
        while start < end && matches!(self.bytes[end - 1], b'.' | b'-' | b'_') {
            end -= 1;
        }
        if context::is_escaped(self.bytes, start) && matches!(at(self.bytes, start), b'n' | b'r' | b't') {
            // A line break of a further layer of escapes, unless it is a part of a path.
            if !refang::is_path(self.bytes, start) {
                start += 1;
                marks = self.marks(start, end);
            }
        }
        if end.saturating_sub(start) < 2 {
            return;
        }
        let word = &self.bytes[start..end];
        // Signs that were cut off the ends are still among the marks, which costs a look and nothing else.
        let (letters, dashes) = (marks & LETTER != 0, marks & DASH != 0);
        let dots = if marks & DOT == 0 { 0 } else { word.iter().filter(|&&byte| byte == b'.').count() };
        // A label of a name may be as long as a hash, and a hash alone is no single label.
        let found = dots > 0 && letters && self.domain(start, end, sink);
        if marks & WIDE != 0 && !found && (dots > 0 || self.class != Class::Host) {
            self.ascii_parts(start, end, sink);
            return;
        }
        let mut more = !found && letters && word.len() >= 32 && self.hashes(start, end, sink);
        if dashes && letters && word.len() >= 13 {
            more |= self.weaknesses(start, end, sink);
        }
        if self.class == Class::Host && dots == 0 && letters && !more {
            self.domain(start, end, sink);
        }
        if dots >= 3 && !found && (dashes || !letters) && sink.wants(IndicatorKind::Ipv4) {
            let mut part = start;
            for piece in word.split(|byte| matches!(byte, b'-' | b'_')) {
                self.version_four(part, part + piece.len(), sink);
                part += piece.len() + 1;
            }
        }
        // The rest of a hardware address: `192.0.2.1.f6:ec:1e`.
        if dots == 4 && letters && !found && at(self.bytes, end) == b':' && before(self.bytes, end - 2) == b'.' {
            self.version_four(start, end - 3, sink);
        }
    }

    /// Whether an underscore at `start` begins the name of a service record.
    fn is_service(&self, start: usize, end: usize) -> bool {
        let word = &self.bytes[start..end];
        word[0] == b'_' && (matches!(self.class, Class::Host | Class::Url) || domain::begins_record(word))
    }

    fn version_four(&self, start: usize, end: usize, sink: &mut Sink<'_>) {
        let Some(end) = domain::address_end(self.bytes, start, end) else { return };
        if !address::is_v4(&self.bytes[start..end]) {
            return;
        }
        let typed = matches!(self.class, Class::Ip | Class::Host);
        let version =
            || domain::is_version(self.bytes, start, end, self.class) || script::names_version(self.text, start);
        if !typed && version() {
            return;
        }
        sink.add_text(IndicatorKind::Ipv4, self.text.get(start..end).unwrap_or_default(), self.source.span(start..end));
    }

    /// Says whether there was one.
    fn hashes(&self, start: usize, end: usize, sink: &mut Sink<'_>) -> bool {
        if matches!(self.class, Class::Id | Class::Version) {
            return false;
        }
        let mut found = false;
        let mut part = start;
        for run in self.bytes[start..end].split(|byte| matches!(byte, b'-' | b'_' | b'.')) {
            let range = part..part + run.len();
            if let Some(kind) = hash::kind(self.bytes, range.start, range.end, self.class == Class::Hash) {
                sink.canonical.clear();
                sink.canonical.push_str(self.text.get(range.clone()).unwrap_or_default());
                sink.canonical.make_ascii_lowercase();
                sink.add_all(kind, self.source.span(range.clone()));
                found = true;
            }
            part += run.len() + 1;
        }
        found
    }

    /// `CVE-2021-44228`, `CVE_2021_44228` as names of rules have it; says whether there was one.
    fn weaknesses(&self, start: usize, end: usize, sink: &mut Sink<'_>) -> bool {
        let (mut seek, mut found) = (start, false);
        while let Some(offset) = memchr::memchr2(b'-', b'_', &self.bytes[seek..end]) {
            let dash = seek + offset;
            seek = dash + 1;
            let Some(first) = dash.checked_sub(3).filter(|&first| first >= start) else { continue };
            let head = &self.bytes[first..dash];
            let glued = first > start && before(self.bytes, first).is_ascii_alphanumeric();
            if !head.eq_ignore_ascii_case(b"cve") || glued {
                continue;
            }
            let tail = &self.bytes[seek..end];
            let digits = |from: usize| tail.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
            let number = digits(5);
            let fits = digits(0) == 4
                && (tail.starts_with(b"19") || tail.starts_with(b"20"))
                && tail.get(4) == Some(&self.bytes[dash])
                && matches!(number, 4..=10)
                && !tail.get(5 + number).is_some_and(u8::is_ascii_alphabetic);
            if fits {
                let last = seek + 5 + number;
                sink.canonical.clear();
                let written = self.text.get(first..last).unwrap_or_default();
                sink.canonical
                    .extend(written.chars().map(|sign| if sign == '_' { '-' } else { sign.to_ascii_uppercase() }));
                sink.add_all(IndicatorKind::Cve, self.source.span(first..last));
                seek = last;
                found = true;
            }
        }
        found
    }

    /// Says whether it is one that is reported.
    fn domain(&self, start: usize, end: usize, sink: &mut Sink<'_>) -> bool {
        if !sink.wants(IndicatorKind::Domain) || !domain::is_possible(self.bytes, start, end, self.class) {
            return false;
        }
        // Nobody defangs the name of a file.
        let certain = self.marked && self.class == Class::Text && self.source.is_undone(start..end);
        let mut start = start;
        // `\u0027` of a further layer.
        let code = self.bytes[start..end].get(1..5);
        if context::is_escaped(self.bytes, start)
            && self.bytes[start] == b'u'
            && code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
        {
            start += 5;
        }
        let Some(raw) = self.text.get(start..end) else { return false };
        // A dot may have been left at the beginning where an escape was taken off.
        let start = start + raw.len() - raw.trim_start_matches('.').len();
        let raw = raw.trim_matches('.');
        let end = start + raw.len();
        sink.canonical.clear();
        if !name::canonical(raw, sink.canonical) {
            return false;
        }
        let suffix = name::suffix(sink.canonical);
        // A registry by itself, or whoever asks for one.
        if suffix == Suffix::SingleLabel && name::is_top_level(sink.canonical) {
            return false;
        }
        let named = certain && matches!(suffix, Suffix::Public { .. } | Suffix::Internal);
        if !named && !domain::accept(self.bytes, start..end, suffix, self.class) {
            return false;
        }
        sink.add_all(IndicatorKind::Domain, self.source.span(start..end));
        true
    }
}

/// What the bytes of words are; nothing else belongs to a word.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const DOT: u8 = 4;
/// `-` or `_`
const DASH: u8 = 8;
/// Not ASCII.
pub(super) const WIDE: u8 = 16;

pub(super) const WORD: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            0x80..=0xff => LETTER | WIDE,
            b'0'..=b'9' => DIGIT,
            b'.' => DOT,
            b'-' | b'_' => DASH,
            _ => 0,
        };
        byte += 1;
    }
    table
};
