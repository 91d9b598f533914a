//! The scenarios: what happens to whom, and when.

use crate::{events::Dice, options::Options};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL, and a new start a little later.
    Kill,
    /// The same, about when a transaction or an offset is committed.
    KillAtCommit,
    /// SIGTERM, an orderly end, and a new start.
    Terminate,
    /// SIGSTOP for longer than a session, then SIGCONT.
    Freeze,
    /// One replica more.
    Join,
    /// One replica less, by SIGTERM.
    Leave,
    /// SIGKILL for one broker after the other, or for the only one; each comes back after these seconds.
    Brokers(u64),
    /// All providers answer 503 until the next fault.
    Providers,
    /// SIGKILL for all replicas at once; each starts again a little later.
    Everything,
}

/// A scenario with its figures.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) guarantee: &'static str,
    pub(crate) events: usize,
    pub(crate) replicas: usize,
    /// Brokers of its own; zero takes those that are there.
    pub(crate) brokers: usize,
    /// Events sent in a second at most.
    pub(crate) rate: usize,
    /// Quotas of the providers.
    pub(crate) quotas: [String; 2],
    /// Events sent ahead of what has left.
    pub(crate) window: usize,
    /// Every fault, with the count of events that have left when it comes.
    pub(crate) faults: Vec<(usize, Fault)>,
    /// Providers do not answer before all events have left. Then everything is killed, they answer, and these faults come, with the share of
    /// what is owed, in thousandths, that has been paid by then.
    pub(crate) owing: Option<Vec<(usize, Fault)>>,
    /// Every end is an orderly one.
    pub(crate) orderly: bool,
    /// Processes may end by themselves, as one does that was fenced.
    pub(crate) may_end: bool,
}

