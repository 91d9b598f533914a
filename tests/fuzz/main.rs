//! Fuzzing of the extraction and of the parsers of all formats: labelled texts and events, changed at random and put into one another.
//!
//! First the properties (`properties.rs`), 100,000 cases each, `--cases N` for another number; then random inputs for a second, `--seconds N` for
//! longer, `--seed S` for others. Built as `cargo test --profile fuzz --test fuzz -- --seconds 1800` it is optimised and has debug assertions. Of a
//! random input is checked: nothing panics, every span is a part of the payload on character boundaries, no value is empty, what is
//! found has a field, and the time keeps to what a linear scan may take. An input that fails is printed with the state that makes it.

#![expect(clippy::print_stdout, reason = "a report")]

mod dice;
mod properties;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::{Duration, Instant},
};

use sidelight::extract::{Config, Defang, Extraction, Extractor, headline};

use dice::Dice;

const TEXTS: &str = include_str!("../extraction/texts.txt");
const EVENTS: &str = include_str!("../extraction/events.txt");

/// What inputs are made of beside the labelled texts.
const TOKENS: &[&str] = &[
    "http://",
    "hxxp[:]//",
    "://",
    "%3A%2F%2F",
    "[.]",
    "[.",
    ".]",
    "(dot)",
    " [.] ",
    "[at]",
    "@",
    "\\",
    "\\\\",
    "\\.",
    "\\u002e",
    "\\u00",
    "\\/",
    "&#46;",
    "&amp;",
    "&",
    "::",
    ":",
    "::ffff:",
    "%eth0",
    "1.2.3.4",
    "255.255.255.255.",
    "0x7f.1",
    "CVE-2021-44228",
    "cve-",
    ".com",
    ".",
    "-",
    "_",
    "xn--",
    "\u{e9}",
    "\u{3002}",
    "\u{ff0e}",
    "\u{200b}",
    "\u{2011}",
    "\u{a0}",
    "\u{feff}",
    "\u{202e}",
    "\u{1f600}",
    "{\"a\":\"",
    "\"}",
    "[\"",
    "\"]",
    "{\"message\":",
    "CEF:0|a|b|c|d|e|1|",
    "cs1Label=",
    "LEEF:2.0|a|b|c|d|",
    "^",
    "x5E",
    "<34>1 2026-11-23T09:12:00Z h a 1 I [x y=\"",
    "\"] ",
    "<34>Nov 23 09:12:00 h a[1]: ",
    "<Event xmlns='x'>",
    "<Data Name=\"",
    "</Data>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "<?xml",
    "/>",
    "a=b ",
    "=\"",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "0123456789abcdef0123456789abcdef",
    "tlp:",
    "\"tags\":[",
    "sidelight",
    "threat",
    "enrichments",
    "'",
    "`",
    ",",
    ";",
    "|",
];

/// Makes inputs.
pub(crate) struct Maker {
    pub(crate) dice: Dice,
    /// Labelled texts, and whole events.
    texts: Vec<&'static str>,
    seeds: Vec<&'static str>,
}

impl Maker {
    /// Labelled texts and tokens of prose, one after another.
    pub(crate) fn text(&mut self) -> String {
        const PLAIN: [&str; 14] =
            [" ", ", ", "; ", " (", ") ", "\u{e9}", "\u{3002}", "://", "@", ".", "/", "-", "x", "198.51.100.7"];
        let mut text = String::new();
        for _ in 0..1 + self.dice.below(4) {
            let seed = *self.dice.pick(&self.texts);
            text.push_str(if self.dice.below(2) == 0 { seed } else { self.dice.pick::<&str>(&PLAIN) });
            text.push_str(self.dice.pick::<&str>(&PLAIN));
        }
        text
    }

    pub(crate) fn input(&mut self) -> Vec<u8> {
        let mut bytes = self.dice.pick(&self.seeds).as_bytes().to_vec();
        for _ in 0..self.dice.below(6) {
            self.change(&mut bytes);
        }
        for _ in 0..self.dice.below(3) {
            bytes = self.wrapped(&bytes);
        }
        // Most of the time it is text.
        if self.dice.below(8) == 0 { bytes } else { String::from_utf8_lossy(&bytes).into_owned().into_bytes() }
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.dice.below(bytes.len() + 1);
        let end = (at + 1 + self.dice.below(12)).min(bytes.len());
        match self.dice.below(8) {
            0 => drop(bytes.drain(at..end)),
            1 => insert(bytes, at, self.dice.pick(TOKENS).as_bytes()),
            2 => {
                let other = self.dice.pick(&self.seeds).as_bytes();
                insert(bytes, at, other);
            }
            3 => {
                let part = bytes[at..end].repeat(1 + self.dice.below(30));
                insert(bytes, at, &part);
            }
            4 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = self.dice.next() as u8;
                }
            }
            5 => bytes.truncate(at),
            6 => {
                let token = self.dice.pick(TOKENS).repeat(1 + self.dice.below(200));
                insert(bytes, at, token.as_bytes());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 0x20;
                }
            }
        }
        bytes.truncate(1 << 16);
    }

    fn wrapped(&mut self, bytes: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(bytes);
        match self.dice.below(7) {
            0 => serde_json::json!({ "message": text }).to_string(),
            1 => serde_json::json!({ "a": [{ "event.original": text }], "dns": { "question": { "name": text } } })
                .to_string(),
            2 => format!("CEF:0|a|b|c|d|{text}|1|msg={text}"),
            3 => format!("LEEF:2.0|a|b|c|d|^|x={text}^y={text}"),
            4 => format!("<34>1 2026-11-23T09:12:00Z h a 1 I [x y=\"{text}\"] {text}"),
            5 => format!("<Event><EventData><Data Name=\"X\">{text}</Data></EventData></Event>"),
            _ => format!("a=1 b=\"{text}\" c={text}"),
        }
        .into_bytes()
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}

