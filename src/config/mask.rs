//! What a report must not show of a file: values that could be secrets.
//!
//! Reports quote lines. A key written out in the file is an error and would be quoted with it, and so would one under a
//! misspelt name. Therefore a value is shown only where it stands under a known key that holds no secret, or under an
//! unknown one in a section that holds none at all. In a file that is no valid TOML, where nobody knows what belongs to
//! what, only values on lines that set a known harmless key are shown.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{nearest::nearest, source::Source};

/// Names under which no value is shown; compared without `_`, `-` and `.`, in lower case.
const SECRET_WORDS: [&str; 9] =
    ["key", "secret", "password", "passphrase", "passwd", "token", "credential", "pem", "jaas"];

/// Byte ranges of a file that are not shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Masks {
    ranges: Vec<Range<usize>>,
}

impl Masks {
    /// Masks what stands in a document under other paths than `known`, and all comments: a key may be commented out.
    pub(super) fn add_document(&mut self, table: &DeTable<'_>, source: Source<'_>, known: &[String]) {
        let mut ends = Vec::new();
        self.add_table(table, "", known, &mut ends);
        ends.sort_unstable();
        let mut start = 0;
        for line in source.text.split_inclusive('\n') {
            let end = start + line.len();
            let before = ends.partition_point(|at| *at <= end);
            let last = before.checked_sub(1).and_then(|index| ends.get(index)).copied().unwrap_or(start).max(start);
            if let Some(comment) = source.text.get(last..end).and_then(|rest| rest.find('#')) {
                self.ranges.push(last + comment..end);
            }
            start = end;
        }
    }

    /// For a file that is no valid TOML: masks the values of all lines but those that set a known key.
    pub(super) fn add_unreadable(&mut self, source: Source<'_>, known: &[String]) {
        let segments = || known.iter().flat_map(|key| key.split('.'));
        let mut start = 0;
        for line in source.text.split_inclusive('\n') {
            let end = start + line.len();
            let bare = line.split('#').next().unwrap_or("");
            let from = match bare.split_once('=') {
                // Of a header only the brackets and what is between them.
                None if bare.trim_start().starts_with('[') && !bare.contains(['"', '\'']) => {
                    bare.rfind(']').map_or(bare.len(), |at| at + 1)
                }
                None => 0,
                Some((name, value)) => {
                    let name: Vec<&str> = name.split('.').map(|part| part.trim().trim_matches(['"', '\''])).collect();
                    let is_known = |part: &&str| segments().any(|segment| segment == *part);
                    let sounds_secret = name.iter().any(|part| sounds_secret(part));
                    if name.iter().all(is_known) && !sounds_secret && !value.contains('=') {
                        bare.len()
                    } else if name.iter().all(|part| nearest(part, segments()).is_some()) {
                        bare.len() - value.len()
                    } else {
                        // What is no key, nor nearly one, may be the second half of a value that was broken in two.
                        0
                    }
                }
            };
            self.ranges.push(start + from..end);
            start = end;
        }
    }

    /// Masks one more range.
    pub(super) fn add(&mut self, range: Range<usize>) {
        self.ranges.push(range);
    }

    /// Whether the byte at this offset is hidden.
    pub(super) fn hide(&self, offset: usize) -> bool {
        self.ranges.iter().any(|range| range.contains(&offset))
    }

    /// Also notes where keys and values end.
    fn add_table(&mut self, table: &DeTable<'_>, path: &str, known: &[String], ends: &mut Vec<usize>) {
        for (name, value) in table {
            ends.push(name.span().end);
            let path = if path.is_empty() { name.get_ref().to_string() } else { format!("{path}.{}", name.get_ref()) };
            self.add_value(value, &path, known, ends);
        }
    }

    fn add_value(&mut self, value: &toml::Spanned<DeValue<'_>>, path: &str, known: &[String], ends: &mut Vec<usize>) {
        ends.push(value.span().end);
        match value.get_ref() {
            DeValue::Table(table) => self.add_table(table, path, known, ends),
            DeValue::Array(values) => values.iter().for_each(|value| self.add_value(value, path, known, ends)),
            DeValue::String(text) if has_userinfo(text) => self.ranges.push(value.span()),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                if !harmless(path, known) {
                    self.ranges.push(value.span());
                }
            }
        }
    }
}

/// Whether the value at a path may be shown.
fn harmless(path: &str, known: &[String]) -> bool {
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let is_known = known.iter().any(|known| known == path);
    // `{ env = "NAME" }` names a source and is no secret.
    let is_source = matches!(name, "env" | "file" | "credential");
    if table.starts_with("kafka.properties") {
        return is_source && sounds_secret(table);
    }
    if is_known {
        return is_source || !sounds_secret(name);
    }
    let holds_secrets = table.starts_with("kafka") || table.starts_with("providers");
    let is_section =
        !table.is_empty() && known.iter().any(|known| known.rsplit_once('.').is_some_and(|(t, _)| t == table));
    is_section && !holds_secrets && !sounds_secret(name)
}

/// Whether values of this name could be secrets.
pub(super) fn sounds_secret(name: &str) -> bool {
    let name: String = name.chars().filter(|c| !matches!(c, '_' | '-' | '.')).collect::<String>().to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Whether a text looks like a key itself rather than like the name of a variable, file or credential.
pub(super) fn looks_like_a_key(text: &str) -> bool {
    text.len() >= 32 && !text.contains(['/', '_', '.', '-', '\\']) && text.bytes().any(|b| b.is_ascii_digit())
}

fn has_userinfo(text: &str) -> bool {
    text.contains("://") && text.contains('@')
}
