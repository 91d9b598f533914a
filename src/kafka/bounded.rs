//! A call of the client library that may never return, and is waited for only so long.
//!
//! `send_offsets_to_transaction` is told a limit, but the library keeps it only as long as the coordinator of the transactions answers. Then it looks for the
//! coordinator of the group, and for that it has no limit: while it knows a broker that is away it waits until the connection to some broker comes or
//! goes, which may take minutes, or for ever. Nothing can be asked of that producer meanwhile, not even to undo its transaction.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// Between two looks whether it is time to give up.
const LOOK: Duration = Duration::from_millis(100);

/// Makes the call on a thread of its own. `None` when it has not returned within this time, or `give_up` said so, or the system refuses a thread; the call,
/// and what it holds, counts as left behind until it returns.
pub(super) fn call<T: Send + 'static>(
    call: impl FnOnce() -> T + Send + 'static,
    within: Duration,
    give_up: impl Fn() -> bool,
    left_behind: &Arc<AtomicUsize>,
) -> Option<T> {
    let (answer, answered) = mpsc::sync_channel(0);
    let count = Arc::clone(left_behind);
    let spawned = thread::Builder::new().name("kafka-offsets".to_owned()).spawn(move || {
        let result = call();
        // Nobody waits for it any more.
        if answer.send(result).is_err() {
            count.fetch_sub(1, Ordering::AcqRel);
        }
    });
    spawned.ok()?;
    // Slice by slice: a process that was stopped meanwhile has not waited, and hears first what the call has to say.
    let mut left = within;
    loop {
        let slice = LOOK.min(left);
        match answered.recv_timeout(slice) {
            Ok(result) => return Some(result),
            Err(RecvTimeoutError::Timeout) => {
                left = left.saturating_sub(slice);
                if left.is_zero() || give_up() {
                    break;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    left_behind.fetch_add(1, Ordering::AcqRel);
    // It may have returned just now, and wait for somebody to take its answer.
    let last = answered.try_recv().ok();
    if last.is_some() {
        left_behind.fetch_sub(1, Ordering::AcqRel);
    }
    last
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_call_that_does_not_return_counts_until_it_does() {
        let left_behind = Arc::default();
        let long = Duration::from_secs(60);
        assert_eq!(call(|| 7, long, || false, &left_behind), Some(7));
        assert_eq!(left_behind.load(Ordering::Acquire), 0);
        let (end, ended) = mpsc::channel::<()>();
        let begun = Instant::now();
        assert!(call(move || ended.recv().is_ok(), Duration::from_millis(50), || false, &left_behind).is_none());
        let (second, second_ended) = mpsc::channel::<()>();
        assert!(call(move || second_ended.recv().is_ok(), long, || true, &left_behind).is_none());
        assert!(begun.elapsed() < long);
        assert_eq!(left_behind.load(Ordering::Acquire), 2);
        drop((end, second));
        while left_behind.load(Ordering::Acquire) > 0 {
            assert!(begun.elapsed() < long, "both have returned");
            thread::yield_now();
        }
    }
}
