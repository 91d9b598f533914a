//! What an assessment must say, computed from the simulated world's truth by the formulas of the documentation alone.

use serde_json::Value;
use sidelight::simulator::Truth;

/// What an annotation must say of an indicator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) status: &'static str,
    pub(crate) disposition: &'static str,
    pub(crate) queue: &'static str,
    pub(crate) score: Option<f64>,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
}

/// Which providers answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Both,
    VirustotalOnly,
}

fn disposition(score: f64) -> (&'static str, &'static str) {
    match score {
        70.0.. => ("malicious", "high"),
        40.0.. => ("suspicious", "medium"),
        10.0.. => ("low", "low"),
        _ => ("clean", "low"),
    }
}

/// The assessment of an address.
pub(crate) fn of_address(truth: &Truth, answered: Answered) -> Expected {
    let share = f64::from(truth.vt_malicious) / f64::from(truth.vt_total());
    let abuse = f64::from(truth.abuse_confidence) / 100.0;
    let floor = if truth.vt_malicious >= 3 { 40.0 } else { 0.0_f64 };
    let both = (share * 60.0 + abuse * 40.0).min(100.0).max(floor);
    match answered {
        Answered::Both => {
            let (disposition, queue) = disposition(both);
            let score = Some(both);
            Expected { status: "complete", disposition, queue, score, low: score, high: score }
        }
        Answered::VirustotalOnly => {
            partial((share * 100.0).max(floor), (share * 60.0).max(floor), (share * 60.0 + 40.0).max(floor))
        }
    }
}

/// The assessment of a domain, URL or file where VirusTotal alone is responsible.
pub(crate) fn of_name_or_file(truth: &Truth) -> Expected {
    if truth.vt_total() == 0 {
        let (status, disposition, queue) = ("complete", "unknown", "unscored");
        return Expected { status, disposition, queue, score: None, low: None, high: None };
    }
    let floor = if truth.vt_malicious >= 3 { 40.0 } else { 0.0_f64 };
    let score = (f64::from(truth.vt_malicious) / f64::from(truth.vt_total()) * 100.0).max(floor);
    let (disposition, queue) = disposition(score);
    let score = Some(score);
    Expected { status: "complete", disposition, queue, score, low: score, high: score }
}

fn partial(score: f64, low: f64, high: f64) -> Expected {
    let (disposition, queue) = disposition(score);
    // What is missing never reads as harmless.
    let disposition = if disposition == "clean" { "unknown" } else { disposition };
    let queue = if queue == "low" { "medium" } else { queue };
    Expected { status: "partial", disposition, queue, score: Some(score), low: Some(low), high: Some(high) }
}

/// Panics unless an indicator's annotation says this.
pub(crate) fn assert_says(indicator: &Value, expected: &Expected) {
    for (name, text) in [("status", expected.status), ("disposition", expected.disposition), ("queue", expected.queue)]
    {
        assert_eq!(indicator[name], text, "{name}: {indicator} {expected:?}");
    }
    for (name, score) in
        [("confidence_score", expected.score), ("score_low", expected.low), ("score_high", expected.high)]
    {
        let found = indicator[name].as_f64();
        let near = match (found, score) {
            (Some(found), Some(score)) => (found - score).abs() <= 0.0501,
            (found, score) => found == score,
        };
        assert!(near, "{name} is {found:?}, not {score:?}: {indicator}");
    }
}
