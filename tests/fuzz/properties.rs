//! What holds for any text: canonical values are their own canonical form, defanging and envelopes change nothing.

use sidelight::{
    extract::{Config, Defang, Extraction, Extractor},
    model::Kind,
};

use crate::{Maker, dice::Dice};

type Property = fn(&mut Checker<'_>) -> Result<(), String>;

/// The properties and their names.
pub(crate) const ALL: [(&str, Property); 4] = [
    ("spans are parts of the payload", |checker| checker.spans()),
    ("canonical values are their own canonical form", |checker| checker.canonical()),
    ("defanging changes nothing", |checker| checker.defanged()),
    ("envelopes change nothing", |checker| checker.wrapped()),
];

/// What the properties need.
pub(crate) struct Checker<'a> {
    pub(crate) maker: &'a mut Maker,
    pub(crate) standard: Extractor,
    pub(crate) off: Extractor,
    pub(crate) found: Extraction,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(maker: &'a mut Maker) -> Self {
        let of = |defang| Extractor::new(&Config { defang, ..Config::default() });
        Self { maker, standard: of(Defang::Standard), off: of(Defang::Off), found: Extraction::default() }
    }

    /// What is in a payload, in the order of its values.
    fn of(&mut self, payload: &str) -> Vec<(Kind, String)> {
        self.standard.extract(payload.as_bytes(), &mut self.found);
        let mut all: Vec<_> = self.found.iter().map(|one| (one.kind, one.value.to_owned())).collect();
        all.sort();
        all
    }

    fn spans(&mut self) -> Result<(), String> {
        let input = self.maker.input();
        let standard = self.standard.clone();
        match crate::fault(&[standard], &input, &mut self.found) {
            Some(fault) => Err(format!("{fault} in {:?}", String::from_utf8_lossy(&input))),
            None => Ok(()),
        }
    }

    fn canonical(&mut self) -> Result<(), String> {
        let text = self.maker.text();
        self.off.extract(text.as_bytes(), &mut self.found);
        let values: Vec<_> = self.found.iter().map(|one| (one.kind, one.value.to_owned())).collect();
        for (kind, value) in values {
            self.off.extract(value.as_bytes(), &mut self.found);
            // A value may lose what made it one, and may then not be found; it is never another one of its kind.
            if let Some(other) = self.found.iter().find(|other| other.kind == kind && other.value != value) {
                return Err(format!("{value:?} gives {:?}, from {text:?}", other.value));
            }
        }
        Ok(())
    }

    fn defanged(&mut self) -> Result<(), String> {
        let (plain, defanged) = indicator(&mut self.maker.dice);
        let expected = self.of(&format!("see {plain} now"));
        let found = self.of(&format!("see {defanged} now"));
        if expected.is_empty() || expected != found {
            return Err(format!("{plain:?} gives {expected:?}, {defanged:?} gives {found:?}"));
        }
        Ok(())
    }

    fn wrapped(&mut self) -> Result<(), String> {
        // It begins as prose, lest it be read as an event itself.
        let text = format!("note {}", self.maker.text());
        let plain = self.of(&text);
        let inner = serde_json::json!({ "msg": text }).to_string();
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let envelopes = [
            serde_json::json!({ "message": text }).to_string(),
            serde_json::json!({ "event": { "original": inner } }).to_string(),
            format!("<Event><EventData><Data Name=\"Text\">{escaped}</Data></EventData></Event>"),
            format!("<38>Nov 23 09:12:00 gw01 app[42]: {text}"),
            format!("LEEF:2.0|a|b|c|d|x01|y=1\u{1}x={}", text.replace('\\', r"\\")),
        ];
        for envelope in envelopes {
            let found = self.of(&envelope);
            if found != plain {
                return Err(format!("{text:?} gives {plain:?}, {envelope:?} gives {found:?}"));
            }
        }
        Ok(())
    }
}

/// An indicator, plain and defanged.
fn indicator(dice: &mut Dice) -> (String, String) {
    const DOTS: [&str; 10] = [".", "[.]", "(.)", "{.}", "[dot]", "(dot)", "[.", ".]", "[[.]]", "].["];
    const ATS: [&str; 5] = ["@", "[@]", "[at]", "(at)", "(@)"];
    let kind = dice.below(5);
    if kind == 4 {
        return version_six(dice);
    }
    let host = if dice.below(4) == 0 {
        (0..4).map(|_| (1 + dice.below(255)).to_string()).collect::<Vec<_>>()
    } else {
        let mut labels: Vec<String> = (0..1 + dice.below(3)).map(|_| label(dice)).collect();
        labels.push((*dice.pick(&["com", "net", "org", "info", "ru", "de", "co.uk", "xyz", "top"])).to_owned());
        labels
    };
    let plain = host.join(".");
    // The dots of a suffix of two labels are defanged too.
    let mut defanged = String::new();
    for part in plain.split_inclusive('.') {
        match part.strip_suffix('.') {
            Some(part) => {
                defanged.push_str(part);
                defanged.push_str(dice.pick::<&str>(&DOTS));
            }
            None => defanged.push_str(part),
        }
    }
    match kind {
        0 => {
            let path = format!("/{}/{}.php?id={}", label(dice), label(dice), dice.below(1000));
            let scheme = *dice.pick(&["hxxp://", "hXXp://", "h**p://", "http[:]//", "http[://]", "hxtp://", "http://"]);
            (format!("http://{plain}{path}"), format!("{scheme}{defanged}{path}"))
        }
        1 if host.len() != 4 => {
            let local = label(dice);
            (format!("{local}@{plain}"), format!("{local}{}{defanged}", dice.pick(&ATS[..])))
        }
        _ => (plain, defanged),
    }
}

/// An address of version six: eight groups, or some with a gap.
fn version_six(dice: &mut Dice) -> (String, String) {
    const COLONS: [&str; 3] = [":", "[:]", "[:]"];
    const GAPS: [&str; 5] = ["::", "[::]", "[:][:]", "[:]:", ":[:]"];
    let (mut plain, mut defanged) = ("2001".to_owned(), "2001".to_owned());
    // Of eight groups at most six stand beside a gap, the last one behind it.
    let gap = Some(dice.below(7)).filter(|gap| *gap < 6);
    for group in 0..gap.map_or(7, |gap| gap + 1) {
        let (colon, other) = if Some(group) == gap { ("::", *dice.pick(&GAPS)) } else { (":", *dice.pick(&COLONS)) };
        let digits = format!("{:x}", 0x100 + dice.below(0xfeff));
        plain.extend([colon, &digits]);
        defanged.extend([other, &digits]);
    }
    (plain, defanged)
}

fn label(dice: &mut Dice) -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut label = String::from(char::from(*dice.pick(&letters[..26])));
    // Long enough to be no word of code.
    for _ in 0..6 + dice.below(8) {
        label.push(char::from(*dice.pick(letters)));
    }
    label
}
