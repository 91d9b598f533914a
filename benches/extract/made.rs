//! Made-up events with as many indicators as one wants, and words that are none.

/// Numbers that look random and are the same each time.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub(crate) fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

pub(crate) const WORDS: &[&str] = &[
    "An",
    "attempt",
    "was",
    "made",
    "to",
    "access",
    "object",
    "Security",
    "Account",
    "Logon",
    "process",
    "service",
    "Windows",
    "system",
    "user",
    "connection",
    "allowed",
    "denied",
    "policy",
    "rule",
    "session",
    "closed",
    "opened",
    "for",
    "by",
    "from",
    "port",
    "interface",
    "started",
    "stopped",
    "Administrator",
    "scheduled",
    "task",
    "registry",
    "key",
    "value",
    "handle",
    "Microsoft",
    "update",
    "the",
    "of",
    "and",
    "with",
    "failed",
];

/// A sentence of some words.
pub(crate) fn prose(dice: &mut Dice, words: u64) -> String {
    (0..words).map(|_| dice.of(WORDS)).collect::<Vec<_>>().join(" ")
}

fn indicator(dice: &mut Dice, nth: u64) -> String {
    let number = dice.below(1 << 30);
    match nth % 5 {
        0 => format!("203.0.{nth}.{}", 1 + number % 254),
        1 => format!("host-{number}.evil-example.net"),
        2 => format!("https://cdn-{number}.evil-example.net/gate/load.php"),
        3 => format!("user-{number}@mail.evil-example.net"),
        _ => format!("{:032x}", u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
    }
}

/// The formats that events are made in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    Json,
    Cef,
    Syslog,
    Text,
}

impl Format {
    pub(crate) const ALL: [Self; 4] = [Self::Json, Self::Cef, Self::Syslog, Self::Text];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cef => "cef",
            Self::Syslog => "syslog",
            Self::Text => "text",
        }
    }

    /// An event with this many indicators.
    pub(crate) fn event(self, dice: &mut Dice, indicators: u64) -> String {
        let found: Vec<String> = (0..indicators).map(|nth| indicator(dice, nth)).collect();
        let said = |dice: &mut Dice| {
            let parts: Vec<String> = found.iter().map(|value| format!("{} of {value}", prose(dice, 3))).collect();
            format!("{} {}", prose(dice, 12), parts.join(", "))
        };
        let number = dice.below(100_000);
        match self {
            Self::Json => {
                let fields: Vec<String> =
                    found.iter().enumerate().map(|(n, value)| format!(r#","field_{n}":"{value}""#)).collect();
                format!(
                    r#"{{"@timestamp":"2026-11-23T09:12:00.123Z","event":{{"kind":"event","category":["process"],"code":"{number}","dataset":"windows.security"}},"host":{{"name":"wks-{number}","os":{{"name":"Windows","version":"10.0.19045.3693"}}}},"user":{{"name":"jdoe","domain":"CORP"}},"process":{{"pid":{number},"executable":"C:\\Windows\\System32\\svchost.exe"}},"message":"{}\r\n\tLogon ID: 0x3E5"{}}}"#,
                    prose(dice, 20),
                    fields.concat()
                )
            }
            Self::Cef => {
                format!(
                    "CEF:0|Vendor|Firewall|9.1.0|{number}|Connection blocked|7|act=block cnt={number} suser=jdoe cs1Label=Policy cs1={} msg={}",
                    prose(dice, 3),
                    said(dice)
                )
            }
            Self::Syslog => format!("<38>Nov 23 09:12:00 gw01 sshd[{number}]: {}", said(dice)),
            Self::Text => said(dice),
        }
    }
}
