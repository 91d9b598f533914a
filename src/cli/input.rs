//! Files or standard input, with a progress bar on a terminal.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    path::PathBuf,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// An opened input.
pub(super) struct Input {
    pub(super) reader: Box<dyn BufRead + Send>,
    pub(super) bar: ProgressBar,
}

/// Opens the files one after another, or standard input where there is none (or `-`).
pub(super) fn open(files: &[PathBuf]) -> anyhow::Result<Input> {
    let mut total = Some(0u64);
    let mut reader: Box<dyn Read + Send> = Box::new(io::empty());
    if files.is_empty() || files == [PathBuf::from("-")] {
        total = None;
        reader = Box::new(io::stdin());
    } else {
        for path in files {
            let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
            let length = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|data| data.len());
            total = total.zip(length).map(|(total, length)| total + length);
            reader = Box::new(reader.chain(file));
        }
    }
    Ok(Input { reader: Box::new(BufReader::with_capacity(1 << 20, reader)), bar: bar(total) })
}

/// A bar on a terminal that is not the output's; hidden elsewhere.
fn bar(total: Option<u64>) -> ProgressBar {
    let shown = io::stderr().is_terminal() && !io::stdout().is_terminal();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let (bar, template) = match total {
        Some(total) => {
            (ProgressBar::with_draw_target(Some(total), target), "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        }
        None => (ProgressBar::with_draw_target(None, target), "{spinner} {bytes} {bytes_per_sec} {elapsed}"),
    };
    ProgressStyle::with_template(template).map_or(bar.clone(), |style| bar.with_style(style))
}
