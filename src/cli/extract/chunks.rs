//! The input in runs of whole lines.

use std::{io::BufRead, sync::Arc, vec};

use anyhow::{Context, bail};
use indicatif::ProgressBar;

use crate::cli::input::{self, Place};

/// The longest line, bytes. Whoever has longer ones has no lines.
const LONGEST_LINE: usize = 64 << 20;

/// Whole lines of one file.
#[derive(Debug)]
pub(super) struct Chunk {
    /// As it is shown.
    pub(super) file: Arc<str>,
    /// Number of the first line, from 1.
    pub(super) first: u64,
    text: Vec<u8>,
}

impl Chunk {
    /// The lines without their line breaks, with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let text = self.text.strip_suffix(b"\n").unwrap_or(&self.text);
        let lines = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        (self.first..).zip(lines)
    }
}

/// Reads all places one after another.
pub(super) struct Chunks {
    places: vec::IntoIter<Place>,
    bar: ProgressBar,
    open: Option<Open>,
}

struct Open {
    reader: Box<dyn BufRead + Send>,
    file: Arc<str>,
    next: u64,
}

impl Chunks {
    pub(super) fn new(places: Vec<Place>, bar: ProgressBar) -> Self {
        Self { places: places.into_iter(), bar, open: None }
    }

    /// The next lines: what there is, so that a stream which pauses is not waited for.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Chunk>> {
        loop {
            let open = match &mut self.open {
                Some(open) => open,
                None => {
                    let Some(place) = self.places.next() else { return Ok(None) };
                    let reader = input::open(&place, &self.bar)?;
                    self.open.insert(Open { reader, file: place.name().into(), next: 1 })
                }
            };
            let text = open.lines()?;
            if text.is_empty() {
                self.open = None;
                continue;
            }
            let first = open.next;
            open.next += memchr::memchr_iter(b'\n', &text).count() as u64;
            return Ok(Some(Chunk { file: Arc::clone(&open.file), first, text }));
        }
    }
}

impl Open {
    /// Lines up to the last line break that has been read; the rest of the file at its end; nothing after it.
    fn lines(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let read = self.reader.fill_buf().with_context(|| format!("cannot read {}", self.file))?;
            if read.is_empty() {
                return Ok(text);
            }
            let whole = memchr::memrchr(b'\n', read).map(|last| last + 1);
            let length = whole.unwrap_or(read.len());
            text.extend_from_slice(read.get(..length).unwrap_or_default());
            self.reader.consume(length);
            if whole.is_some() {
                return Ok(text);
            }
            if text.len() > LONGEST_LINE {
                bail!("line {} of {} is longer than {} MiB", self.next, self.file, LONGEST_LINE >> 20);
            }
        }
    }
}
