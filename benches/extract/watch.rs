//! Measuring on a machine that does other things too.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use sidelight::extract::{Extraction, Extractor};

/// Time on a processor that this thread has had, where the system tells; else the time that has passed.
fn now(start: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent = told.as_deref().and_then(|text| text.split(' ').next()?.parse().ok());
    spent.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// The least time of several rounds, each of which works for some milliseconds.
pub(crate) fn least(mut work: impl FnMut()) -> Duration {
    const ROUNDS: u32 = 25;
    const ROUND: Duration = Duration::from_millis(4);
    let clock = Instant::now();
    let begun = now(clock);
    work();
    let once = now(clock).saturating_sub(begun).max(Duration::from_nanos(100));
    let times = u32::try_from(ROUND.as_nanos() / once.as_nanos()).unwrap_or(1).max(1);
    let round = || {
        let begun = now(clock);
        for _ in 0..times {
            work();
        }
        now(clock).saturating_sub(begun) / times
    };
    std::iter::repeat_with(round).take(ROUNDS as usize).min().unwrap_or_default()
}

/// The least time in which all of these are read.
pub(crate) fn reading<T: AsRef<[u8]>>(extractor: &Extractor, events: &[T]) -> Duration {
    let mut out = Extraction::default();
    least(|| {
        for event in events {
            extractor.extract(black_box(event.as_ref()), &mut out);
            black_box(out.len());
        }
    })
}

/// Millions of bytes a second.
pub(crate) fn speed(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64() / 1e6
}
