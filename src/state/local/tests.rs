//! The local store on real files.

use super::*;
use crate::{
    model::{ManualClock, SystemClock},
    state::discard,
};

/// A path in a directory that ends with its value.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("sidelight-state-{}-{count}", std::process::id())))
    }

    fn path(&self) -> PathBuf {
        self.0.join("deep/state.redb")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn wait(&self, count: usize) -> Vec<String> {
        for _ in 0..12_000 {
            if self.0.lock().len() >= count {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.0.lock().clone()
    }
}

impl Follower for Heard {
    fn record(&mut self, record: LogRecord<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let value = record.value.map_or_else(|| "-".to_owned(), text);
        self.0.lock().push(format!("{}@{} {}={value}", record.offset, record.at_ms, text(record.key)));
    }
    fn caught_up(&mut self) {
        self.0.lock().push("caught up".to_owned());
    }
}

fn spec(cleanup: Cleanup) -> LogSpec {
    let (name, role) = ("p.ledger".to_owned(), "ledger");
    LogSpec { name, role, partitions: 1, cleanup, append_time: true, append_within: None }
}

const DELETE: Cleanup = Cleanup::Delete { keep: Duration::from_secs(3_600), bytes: None };

#[test]
fn what_was_written_is_there_after_a_restart_and_the_wall_clock_moves_no_time() {
    let place = Place::new();
    let clock = ManualClock::at(1_000_000);
    {
        let store = LocalStore::open(&place.path(), clock.clone()).unwrap();
        let log = store.log(&spec(DELETE)).unwrap();
        let heard = Heard::default();
        let _following = log.follow(&[0], Box::new(heard.clone())).unwrap();
        log.append(Some(0), b"a", Some(b"1"), discard()).unwrap();
        assert_eq!(heard.wait(2), ["caught up", "0@1000000 a=1"]);
        clock.advance(Duration::from_secs(1));
        clock.set_wall_ms(99_000_000);
        log.append(Some(0), b"b", None, discard()).unwrap();
        assert_eq!(heard.wait(3)[2], "1@1001000 b=-");
    }
    clock.set_wall_ms(900_000);
    let store = LocalStore::open(&place.path(), clock).unwrap();
    let log = store.log(&spec(DELETE)).unwrap();
    log.append(Some(0), b"c", Some(b"3"), discard()).unwrap();
    let heard = Heard::default();
    let _following = log.follow(&[0], Box::new(heard.clone())).unwrap();
    let seen = heard.wait(3);
    assert!(seen.contains(&"0@1000000 a=1".to_owned()) && seen.contains(&"2@1001000 c=3".to_owned()), "{seen:?}");
}

#[test]
fn of_a_compacted_log_the_last_of_each_key_is_kept() {
    let place = Place::new();
    let store = LocalStore::open(&place.path(), ManualClock::at(1_000_000)).unwrap();
    let log = store.log(&spec(Cleanup::Compact)).unwrap();
    let heard = Heard::default();
    let following = log.follow(&[0], Box::new(heard.clone())).unwrap();
    for (key, value) in [("a", Some("1")), ("b", Some("2")), ("a", Some("3")), ("b", None)] {
        log.append(None, key.as_bytes(), value.map(str::as_bytes), discard()).unwrap();
    }
    assert!(heard.wait(5).len() >= 3);
    drop(following);
    let log = store.log(&spec(Cleanup::Compact)).unwrap();
    let mut left = Vec::new();
    let ended = log.replay(&[0], &Stop::default(), &mut |record| left.push((record.offset, record.key.to_vec())));
    assert_eq!((ended, left), (Ok(true), vec![(2, b"a".to_vec())]));
}

#[test]
fn old_records_go_by_age_and_by_size_but_never_the_last() {
    let place = Place::new();
    let clock = ManualClock::at(1_000_000);
    let store = LocalStore::open(&place.path(), clock.clone()).unwrap();
    let small = Cleanup::Delete { keep: Duration::from_secs(3_600), bytes: Some(400) };
    let log = store.log(&spec(small)).unwrap();
    let heard = Heard::default();
    let _following = log.follow(&[0], Box::new(heard.clone())).unwrap();
    for n in 0..50u8 {
        log.append(Some(0), &[n], Some(&[n; 75]), discard()).unwrap();
    }
    let offsets = |log: &LocalLog| {
        let mut offsets = Vec::new();
        log.replay(&[0], &Stop::default(), &mut |record| offsets.push(record.offset)).unwrap();
        offsets
    };
    for _ in 0..200 {
        if offsets(&log) == [46, 47, 48, 49] {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(offsets(&log), [46, 47, 48, 49]);
    clock.advance(Duration::from_secs(7_200));
    assert_eq!(offsets(&store.log(&spec(small)).unwrap()), [49]);
}

#[test]
fn two_openers_share_one_order() {
    let place = Place::new();
    let open = || {
        let store = LocalStore::open(&place.path(), SystemClock::shared()).unwrap();
        let log = store.log(&spec(DELETE)).unwrap();
        let heard = Heard::default();
        let following = log.follow(&[0], Box::new(heard.clone())).unwrap();
        (log, heard, following)
    };
    let (one, other) = (open(), open());
    for n in 0..50 {
        let log = if n % 2 == 0 { &one.0 } else { &other.0 };
        log.append(Some(0), format!("{n}").as_bytes(), Some(b"x"), discard()).unwrap();
    }
    let (first, second) = (one.1.wait(51), other.1.wait(51));
    assert_eq!(first.len(), 51);
    assert_eq!(first[1..], second[1..]);
}

#[test]
fn what_cannot_be_used_says_why() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    std::fs::write(place.path(), b"this is no database at all, it only looks long enough to be one").unwrap();
    let error = LocalStore::open(&place.path(), SystemClock::shared()).unwrap_err();
    assert!(matches!(error, LocalError::Open { .. }), "{error}");
    std::fs::remove_file(place.path()).unwrap();

    let clock = ManualClock::at(90_000_000);
    {
        let store = LocalStore::open(&place.path(), clock.clone()).unwrap();
        let log = store.log(&spec(DELETE)).unwrap();
        let heard = Heard::default();
        let _following = log.follow(&[0], Box::new(heard.clone())).unwrap();
        log.append(Some(0), b"a", Some(b"1"), discard()).unwrap();
        assert_eq!(heard.wait(2).len(), 2);
    }
    clock.set_wall_ms(1_000);
    let store = LocalStore::open(&place.path(), clock).unwrap();
    let error = store.log(&spec(DELETE)).map(|_| ()).unwrap_err();
    assert_eq!(error, LocalError::Future { path: place.path(), ahead_s: 89_999 });
}
