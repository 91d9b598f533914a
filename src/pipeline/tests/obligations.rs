//! What is owed, on a log: when an offset is finished, what is taken over, and what is not kept twice.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use super::{OTHER, Plan, Rig, SECOND, Sent, UNKNOWN};
use crate::{
    model::{Indicator, IndicatorKind},
    pipeline::{Assigned, Delivered, Destination, Intake, obligations::Obligations},
    state::obligation::{self, EventName, Obligation},
};

fn rig(exactly_once: bool) -> Rig {
    let mut rig = Rig::new(&Plan { deadline: Duration::ZERO, ..Plan::default() });
    rig.shard.config.exactly_once = exactly_once;
    rig.shard.obligations = Some(Obligations::new(1, 0));
    rig
}

impl Rig {
    fn of(&self, destination: Destination) -> Vec<Sent> {
        self.sent().into_iter().filter(|sent| sent.destination == destination).collect()
    }

    fn replay(&mut self, window: u32, owed: Vec<(EventName, Obligation)>, last: bool) {
        self.handle.replayed(window, owed, last);
        self.work();
    }
}

/// What stands on the log under these records.
fn entry(sent: &Sent) -> (EventName, Obligation) {
    let key = sent.key.as_deref().expect("a key");
    let value = sent.payload.as_deref().expect("no tombstone");
    (EventName::of_key(key).expect("an event"), obligation::decode(key, value).expect("an obligation"))
}

#[test]
fn an_offset_waits_for_output_and_obligation_and_the_tombstone_for_the_late_record() {
    let mut rig = rig(false);
    rig.feed(Some("a"), Some(UNKNOWN));
    let (output, promised) = (rig.of(Destination::Output).remove(0), rig.of(Destination::Pending).remove(0));
    assert_eq!(entry(&promised).0, EventName { topic: "in".to_owned(), partition: 0, offset: 0 });
    rig.tracker.delivered(output.token, Ok(()));
    assert_eq!(rig.committed(), None, "it might be lost yet");
    rig.tracker.delivered(promised.token, Ok(()));
    assert_eq!(rig.committed(), Some(1));
    rig.answer(true);
    let late = rig.of(Destination::Late).remove(0);
    assert_eq!((late.status(), rig.of(Destination::Pending).len()), ("complete".to_owned(), 1));
    rig.tracker.delivered(late.token, Ok(()));
    rig.work();
    let tombstone = rig.of(Destination::Pending).remove(1);
    assert_eq!((tombstone.key, tombstone.payload), (promised.key, None));
    assert_eq!(rig.tracker.late_in_flight(), 1);
    rig.tracker.delivered(tombstone.token, Ok(()));
    assert_eq!(rig.tracker.late_in_flight(), 0);
}

#[test]
fn the_next_owner_pays_and_the_earlier_one_does_not() {
    let mut first = rig(false);
    first.feed(Some("a"), Some(UNKNOWN));
    let owed: Vec<_> = first.of(Destination::Pending).iter().map(entry).collect();
    let (done, revoked) = mpsc::channel();
    first.handle.revoke(vec![0], false, done);
    first.work();
    assert!(revoked.try_recv().is_ok());
    first.answer(true);
    first.advance(4_000 * SECOND);
    assert_eq!((first.of(Destination::Late).len(), first.shard.owed_count, first.shard.owed_bytes), (0, 0, 0));

    let mut second = rig(false);
    second.replay(0, owed, true);
    assert_eq!(second.shard.owed_count, 1);
    second.answer(true);
    let late = second.of(Destination::Late);
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].header("sidelight-event").as_deref(), Some("in/0/0"));
    let (value, indicators) = (late[0].json(), &late[0].json()["sidelight"]["indicators"]);
    assert_eq!((&value["event"]["id"], &indicators[0]["ioc_value"]), (&"e-1".into(), &"45.83.12.7".into()));
    assert_eq!(late[0].key.as_deref(), Some(&b"a"[..]));
}

#[test]
fn what_nobody_has_answered_in_time_is_expired_also_for_the_next_owner() {
    let mut first = rig(false);
    first.feed(None, Some(UNKNOWN));
    let owed: Vec<_> = first.of(Destination::Pending).iter().map(entry).collect();
    let mut second = rig(false);
    second.clock.advance(3_601 * SECOND);
    second.replay(0, owed, true);
    let late = second.of(Destination::Late).remove(0);
    assert_eq!(late.json()["sidelight"]["indicators"][0]["sources"][0]["reason"], "expired");
}

