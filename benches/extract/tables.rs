//! Tables: by format and number of indicators, and hostile input of two lengths.

#![expect(clippy::print_stdout, reason = "tables")]

use std::time::Duration;

use criterion::Criterion;
use sidelight::extract::{Config, Extraction, Extractor};

use crate::{
    made::{Dice, Format},
    watch::{reading, speed},
};

/// Whether the arguments ask for this one, as those of the other benches do.
pub(crate) fn wanted(name: &str) -> bool {
    let mut filters = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    filters.peek().is_none() || filters.any(|filter| name.contains(&filter))
}

pub(crate) fn formats(_: &mut Criterion) {
    if !wanted("formats") {
        return;
    }
    let extractor = Extractor::new(&Config::default());
    let mut out = Extraction::default();
    println!("\n{:<8} {:>10} {:>12} {:>8} {:>12}", "format", "indicators", "bytes/event", "MB/s", "ns/event");
    for format in Format::ALL {
        for indicators in [0, 1, 5, 50] {
            let mut dice = Dice(7);
            let events: Vec<String> = (0..200).map(|_| format.event(&mut dice, indicators)).collect();
            for event in &events {
                extractor.extract(event.as_bytes(), &mut out);
                assert_eq!(out.len() as u64, indicators, "{event}");
            }
            let bytes: usize = events.iter().map(String::len).sum();
            let time = reading(&extractor, &events);
            let each = time.as_nanos() as f64 / events.len() as f64;
            println!(
                "{:<8} {indicators:>10} {:>12} {:>8.0} {each:>12.0}",
                format.name(),
                bytes / events.len(),
                speed(bytes, time)
            );
        }
    }
}

const SHORT: usize = 32 << 10;
const LONG: usize = 1 << 20;

/// A text of that length, and what it is called.
fn hostile_texts(length: usize) -> Vec<(&'static str, String)> {
    const RUNS: [&str; 14] =
        ["A", "a.", "a[.]", "1.", ":", "f0", "http://", "a@b.", "::1", "\\", "198.51.100.7 ", "%3A%2F%2F", "a-", "[."];
    let mut texts: Vec<(&str, String)> = RUNS.iter().map(|run| (*run, run.repeat(length / run.len()))).collect();
    let mut dice = Dice(11);
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    texts.push(("base64", (0..length).map(|_| char::from(digits[dice.below(64) as usize])).collect()));
    texts.push(("hex", (0..length).map(|_| char::from(b"0123456789abcdef"[dice.below(16) as usize])).collect()));
    let depth = length / 2;
    texts.push(("[[…]]", "[".repeat(depth) + &"]".repeat(depth)));
    let depth = length / 6;
    texts.push(("{\"a\":…}", "{\"a\":".repeat(depth) + "0" + &"}".repeat(depth)));
    texts.push(("{\"a.b\":[…", "{\"a.b\":[\"x.com\",".repeat(length / 17)));
    texts.push(("<a><a>", "<Event>".to_owned() + &"<a>".repeat(length / 3)));
    texts
}

pub(crate) fn hostile(_: &mut Criterion) {
    if !wanted("hostile") {
        return;
    }
    let extractor = Extractor::new(&Config::default());
    println!("\n{:<14} {:>10} {:>10} {:>8}", "repeated", "32 KB, µs", "1 MB, µs", "ratio");
    for ((name, short), (_, long)) in hostile_texts(SHORT).into_iter().zip(hostile_texts(LONG)) {
        let (few, many) = (reading(&extractor, &[&short]), reading(&extractor, &[&long]));
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let ratio = micros(many) / micros(few);
        let late = if few > Duration::from_millis(1) { "  more than 1 ms" } else { "" };
        println!("{name:<14} {:>10.1} {:>10.0} {ratio:>8.1}{late}", micros(few), micros(many));
        // Quadratic would be 1,024.
        assert!(ratio < 256.0, "{name} is not linear");
    }
}
