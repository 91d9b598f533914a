//! Lines with their defanged indicators as they read; everything else stays as it is.

use std::sync::Arc;

use super::workers::Work;
use crate::{
    event::Format,
    extract::{Config, Defang, Extraction, Extractor, Match},
};

/// What is the same for all workers.
#[derive(Debug)]
pub(super) struct Refang {
    extractor: Extractor,
    /// Undoes nothing: what it reads is not defanged.
    plain: Extractor,
}

impl Refang {
    pub(super) fn new(extractor: Extractor, config: &Config) -> Self {
        Self { extractor, plain: Extractor::new(&Config { defang: Defang::Off, ..config.clone() }) }
    }

    fn line(&self, line: &[u8], extraction: &mut Extraction, out: &mut Vec<u8>) {
        self.extractor.extract(line, extraction);
        let json = matches!(extraction.outline().format, Format::JsonObject | Format::Json);
        let mut done = 0;
        // Matches come in the order of the values, which is that of the line but for values inside values.
        let mut found: Vec<Match<'_>> = extraction.matches().filter(|found| self.is_defanged(found, line)).collect();
        found.sort_by_key(|found| (found.span.start, usize::MAX - found.span.end));
        for found in found {
            if found.span.start < done {
                continue;
            }
            out.extend_from_slice(line.get(done..found.span.start).unwrap_or_default());
            if json {
                let quoted = serde_json::to_string(found.value).unwrap_or_default();
                out.extend_from_slice(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().as_bytes());
            } else {
                out.extend_from_slice(found.value.as_bytes());
            }
            done = found.span.end;
        }
        out.extend_from_slice(line.get(done..).unwrap_or_default());
        out.push(b'\n');
    }

    fn is_defanged(&self, found: &Match<'_>, line: &[u8]) -> bool {
        let raw = line.get(found.span.clone()).and_then(|raw| std::str::from_utf8(raw).ok()).unwrap_or_default();
        if raw.eq_ignore_ascii_case(found.value) || found.kind.indicator().is_none() {
            return false;
        }
        // Escapes of JSON are no defanging.
        let unescaped = serde_json::from_str::<String>(&format!("\"{raw}\"")).ok();
        let read = self.plain.identify(unescaped.as_deref().unwrap_or(raw));
        read.is_none_or(|read| found.kind != read.kind || *read.value != *found.value)
    }
}

/// A worker that writes lines.
pub(super) fn worker(refang: Arc<Refang>) -> Work {
    let mut extraction = Extraction::default();
    Box::new(move |chunk, out| {
        for (_, line) in chunk.lines() {
            refang.line(line, &mut extraction, out);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_defanged_changes() {
        let config = Config::default();
        let refang = Refang::new(Extractor::new(&config), &config);
        let rows = [
            ("see hxxps://evil-site[.]com/a and 45[.]83[.]12[.]7", "see https://evil-site.com/a and 45.83.12.7"),
            ("EXAMPLE.com, 2001:DB8:0:0::1 stay", "EXAMPLE.com, 2001:DB8:0:0::1 stay"),
            (
                r#"{"u":"https:\/\/shop-1.com\/x","m":"at evil[.]com"}"#,
                r#"{"u":"https:\/\/shop-1.com\/x","m":"at evil.com"}"#,
            ),
            ("mail bob[at]phish-mail[.]com", "mail bob@phish-mail.com"),
            ("nothing", "nothing"),
        ];
        let mut extraction = Extraction::default();
        for (line, expected) in rows {
            let mut out = Vec::new();
            refang.line(line.as_bytes(), &mut extraction, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}\n"));
        }
    }
}
