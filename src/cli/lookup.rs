//! `sidelight lookup`: assess indicators by hand, with the same providers and budgets.

use std::{
    io::{self, Write},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use anyhow::anyhow;

use crate::{
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

/// Arguments of `lookup`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Addresses, domains, URLs, hashes; defanged ones too.
    #[arg(value_name = "VALUE", required = true)]
    values: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Longest wait for the answers, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    wait: f64,
    /// One JSON object for each indicator instead of text.
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
    let mut missing = 0;
    for found in &found {
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
                writeln!(out, "{}", as_json(indicator, entry, &config.score))?;
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
    if missing > 0 {
        return Err(anyhow!("{missing} of {} values hold no indicator", args.values.len()).into());
    }
    Ok(())
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

fn as_json(indicator: &Indicator, entry: &Entry, config: &score::Config) -> serde_json::Value {
    let assessment = entry.assessment();
    let explained = score::explain(indicator.kind, assessment, config);
    let references = assessment.sources.iter().map(|source| source.answer.verdict()?.evidence.reference.as_deref());
    let source = |(source, reference): (&score::SourceExplanation, Option<&str>)| {
        serde_json::json!({
            "provider": source.provider.as_str(), "outcome": source.outcome, "reason": source.reason, "reference": reference,
            "contribution": source.points, "share": source.share, "weight": source.weight, "floor": source.floor,
            "ceiling": source.ceiling,
        })
    };
    let sources: Vec<serde_json::Value> = explained.sources.iter().zip(references).map(source).collect();
    serde_json::json!({
        "ioc_type": indicator.kind.as_str(), "ioc_value": &*indicator.value, "status": assessment.status.as_str(),
        "disposition": assessment.disposition.as_str(), "confidence_score": assessment.score,
        "score_low": assessment.score_low, "score_high": assessment.score_high, "queue": assessment.queue.as_str(),
        "weight": explained.weight, "full_weight": explained.full_weight, "sources": sources,
    })
}
