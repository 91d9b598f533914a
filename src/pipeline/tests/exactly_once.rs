//! Exactly once: undoing, and the room in the metadata of a commit.

use std::{thread, time::Duration};

use super::{KNOWN, OTHER, Plan, Rig, SECOND, UNKNOWN};
use crate::pipeline::{
    Delivered as _, DeliveryFailure, Destination, Intake,
    mailbox::{Mail, News},
};

#[test]
fn what_was_undone_is_done_again_and_only_that() {
    let mut rig = Rig::new(&Plan::default());
    rig.feed(Some("a"), Some(UNKNOWN));
    rig.advance(2 * SECOND);
    assert_eq!(rig.statuses(), [(Destination::Output, "pending".to_owned())]);
    // That is committed; the rest happens in the next transaction.
    rig.shard.undo.turn(1);
    rig.feed(Some("b"), Some(OTHER));
    rig.advance(2 * SECOND);
    rig.answer(true);
    rig.feed(Some("c"), Some(br#"{"destination":{"ip":"45.83.12.9"}}"#));
    assert_eq!(rig.sent().len(), 3, "the second event, and what was owed to the first");
    rig.tracker.set_undone(true);
    rig.shard.undo();
    assert!(rig.shard.events.is_empty() && rig.shard.park.is_empty(), "nobody waits, nothing is owed");
    rig.answer(false);
    rig.advance(4_000 * SECOND);
    assert_eq!(rig.sent().len(), 3, "nothing leaves while it is undone");
    rig.tracker.set_undone(false);
    rig.shard.resume();
    rig.work();
    let again = rig.sent().split_off(3);
    let events: Vec<_> = again.iter().map(|sent| sent.header("sidelight-event")).collect();
    assert_eq!(events, [Some("in/0/0".to_owned())], "the late record that was undone");
    rig.shard.undo.turn(2);
    rig.shard.undo();
    rig.shard.resume();
    assert_eq!(rig.sent().len(), 4, "a committed late record is not sent again");
}

#[test]
fn events_leave_before_the_metadata_of_a_commit_overflows() {
    let mut rig = Rig::new(&Plan { park_bytes: 1 << 30, quota: "1000000/min", ..Plan::default() });
    for n in 0..7_000u32 {
        let [_, _, high, low] = n.to_be_bytes();
        rig.feed(None, Some(format!(r#"{{"destination":{{"ip":"45.84.{high}.{low}"}}}}"#).as_bytes()));
        rig.feed(None, Some(KNOWN));
        rig.feed(None, Some(KNOWN));
        rig.feed(None, Some(KNOWN));
    }
    rig.deliver_all();
    assert!(!rig.intake.fits() && rig.intake.paused_wanted(), "28,000 offsets, one in four unfinished");
    rig.work();
    rig.deliver_all();
    assert!(rig.intake.fits() && !rig.intake.paused_wanted());
    let commit = rig.intake.committable().pop().expect("half of them have left");
    assert!(commit.next >= 14_000 && commit.metadata.len() <= 4_000, "{}", commit.next);
}

#[test]
fn records_of_a_lost_partition_do_not_stay_under_way_when_their_transaction_is_undone() {
    let mut rig = Rig::new(&Plan::default());
    rig.feed(None, Some(KNOWN));
    rig.feed(None, Some(UNKNOWN));
    assert_eq!((rig.sent().len(), rig.tracker.records()), (1, 2), "one is under way, one waits");
    let Rig { intake, shard, handle, .. } = &mut rig;
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                if let Mail::News(news) = handle.mailbox().take(Duration::from_secs(60)) {
                    let last = matches!(news, News::Undo(_));
                    shard.news(news);
                    if last {
                        break;
                    }
                }
            }
        });
        intake.revoke(&[("in".into(), 0)], true, Duration::from_secs(60));
        intake.undo();
    });
    // As the library reports it, before or after.
    rig.tracker.delivered(rig.sent()[0].token, Err(DeliveryFailure::Undone));
    assert_eq!((rig.tracker.records(), rig.tracker.bytes()), (0, 0));
}
