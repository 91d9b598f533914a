//! What a list of keywords costs, by its length, beside an automaton that reads the same bytes.

#![expect(clippy::print_stdout, reason = "a table")]

use std::{hint::black_box, sync::Arc};

use criterion::Criterion;
use sidelight::extract::{Config, Extractor, keywords::Reader};

use crate::{
    events,
    made::{Dice, WORDS, prose},
    tables::wanted,
    watch::{least, reading, speed},
};

/// Names of tools and files, codes of cases, user agents; one in ten with words that events are full of.
fn list(length: usize) -> Vec<String> {
    let mut dice = Dice(3);
    let name = |dice: &mut Dice| -> String {
        (0..3 + dice.below(3))
            .map(|_| dice.of(&["ka", "ri", "zo", "mim", "tel", "ix", "or", "bu", "sha", "pen"]))
            .collect()
    };
    (0..length)
        .map(|nth| match nth % 10 {
            0..=2 => format!("{}{}.exe", name(&mut dice), nth / 7),
            3 | 4 => format!("{} {}", name(&mut dice), name(&mut dice)),
            5 | 6 => format!("CASE-{}-{nth:06}", 2010 + nth % 16),
            7 => format!("Mozilla/5.0 (compatible; {}/{}.{})", name(&mut dice), nth % 9, nth),
            8 => format!("{}_{nth}", name(&mut dice)),
            _ => format!("{} {} {}", dice.of(WORDS), name(&mut dice), prose(&mut dice, 1)),
        })
        .collect()
}

pub(crate) fn lists(_: &mut Criterion) {
    if !wanted("keywords") {
        return;
    }
    let set = events();
    let bytes: usize = set.iter().map(String::len).sum();
    let plain = Extractor::new(&Config::default());
    println!("\n{:<9} {:>8} {:>10} {:>9} {:>16}", "keywords", "MB/s", "slow-down", "list, KB", "automaton, MB/s");
    for length in [10, 10_000, 100_000] {
        let words = list(length);
        let mut reader = Reader::default();
        reader.read(words.join("\n").as_bytes()).expect("a good list");
        let keywords = Arc::new(reader.finish());
        let weight = keywords.weight() / 1000;
        let extractor = Extractor::new(&Config { keywords, ..Config::default() });
        let holds = format!("x {} x", words[length / 2]);
        let mut out = sidelight::extract::Extraction::default();
        extractor.extract(holds.as_bytes(), &mut out);
        assert!(out.matches().any(|found| found.kind.as_str() == "keyword"), "{holds}");
        // One after the other, again and again, lest the machine favours one of them.
        let rounds: Vec<_> = (0..3).map(|_| (reading(&plain, &set), reading(&extractor, &set))).collect();
        let without = rounds.iter().map(|(without, _)| *without).min().unwrap_or_default();
        let with = rounds.iter().map(|(_, with)| *with).min().unwrap_or_default();
        let automaton = aho_corasick::AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind((length > 10).then_some(aho_corasick::AhoCorasickKind::ContiguousNFA))
            .build(&words)
            .expect("an automaton");
        let whole = least(|| {
            for event in &set {
                black_box(automaton.find_overlapping_iter(black_box(event.as_bytes())).count());
            }
        });
        let slower = with.as_secs_f64() / without.as_secs_f64() * 100.0 - 100.0;
        println!(
            "{:<9} {:>8.0}\n{length:<9} {:>8.0} {slower:>9.1}% {weight:>9} {:>16.0}",
            "none",
            speed(bytes, without),
            speed(bytes, with),
            speed(bytes, whole)
        );
    }
}
