//! Reading lists of keywords, and compiling them.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::{Entry, Keywords, table::Table, words};

/// Distinct keywords in all files together, at most.
pub const MOST: usize = 100_000;
/// Bytes of a keyword.
const SHORTEST: usize = 3;
const LONGEST: usize = 256;

/// What is wrong with a line of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// Shorter than three bytes: it would be found in nearly everything.
    #[error("a keyword has at least {SHORTEST} bytes")]
    TooShort,
    /// Longer than 256 bytes.
    #[error("a keyword has at most {LONGEST} bytes")]
    TooLong,
    /// The line is no UTF-8 text.
    #[error("the line is no UTF-8 text")]
    NoText,
    /// Nothing in it is a letter or a digit.
    #[error("a keyword holds a letter or a digit")]
    NoWord,
    /// It holds a control character.
    #[error("a keyword holds no control characters")]
    Control,
    /// One keyword too many in all files together.
    #[error("there are more than {MOST} keywords")]
    TooMany,
}

/// A mistake and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {mistake}")]
pub struct KeywordError {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub mistake: Mistake,
}

/// Takes the content of lists: a keyword a line, without the white space around it; empty lines and lines that begin with `#` count for nothing.
#[derive(Debug, Default)]
pub struct Reader {
    keywords: Vec<Box<str>>,
    /// In lower case: one that comes again, in whatever case, is the same.
    known: HashSet<Box<str>>,
}

impl Reader {
    /// Takes the content of one more file.
    ///
    /// # Errors
    /// Every wrong line, but for those behind one too many.
    pub fn read(&mut self, content: &[u8]) -> Result<(), Vec<KeywordError>> {
        let mut errors = Vec::new();
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        for (line, bytes) in (1..).zip(content.split(|&byte| byte == b'\n')) {
            if let Err(mistake) = self.line(bytes) {
                errors.push(KeywordError { line, mistake });
                if mistake == Mistake::TooMany {
                    break;
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn line(&mut self, bytes: &[u8]) -> Result<(), Mistake> {
        let text = std::str::from_utf8(bytes).map_err(|_| Mistake::NoText)?.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(());
        }
        let wrong = [
            (text.len() < SHORTEST, Mistake::TooShort),
            (text.len() > LONGEST, Mistake::TooLong),
            (text.chars().any(char::is_control), Mistake::Control),
            (!text.chars().any(words::is_word), Mistake::NoWord),
        ];
        if let Some((_, mistake)) = wrong.into_iter().find(|(is, _)| *is) {
            return Err(mistake);
        }
        let folded = text.to_ascii_lowercase().into_boxed_str();
        if self.known.contains(&folded) {
            return Ok(());
        }
        if self.known.len() == MOST {
            return Err(Mistake::TooMany);
        }
        self.known.insert(folded);
        self.keywords.push(text.into());
        Ok(())
    }

    /// The compiled list.
    pub fn finish(self) -> Keywords {
        let mut counts: HashMap<String, u32> = HashMap::new();
        for text in &self.keywords {
            for word in words_of(text) {
                *counts.entry(text[word].to_ascii_lowercase()).or_default() += 1;
            }
        }
        let anchored = |text: Box<str>| (anchor(&text, &counts), text);
        let mut list: Vec<(usize, Box<str>)> = self.keywords.into_iter().map(anchored).collect();
        drop(counts);
        list.sort_by_cached_key(|(lead, text)| (text[*lead..].to_ascii_lowercase(), *lead));
        let mut keywords = Keywords { shortest: usize::MAX, ..Keywords::default() };
        // Entries of which each is a beginning of the next.
        let mut open: Vec<u32> = Vec::new();
        for (index, (lead, text)) in (0_u32..).zip(&list) {
            let begins = |shorter: &u32| {
                let (lead_of, shorter) = &list[*shorter as usize];
                let (shorter, whole) = (&shorter.as_bytes()[*lead_of..], &text.as_bytes()[*lead..]);
                whole.get(..shorter.len()).is_some_and(|head| head.eq_ignore_ascii_case(shorter))
            };
            while open.last().is_some_and(|last| !begins(last)) {
                open.pop();
            }
            // Lengths are bounded, and so is the number of entries.
            keywords.entries.push(Entry {
                start: keywords.text.len() as u32,
                length: text.len() as u16,
                lead: *lead as u16,
                shorter: open.last().copied().unwrap_or(index),
            });
            keywords.text.push_str(text);
            keywords.shortest = keywords.shortest.min(text.len());
            open.push(index);
        }
        keywords.table = Table::new(list.iter().map(|(lead, text)| &text[*lead..]));
        keywords
    }
}

/// Words that events are full of.
const COMMON: &[&str] = &[
    "access",
    "account",
    "admin",
    "administrator",
    "application",
    "client",
    "code",
    "command",
    "compatible",
    "connection",
    "control",
    "data",
    "event",
    "failed",
    "file",
    "files",
    "from",
    "host",
    "http",
    "https",
    "local",
    "log",
    "login",
    "logon",
    "microsoft",
    "mozilla",
    "name",
    "network",
    "object",
    "policy",
    "process",
    "program",
    "query",
    "registry",
    "remote",
    "request",
    "rule",
    "security",
    "server",
    "service",
    "session",
    "software",
    "system",
    "system32",
    "task",
    "that",
    "this",
    "tool",
    "type",
    "update",
    "user",
    "users",
    "value",
    "version",
    "windows",
    "with",
];

/// Bytes of a long word: where all keywords hang on such, the other words of events are passed over.
const LONG: usize = 6;

/// Keywords that may share a long word before a short one of their own is better.
const SHARED: u32 = 16;

/// Where the word begins that a keyword hangs on: no common or short one if there is another, of these one that few other keywords have, of these a long
/// one, of these the one that fewest other keywords have, of these the longest.
fn anchor(text: &str, counts: &HashMap<String, u32>) -> usize {
    let worth = |word: &Range<usize>| {
        let folded = text[word.clone()].to_ascii_lowercase();
        let common = word.len() < 4 || COMMON.contains(&folded.as_str());
        let count = counts.get(&folded).copied().unwrap_or(0);
        (common, count > SHARED, word.len() < LONG, count, std::cmp::Reverse(word.len().min(8)))
    };
    words_of(text).min_by_key(worth).map_or(0, |word| word.start)
}

fn words_of(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let start = next + text.get(next..)?.find(words::is_word)?;
        let rest = text.get(start..)?;
        next = start + rest.find(|letter| !words::is_word(letter)).unwrap_or(rest.len());
        Some(start..next)
    })
}