struct Shape {
    name: &'static str,
    guarantee: &'static str,
    /// In the short form: events, replicas, faults.
    short: (usize, usize, usize),
    brokers: usize,
    cycle: &'static [Fault],
    orderly: bool,
    may_end: bool,
    /// Answers come late, and half of the faults while they are written.
    owing: bool,
    /// Whether it is part of every run of the tests.
    always: bool,
    /// Events sent in a second at most.
    rate: usize,
    /// Quotas of the providers, each spent as soon as it may be.
    quotas: [&'static str; 2],
}

/// What most scenarios have in common.
const USUAL: Shape = Shape {
    name: "",
    guarantee: ALO,
    short: (0, 0, 0),
    brokers: 0,
    cycle: &[],
    orderly: false,
    may_end: false,
    owing: false,
    always: false,
    rate: usize::MAX,
    quotas: ["6000/min"; 2],
};

const ALO: &str = "at_least_once";
const EOS: &str = "exactly_once";

const SHAPES: &[Shape] = &[
    Shape {
        name: "alo_kill",
        short: (4_000, 2, 2),
        cycle: &[Fault::Kill, Fault::Kill, Fault::KillAtCommit],
        always: true,
        ..USUAL
    },
    Shape {
        name: "eos_kill",
        guarantee: EOS,
        short: (4_000, 2, 2),
        cycle: &[Fault::Kill, Fault::KillAtCommit],
        always: true,
        ..USUAL
    },
    Shape {
        name: "late_kill",
        guarantee: EOS,
        short: (1_500, 2, 4),
        cycle: &[Fault::Kill],
        owing: true,
        always: true,
        ..USUAL
    },
    Shape { name: "sigterm", short: (4_000, 2, 2), cycle: &[Fault::Terminate], orderly: true, always: true, ..USUAL },
    Shape { name: "zombie", short: (20_000, 2, 3), cycle: &[Fault::Freeze], may_end: true, ..USUAL },
    Shape {
        name: "rebalance",
        short: (40_000, 2, 6),
        cycle: &[Fault::Join, Fault::Join, Fault::Leave, Fault::Join, Fault::Leave, Fault::Leave],
        orderly: true,
        ..USUAL
    },
    Shape { name: "brokers", short: (40_000, 2, 3), brokers: 3, cycle: &[Fault::Brokers(5)], orderly: true, ..USUAL },
    Shape { name: "outage", short: (20_000, 2, 1), brokers: 1, cycle: &[Fault::Brokers(60)], orderly: true, ..USUAL },
    Shape {
        name: "mixed",
        guarantee: EOS,
        short: (40_000, 3, 8),
        cycle: &[
            Fault::Kill,
            Fault::Providers,
            Fault::Terminate,
            Fault::Freeze,
            Fault::KillAtCommit,
            Fault::Join,
            Fault::Leave,
        ],
        may_end: true,
        ..USUAL
    },
    // A minute is a second of it and a day an hour, at one provider; the other has the real thing.
    Shape {
        name: "budget",
        short: (6_000, 3, 7),
        cycle: &[Fault::Kill, Fault::Kill, Fault::Join, Fault::Kill, Fault::Kill, Fault::Leave, Fault::Kill],
        rate: 100,
        quotas: ["4/s, 60/min, 500/hour", "4/min, 500/day"],
        ..USUAL
    },
];

/// The scenarios that these options ask for.
pub(crate) fn plans(options: &Options) -> Result<Vec<Plan>, String> {
    let wanted = |shape: &&Shape| match (&options.scenario, &options.filter) {
        (Some(name), _) => shape.name == name,
        (None, Some(part)) => shape.always && shape.name.contains(part.as_str()),
        (None, None) => shape.always,
    };
    let found: Vec<Plan> = SHAPES.iter().filter(wanted).map(|shape| plan(shape, options)).collect();
    match &options.scenario {
        Some(name) if found.is_empty() => {
            let known: Vec<_> = SHAPES.iter().map(|shape| shape.name).collect();
            Err(format!("there is no scenario {name}; known are {}", known.join(", ")))
        }
        Some(_) | None => Ok(found),
    }
}

fn plan(shape: &Shape, options: &Options) -> Plan {
    let or = |given: usize, short: usize| if given == 0 { short } else { given };
    let (events, count) = (or(options.events, shape.short.0), or(options.faults, shape.short.2));
    let mut dice = Dice::new(options.seed, 0xfa);
    let (early, late) = if shape.owing { (count / 2, count - count / 2) } else { (count, 0) };
    let away = |fault: Fault| {
        if matches!(fault, Fault::Brokers(_)) && options.away > 0 { Fault::Brokers(options.away) } else { fault }
    };
    let cycle: Vec<Fault> = shape.cycle.iter().copied().map(away).collect();
    let faults = spread(events, early, &cycle, &mut dice);
    let owing = shape.owing.then(|| spread(1_000, late, &cycle, &mut dice));
    let guarantee = match options.guarantee.as_deref() {
        Some(EOS) => EOS,
        Some(ALO) => ALO,
        Some(_) | None => shape.guarantee,
    };
    let quotas = if options.quota.is_empty() {
        shape.quotas.map(str::to_owned)
    } else {
        [options.quota.clone(), options.quota.clone()]
    };
    Plan {
        name: shape.name,
        guarantee,
        events,
        replicas: or(options.replicas, shape.short.1),
        brokers: shape.brokers,
        rate: or(options.rate, shape.rate),
        quotas,
        window: (events / 10).clamp(1_500, 20_000),
        faults,
        owing,
        orderly: shape.orderly,
        may_end: shape.may_end,
    }
}

/// That many faults between a twentieth and nineteen twentieths of all, one in each of as many equal parts.
fn spread(all: usize, count: usize, cycle: &[Fault], dice: &mut Dice) -> Vec<(usize, Fault)> {
    let part = all * 9 / 10 / count.max(1);
    let mut at = |n: usize| all / 20 + n * part + usize::try_from(dice.below(part as u64)).unwrap();
    (0..count).map(|n| (at(n), cycle[n % cycle.len()])).collect()
}
