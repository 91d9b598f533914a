//! Other tools share a key: what the service says of its own account corrects ours.

use sidelight::{
    model::{Indicator, IndicatorKind, ProviderId},
    provider::{ABUSEIPDB, SHODAN, VIRUSTOTAL},
    simulator::{ServiceConfig, SimulatorConfig},
};

use crate::{
    provider_support::{build, config},
    support::{
        e2e::{Stage, beside_others, json_lines, run_with},
        e2e_events::{address, connection},
    },
};

const LIMIT: usize = 60;

/// A stage with AbuseIPDB alone, of whose quota another tool has spent `spent` calls.
fn shared(stem: &str, spent: usize) -> Stage {
    let service = ServiceConfig { quota: Some(format!("{LIMIT}/day").parse().unwrap()), ..ServiceConfig::default() };
    let simulator = SimulatorConfig { services: vec![(ABUSEIPDB, service)], ..SimulatorConfig::default() };
    let mut stage = Stage::without_input(stem, "127.0.0.1:9", simulator);
    stage
        .unset("providers.virustotal")
        .set("providers.abuseipdb.quota", &format!("\"{LIMIT}/day\""))
        .set("providers.abuseipdb.pace", "\"asap\"")
        .set("enrich.reserve", "0.0")
        .set("delivery.deadline", "\"4s\"");
    spend(ABUSEIPDB, &stage, spent);
    stage
}

