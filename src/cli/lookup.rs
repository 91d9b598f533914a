//! `sidelight lookup`: assess indicators by hand, with the same providers and budgets.
//!
//! Exit codes: 0 when of every indicator that was asked about at least one provider said something, `not_found` included; 1 when of one of them
//! none did, or a value holds no indicator.

use std::{
    io::{self, Write},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use anyhow::anyhow;

use crate::{
    annotate,
    app::{Engine, build_for_command},
    budget::Urgency,
    cache::Entry,
    cli::{ConfigArgs, Outcome, load_and_log},
    enrich::{Enricher, EventContext, Sighting},
    extract::{Extraction, Extractor},
    gate::Gate,
    model::{Answer, Indicator, Role, SystemClock},
    score,
};

/// What a script may rely on.
const EXIT_CODES: &str = "\
Exit codes:
  0   of every indicator at least one provider said something, also that it does not know it
  1   of an indicator no provider said anything (failed, throttled, not asked), or a value holds no indicator
  2   wrong usage
  78  the configuration is wrong
What is not looked up by rule (private addresses and the like) is no failure.";

/// Arguments of `lookup`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Args {
    /// Addresses, domains, URLs, hashes; defanged ones too.
    #[arg(value_name = "VALUE", required = true)]
    values: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Longest wait for the answers, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    wait: f64,
    /// One JSON object for each indicator instead of text: the members of an annotation, and the terms of its score.
    #[arg(long)]
    json: bool,
}

/// Longest wait for the last words to the ledger.
const LEAVE: Duration = Duration::from_secs(2);

