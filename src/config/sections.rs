//! The sections of the file: one function each, one line per key.

use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::{
    address::{brokers, domain, listen, network, path, prefix, topic},
    context::{At, Context},
    keywords::keywords,
    parse::{
        Parsed, Problem, Raw, boolean, choice, duration, integer, list, number, quote, size, some_list, text, text_as,
    },
    properties, secret,
    section::{Section, Setting},
};
use crate::{
    admin,
    annotate::Shape,
    cache, enrich,
    extract::{self, Defang},
    gate::{self, Tlp, UrlQuery},
    kafka::{self, Guarantee, OffsetReset, OnGap, Partitioning},
    model::{Kind, NotedKind, Severity},
    pipeline::{self, Order},
    score,
    state::{self, Store},
    telemetry::{self, LogFormat},
};

/// Markings, as in [`Tlp::parse`].
pub(super) const TLP: &[(&str, Tlp)] = &[
    ("clear", Tlp::Clear),
    ("green", Tlp::Green),
    ("amber", Tlp::Amber),
    ("amber+strict", Tlp::AmberStrict),
    ("red", Tlp::Red),
];

const NEVER: Duration = Duration::ZERO;
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// What the sections about Kafka and the way of an event say together.
pub(super) fn stream(context: &mut Context<'_>) -> (kafka::Config, pipeline::Config, state::Config) {
    let defaults = pipeline::Config::default();

    let mut s = Section::open(context, "kafka");
    let brokers = s.required("brokers", String::new(), "brokers = \"host:9092\"", brokers);
    let group_id = s.read("group_id", "sidelight".to_owned(), text);
    let host_name = s.context.environment().host_name();
    let instance_id = s.read("instance_id", host_name.clone().unwrap_or_default(), text);
    if instance_id.value.is_empty() && !instance_id.is_set() {
        s.missing("instance_id", "instance_id = \"replica-1\"");
    }
    let static_membership = s.read("static_membership", false, boolean);
    let start_timeout = s.read("start_timeout", MINUTE, duration(Duration::from_millis(100)..=DAY));
    let properties = properties::read(&mut s);
    s.finish();

    let mut s = Section::open(context, "input");
    let topics = s.required("topics", Vec::new(), "topics = [\"siem.events\"]", some_list("topic", topic));
    let offset_reset = s.read("offset_reset", OffsetReset::Earliest, choice(OFFSET_RESETS, &[]));
    let on_gap = s.read("on_gap", OnGap::Stop, choice(ON_GAPS, &[]));
    s.finish();

    let mut s = Section::open(context, "output");
    let output = s.required("topic", String::new(), "topic = \"siem.events.enriched\"", topic);
    let late = s.read("late_topic", "siem.events.late".to_owned(), topic);
    let dlq = s.read("dlq_topic", "siem.events.dlq".to_owned(), topic);
    let shape = s.read("format", defaults.shape, choice(SHAPES, &[("ocsf", "annotations in OCSF are being prepared")]));
    let partitioning = s.read("partitioning", Partitioning::Key, choice(PARTITIONINGS, &[]));
    s.finish();

    let mut s = Section::open(context, "delivery");
    let guarantee = s.read("guarantee", Guarantee::AtLeastOnce, choice(GUARANTEES, &[]));
    let order = s.read("order", defaults.order, choice(ORDERS, &[]));
    let deadline = s.read("deadline", defaults.deadline, duration(NEVER..=HOUR));
    let park_bytes = s.read("park_bytes", defaults.park_bytes, size(1));
    let commit_interval = s.read("commit_interval", SECOND, duration(MILLISECOND..=HOUR));
    let shutdown_timeout = s.read("shutdown_timeout", 30 * SECOND, duration(NEVER..=HOUR));
    let late_for = s.read("late_for", defaults.late_for, duration(NEVER..=30 * DAY));
    let owed_bytes = s.read("owed_bytes", defaults.owed_bytes, size(1));
    let transaction_interval =
        s.read("transaction_interval", 200 * MILLISECOND, duration(10 * MILLISECOND..=5 * MINUTE));
    s.finish();

    let mut s = Section::open(context, "state");
    let create_topics = s.read("create_topics", true, boolean);
    let replication_factor = s.read("replication_factor", -1, replication_factor);
    let stored = state::Config::default();
    let store = s.read("store", stored.store, choice(STORES, &[]));
    let path = s.read("path", stored.path, path);
    let prefix = s.read("prefix", stored.prefix, prefix);
    let warm_timeout = s.read("warm_timeout", stored.warm_timeout, duration(NEVER..=HOUR));
    s.finish();

    let outputs = [("output.topic", &output), ("output.late_topic", &late), ("output.dlq_topic", &dlq)];
    check_topics(context, &topics, outputs);
    check_distinct(context, outputs);
    if store.value == Store::Kafka {
        let names = state::Config { prefix: prefix.value.clone(), ..state::Config::default() }.topics();
        check_state_topics(context, &names, &topics, outputs);
    }
    check_deadline(context, &deadline, &late_for);
    check_transactions(context, &guarantee, &transaction_interval, &properties);

    let kafka = kafka::Config {
        brokers: brokers.value,
        group_id: group_id.value,
        instance_id: instance_id.value,
        static_membership: static_membership.value,
        start_timeout: start_timeout.value,
        properties,
        topics: topics.value,
        offset_reset: offset_reset.value,
        on_gap: on_gap.value,
        output_topic: output.value,
        late_topic: late.value,
        dlq_topic: dlq.value,
        partitioning: partitioning.value,
        guarantee: guarantee.value,
        commit_interval: commit_interval.value,
        transaction_interval: transaction_interval.value,
        shutdown_timeout: shutdown_timeout.value,
        create_topics: create_topics.value,
        replication_factor: replication_factor.value,
        probe_limits: true,
    };
    let pipeline = pipeline::Config {
        order: order.value,
        deadline: deadline.value,
        park_bytes: park_bytes.value,
        late_for: late_for.value,
        owed_bytes: owed_bytes.value,
        exactly_once: guarantee.value == Guarantee::ExactlyOnce,
        same_partition: partitioning.value == Partitioning::Same,
        shape: shape.value,
        ..defaults
    };
    let state =
        state::Config { store: store.value, path: path.value, prefix: prefix.value, warm_timeout: warm_timeout.value };
    (kafka, pipeline, state)
}