/// What is wrong with the extraction of an input.
pub(crate) fn fault(extractors: &[Extractor], bytes: &[u8], found: &mut Extraction) -> Option<String> {
    for extractor in extractors {
        extractor.extract(bytes, found);
        let text = std::str::from_utf8(bytes).ok();
        for one in found.matches() {
            let raw = text.and_then(|text| text.get(one.span.clone()));
            if raw.is_none_or(str::is_empty) || one.value.is_empty() || one.field.is_empty() {
                return Some(format!("{one:?}"));
            }
        }
        if let Some(one) = found.iter().find(|one| one.fields().next().is_none()) {
            return Some(format!("{} without a field", one.value));
        }
        if let Some(text) = text {
            extractor.identify(text);
            headline(bytes);
        }
    }
    None
}

/// Options of a run.
struct Options {
    cases: u64,
    seconds: u64,
    seed: u64,
}

fn options() -> Options {
    let mut options = Options { cases: 100_000, seconds: 1, seed: 1 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let place = match argument.as_str() {
            "--cases" => &mut options.cases,
            "--seconds" => &mut options.seconds,
            "--seed" => &mut options.seed,
            // What the test runner is asked for is meant for others.
            _ => continue,
        };
        if let Some(number) = arguments.next().and_then(|number| number.parse().ok()) {
            *place = number;
        }
    }
    options
}

fn main() -> ExitCode {
    let options = options();
    let rows = |file: &'static str| {
        let lines = file.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.rsplit_once(" ==>")).map(|(text, _)| text)
    };
    let (texts, seeds) = (rows(TEXTS).collect(), rows(TEXTS).chain(rows(EVENTS)).collect());
    let mut maker = Maker { dice: Dice(options.seed), texts, seeds };
    for (name, property) in properties::ALL {
        let start = Instant::now();
        let mut checker = properties::Checker::new(&mut maker);
        for case in 0..options.cases {
            let outcome = catch_unwind(AssertUnwindSafe(|| property(&mut checker)));
            if let Err(fault) = outcome.unwrap_or_else(|_| Err("panic".to_owned())) {
                println!("{name}: case {case} of seed {}: {fault}", options.seed);
                return ExitCode::FAILURE;
            }
        }
        println!("{name}: {} cases in {:.1?}", options.cases, start.elapsed());
    }
    match random(&mut maker, Duration::from_secs(options.seconds)) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(report) => {
            println!("{report}");
            ExitCode::FAILURE
        }
    }
}

/// Random inputs for so long.
fn random(maker: &mut Maker, long: Duration) -> Result<String, String> {
    let of = |defang| Extractor::new(&Config { defang, url_hosts: defang != Defang::Off, ..Config::default() });
    let extractors = [of(Defang::Standard), of(Defang::Aggressive), of(Defang::Off)];
    let mut found = Extraction::default();
    let (start, mut runs, mut bytes, mut slowest) = (Instant::now(), 0_u64, 0_u64, (Duration::ZERO, 0));
    while start.elapsed() < long {
        let state = maker.dice.0;
        let input = maker.input();
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| fault(&extractors, &input, &mut found)));
        let taken = begun.elapsed();
        // Far more than a linear scan takes on a busy machine, far less than a quadratic one does on the longest input.
        let late = taken > Duration::from_secs(2) + Duration::from_micros(50) * input.len() as u32;
        let fault = outcome.unwrap_or_else(|_| Some("panic".to_owned()));
        if let Some(fault) = fault.or_else(|| late.then(|| format!("took {taken:?}"))) {
            return Err(format!("state {state}, run {runs}: {fault}\n{:?}", String::from_utf8_lossy(&input)));
        }
        runs += 1;
        bytes += input.len() as u64;
        slowest = slowest.max((taken, input.len()));
    }
    let (taken, length) = slowest;
    Ok(format!("{runs} random inputs, {bytes} bytes: no faults; the slowest took {taken:.1?} for {length} bytes"))
}