/// Another tool calls a service this often with the same key.
fn spend(provider: ProviderId, stage: &Stage, spent: usize) {
    let other = build(provider, config(&stage.providers.simulator().base_url(provider)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for n in 0..spent {
        let indicator = Indicator::new(IndicatorKind::Ipv4, address(90, n));
        runtime.block_on(other.lookup(&indicator)).unwrap();
    }
}

/// Annotates events with forty new addresses; how many got an answer, and how many say that the quota is used up.
fn annotate(stage: &Stage) -> (usize, usize) {
    let events: String = (0..40).map(|n| connection(&format!("evt-{n}"), &address(91, n)) + "\n").collect();
    let ended = run_with(stage.command("annotate").args(["--wait", "8"]), events.as_bytes());
    let out = String::from_utf8_lossy(&ended.stdout).into_owned();
    let outcomes: Vec<String> = json_lines(&out)
        .iter()
        .flat_map(|event| event["sidelight"]["indicators"].as_array().cloned().unwrap_or_default())
        .filter_map(|indicator| indicator["sources"].as_array().cloned())
        .flatten()
        .map(|source| format!("{}/{}", source["outcome"], source["reason"]).replace('"', ""))
        .collect();
    assert_eq!(outcomes.len(), 40, "{out}{}", String::from_utf8_lossy(&ended.stderr));
    let answered = outcomes.iter().filter(|outcome| ["found/", "clean/"].iter().any(|said| outcome.starts_with(said)));
    let without = outcomes.iter().filter(|outcome| *outcome == "throttled/quota");
    (answered.count(), without.count())
}

/// VirusTotal says nothing of its account in its answers, but it can be asked.
#[test]
fn a_service_is_asked_what_other_tools_have_left() {
    const SPENT: usize = 45;
    let _turn = beside_others();
    for (poll, refused) in [("1m", false), ("", true)] {
        let quota = Some(format!("{LIMIT}/day").parse().unwrap());
        let service = ServiceConfig { quota, ..ServiceConfig::default() };
        let simulator = SimulatorConfig { services: vec![(VIRUSTOTAL, service)], ..SimulatorConfig::default() };
        let mut stage = Stage::without_input("e2e-account-poll", "127.0.0.1:9", simulator);
        stage
            .unset("providers.abuseipdb")
            .set("providers.virustotal.quota", &format!("\"{LIMIT}/day\""))
            .set("providers.virustotal.pace", "\"asap\"")
            .set("providers.virustotal.max_in_flight", "1")
            .set("enrich.reserve", "0.0")
            .set("delivery.deadline", "\"4s\"");
        if !poll.is_empty() {
            stage.set("providers.virustotal.account_poll", &format!("{poll:?}"));
        }
        spend(VIRUSTOTAL, &stage, SPENT);
        let (answered, throttled) = annotate(&stage);
        let service = &stage.providers.simulator().stats().providers["virustotal"];
        let case = format!("{poll:?}: {answered} answered, {throttled} throttled, {} refused", service.over_quota);
        assert_eq!(service.over_quota > 0, refused, "{case}");
        // The calls that went out before the service had answered are counted by both at most once.
        assert!(refused || (answered <= LIMIT - SPENT && answered + 2 >= LIMIT - SPENT), "{case}");
    }
}

/// Shodan sells credits: a domain costs one, an address none, and `/api-info` says how many are left.
#[test]
fn credits_that_other_tools_spent_leave_what_is_free() {
    const CREDITS: usize = 30;
    const SPENT: usize = 12;
    const EACH: usize = 25;
    let _turn = beside_others();
    let quota = format!("1000/min, {CREDITS}/month");
    let service = ServiceConfig { quota: Some(quota.parse().unwrap()), ..ServiceConfig::default() };
    let simulator = SimulatorConfig { services: vec![(SHODAN, service)], ..SimulatorConfig::default() };
    let mut stage = Stage::without_input("e2e-credits", "127.0.0.1:9", simulator);
    let base = stage.providers.simulator().base_url(SHODAN);
    stage
        .unset("providers.virustotal")
        .unset("providers.abuseipdb")
        .set("providers.shodan.api_key", "{ env = \"E2E_VT_KEY\" }")
        .set("providers.shodan.base_url", &format!("{base:?}"))
        .set("providers.shodan.quota", &format!("{quota:?}"))
        .set("providers.shodan.pace", "\"asap\"")
        .set("providers.shodan.account_poll", "\"1m\"")
        .set("enrich.reserve", "0.0")
        .set("delivery.deadline", "\"4s\"");
    let name = |block: &str, n: usize| format!("{block}-{n}.example-trade.com");
    let other = build(SHODAN, config(&base));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for n in 0..SPENT {
        runtime.block_on(other.lookup(&Indicator::new(IndicatorKind::Domain, name("other", n)))).unwrap();
    }
    let event = |n: usize| {
        let ip = connection(&format!("evt-{n}"), &address(92, n));
        format!("{{\"dns\":{{\"question\":{{\"name\":\"{}\"}}}}}}\n{ip}\n", name("own", n))
    };
    let events: String = (0..EACH).map(event).collect();
    let ended = run_with(stage.command("annotate").args(["--wait", "8"]), events.as_bytes());
    let out = String::from_utf8_lossy(&ended.stdout).into_owned();
    let asked = |kind: &str| {
        let calls = stage.providers.calls();
        calls.iter().filter(|(_, of, value)| of == kind && !value.starts_with("other")).count()
    };
    assert_eq!(stage.providers.simulator().stats().providers["shodan"].over_quota, 0, "{out}");
    assert_eq!((asked("ipv4"), asked("domain")), (EACH, CREDITS - SPENT), "{out}");
    let throttled = out.matches("\"outcome\":\"throttled\"").count();
    assert_eq!(throttled, EACH - (CREDITS - SPENT), "{out}");
}

#[test]
fn what_other_tools_spent_is_seen_with_the_first_answer_and_nothing_is_refused() {
    let _turn = beside_others();
    for (store, slots, spent) in [("kafka", 8, 45), ("local", 8, 45), ("kafka", 1, 59), ("local", 1, 59)] {
        let mut stage = shared("e2e-shared-key", spent);
        let path = stage.directory.write("place", b"").with_file_name("state/state.redb");
        // A command that reaches no broker has its own account where the store is Kafka.
        stage
            .set("state.store", &format!("{store:?}"))
            .set("state.path", &format!("{path:?}"))
            .set("providers.abuseipdb.max_in_flight", &slots.to_string());
        let (answered, throttled) = annotate(&stage);
        let stats = stage.providers.simulator().stats();
        let calls = stats.providers["abuseipdb"].calls as usize;
        let case = format!("{store}, {slots} at a time, {spent} spent: {answered} answered, {throttled} throttled");
        assert_eq!(stats.providers["abuseipdb"].over_quota, 0, "{case}");
        assert_eq!((calls, throttled), (spent + answered, 40 - answered), "{case}");
        // Calls that the service had counted and we did not know of are given up at most once.
        assert!(answered + slots > LIMIT - spent && answered <= LIMIT - spent, "{case}");
    }
}
