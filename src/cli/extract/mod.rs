//! `sidelight extract`: the indicators of each line, by all cores, in the order of the lines.

mod chunks;
mod refang;
mod text;
mod workers;
mod write;

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::anyhow;
use clap::ValueEnum;

use self::{chunks::Chunks, refang::Refang, write::Writer};
use crate::{
    cli::{Outcome, input, say},
    config,
    extract::{Config, Defang, Extractor},
    gate::{self, Gate},
    model::Kind,
};

/// Arguments of `extract`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, plain or packed by gzip or zstd, or patterns such as 'logs/*.gz'; standard input where there is none, or for '-'.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How indicators are written: an object for each line of the input, a row for each indicator.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Write the lines themselves instead, with defanged indicators as they read: evil[.]com becomes evil.com.
    #[arg(long, conflicts_with_all = ["format", "hosts"])]
    refang: bool,
    /// Also list the host of a URL or e-mail address as an indicator of its own.
    #[arg(long)]
    hosts: bool,
    /// Kinds to look for, separated by commas; where it is not given those that can be looked up:
    /// ipv4, ipv6, domain, url, email, md5, sha1, sha256, sha512, cve. A wrong name lists all there are.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = kind)]
    kinds: Vec<Kind>,
    /// A file with strings to note wherever they stand as whole words, one a line; may be given several times.
    #[arg(long, value_name = "FILE", conflicts_with = "refang")]
    keywords: Vec<PathBuf>,
    /// Which defanged forms are undone.
    #[arg(long, value_name = "FORMS", value_parser = ["off", "standard", "aggressive"], default_value = "standard")]
    defang: String,
}

/// How indicators are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One JSON object for each line of the input.
    Json,
    /// Columns for people.
    Table,
    /// Comma-separated, with a header.
    Csv,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::parse(&name.to_ascii_lowercase()).ok_or_else(|| {
        let known: Vec<&str> = Kind::all().map(Kind::as_str).collect();
        format!("one of {}", known.join(", "))
    })
}

pub(super) fn run(args: &Args) -> Outcome {
    let defang = match args.defang.as_str() {
        "off" => Defang::Off,
        "aggressive" => Defang::Aggressive,
        _ => Defang::Standard,
    };
    let mut config = Config { url_hosts: args.hosts, max_per_event: 100_000, defang, ..Config::default() };
    if !args.kinds.is_empty() {
        config.kinds.clone_from(&args.kinds);
    }
    if !args.keywords.is_empty() {
        let files = args.keywords.iter().map(PathBuf::as_path);
        let keywords = config::read_keywords(files).map_err(|why| anyhow!("{why}"))?;
        if keywords.is_empty() {
            say("the list of keywords is empty: nothing is noted by it");
        }
        config.keywords = Arc::new(keywords);
    }
    let extractor = Extractor::new(&config);
    let places = input::places(&args.files)?;
    let bar = input::bar(&places);
    let mut out = BufWriter::with_capacity(1 << 18, io::stdout().lock());
    let mut invalid = 0;
    let many = places.len() > 1;
    let chunks = Chunks::new(places, bar.clone());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if args.refang {
        let refang = Arc::new(Refang::new(extractor, &config));
        workers::in_order(cores, chunks, move || refang::worker(Arc::clone(&refang)), &mut out)?;
    } else {
        let gate = Gate::new(&gate::Config::default());
        let writer = Arc::new(Writer { format: args.format, many, extractor, gate, invalid: AtomicU64::new(0) });
        writer.header(&mut out)?;
        let shared = Arc::clone(&writer);
        workers::in_order(cores, chunks, move || write::worker(Arc::clone(&shared)), &mut out)?;
        invalid = writer.invalid.load(Ordering::Relaxed);
    }
    out.flush()?;
    bar.finish_and_clear();
    if invalid > 0 {
        let (lines, their) = if invalid == 1 { ("line is", "its") } else { ("lines are", "their") };
        say(&format!(
            "{invalid} {lines} not UTF-8: {their} other bytes were read; `run` passes such events on unparsed"
        ));
    }
    Ok(())
}
