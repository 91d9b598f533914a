//! Events that follow from a seed and a number, so that the checker knows what each of them was.

/// Partitions of the input and output topics.
pub(crate) const PARTITIONS: i32 = 6;
/// Different keys; each stays on one partition.
const KEYS: u64 = 97;
/// Malicious by decree of the simulator.
pub(crate) const THREAT: &str = "45.66.6.6";
/// No value that begins like this may reach a provider.
pub(crate) const PRIVATE: [&str; 2] = ["10.", "192.168."];

/// A sequence of numbers that follows from its seed (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        dice.next();
        dice
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) partition: i32,
    pub(crate) key: Option<String>,
    pub(crate) payload: Option<Vec<u8>>,
    /// A member of the payload that an annotation replaces; empty where there is none.
    pub(crate) ours: &'static str,
}

const OURS: &str = r#""sidelight":{"schema":1,"status":"pending"},"#;

/// The event with this number.
pub(crate) fn event(seed: u64, n: usize) -> Event {
    let mut dice = Dice::new(seed, n as u64);
    let line = dice.below(KEYS);
    let known = format!("45.9.{}.7", dice.below(40));
    let json = |ip: &str, more: &str| {
        format!(
            r#"{{"event":{{"id":"e-{n}"}},{more}"source":{{"ip":"10.1.2.3"}},"destination":{{"ip":"{ip}","port":443}},"n":1.50}}"#
        )
    };
    let mut ours = "";
    let text: Vec<u8> = match dice.below(100) {
        0..4 => json(&format!("46.{}.{}.{}", 1 + (n >> 16) % 200, (n >> 8) & 255, n & 255), "").into(),
        4..12 => format!(r#"{{"message":"nothing to see","n":{n}}}"#).into(),
        12..20 => format!("CEF:0|Example|Gate|1|7|deny|5|src=10.0.0.1 dst={known} msg=n{n}").into(),
        20..22 => json(THREAT, "").into(),
        22..23 => json(THREAT, r#""threat":{"framework":"x"},"#).into(),
        23..24 => json(THREAT, r#""threat":{"enrichments":[{"feed":{"name":"other"}}]},"#).into(),
        24..26 => {
            ours = OURS;
            json(&known, OURS).into()
        }
        26..30 => format!(r#"{{"event":{{"id":"e-{n}"}},"destination":{{"ip":"10.0"#).into(),
        30..32 => vec![0xff, 0xfe, 0x80, u8::try_from(n & 127).unwrap(), 0xc3],
        32 => Vec::new(),
        33 => format!("nul\0nul {n}").into(),
        34 => return Event { payload: None, ..of(line, &mut dice, Vec::new(), "") },
        35..37 => r#"{"host":{"ip":"192.168.7.7"}}"#.into(),
        37..40 => format!("{{\n  \"destination\": {{ \"ip\": \"{known}\" }}\n}}\r\n").into(),
        _ => json(&known, "").into(),
    };
    of(line, &mut dice, text, ours)
}

fn of(line: u64, dice: &mut Dice, payload: Vec<u8>, ours: &'static str) -> Event {
    let partition = i32::try_from(line).unwrap() % PARTITIONS;
    let key = (dice.below(60) > 0).then(|| format!("host-{line}"));
    Event { partition, key, payload: Some(payload), ours }
}