/// What came of one value.
enum Found {
    Nothing(String),
    Suppressed(Indicator, &'static str),
    Asked(Indicator, Indicator, Arc<Entry>, bool),
}

pub(super) fn run(args: &Args) -> Outcome {
    let mut config = load_and_log(&args.config.config)?;
    let wait = Duration::try_from_secs_f64(args.wait.max(0.0)).unwrap_or(Duration::MAX);
    config.pipeline.deadline = wait;
    let (engine, pipeline, member) = build_for_command(&config, SystemClock::shared())?;
    let enricher = pipeline.enricher().clone();
    let mut found = Vec::new();
    for value in &args.values {
        ask(value, &engine, &enricher, &mut found);
    }
    let end = Instant::now() + wait;
    settle(&mut found, &enricher, &engine, end);
    let mut out = io::stdout().lock();
    let (mut missing, mut unanswered, mut asked) = (0, 0, 0);
    let now_ms = engine.clock.wall_ms();
    for found in &found {
        if let Found::Asked(_, _, entry, _) = found {
            asked += 1;
            unanswered += usize::from(!entry.has_verdict());
        }
        match found {
            Found::Nothing(value) => {
                missing += 1;
                writeln!(out, "{value}: no indicator in it")?;
            }
            Found::Suppressed(indicator, reason) if args.json => {
                let line = serde_json::json!({
                    "ioc_type": indicator.kind.as_str(), "ioc_value": &*indicator.value, "status": "suppressed", "reason": reason,
                });
                writeln!(out, "{line}")?;
            }
            Found::Suppressed(indicator, reason) => {
                writeln!(out, "{} {}: not looked up: {reason}", indicator.kind, indicator.value)?;
            }
            Found::Asked(indicator, _, entry, _) if args.json => {
                out.write_all(&as_json(indicator, entry, &config.score, now_ms))?;
            }
            Found::Asked(indicator, _, entry, _) => {
                let assessment = entry.assessment();
                writeln!(
                    out,
                    "{} {}: {}, {}, queue {}",
                    indicator.kind,
                    indicator.value,
                    assessment.status.as_str(),
                    assessment.disposition.as_str(),
                    assessment.queue.as_str()
                )?;
                write!(out, "{}", score::explain(indicator.kind, assessment, &config.score))?;
            }
        }
    }
    if let Some(member) = member {
        member.leave(LEAVE);
    }
    engine.shutdown();
    let empty = (missing > 0).then(|| format!("{missing} of {} values hold no indicator", args.values.len()));
    let silent = (unanswered > 0).then(|| format!("of {unanswered} of {asked} indicators no provider said anything"));
    match [empty, silent].into_iter().flatten().reduce(|one, other| format!("{one}; {other}")) {
        Some(text) => Err(anyhow!(text).into()),
        None => Ok(()),
    }
}

/// Recognises what a value holds and asks for it.
fn ask(value: &str, engine: &Engine, enricher: &Enricher, found: &mut Vec<Found>) {
    let mut extraction = Extraction::default();
    let extractor: &Extractor = &engine.extractor;
    let gate: &Gate = &engine.gate;
    extractor.extract(value.as_bytes(), &mut extraction);
    let mut indicators = extraction.iter().filter_map(|sighted| sighted.indicator()).peekable();
    if indicators.peek().is_none() {
        found.push(Found::Nothing(value.to_owned()));
    }
    for indicator in indicators {
        let indicator = indicator.to_owned();
        if let Some(reason) = gate.suppression(indicator.borrowed()) {
            found.push(Found::Suppressed(indicator, reason.as_str()));
        } else if !enricher.responsible(indicator.kind) {
            found.push(Found::Suppressed(indicator, crate::gate::Suppression::NoProvider.as_str()));
        } else {
            let mut buffer = String::new();
            let subject = gate.subject(indicator.borrowed(), &mut buffer).to_owned();
            let sighting = Sighting {
                role: Role::Destination,
                urgency: Urgency::Urgent,
                tlp: gate.tlp(extraction.marking()),
                event: EventContext::default(),
            };
            let asked = enricher.ask(&subject, None, sighting, None);
            found.push(Found::Asked(indicator, subject, asked.entry, asked.hopeful));
        }
    }
}

/// Waits until nothing more can be expected or time is up, and brings every entry up to date.
fn settle(found: &mut [Found], enricher: &Enricher, engine: &Engine, end: Instant) {
    // Nobody wakes this channel: it is the timer of the loop below.
    let (_keep, tick) = mpsc::channel::<()>();
    loop {
        let mut waiting = false;
        for found in &mut *found {
            if let Found::Asked(_, subject, entry, hopeful) = found {
                if let Some(current) = enricher.snapshot(subject) {
                    let still = current
                        .assessment()
                        .sources
                        .iter()
                        .any(|source| matches!(source.answer, Answer::Pending { .. }));
                    *entry = current;
                    *hopeful &= still;
                    waiting |= *hopeful;
                } else if let crate::cache::Hit::Fresh(current) =
                    engine.cache.get(subject.borrowed(), engine.clock.monotonic())
                {
                    *entry = current;
                }
            }
        }
        if !waiting || Instant::now() >= end {
            return;
        }
        tick.recv_timeout(Duration::from_millis(10)).ok();
    }
}

/// A line: what an annotation says of the indicator, and the terms of the score, rounded as there.
fn as_json(indicator: &Indicator, entry: &Entry, config: &score::Config, now_ms: i64) -> Vec<u8> {
    let explained = score::explain(indicator.kind, entry.assessment(), config);
    let term = |source: &score::SourceExplanation| {
        serde_json::json!({
            "provider": source.provider.as_str(), "weight": source.weight, "share": source.share.map(thousandths),
            "points": source.points.map(tenths), "floor": source.floor, "ceiling": source.ceiling,
        })
    };
    let terms: Vec<serde_json::Value> = explained.sources.iter().map(term).collect();
    let more = serde_json::json!({ "weight": explained.weight, "full_weight": explained.full_weight, "terms": terms });
    let mut line = Vec::with_capacity(2_048);
    annotate::by_itself(indicator, entry.fragment(), now_ms, &mut line);
    // One object out of two.
    line.pop();
    line.push(b',');
    line.extend_from_slice(more.to_string().as_bytes().get(1..).unwrap_or_default());
    line.push(b'\n');
    line
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn thousandths(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
