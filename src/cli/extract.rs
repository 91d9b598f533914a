//! `sidelight extract`: the indicators of each line.

use std::{
    io::{self, BufRead, BufWriter, Write},
    path::PathBuf,
};

use serde::Serialize;

use crate::{
    cli::{Failure, Outcome, input},
    extract::{Config, Extraction, Extractor},
    gate::{self, Gate},
    model::{IndicatorKind, IndicatorRef},
};

/// Arguments of `extract`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files; standard input where there is none.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also list the host of a URL or e-mail address as an indicator of its own.
    #[arg(long)]
    hosts: bool,
    /// Kinds to look for, separated by commas; all where it is not given.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = kind)]
    kinds: Vec<IndicatorKind>,
}

fn kind(name: &str) -> Result<IndicatorKind, String> {
    IndicatorKind::parse(name).ok_or_else(|| {
        let known: Vec<&str> = IndicatorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("one of {}", known.join(", "))
    })
}

#[derive(Serialize)]
struct Line<'a> {
    line: u64,
    indicators: Vec<Found<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
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

pub(super) fn run(args: &Args) -> Outcome {
    let mut config = Config { url_hosts: args.hosts, max_per_event: 100_000, ..Config::default() };
    if !args.kinds.is_empty() {
        config.kinds.clone_from(&args.kinds);
    }
    let extractor = Extractor::new(&config);
    let gate = Gate::new(&gate::Config::default());
    let mut input = input::open(&args.files)?;
    let mut out = BufWriter::with_capacity(1 << 18, io::stdout().lock());
    let mut extraction = Extraction::default();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = input.reader.read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        input.bar.inc(read as u64);
        number += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        extractor.extract(&line, &mut extraction);
        write_line(&mut out, number, &line, &extraction, &gate)?;
    }
    out.flush()?;
    input.bar.finish_and_clear();
    Ok(())
}

fn write_line(
    out: &mut impl Write,
    number: u64,
    line: &[u8],
    extraction: &Extraction,
    gate: &Gate,
) -> Result<(), Failure> {
    let found = extraction.matches().map(|found| Found {
        r#type: found.kind.as_str(),
        value: found.value,
        raw: line.get(found.span.clone()).and_then(|raw| std::str::from_utf8(raw).ok()).unwrap_or_default(),
        start: found.span.start,
        end: found.span.end,
        field: found.field,
        suppressed: gate
            .suppression(IndicatorRef { kind: found.kind, value: found.value })
            .map(gate::Suppression::as_str),
    });
    let line = Line { line: number, indicators: found.collect(), truncated: extraction.truncated() };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")?;
    Ok(())
}