const STORES: &[(&str, Store)] = &[("kafka", Store::Kafka), ("local", Store::Local)];
const OFFSET_RESETS: &[(&str, OffsetReset)] =
    &[("earliest", OffsetReset::Earliest), ("latest", OffsetReset::Latest), ("error", OffsetReset::Error)];
const ON_GAPS: &[(&str, OnGap)] = &[("stop", OnGap::Stop), ("continue", OnGap::Continue)];
const SHAPES: &[(&str, Shape)] = &[("ecs", Shape::Ecs), ("native", Shape::Native)];
const PARTITIONINGS: &[(&str, Partitioning)] = &[("key", Partitioning::Key), ("same", Partitioning::Same)];
const GUARANTEES: &[(&str, Guarantee)] =
    &[("at_least_once", Guarantee::AtLeastOnce), ("exactly_once", Guarantee::ExactlyOnce)];
const ORDERS: &[(&str, Order)] = &[("key", Order::Key), ("partition", Order::Partition)];

/// -1 for the brokers' default, or 1 and more.
fn replication_factor(raw: Raw<'_>) -> Parsed<i32> {
    match integer(-1..=i32::from(i16::MAX))(raw)? {
        0 => Problem::new("a topic has at least one replica").help("-1 is the brokers' default").one(),
        factor => Ok(factor),
    }
}

/// What is written to must not be read again.
fn check_topics(context: &mut Context<'_>, inputs: &Setting<Vec<String>>, outputs: [(&str, &Setting<String>); 3]) {
    for (path, output) in outputs {
        let (Some(_), Some(at)) = (inputs.place(), output.place()) else { continue };
        if inputs.value.contains(&output.value) {
            // A default is nowhere in the file: point at what clashes with it.
            let at = if at == At::File { inputs.place().unwrap_or(at) } else { at };
            let message = format!("{} is an input topic too: its records would be read again", quote(&output.value));
            context.error(at, path, message, Some(format!("give {path} a name that input.topics does not hold")));
        }
    }
}

/// Annotated events, late records and dead letters must not mix.
fn check_distinct(context: &mut Context<'_>, outputs: [(&str, &Setting<String>); 3]) {
    for (nth, (path, output)) in outputs.iter().enumerate() {
        let same = outputs.iter().take(nth).find(|(_, earlier)| earlier.value == output.value);
        let (Some((other, earlier)), Some(at)) = (same, output.place()) else { continue };
        let at = if at == At::File { earlier.place().unwrap_or(at) } else { at };
        let message = format!("{} is {other} too: readers could not tell the records apart", quote(&output.value));
        context.error(at, path, message, Some(format!("give {path} a name of its own")));
    }
}

