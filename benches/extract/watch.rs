//! Measuring on a machine that does other things too.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use sidelight::extract::{Extraction, Extractor};

/// The least time of several short rounds: most of them fit between two turns of whatever else runs on the machine.
pub(crate) fn least(mut work: impl FnMut()) -> Duration {
    const ROUNDS: usize = 30;
    const ROUND: Duration = Duration::from_millis(1);
    let mut timed = |times: u32| {
        let begun = Instant::now();
        for _ in 0..times {
            work();
        }
        begun.elapsed() / times
    };
    let once = timed(1).min(timed(1)).max(Duration::from_nanos(100));
    let times = u32::try_from(ROUND.as_nanos() / once.as_nanos()).unwrap_or(1).max(1);
    std::iter::repeat_with(|| timed(times)).take(ROUNDS).min().unwrap_or_default()
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
