//! Budgets in a local file: they survive the process, whatever its end, and the processes of one machine share them.

use std::{process::Command, time::Duration};

use sidelight::{
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::{ServiceConfig, SimulatorConfig},
};

use crate::support::{
    e2e::{Daemon, Stage, beside_others, json_lines, run_with},
    e2e_events::{address, connection},
    e2e_wire::Feeder,
    kafka::{PATIENCE, Wire, eventually},
};

/// A stage with these quotas at the provider and in the file, and its state file.
fn local(mut stage: Stage, quota: &str) -> Stage {
    let path = stage.directory.write("place", b"").with_file_name("state/state.redb");
    stage.set("state.store", "\"local\"").set("state.path", &format!("{path:?}"));
    for provider in [VIRUSTOTAL, ABUSEIPDB] {
        stage.set(&format!("providers.{provider}.quota"), &format!("{quota:?}"));
        stage.set(&format!("providers.{provider}.pace"), "\"asap\"");
    }
    stage.set("enrich.reserve", "0.0");
    stage
}

fn simulator(quota: &str) -> SimulatorConfig {
    let services = [VIRUSTOTAL, ABUSEIPDB].map(|provider| {
        let service = ServiceConfig {
            quota: Some(quota.parse().unwrap()),
            latency: Duration::from_millis(200),
            ..ServiceConfig::default()
        };
        (provider, service)
    });
    SimulatorConfig { services: services.to_vec(), ..SimulatorConfig::default() }
}

fn lookup(stage: &Stage, ip: &str) -> Command {
    let mut command = stage.command("lookup");
    command.args(["--json", "--wait", "10", ip]);
    command
}

/// Outcomes of a look-up by provider.
fn outcomes(stage: &Stage, ip: &str) -> Vec<String> {
    let ended = run_with(&mut lookup(stage, ip), b"");
    let out = String::from_utf8_lossy(&ended.stdout).into_owned();
    let found = json_lines(&out);
    assert_eq!(found.len(), 1, "{out}{}", String::from_utf8_lossy(&ended.stderr));
    let sources = found[0]["sources"].as_array().unwrap().clone();
    sources.iter().map(|source| format!("{}/{}", source["outcome"], source["reason"]).replace('"', "")).collect()
}

#[test]
fn what_was_spent_is_spent_after_a_restart_and_after_a_kill() {
    let _turn = beside_others();
    let quota = "4/day";
    let stage = local(Stage::without_input("e2e-local", "127.0.0.1:9", simulator(quota)), quota);
    for n in 0..2 {
        let said = outcomes(&stage, &address(70, n));
        assert!(said.iter().all(|said| said.starts_with("found") || said.starts_with("clean")), "{said:?}");
    }
    // Killed with its calls under way.
    let killed = Daemon::spawn(lookup(&stage, &address(70, 2)));
    eventually("it asks", || stage.providers.count("virustotal") == 3 && stage.providers.count("abuseipdb") == 3);
    assert_eq!(killed.kill().code, None);
    let said = outcomes(&stage, &address(70, 3));
    assert!(said.iter().all(|said| said.starts_with("found") || said.starts_with("clean")), "{said:?}");
    assert_eq!(outcomes(&stage, &address(70, 4)), ["throttled/quota", "throttled/quota"]);
    let stats = stage.providers.simulator().stats();
    for provider in ["virustotal", "abuseipdb"] {
        assert_eq!((stats.providers[provider].calls, stats.providers[provider].over_quota), (4, 0));
    }
}

#[test]
fn what_one_process_learned_the_next_one_knows() {
    let _turn = beside_others();
    let quota = "10/day";
    let stage = local(Stage::without_input("e2e-local-known", "127.0.0.1:9", simulator(quota)), quota);
    let first = outcomes(&stage, &address(73, 0));
    for _ in 0..2 {
        assert_eq!(outcomes(&stage, &address(73, 0)), first);
    }
    assert_eq!((stage.providers.count("virustotal"), stage.providers.count("abuseipdb")), (1, 1));
}

#[test]
fn a_daemon_and_a_lookup_beside_it_share_the_file() {
    let _turn = beside_others();
    let quota = "10/day";
    let stage = local(Stage::new("e2e-local-run", 1, simulator(quota)), quota);
    let daemon = stage.start();
    let event = |n: usize| Wire::keyed(0, &format!("host-{n}"), connection(&format!("evt-{n}"), &address(71, n)));
    let feeder = Feeder::new(&stage.input());
    feeder.send_all(0, &(0..6).map(event).collect::<Vec<_>>());
    eventually("the daemon asks", || stage.providers.count("virustotal") == 6);
    for n in 100..103 {
        let said = outcomes(&stage, &address(71, n));
        assert!(said.iter().all(|said| said.starts_with("found") || said.starts_with("clean")), "{said:?}");
    }
    feeder.send_all(6, &(6..20).map(event).collect::<Vec<_>>());
    eventually("the rest of the day is used", || stage.providers.count("virustotal") == 10);
    assert_eq!(outcomes(&stage, &address(71, 104))[0], "throttled/quota");
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let stats = stage.providers.simulator().stats();
    assert_eq!((stats.providers["virustotal"].calls, stats.providers["virustotal"].over_quota), (10, 0));
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_at_start() {
    let _turn = beside_others();
    let mut stage = local(Stage::without_input("e2e-local-bad", "127.0.0.1:9", simulator("4/day")), "4/day");
    let path = stage.directory.write("no.redb", b"no database");
    stage.set("state.path", &format!("{path:?}"));
    let ended = Daemon::spawn(lookup(&stage, &address(72, 0))).wait(PATIENCE);
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("cannot be used") && ended.log.contains("no.redb"), "{}", ended.log);
    assert_eq!(stage.providers.count("virustotal"), 0);
}
