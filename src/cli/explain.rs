//! `sidelight explain`: why an event leaves as it does, and what asking for it would cost.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read, Write},
    path::PathBuf,
};

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use crate::{
    app::{Analyst, Engine},
    cli::{
        Outcome,
        daemon::{self, DaemonArgs},
        load_and_log, say,
    },
    model::SystemClock,
};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A file with the event; standard input where there is none, or for '-'.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Which line is the event, from 1; without it there must be one only, or the whole must be one in JSON or XML.
    #[arg(long, value_name = "N")]
    line: Option<usize>,
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Bytes of an event, at most; as the admin server takes.
const MOST: u64 = 1 << 20;
/// Bytes of a file from which a line is taken, at most.
const MOST_LINES: u64 = 256 << 20;

pub(super) fn run(args: &Args) -> Outcome {
    let event = event(args)?;
    let ask = |at| daemon::post(at, "/api/v1/explain", &event);
    let explained = match args.daemon.admin {
        Some(at) => ask(at).with_context(|| format!("no answer of a daemon at {at}"))?,
        None => {
            let config = load_and_log(&args.daemon.config.config)?;
            match config.admin.listen.map(ask) {
                Some(Ok(explained)) => explained,
                Some(Err(error)) if !is_refused(&error) => return Err(error.context("no answer of the daemon").into()),
                Some(Err(_)) | None => {
                    say("no daemon is up: this is what one would do that knows nothing yet and has all its quotas");
                    let (engine, pipeline) = Engine::build(&config, SystemClock::shared())?;
                    let explained = Analyst::new(&engine, pipeline.enricher().clone()).explained(&event);
                    engine.shutdown();
                    explained
                }
            }
        }
    };
    let mut out = io::stdout().lock();
    if args.daemon.json {
        writeln!(out, "{explained:#}")?;
    } else {
        out.write_all(as_text(&explained).as_bytes())?;
    }
    Ok(())
}

/// Whether nobody listens there.
fn is_refused(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The event that is asked about.
fn event(args: &Args) -> anyhow::Result<Vec<u8>> {
    let most = if args.line.is_some() { MOST_LINES } else { MOST };
    let mut input: Box<dyn Read> = match args.file.as_deref().filter(|path| path.as_os_str() != "-") {
        Some(path) => Box::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?),
        None => Box::new(io::stdin().lock()),
    };
    let mut bytes = Vec::new();
    input.by_ref().take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(anyhow!("the input is larger than {} MiB; --line takes an event out of up to 256 MiB", most >> 20));
    }
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let filled = lines.iter().filter(|line| !line.trim_ascii().is_empty()).count();
    let event = match args.line {
        Some(number) => {
            let line = number.checked_sub(1).and_then(|at| lines.get(at)).filter(|line| !line.trim_ascii().is_empty());
            line.ok_or_else(|| anyhow!("there is no line {number} with an event: the input has {filled}"))?.to_vec()
        }
        None if filled > 1 && !is_one(&bytes) => {
            return Err(anyhow!("the input has {filled} lines: --line says which is the event"));
        }
        None => bytes.trim_ascii_end().to_vec(),
    };
    if event.is_empty() {
        return Err(anyhow!("there is no event in the input"));
    }
    if event.len() as u64 > MOST {
        return Err(anyhow!("an event is 1 MiB at most"));
    }
    Ok(event)
}

/// Whether several lines are one event.
fn is_one(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"<Event") || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn as_text(explained: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = format!("{}, severity {}", text(&explained["format"]), text(&explained["severity"]));
    if let Some(host) = explained["host"].as_str() {
        write!(out, ", host {}", host.escape_debug()).ok();
    }
    writeln!(out, ", TLP {}", text(&explained["tlp"])).ok();
    let indicators = explained["indicators"].as_array().map(Vec::as_slice).unwrap_or_default();
    if indicators.is_empty() {
        out.push_str("no indicator in it\n");
    }
    for found in indicators {
        let fields: Vec<&str> = found["fields"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (kind, value) = (text(&found["ioc_type"]), text(&found["ioc_value"]));
        let place = format!("{} in {}", text(&found["role"]), fields.join(", "));
        writeln!(out, "\n{kind} {}  ({})", value.escape_debug(), place.escape_debug()).ok();
        if let Some(sent) = found["sent_as"].as_str() {
            writeln!(out, "  sent as {}", sent.escape_debug()).ok();
        }
        match found["decision"].as_str().unwrap_or_default() {
            "suppressed" => writeln!(out, "  never looked up: {}", text(&found["reason"])).ok(),
            "known" => writeln!(out, "  known already: nothing is asked").ok(),
            "waiting" => writeln!(out, "  waits for answers already, worth {}", found["worth"]).ok(),
            "to_ask" => writeln!(out, "  would be asked about, worth {}", found["worth"]).ok(),
            _ => writeln!(out, "  would not be asked about").ok(),
        };
        if found["assessment"].is_object() {
            let known = &found["assessment"];
            let score =
                known["confidence_score"].as_f64().map(|score| format!(", score {score:.1}")).unwrap_or_default();
            writeln!(out, "  {}, {}{score}", text(&known["status"]), text(&known["disposition"])).ok();
        }
        for provider in found["providers"].as_array().into_iter().flatten() {
            let reason = provider["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
            let asked = if provider["asked"] == true {
                let units = provider["units"].as_u64().unwrap_or(0);
                format!("{units} {}", if units == 1 { "unit" } else { "units" })
            } else {
                "no call".to_owned()
            };
            let (name, outcome) = (text(&provider["provider"]), text(&provider["outcome"]));
            writeln!(out, "    {name:<14} {asked}  ({outcome}{reason})").ok();
        }
    }
    let cost: Vec<String> = explained["cost"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|cost| format!("{} {}", text(&cost["provider"]), cost["units"]))
        .collect();
    if !cost.is_empty() {
        writeln!(out, "\nunits in all, at most: {}", cost.join(", ")).ok();
    }
    out
}
