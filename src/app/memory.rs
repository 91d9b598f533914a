//! The memory ceiling: the sum of the configured bounds, set beside what the machine, or its control group, has.

use std::fs;

use tracing::{info, warn};

use crate::{
    config::Config,
    kafka, pipeline,
    provider::{MAX_BODY, MAX_DECODED},
};

/// Bytes for an indicator that waits for a call: its flight with the answers that it has, its places in the lines, who asked; measured with four providers.
const WAITING_INDICATOR: u64 = 4_096;
/// Bytes for an entry in the front of a shard's cache: a hit that the cache has put out meanwhile, under a value of the greatest length.
const FRONT_ENTRY: u64 = 5_120;
/// Entries of a front.
const FRONT_ENTRIES: u64 = 8_192;
/// Bytes of what the extraction of a shard remembers of fields and values, four trees of fields among them.
const EXTRACTION: u64 = 3 << 20;
/// The program, its threads, the client library, connections, metrics.
const BASE: u64 = 96 << 20;

/// The bounds that add up to the ceiling, in bytes.
pub(super) fn bounds(config: &Config) -> Vec<(&'static str, u64)> {
    let queues = kafka::queue_bytes(&config.kafka);
    let calls: usize = config.providers.iter().map(|(_, provider)| provider.max_in_flight).sum();
    let calls = calls.min(config.enrich.max_in_flight) as u64;
    vec![
        ("parked events", config.pipeline.park_bytes),
        ("owed answers", config.pipeline.owed_bytes),
        ("records under way", pipeline::MOVING_BYTES as u64),
        ("cache", config.cache.capacity),
        ("fronts of the cache", config.pipeline.shards as u64 * FRONT_ENTRIES * FRONT_ENTRY),
        ("memory of the extraction", config.pipeline.shards as u64 * EXTRACTION),
        ("waiting indicators", config.enrich.max_waiting as u64 * WAITING_INDICATOR),
        ("answers under way", calls * (MAX_BODY + MAX_DECODED) as u64),
        ("queue of the producer", queues.producer),
        ("fetched ahead", queues.consumer),
        ("base", BASE),
    ]
}

/// The sum of the bounds, bytes.
pub(super) fn ceiling(config: &Config) -> u64 {
    bounds(config).iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
}

/// Logs the ceiling, and warns when it is above what there is.
pub(super) fn report(config: &Config) {
    let ceiling = ceiling(config);
    let parts: Vec<String> = bounds(config).iter().map(|(name, bytes)| format!("{name} {} MiB", bytes >> 20)).collect();
    info!(ceiling_mib = ceiling >> 20, parts = parts.join(", "), "memory ceiling");
    if let Some((what, limit)) = available()
        && ceiling > limit
    {
        warn!(
            ceiling_mib = ceiling >> 20,
            limit_mib = limit >> 20,
            "the configured bounds add up to more than {what}: lower delivery.park_bytes, delivery.owed_bytes or cache.capacity, or give it more"
        );
    }
}

/// What this process may use, and what sets that; `None` where the system does not say.
fn available() -> Option<(&'static str, u64)> {
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .into_iter()
        .find_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    match (group, machine) {
        (Some(group), Some(machine)) if group < machine => Some(("the memory limit of the control group", group)),
        (_, Some(machine)) => Some(("the memory of this machine", machine)),
        (Some(group), None) => Some(("the memory limit of the control group", group)),
        (None, None) => None,
    }
}

/// `MemTotal` of `/proc/meminfo`, bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FixedEnvironment, parse};

    #[test]
    fn the_ceiling_follows_the_configured_bounds() {
        let text = |more: &str| {
            format!(
                "[kafka]\nbrokers = \"b:9092\"\ninstance_id = \"r\"\n{more}\n[input]\ntopics = [\"a\"]\n[output]\ntopic = \"b\"\n"
            )
        };
        let read = |more: &str| parse("x.toml", &text(more), &FixedEnvironment::default()).expect("valid").config;
        let (plain, larger) = (read(""), read("properties = { \"queue.buffering.max.kbytes\" = \"262144\" }"));
        assert_eq!(ceiling(&larger) - ceiling(&plain), 128 << 20);
        let asked = |more: &str| read(&format!("{more}\n[providers.internetdb]\nmax_in_flight = 100\n"));
        let calls = |more: &str| (ceiling(&asked(more)) - ceiling(&plain)) / (6 << 20);
        assert_eq!(
            (calls(""), calls("[enrich]\nmax_in_flight = 5")),
            (64, 5),
            "answers are bounded by the calls under way"
        );
        assert!(ceiling(&plain) > 600 << 20 && ceiling(&plain) < 1500 << 20, "{}", ceiling(&plain));
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        assert_eq!(total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(total("nothing"), None);
    }
}