/// What the fleet tells itself must not mix with events.
fn check_state_topics(
    context: &mut Context<'_>,
    names: &[String],
    inputs: &Setting<Vec<String>>,
    outputs: [(&str, &Setting<String>); 3],
) {
    let mut refuse = |at: At, path: &str, name: &str| {
        let message = format!("{} is a topic of state.prefix: what the fleet tells itself stands there", quote(name));
        context.error(at, path, message, Some("give it another name, or state.prefix another value".to_owned()));
    };
    for name in inputs.value.iter().filter(|name| names.contains(name)) {
        if let Some(at) = inputs.place() {
            refuse(at, "input.topics", name);
        }
    }
    for (path, output) in outputs {
        if let Some(at) = output.place()
            && names.contains(&output.value)
        {
            refuse(at, path, &output.value);
        }
    }
}

/// An answer has to be owed for longer than an event waits for it.
fn check_deadline(context: &mut Context<'_>, deadline: &Setting<Duration>, late_for: &Setting<Duration>) {
    let (Some(deadline_at), Some(late_at)) = (deadline.place(), late_for.place()) else { return };
    if deadline.value > late_for.value {
        let (at, path) = match deadline_at {
            At::File => (late_at, "delivery.late_for"),
            At::Span(_) | At::Variable(_) => (deadline_at, "delivery.deadline"),
        };
        let message = "delivery.deadline is longer than delivery.late_for: a late answer could never be sent";
        context.error(at, path, message, Some("make the deadline shorter or late_for longer".to_owned()));
    }
}

/// A transaction must be committed well before the brokers undo it.
fn check_transactions(
    context: &mut Context<'_>,
    guarantee: &Setting<Guarantee>,
    interval: &Setting<Duration>,
    properties: &std::collections::BTreeMap<String, String>,
) {
    let (Guarantee::ExactlyOnce, Some(place), Some(chosen)) = (guarantee.value, interval.place(), guarantee.place())
    else {
        return;
    };
    let timeout = kafka::transaction_timeout(properties);
    if timeout < SECOND || interval.value * 3 > timeout {
        let at = if place == At::File { chosen } else { place };
        let (timeout_ms, interval_ms) = (timeout.as_millis(), interval.value.as_millis());
        let message = format!(
            "transactions of {interval_ms} ms do not fit into transaction.timeout.ms = {timeout_ms} with room for an interruption"
        );
        let help = "make transaction.timeout.ms in kafka.properties at least 1000 and three times delivery.transaction_interval";
        context.error(at, "delivery.transaction_interval", message, Some(help.to_owned()));
    }
}

/// `[cache]`.
pub(super) fn cache(context: &mut Context<'_>) -> cache::Config {
    let defaults = cache::Config::default();
    let ttl = || duration(SECOND..=365 * DAY);
    let mut s = Section::open(context, "cache");
    let config = cache::Config {
        capacity: s.read("capacity", defaults.capacity, size(1)).value,
        ttl: s.read("ttl", defaults.ttl, ttl()).value,
        ttl_clean: s.read("ttl_clean", defaults.ttl_clean, ttl()).value,
        ttl_not_found: s.read("ttl_not_found", defaults.ttl_not_found, ttl()).value,
        ttl_failed: s.read("ttl_failed", defaults.ttl_failed, ttl()).value,
        stale_for: s.read("stale_for", defaults.stale_for, duration(NEVER..=365 * DAY)).value,
    };
    s.finish();
    config
}

/// `[extract]`.
pub(super) fn extract(context: &mut Context<'_>) -> extract::Config {
    const DEFANGS: &[(&str, Defang)] =
        &[("off", Defang::Off), ("standard", Defang::Standard), ("aggressive", Defang::Aggressive)];
    let defaults = extract::Config::default();
    let mut s = Section::open(context, "extract");
    let config = extract::Config {
        kinds: s.read("kinds", defaults.kinds, some_list("kind", kind)).value,
        max_per_event: s.read("max_per_event", defaults.max_per_event, integer(1..=100_000)).value,
        defang: s.read("defang", defaults.defang, choice(DEFANGS, &[])).value,
        url_hosts: s.read("url_hosts", defaults.url_hosts, boolean).value,
        keywords: s.read("keywords", defaults.keywords, keywords).value,
    };
    s.finish();
    config
}

