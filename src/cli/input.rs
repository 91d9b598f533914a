//! Files or standard input, packed or not, with a progress bar on a terminal.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Bytes read at once.
const BUFFER: usize = 1 << 20;

/// What bytes are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Stdin,
    File(PathBuf),
}

impl Place {
    /// As it is shown.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// The places that arguments name: files, patterns such as `logs/*.gz` where no file has that very name, `-` for standard input, which is also
/// meant by no argument.
///
/// # Errors
/// A pattern that is none, or that nothing fits.
pub(super) fn places(arguments: &[PathBuf]) -> anyhow::Result<Vec<Place>> {
    if arguments.is_empty() {
        return Ok(vec![Place::Stdin]);
    }
    let mut places = Vec::new();
    for argument in arguments {
        match argument.to_str() {
            Some("-") => places.push(Place::Stdin),
            Some(pattern) if pattern.contains(['*', '?', '[']) && !argument.exists() => {
                let before = places.len();
                for path in glob::glob(pattern).with_context(|| format!("'{pattern}' is no pattern"))? {
                    let path = path?;
                    if path.is_file() {
                        places.push(Place::File(path));
                    }
                }
                if places.len() == before {
                    bail!("no file fits '{pattern}'");
                }
            }
            Some(_) | None => places.push(Place::File(argument.clone())),
        }
    }
    if places.iter().filter(|place| **place == Place::Stdin).count() > 1 {
        bail!("standard input ('-') is named twice");
    }
    Ok(places)
}

/// Opens a place; what is packed by gzip or zstd, seen by its first bytes, comes out unpacked. `bar` counts the bytes as they lie there.
///
/// # Errors
/// The file cannot be opened or read, is a directory, or its packing is broken at its beginning.
pub(super) fn open(place: &Place, bar: &ProgressBar) -> anyhow::Result<Box<dyn BufRead + Send>> {
    let name = place.name();
    let raw: Box<dyn Read + Send> = match place {
        Place::Stdin => Box::new(io::stdin()),
        Place::File(path) => {
            if path.is_dir() {
                bail!("{name} is a directory: name its files, as in '{name}/*'");
            }
            Box::new(File::open(path).with_context(|| format!("cannot open {name}"))?)
        }
    };
    let mut raw = BufReader::with_capacity(BUFFER, bar.wrap_read(raw));
    let head = raw.fill_buf().with_context(|| format!("cannot read {name}"))?;
    Ok(if head.starts_with(b"\x1f\x8b") {
        Box::new(BufReader::with_capacity(BUFFER, flate2::bufread::MultiGzDecoder::new(raw)))
    } else if head.starts_with(b"\x28\xb5\x2f\xfd") {
        let unpacked =
            zstd::stream::read::Decoder::with_buffer(raw).with_context(|| format!("cannot unpack {name}"))?;
        Box::new(BufReader::with_capacity(BUFFER, unpacked))
    } else {
        Box::new(raw)
    })
}

/// All places one after another as one stream of lines; a file without a final line break does not run into the next one.
///
/// # Errors
/// As [`open`].
pub(super) fn open_all(places: &[Place], bar: &ProgressBar) -> anyhow::Result<Box<dyn BufRead + Send>> {
    let mut all: Box<dyn Read + Send> = Box::new(io::empty());
    for place in places {
        all = Box::new(all.chain(WholeLines { inner: open(place, bar)?, last: b'\n' }));
    }
    Ok(Box::new(BufReader::with_capacity(BUFFER, all)))
}

/// Ends with a line break, unless it is empty.
struct WholeLines<R> {
    inner: R,
    last: u8,
}

impl<R: Read> Read for WholeLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if let Some(&last) = buffer.get(..read).and_then(<[u8]>::last) {
            self.last = last;
            return Ok(read);
        }
        match buffer.first_mut() {
            Some(first) if self.last != b'\n' => {
                *first = b'\n';
                self.last = b'\n';
                Ok(1)
            }
            Some(_) | None => Ok(0),
        }
    }
}

/// A bar on a terminal that is not the output's; hidden elsewhere. It knows how much there is where all places are files.
pub(super) fn bar(places: &[Place]) -> ProgressBar {
    let length = |place: &Place| match place {
        Place::Stdin => None,
        Place::File(path) => Path::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|data| data.len()),
    };
    let total: Option<u64> = places.iter().map(length).sum();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_do_not_run_into_each_other() {
        let parts: [&[u8]; 4] = [b"a\nb", b"", b"c\n", b"d"];
        let mut all: Box<dyn Read> = Box::new(io::empty());
        for part in parts {
            all = Box::new(all.chain(WholeLines { inner: part, last: b'\n' }));
        }
        let mut text = String::new();
        all.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a\nb\nc\nd\n");
    }

    #[test]
    fn arguments_that_name_nothing_are_errors() {
        assert_eq!(places(&[]).unwrap(), [Place::Stdin]);
        assert_eq!(places(&["no such file".into()]).unwrap(), [Place::File("no such file".into())]);
        let twice = places(&["-".into(), "-".into()]).unwrap_err();
        assert!(twice.to_string().contains("twice"), "{twice}");
        let none = places(&["no such directory/*.gz".into()]).unwrap_err();
        assert!(none.to_string().contains("no file fits"), "{none}");
    }
}