#[test]
fn nothing_is_kept_or_paid_twice() {
    let mut rig = rig(true);
    rig.feed(Some("a"), Some(UNKNOWN));
    rig.feed(Some("b"), Some(OTHER));
    let owed: Vec<_> = rig.of(Destination::Pending).iter().map(entry).collect();
    rig.answer(true);
    assert_eq!((rig.of(Destination::Late).len(), rig.shard.owed_count), (1, 1));
    // The reader found both before the tombstone of the first.
    rig.replay(0, owed.clone(), false);
    rig.replay(0, owed.clone(), true);
    assert_eq!((rig.of(Destination::Late).len(), rig.shard.owed_count), (1, 1));
    // Undone: the next assignment reads the log again, twice even.
    rig.tracker.set_undone(true);
    rig.shard.undo();
    assert_eq!((rig.shard.owed_count, rig.shard.owed_bytes, rig.shard.events.len()), (0, 0, 0));
    rig.tracker.set_undone(false);
    rig.shard.resume();
    let topic = "in".into();
    rig.intake.assigned(Assigned { topic, partition: 0, epoch: 2, metadata: String::new(), committed: Some(2) });
    rig.replay(1, owed.clone(), false);
    rig.replay(1, owed[1..].to_vec(), true);
    assert_eq!(
        (rig.of(Destination::Late).len(), rig.shard.owed_count),
        (2, 1),
        "the first again, as its answer is known"
    );
    rig.answer(true);
    assert_eq!((rig.of(Destination::Late).len(), rig.shard.owed_count, rig.shard.owed_bytes), (3, 0, 0));
    let tombstones = rig.of(Destination::Pending).iter().filter(|sent| sent.payload.is_none()).count();
    assert_eq!(tombstones, 3);
}

#[test]
fn an_event_that_is_read_again_takes_the_place_of_what_it_was_owed() {
    let mut first = rig(false);
    first.feed(Some("a"), Some(UNKNOWN));
    let owed: Vec<_> = first.of(Destination::Pending).iter().map(entry).collect();
    let mut second = rig(false);
    second.replay(0, owed, true);
    second.feed(Some("a"), Some(UNKNOWN));
    assert_eq!((second.shard.owed_count, second.shard.events.len()), (1, 1));
    second.answer(true);
    assert_eq!((second.of(Destination::Late).len(), second.shard.owed_count, second.shard.owed_bytes), (1, 0, 0));
}

#[test]
fn a_closed_window_takes_nothing_over() {
    let mut first = rig(false);
    first.feed(Some("a"), Some(UNKNOWN));
    let owed: Vec<_> = first.of(Destination::Pending).iter().map(entry).collect();
    let mut second = rig(false);
    second.tracker.close(0);
    second.replay(0, owed, true);
    assert_eq!(second.shard.owed_count, 0);
}

#[test]
fn a_hot_indicator_is_paid_in_turns() {
    const EVENTS: usize = 1_000;
    let mut rig = rig(false);
    for n in 0..EVENTS {
        rig.feed(Some(&format!("k{n}")), Some(UNKNOWN));
    }
    rig.answer(true);
    let first = rig.of(Destination::Late).len();
    assert!(first < EVENTS, "records have a turn in between");
    for _ in 0..EVENTS {
        rig.work();
    }
    assert_eq!((rig.of(Destination::Late).len(), rig.shard.owed_count, rig.shard.owed_bytes), (EVENTS, 0, 0));
}

#[test]
fn what_is_known_is_kept_once_for_all_who_wait_for_it() {
    let mut rig = rig(false);
    let mut owed = Vec::new();
    for _ in 0..5 {
        rig.feed(None, Some(UNKNOWN));
        owed.push(rig.shard.owed_bytes);
        // What is known of it is rendered anew.
        rig.advance(2 * SECOND);
    }
    let address = Indicator::new(IndicatorKind::Ipv4, "45.83.12.7");
    let entries: Vec<_> = rig.shard.events.values().map(|event| event.open(&address).map(Arc::as_ptr)).collect();
    assert_eq!(entries.len(), 5);
    assert!(entries[0].is_some() && entries.iter().all(|entry| *entry == entries[0]));
    let added: Vec<usize> = owed.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(owed[0] > added[0] + 500 && added.iter().all(|more| *more == added[0]), "{owed:?}");
    rig.answer(true);
    let late = rig.of(Destination::Late);
    assert!(late.len() == 5 && late.iter().all(|late| late.status() == "complete"));
}