fn kind(raw: Raw<'_>) -> Parsed<Kind> {
    text_as("a kind of indicator", "\"domain\"", |text| {
        let switchable = || Kind::all().filter(|kind| *kind != NotedKind::Keyword);
        switchable().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let names: Vec<&str> = switchable().map(Kind::as_str).collect();
            let problem = Problem::new(format!("{} is no kind of indicator", quote(text)));
            let help = match super::nearest::nearest(text, names.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("the kinds are {}", names.join(", ")),
            };
            vec![problem.help(help)]
        })
    })(raw)
}

/// `[gate]`.
pub(super) fn gate(context: &mut Context<'_>) -> gate::Config {
    const URL_QUERIES: &[(&str, UrlQuery)] = &[("strip", UrlQuery::Strip), ("keep", UrlQuery::Keep)];
    let defaults = gate::Config::default();
    let mut s = Section::open(context, "gate");
    let config = gate::Config {
        own_networks: s.read("own_networks", defaults.own_networks, list(network)).value,
        own_domains: s.read("own_domains", defaults.own_domains, list(domain)).value,
        default_tlp: s.read("default_tlp", defaults.default_tlp, choice(TLP, &[])).value,
        url_query: s.read("url_query", defaults.url_query, choice(URL_QUERIES, &[])).value,
    };
    s.finish();
    config
}

/// `[enrich]`.
pub(super) fn enrich(context: &mut Context<'_>) -> enrich::Config {
    const SEVERITIES: &[(&str, Option<Severity>)] = &[
        ("medium", Some(Severity::Medium)),
        ("high", Some(Severity::High)),
        ("critical", Some(Severity::Critical)),
        ("off", None),
    ];
    let defaults = enrich::Config::default();
    let mut s = Section::open(context, "enrich");
    let config = enrich::Config {
        max_waiting: s.read("max_waiting", defaults.max_waiting, integer(1..=100_000_000)).value,
        max_in_flight: s.read("max_in_flight", defaults.max_in_flight, integer(1..=10_000)).value,
        reserve: s.read("reserve", defaults.reserve, number(0.0..=0.9)).value,
        urgent_severity: s.read("urgent_severity", defaults.urgent_severity, choice(SEVERITIES, &[])).value,
    };
    s.finish();
    config
}

/// `[score]`; the weights are those of the providers.
pub(super) fn score(context: &mut Context<'_>, weights: score::Weights) -> score::Config {
    let defaults = score::Config::default();
    let mut s = Section::open(context, "score");
    let malicious = s.read("malicious", defaults.malicious, number(0.0..=100.0));
    let suspicious = s.read("suspicious", defaults.suspicious, number(0.0..=100.0));
    s.finish();
    if let (Some(malicious_at), Some(suspicious_at)) = (malicious.place(), suspicious.place())
        && suspicious.value > malicious.value
    {
        let (at, path) = match suspicious_at {
            At::File => (malicious_at, "score.malicious"),
            At::Span(_) | At::Variable(_) => (suspicious_at, "score.suspicious"),
        };
        let (low, high) = (suspicious.value, malicious.value);
        let message = format!("score.suspicious ({low}) is above score.malicious ({high})");
        context.error(at, path, message, Some("suspicious is the lower of the two thresholds".to_owned()));
    }
    score::Config { malicious: malicious.value, suspicious: suspicious.value, weights }
}

/// `[admin]`.
pub(super) fn admin(context: &mut Context<'_>) -> admin::Config {
    const DEFAULT: std::net::SocketAddr =
        std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);
    let mut s = Section::open(context, "admin");
    let config = admin::Config {
        listen: s.read("listen", Some(DEFAULT), listen).value,
        token: secret::read(&mut s, "token").value,
    };
    s.finish();
    config
}

/// `[log]`.
pub(super) fn log(context: &mut Context<'_>) -> telemetry::Config {
    const FORMATS: &[(&str, LogFormat)] =
        &[("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
    const LEVELS: &[(&str, LevelFilter)] = &[
        ("trace", LevelFilter::TRACE),
        ("debug", LevelFilter::DEBUG),
        ("info", LevelFilter::INFO),
        ("warn", LevelFilter::WARN),
        ("error", LevelFilter::ERROR),
        ("off", LevelFilter::OFF),
    ];
    let defaults = telemetry::Config::default();
    let mut s = Section::open(context, "log");
    let config = telemetry::Config {
        format: s.read("format", defaults.format, choice(FORMATS, &[])).value,
        level: s.read("level", defaults.level, choice(LEVELS, &[])).value,
    };
    s.finish();
    config
}
