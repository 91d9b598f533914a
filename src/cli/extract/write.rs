//! Indicators as objects, rows of a table, or comma-separated values.

use std::{
    borrow::Cow,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;

use super::{Format, chunks::Chunk, text::Text, workers::Work};
use crate::{
    extract::{Extraction, Extractor, Match},
    gate::{Gate, Suppression},
};

/// What is the same for all workers.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) format: Format,
    /// Whether there is more than one file, so that lines say which they are from.
    pub(super) many: bool,
    pub(super) extractor: Extractor,
    pub(super) gate: Gate,
    /// Lines that are not UTF-8.
    pub(super) invalid: AtomicU64,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    line: u64,
    indicators: Vec<Found<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    invalid_utf8: bool,
}

#[derive(Serialize)]
struct Found<'a> {
    r#type: &'static str,
    value: &'a str,
    raw: &'a str,
    start: usize,
    end: usize,
    field: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressed: Option<&'static str>,
}

/// A worker that writes indicators.
pub(super) fn worker(writer: Arc<Writer>) -> Work {
    let mut extraction = Extraction::default();
    Box::new(move |chunk, out| {
        for (number, line) in chunk.lines() {
            let text = Text::of(line);
            if !text.is_whole() {
                writer.invalid.fetch_add(1, Ordering::Relaxed);
            }
            writer.extractor.extract(&text.readable, &mut extraction);
            writer.line(chunk, number, (line, &text), &extraction, out);
        }
    })
}

impl Writer {
    /// What stands above everything.
    pub(super) fn header(&self, out: &mut impl Write) -> std::io::Result<()> {
        let file = if self.many { "file," } else { "" };
        match self.format {
            Format::Json => Ok(()),
            Format::Csv => writeln!(out, "{file}line,type,value,raw,start,end,field,suppressed"),
            Format::Table => {
                let place = if self.many { "FILE:LINE" } else { "LINE" };
                writeln!(out, "{place:>9}  {:<15}  {:<32}  VALUE", "TYPE", "FIELD")
            }
        }
    }

    fn line(
        &self,
        chunk: &Chunk,
        number: u64,
        (line, text): (&[u8], &Text<'_>),
        extraction: &Extraction,
        out: &mut Vec<u8>,
    ) {
        let written = extraction.matches().filter(|found| text.was_written(&found.span));
        let found = written.map(|found| self.found(found, line));
        let file = self.many.then_some(&*chunk.file);
        match self.format {
            Format::Json => {
                let (truncated, invalid_utf8) = (extraction.truncated(), !text.is_whole());
                let line = Line { file, line: number, indicators: found.collect(), truncated, invalid_utf8 };
                // Writing plain values to memory does not fail.
                serde_json::to_writer(&mut *out, &line).ok();
                out.push(b'\n');
            }
            Format::Csv => {
                let mut rows = csv::WriterBuilder::new().has_headers(false).from_writer(out);
                for found in found {
                    match file {
                        Some(file) => rows.serialize((file, number, found.row())).ok(),
                        None => rows.serialize((number, found.row())).ok(),
                    };
                }
                rows.flush().ok();
            }
            Format::Table => {
                for found in found {
                    let place = file.map_or_else(|| number.to_string(), |file| format!("{}:{number}", shown(file)));
                    let note = found.suppressed.map(|why| format!("  ({why})")).unwrap_or_default();
                    let (field, value) = (shown(found.field), shown(found.value));
                    writeln!(out, "{place:>9}  {:<15}  {field:<32}  {value}{note}", found.r#type).ok();
                }
            }
        }
    }

    fn found<'a>(&self, found: Match<'a>, line: &'a [u8]) -> Found<'a> {
        let suppression = self.gate.reason(found.kind, found.value);
        Found {
            r#type: found.kind.as_str(),
            value: found.value,
            raw: line.get(found.span.clone()).and_then(|raw| std::str::from_utf8(raw).ok()).unwrap_or_default(),
            start: found.span.start,
            end: found.span.end,
            field: found.field,
            suppressed: suppression.map(Suppression::as_str),
        }
    }
}

impl Found<'_> {
    fn row(&self) -> impl Serialize + '_ {
        (self.r#type, self.value, self.raw, self.start, self.end, self.field, self.suppressed)
    }
}

/// Fit for a terminal: what strangers write into events must not steer it.
fn shown(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }).collect())
    } else {
        Cow::Borrowed(text)
    }
}
