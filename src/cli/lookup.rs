//! `sidelight lookup`: assess indicators by hand, with the same providers and budgets.
//!
//! Exit codes: 0 when of every indicator that was asked about at least one provider said something, `not_found` included; 1 when of one of them
//! none did, or a value holds no indicator.

use std::{
    io::{self, Write},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::anyhow;

use crate::{
    annotate,
    app::{Analyst, Found, Question, build_for_command},
    cache::Entry,
    cli::{ConfigArgs, Outcome, load_and_log},
    model::{Evidence, Fact, Indicator, IndicatorRef, SystemClock},
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
/// Longer than anybody waits, and short enough for clocks.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Items of a list that text shows; JSON has them all.
const MOST_SHOWN: usize = 8;

pub(super) fn run(args: &Args) -> Outcome {
    let mut config = load_and_log(&args.config.config)?;
    let wait = Duration::try_from_secs_f64(args.wait.max(0.0)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    config.pipeline.deadline = wait;
    let (engine, pipeline, member) = build_for_command(&config, SystemClock::shared())?;
    let enricher = pipeline.enricher().clone();
    let analyst = Analyst::new(&engine, enricher);
    let mut questions: Vec<Question> = args.values.iter().map(|value| analyst.ask(value)).collect();
    settle(&mut questions, Instant::now() + wait);
    let mut out = io::stdout().lock();
    let (mut missing, mut unanswered, mut asked) = (0, 0, 0);
    let now_ms = engine.clock.wall_ms();
    for (value, question) in args.values.iter().zip(&questions) {
        let mut found = question.found().peekable();
        if found.peek().is_none() {
            missing += 1;
            writeln!(out, "{value}: no indicator in it")?;
        }
        for found in found {
            match found {
                Found::Suppressed(sighted, reason) if args.json => {
                    let line = serde_json::json!({
                        "ioc_type": sighted.kind.as_str(), "ioc_value": sighted.value, "status": "suppressed", "reason": reason.as_str(),
                    });
                    writeln!(out, "{line}")?;
                }
                Found::Suppressed(sighted, reason) => {
                    writeln!(out, "{} {}: not looked up: {}", sighted.kind.as_str(), sighted.value, reason.as_str())?;
                }
                Found::Asked(indicator, entry) => {
                    asked += 1;
                    unanswered += usize::from(!entry.has_verdict());
                    if args.json {
                        out.write_all(&as_json(&indicator.to_owned(), entry, &config.score, now_ms))?;
                    } else {
                        out.write_all(as_text(indicator, entry, &config.score).as_bytes())?;
                    }
                }
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

/// Waits until nothing more can be expected or time is up.
fn settle(questions: &mut [Question], end: Instant) {
    // Nobody wakes this channel: it is the timer of the loop below.
    let (_keep, tick) = mpsc::channel::<()>();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // All of them: each takes in what has come.
        let waiting = questions.iter_mut().fold(false, |waiting, question| question.settle(left) | waiting);
        if !waiting || left.is_zero() {
            return;
        }
        tick.recv_timeout(Duration::from_millis(10)).ok();
    }
}

fn as_text(indicator: IndicatorRef<'_>, entry: &Entry, config: &score::Config) -> String {
    let assessment = entry.assessment();
    let (status, disposition) = (assessment.status.as_str(), assessment.disposition.as_str());
    let explained = score::explain(indicator.kind, assessment, config);
    let (kind, value, queue) = (indicator.kind, indicator.value, assessment.queue.as_str());
    let mut text = format!("{kind} {value}: {status}, {disposition}, queue {queue}\n{explained}");
    for source in &assessment.sources {
        if let Some(verdict) = source.answer.verdict() {
            says(&mut text, source.provider.as_str(), &verdict.evidence);
        }
    }
    text
}

/// What a provider says of an indicator beside its share of the score, and where to read on; nothing where it says nothing.
fn says(text: &mut String, provider: &str, evidence: &Evidence) {
    let facts: Vec<String> = evidence.facts.iter().map(|(name, fact)| format!("{name} {}", fact_text(fact))).collect();
    let reference = evidence.reference.as_deref();
    if facts.is_empty() && reference.is_none() {
        return;
    }
    *text += &format!("{provider}: {}\n", facts.join(", "));
    if let Some(reference) = reference {
        *text += &format!("  {reference}\n");
    }
}

fn fact_text(fact: &Fact) -> String {
    let list = |all: Vec<String>| {
        let more = all.len().saturating_sub(MOST_SHOWN);
        let shown = all.into_iter().take(MOST_SHOWN).collect::<Vec<_>>().join(" ");
        if more > 0 { format!("{shown} and {more} more") } else { shown }
    };
    match fact {
        Fact::Int(number) => number.to_string(),
        Fact::Text(text) => text.chars().filter(|letter| !letter.is_control()).collect(),
        Fact::Bool(flag) => flag.to_string(),
        Fact::Ints(all) => list(all.iter().map(i64::to_string).collect()),
        Fact::Texts(all) => list(all.iter().map(|text| fact_text(&Fact::Text(text.clone()))).collect()),
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
