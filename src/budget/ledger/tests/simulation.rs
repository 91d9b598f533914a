//! The ledger under crash, delay, repetition, reordering, sleep and wrong clocks: no window is ever exceeded as the provider sees it, all
//! replicas agree, and once the faults end everything drains.
//!
//! `SIDELIGHT_LEDGER_SEEDS` sets how many seeds are run (default 24), `SIDELIGHT_LEDGER_FIRST` the first of them.

use super::world::World;

const STEPS: u32 = 2_000;

/// What one seed has shown.
#[derive(Default)]
struct Seen {
    calls: u64,
    repeated: u64,
    records: u64,
    crashes: u64,
}

fn run(seed: u64) -> Result<Seen, String> {
    let mut world = World::new(seed);
    let (mut crashes, mut item) = (0, 0);
    let slow = world.quota.windows().iter().all(|window| window.limit < 30);
    let items = if slow { 40 } else { 400 };
    for _ in 0..STEPS {
        let replica = usize::try_from(world.rng.below(world.replicas.len() as u64)).unwrap();
        match world.rng.below(100) {
            0..45 => {
                let by = match world.rng.below(100) {
                    0 => world.rng.below(20_000),
                    1..10 => world.rng.below(1_500),
                    _ => world.rng.below(40),
                };
                let to = world.now + i64::try_from(by).unwrap();
                world.pass(to)?;
            }
            45..60 if item < items => {
                item += 1;
                world.arrive(item);
            }
            60..61 => {
                if world.rng.one_in(3) {
                    crashes += 1;
                    world.crash(replica);
                } else {
                    world.disturb(replica);
                }
            }
            _ => {
                if !world.is_asleep(replica) {
                    // Who wakes up may act on what it knew before it reads what has happened since.
                    let most = usize::try_from(world.rng.below(30)).unwrap();
                    if world.rng.one_in(3) {
                        world.act(replica);
                    }
                    world.read(replica, most);
                    world.act(replica);
                }
            }
        }
    }
    heal(&mut world)?;
    if world.answered.len() < usize::try_from(item).unwrap() {
        return Err(format!("{} of {item} items were answered", world.answered.len()));
    }
    Ok(Seen { calls: world.calls, repeated: world.repeated, records: world.log.len() as u64, crashes })
}

/// No more faults: everything has to drain, and all replicas must be of one mind.
fn heal(world: &mut World) -> Result<(), String> {
    world.faults = false;
    world.wake_all();
    for _ in 0..200_000 {
        for replica in 0..world.replicas.len() {
            world.read(replica, usize::MAX);
            world.act(replica);
        }
        if world.is_drained() {
            break;
        }
        let to = world.next_event();
        world.pass(to)?;
    }
    if !world.is_drained() {
        return Err(format!("it does not drain at {}: {}", world.now, world.stuck()));
    }
    let later = world.now + 60_000;
    world.pass(later)?;
    for replica in 0..world.replicas.len() {
        world.read(replica, usize::MAX);
    }
    let states: Vec<Vec<u8>> = world
        .replicas
        .iter()
        .map(|replica| replica.follower.ledger().map(|ledger| ledger.snapshot(0)).unwrap_or_default())
        .collect();
    if states.iter().any(|state| state.is_empty() || *state != states[0]) {
        return Err("replicas differ".to_owned());
    }
    let ledger = world.replicas[0].follower.ledger().ok_or("no state")?;
    if !ledger.settled_at(ledger.time() + 120_000).is_idle() {
        return Err("leases or claims are left".to_owned());
    }
    Ok(())
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn no_window_is_exceeded_whatever_happens() {
    let (first, seeds) = (number("SIDELIGHT_LEDGER_FIRST", 0), number("SIDELIGHT_LEDGER_SEEDS", 24));
    let mut total = Seen::default();
    let mut failures = Vec::new();
    for seed in first..first + seeds {
        match run(seed) {
            Ok(seen) => {
                total.calls += seen.calls;
                total.repeated += seen.repeated;
                total.records += seen.records;
                total.crashes += seen.crashes;
            }
            Err(text) => failures.push(format!("seed {seed}: {text}")),
        }
    }
    println!(
        "{seeds} seeds: {} calls, {} of them for an answered item, {} records, {} crashes",
        total.calls, total.repeated, total.records, total.crashes
    );
    assert!(
        failures.is_empty(),
        "{} of {seeds} seeds fail:\n{}",
        failures.len(),
        failures[..failures.len().min(20)].join("\n")
    );
    assert!(total.calls > 10 * seeds.min(100), "the simulation does something: {}", total.calls);
}
