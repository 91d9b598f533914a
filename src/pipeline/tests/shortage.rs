//! A quota that is short for an hour, and then is not: what left without its answer gets it, once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{Plan, Rig, SECOND, Sent};
use crate::{
    budget::Budget,
    enrich::Dice,
    model::SharedClock,
    pipeline::{Delivered as _, Destination},
};

/// Events of a second.
const EVENTS: usize = 4;
/// New addresses of a second; the events show older ones besides.
const NEW: usize = 3;
const AN_HOUR: usize = 3_600;

/// An event that shows an address for the first time where there is one that is new, and one that was seen before.
fn event(n: usize, dice: &mut Dice) -> String {
    let newest = n / EVENTS * NEW + n % EVENTS;
    let older = (dice.share() * newest.max(1) as f64) as usize;
    let shown = if n % EVENTS < NEW { [newest, older] } else { [older, older] };
    let [one, two] =
        shown.map(|address| format!("45.{}.{}.{}", 1 + address / 62_500, address / 250 % 250, 1 + address % 250));
    format!(r#"{{"event":{{"id":"{n}"}},"source":{{"ip":"{one}"}},"destination":{{"ip":"{two}"}}}}"#)
}

#[derive(Default)]
struct Seen {
    /// Records that were looked at.
    sent: usize,
    /// Events that left, by what was said of them.
    left: BTreeMap<String, usize>,
    /// Events that are owed a late record.
    owed: BTreeSet<usize>,
    /// Late records of each event.
    late: BTreeMap<usize, Vec<String>>,
}

impl Seen {
    fn look(&mut self, rig: &Rig) {
        let fresh: Vec<Sent> = rig.sink.sent.lock()[self.sent..].to_vec();
        self.sent += fresh.len();
        for sent in &fresh {
            rig.tracker.delivered(sent.token, Ok(()));
            let (status, value) = (sent.status(), sent.json());
            let id: usize = value["event"]["id"].as_str().expect("an id").parse().expect("a number");
            if sent.destination == Destination::Late {
                assert_eq!(sent.header("sidelight-event"), Some(format!("in/0/{id}")));
                self.late.entry(id).or_default().push(status);
            } else {
                if ["pending", "partial"].contains(&&*status) {
                    self.owed.insert(id);
                }
                *self.left.entry(status).or_default() += 1;
            }
        }
    }
}

#[test]
fn after_an_hour_of_shortage_every_event_that_left_without_its_answer_gets_it_once() {
    let plan = Plan { quota: "60/min", late_for: 24 * AN_HOUR as u32 * SECOND, owed_bytes: 1 << 30, ..Plan::default() };
    let (mut rig, mut seen, mut dice) = (Rig::new(&plan), Seen::default(), Dice::new(10));
    let mut calls = 0;
    for second in 0..AN_HOUR {
        for n in 0..EVENTS {
            let event = event(second * EVENTS + n, &mut dice);
            rig.feed(Some(&format!("host-{}", n % 60)), Some(event.as_bytes()));
        }
        while rig.answer(second % 7 == 0).is_some() {
            calls += 1;
        }
        rig.advance(SECOND);
        seen.look(&rig);
    }
    // A window is held a hundredth longer than a minute.
    assert!((3_500..=3_600).contains(&calls), "{calls} calls");
    rig.advance(2 * SECOND);
    seen.look(&rig);
    let events = AN_HOUR * EVENTS;
    assert_eq!(seen.left.values().sum::<usize>(), events, "the stream did not wait: {:?}", seen.left);
    let (owed, waiting) = (seen.owed.len() - seen.late.len(), rig.enricher.counts().waiting);
    assert!(owed > events / 4 && waiting > AN_HOUR, "{owed} owed, {waiting} waiting");

    let clock: SharedClock = Arc::<crate::model::ManualClock>::clone(&rig.clock);
    rig.enricher.set_budget(0, Budget::new("100/s".parse().expect("a quota"), None, 0.0, clock));
    let mut drained = Duration::ZERO;
    while rig.enricher.counts().waiting > 0 {
        while rig.answer(false).is_some() {}
        rig.advance(SECOND / 4);
        drained += SECOND / 4;
        assert!(drained < 600 * SECOND, "{} still wait", rig.enricher.counts().waiting);
    }
    seen.look(&rig);
    println!(
        "{events} events in an hour at 60/min: {:?}; {owed} owed and {waiting} indicators waiting at its end, all answered {drained:?} later at 100/s",
        seen.left
    );
    // Nothing more comes, however long one waits.
    rig.advance(48 * AN_HOUR as u32 * SECOND);
    seen.look(&rig);
    assert_eq!(seen.late.keys().copied().collect::<BTreeSet<_>>(), seen.owed, "who is owed is paid, and nobody else");
    assert!(seen.late.values().all(|late| late == &["complete"]), "once, and with the answer");
    assert_eq!(rig.shard.owed_count, 0);
}
