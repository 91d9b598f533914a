//! The command line as people and scripts use it.

use std::{
    io::Write,
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sidelight::{
    model::IndicatorKind,
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::{Fault, SimulatorConfig, truth},
};

use crate::support::{
    e2e::{Daemon, Directory, KEY, Stage, alone, beside_others, json_lines, program, run_with},
    e2e_events::address,
    e2e_json::added_to,
    e2e_score::{Answered, assert_says, of_address, of_name_or_file},
    kafka::{eventually, real_broker},
};

/// A stage whose brokers nobody asks.
fn offline(stem: &str) -> Stage {
    Stage::without_input(stem, "127.0.0.1:9", SimulatorConfig::default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn extract_lists_what_is_in_each_line() {
    let _turn = beside_others();
    let lines = [
        "deny 198.18.0.9 and 45[.]83[.]12[.]7 é hxxps://evil-site[.]com/a?b=1",
        "",
        r#"{"destination":{"ip":"45.83.12.8"},"url":{"full":"https:\/\/shop-1.com\/x"},"h":"D41D8CD98F00B204E9800998ECF8427E"}"#,
        "mail bob@phish-mail.com about CVE-2024-12345 on 10.0.0.5",
    ];
    let input = lines.join("\n");
    let directory = Directory::new();
    let file = directory.write("lines.txt", input.as_bytes());
    let from_stdin = run_with(program().arg("extract"), input.as_bytes());
    let from_file = run_with(program().arg("extract").arg(&file), b"");
    assert_eq!((from_stdin.status.code(), from_file.status.code()), (Some(0), Some(0)));
    assert_eq!(text(&from_stdin.stdout), text(&from_file.stdout));
    let found = json_lines(&text(&from_stdin.stdout));
    assert_eq!(found.len(), lines.len(), "one object for each line");
    let expected = [
        vec![
            ("ipv4", "198.18.0.9", "198.18.0.9", true),
            ("ipv4", "45.83.12.7", "45[.]83[.]12[.]7", false),
            ("url", "https://evil-site.com/a?b=1", "hxxps://evil-site[.]com/a?b=1", false),
        ],
        vec![],
        vec![
            ("ipv4", "45.83.12.8", "45.83.12.8", false),
            ("url", "https://shop-1.com/x", r"https:\/\/shop-1.com\/x", false),
            ("md5", "d41d8cd98f00b204e9800998ecf8427e", "D41D8CD98F00B204E9800998ECF8427E", false),
        ],
        vec![
            ("email", "bob@phish-mail.com", "bob@phish-mail.com", false),
            ("cve", "CVE-2024-12345", "CVE-2024-12345", false),
            ("ipv4", "10.0.0.5", "10.0.0.5", true),
        ],
    ];
    for (number, (line, expected)) in lines.iter().zip(expected).enumerate() {
        assert_eq!(found[number]["line"], number + 1);
        let indicators = found[number]["indicators"].as_array().unwrap();
        assert_eq!(indicators.len(), expected.len(), "{}", found[number]);
        for (indicator, (kind, value, raw, suppressed)) in indicators.iter().zip(expected) {
            assert_eq!(
                (&indicator["type"], &indicator["value"], &indicator["raw"]),
                (&json!(kind), &json!(value), &json!(raw))
            );
            let place = |name: &str| usize::try_from(indicator[name].as_u64().unwrap()).unwrap();
            assert_eq!(&line[place("start")..place("end")], raw, "{indicator}");
            assert_eq!(indicator.get("suppressed").is_some(), suppressed, "{indicator}");
        }
    }
    assert_eq!(found[2]["indicators"][0]["field"], "destination.ip");
    let hosts = run_with(program().args(["extract", "--hosts", "--kinds", "domain"]), input.as_bytes());
    let hosts = json_lines(&text(&hosts.stdout));
    assert_eq!(hosts[3]["indicators"][0]["value"], "phish-mail.com");
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn extract_reads_packed_files_and_patterns_in_order() {
    let _turn = beside_others();
    let directory = Directory::new();
    // More than the workers take at once, and no line break at the end.
    let lines: Vec<String> = (0..60_000).map(|n| format!("line {n} from {}", address(81, n))).collect();
    let text_of = |lines: &[String]| lines.join("\n");
    let plain = directory.write("a.log", text_of(&lines).as_bytes());
    directory.write("b.gz", &[packed(b"x 45.83.12.7\n"), packed(b"y 45.83.12.8")].concat());
    directory.write("c.zst", &zstd::encode_all(&b"z 45.83.12.9"[..], 1).unwrap());

    let alone = run_with(program().arg("extract").arg(&plain), b"");
    let found = json_lines(&text(&alone.stdout));
    assert_eq!(found.len(), lines.len());
    for (n, line) in found.iter().enumerate() {
        assert_eq!(line["line"], n + 1);
        assert_eq!(line["indicators"][0]["value"], address(81, n));
        assert!(line.get("file").is_none(), "one file needs no name");
    }

    let pattern = plain.with_file_name("[bc].*");
    let both = run_with(program().args(["extract", "--format", "csv", "--hosts"]).arg(&pattern), b"");
    let rows = text(&both.stdout);
    let rows: Vec<&str> = rows.lines().collect();
    assert_eq!(rows[0], "file,line,type,value,raw,start,end,field,suppressed");
    let ends = [
        "b.gz,1,ipv4,45.83.12.7,45.83.12.7,2,12,message,",
        "b.gz,2,ipv4,45.83.12.8,45.83.12.8,2,12,message,",
        "c.zst,1,ipv4,45.83.12.9,45.83.12.9,2,12,message,",
    ];
    assert_eq!(rows.len(), 1 + ends.len(), "{rows:?}");
    for (row, end) in rows[1..].iter().zip(ends) {
        assert!(row.ends_with(end), "{row}");
    }

    let broken = directory.write("d.gz", &packed(b"a line with 45.83.12.7 in it\n")[..20]);
    let failed = run_with(program().arg("extract").arg(&broken), b"");
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).contains("d.gz"), "{}", text(&failed.stderr));
    let nothing = run_with(program().arg("extract").arg(plain.with_file_name("*.none")), b"");
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("no file fits"), "{}", text(&nothing.stderr));
}

#[test]
fn extract_writes_tables_and_lines_without_defanging() {
    let _turn = beside_others();
    let input = "from 10.0.0.5 to hxxp://evil-site[.]com/a\n{\"k\\u001b[2J\":\"45.83.12.7\"}\nnothing\n";
    let table = text(&run_with(program().args(["extract", "--format", "table"]), input.as_bytes()).stdout);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["LINE", "TYPE", "FIELD", "VALUE"]);
    assert_eq!(rows[1], ["1", "ipv4", "message", "10.0.0.5", "(private_address)"]);
    assert_eq!(rows[2], ["1", "url", "message", "http://evil-site.com/a"]);
    assert_eq!(rows[3], ["2", "ipv4", "k\u{fffd}[2J", "45.83.12.7"], "what steers a terminal is not written");
    assert_eq!(rows.len(), 4);
    let plain = run_with(program().args(["extract", "--refang"]), input.as_bytes());
    let expected = input.replace("hxxp://evil-site[.]com", "http://evil-site.com");
    assert_eq!(text(&plain.stdout), expected);
    let off = run_with(program().args(["extract", "--defang", "off"]), b"see evil-site[.]com");
    assert_eq!(json_lines(&text(&off.stdout))[0]["indicators"], json!([]));
}

#[test]
fn annotate_keeps_the_order_of_lines_and_wraps_text() {
    let _turn = beside_others();
    let stage = offline("e2e-annotate");
    let lines: Vec<String> = (0..200)
        .map(|n| match n % 3 {
            0 => format!(r#"{{"n":{n},"destination":{{"ip":"{}"}}}}"#, address(80, n)),
            1 => format!("line {n}: contact with {}", address(80, n % 30)),
            _ => format!(r#"{{"n":{n},"plain":true}}"#),
        })
        .collect();
    let out = run_with(&mut stage.command("annotate"), format!("{}\n", lines.join("\n")).as_bytes());
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let stdout = text(&out.stdout);
    let left: Vec<&str> = stdout.lines().collect();
    assert_eq!(left.len(), lines.len());
    for (n, (came, left)) in lines.iter().zip(left).enumerate() {
        match n % 3 {
            0 => {
                added_to(came, left);
                let value: Value = serde_json::from_str(left).unwrap();
                let expected = of_address(&truth(IndicatorKind::Ipv4, &address(80, n)), Answered::Both);
                assert_says(&value["sidelight"]["indicators"][0], &expected);
            }
            1 => {
                let value: Value = serde_json::from_str(left).unwrap_or_else(|_| panic!("NDJSON: {left}"));
                assert!(left.contains(&format!("line {n}: contact")), "{left}");
                assert_eq!(value["sidelight"]["status"], "complete", "{left}");
            }
            _ => assert_eq!(came, left),
        }
    }
}

#[test]
fn lookup_says_what_the_providers_know() {
    let _turn = beside_others();
    let stage = offline("e2e-lookup");
    let ip = address(81, 1);
    let mut command = stage.command("lookup");
    command.args(["--json", &ip.replace('.', "[.]"), "shop-2.com", "10.0.0.1"]);
    let out = run_with(&mut command, b"");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let found = json_lines(&text(&out.stdout));
    assert_eq!(found.len(), 3);
    assert_says(&found[0], &of_address(&truth(IndicatorKind::Ipv4, &ip), Answered::Both));
    assert_says(&found[1], &of_name_or_file(&truth(IndicatorKind::Domain, "shop-2.com")));
    assert_eq!((&found[2]["status"], &found[2]["reason"]), (&json!("suppressed"), &json!("private_address")));
    assert_eq!(stage.providers.calls().len(), 3, "{:?}", stage.providers.calls());
    let out = run_with(stage.command("lookup").arg("no indicator"), b"");
    assert_eq!(out.status.code(), Some(1));
}

#[test]
fn explain_says_what_an_event_holds_and_what_asking_costs() {
    let _turn = beside_others();
    let stage = offline("e2e-explain");
    let ip = address(81, 4);
    let event = format!(
        r#"{{"event":{{"severity":9}},"host":{{"name":"ws-7"}},"source":{{"ip":"10.0.0.5"}},"destination":{{"ip":"{ip}"}},"url":{{"full":"https://shop-4.com/x?token=abc"}}}}"#
    );
    let out = run_with(&mut stage.command("explain"), event.as_bytes());
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let said = text(&out.stdout);
    for part in [
        "json_object, severity critical, host ws-7, TLP clear\n",
        "ipv4 10.0.0.5  (source in source.ip)\n  never looked up: private_address\n",
        "  sent as https://shop-4.com/x\n  would be asked about, worth ",
        "\nunits in all, at most: abuseipdb 1, virustotal 2\n",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(text(&out.stderr).contains("no daemon is up"));
    // Of several lines it has to be said which; a marking keeps what is in the event from the providers.
    let lines = format!("x\n{{\"tlp\":\"red\",\"ip\":\"{ip}\"}}\n");
    let out = run_with(&mut stage.command("explain"), lines.as_bytes());
    assert_eq!((out.status.code(), text(&out.stderr).contains("--line")), (Some(1), true));
    let out = run_with(stage.command("explain").args(["--json", "--line", "2"]), lines.as_bytes());
    let said: Value = serde_json::from_slice(&out.stdout).unwrap();
    let found = &said["indicators"][0];
    assert_eq!((&said["tlp"], &found["decision"]), (&json!("red"), &json!("not_asked")), "{said}");
    assert_eq!((&found["providers"][0]["reason"], &said["cost"]), (&json!("tlp"), &json!([])), "{said}");
    assert!(stage.providers.calls().is_empty(), "nothing is asked");
}

#[test]
fn lookup_in_json_is_what_an_annotation_says() {
    let _turn = beside_others();
    let stage = offline("e2e-lookup-json");
    let ip = address(81, 3);
    let out = run_with(stage.command("lookup").args(["--json", &ip]), b"");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let looked_up = &json_lines(&text(&out.stdout))[0];
    let event = format!("{{\"destination\":{{\"ip\":{ip:?}}}}}\n");
    let out = run_with(&mut stage.command("annotate"), event.as_bytes());
    let annotated = json_lines(&text(&out.stdout))[0]["sidelight"]["indicators"][0].clone();
    assert!(annotated["vt_total"].as_i64() > Some(0) && annotated["abuse_reports"].is_i64(), "{annotated}");
    for (name, said) in annotated.as_object().unwrap() {
        match &**name {
            "fields" | "role" => assert_eq!(looked_up.get(name), None, "it was in no event"),
            "sources" => {
                for (ours, theirs) in looked_up["sources"].as_array().unwrap().iter().zip(said.as_array().unwrap()) {
                    for member in ["provider", "outcome", "contribution", "reference"] {
                        assert_eq!(ours[member], theirs[member], "{member}: {looked_up} {annotated}");
                    }
                    assert!(ours["age_s"].as_i64() >= Some(0));
                }
            }
            _ => assert_eq!(&looked_up[name], said, "{name}"),
        }
    }
    // The terms of the score, rounded as the annotation is.
    let term = &looked_up["terms"][0];
    assert_eq!((&term["provider"], &term["weight"]), (&json!("virustotal"), &json!(60.0)));
    let truth = truth(IndicatorKind::Ipv4, &ip);
    let share = f64::from(truth.vt_malicious) / f64::from(truth.vt_total());
    assert_eq!(term["share"].as_f64(), Some((share * 1000.0).round() / 1000.0));
    assert_eq!(term["points"], looked_up["sources"][0]["contribution"]);
    assert_eq!((looked_up["weight"].as_f64(), looked_up["full_weight"].as_f64()), (Some(100.0), Some(100.0)));
}

#[test]
fn lookup_waits_for_what_is_asked_once_more_and_tells_what_the_providers_say() {
    let _turn = beside_others();
    let stage = offline("e2e-lookup-again");
    let ip = address(83, 1);
    let simulator = stage.providers.simulator();
    simulator.faults().set(VIRUSTOTAL, Fault::Unavailable);
    let out = std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("both are asked", || stage.providers.calls().len() >= 2);
            simulator.faults().clear(VIRUSTOTAL);
        });
        run_with(stage.command("lookup").args(["--wait", "50", &ip]), b"")
    });
    let said = text(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{said}{}", text(&out.stderr));
    assert!(said.contains(&format!("ipv4 {ip}: complete, ")), "{said}{}", text(&out.stderr));
    for part in ["virustotal: vt_malicious ", ", vt_total ", "abuse_confidence ", "/gui/ip-address/", "/check/"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_script_sees_by_the_exit_code_that_nobody_answered() {
    let _turn = beside_others();
    let stage = offline("e2e-lookup-down");
    let lookup = |n: usize| run_with(stage.command("lookup").args(["--json", "--wait", "1", &address(82, n)]), b"");
    let faults = stage.providers.simulator().faults();
    faults.set(VIRUSTOTAL, Fault::Unauthorized);
    let out = lookup(1);
    assert_eq!(out.status.code(), Some(0), "one of two answered: {}", text(&out.stderr));
    assert_eq!(json_lines(&text(&out.stdout))[0]["status"], "partial");
    for fault in [Fault::Unauthorized, Fault::Unavailable, Fault::Throttle, Fault::Hang] {
        faults.set(VIRUSTOTAL, fault);
        faults.set(ABUSEIPDB, fault);
        let out = lookup(2);
        assert_eq!(out.status.code(), Some(1), "{fault:?}: {}", text(&out.stdout));
        let said = &json_lines(&text(&out.stdout))[0];
        assert!(said.get("confidence_score").is_none(), "{fault:?}: {said}");
        let last = text(&out.stderr);
        let last = last.lines().last().unwrap_or_default();
        assert_eq!(last, "error: of 1 of 1 indicators no provider said anything", "{fault:?}");
    }
    let help = text(&run_with(program().args(["lookup", "--help"]), b"").stdout);
    assert!(help.contains("no provider said anything"), "{help}");
}

#[test]
fn check_tells_right_from_wrong() {
    let _turn = beside_others();
    let mut stage = offline("e2e-check");
    assert_eq!(run_with(&mut stage.command("check"), b"").status.code(), Some(0));
    stage.set("delivery.dedline", "\"1s\"").set("providers.virustotal.quota", "\"0/min\"");
    let check = run_with(&mut stage.command("check"), b"");
    let run = run_with(&mut stage.command("run"), b"");
    assert_eq!((check.status.code(), run.status.code()), (Some(78), Some(78)));
    let report = text(&check.stderr);
    assert_eq!(report, text(&run.stderr), "the same report");
    for part in ["delivery.dedline", "did you mean `deadline`?", "providers.virustotal.quota", "^"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let missing = run_with(program().args(["check", "--config", "/nowhere/sidelight.toml"]), b"");
    assert_eq!(missing.status.code(), Some(78), "{}", text(&missing.stderr));
}

#[test]
fn check_online_tries_brokers_and_keys() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-online", 3, SimulatorConfig::default());
    let check = |stage: &Stage| {
        let output = run_with(stage.command("check").arg("--online"), b"");
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(!out.contains(KEY) && !err.contains(KEY), "{out}{err}");
        (output.status.code(), out)
    };
    let (code, out) = check(&stage);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(lines[0], format!("kafka: ok: {}", real_broker()));
    assert_eq!(lines[1], format!("input topic {}: ok, 3 partitions", stage.input()));
    assert_eq!(lines[2], format!("output topic {}: not there yet, `run` creates it", stage.output()));
    // By the page that costs nothing: no look-up.
    assert!(lines[5].starts_with("virustotal: ok (hour: ") && lines[5].ends_with(" left)"), "{out}");
    let asked: Vec<String> =
        stage.providers.calls().into_iter().map(|(provider, kind, _)| format!("{provider} {kind}")).collect();
    assert!(asked.contains(&"virustotal plan".to_owned()) && asked.len() == 2, "{asked:?}");
    assert!(lines[6].starts_with("abuseipdb: ok (day: ") && lines[6].ends_with(" left)"), "{out}");
    assert_eq!((stage.providers.count("virustotal"), stage.providers.count("abuseipdb")), (1, 1));
    // Nothing was created by looking.
    let (_, again) = check(&stage);
    assert!(again.contains("not there yet"), "{again}");

    stage.set("state.create_topics", "false");
    stage.set("input.topics", "[\"nothing-of-that-name\"]");
    stage.providers.simulator().faults().set(VIRUSTOTAL, Fault::Unauthorized);
    stage.providers.simulator().faults().set(ABUSEIPDB, Fault::Throttle);
    let (code, out) = check(&stage);
    assert_eq!(code, Some(1), "{out}");
    for part in [
        "input topic nothing-of-that-name: failed: it does not exist",
        ".out: failed: it does not exist",
        "virustotal: failed: the key is refused (status 401",
        "abuseipdb: failed: throttled: the quota of the key is used up for now, it asks for a pause of 30 s",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    stage.set("kafka.brokers", "\"127.0.0.1:1\"").set("kafka.start_timeout", "\"1s\"");
    let (code, out) = check(&stage);
    assert!(code == Some(1) && out.starts_with("kafka: failed: no broker of 127.0.0.1:1 answered"), "{out}");
}

#[test]
fn a_start_that_cannot_succeed_ends_soon_and_says_why() {
    let _turn = beside_others();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut nobody = Stage::without_input("e2e-nobody", &closed.to_string(), SimulatorConfig::default());
    nobody.set("kafka.start_timeout", "\"1s\"");
    let missing = Stage::without_input("e2e-missing", real_broker(), SimulatorConfig::default());
    for (stage, part) in [(&nobody, closed.to_string()), (&missing, missing.input())] {
        let start = Instant::now();
        let ended = Daemon::spawn(stage.command("run")).wait(Duration::from_secs(15));
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        let last = ended.log.lines().last().unwrap();
        assert!(last.contains("ERROR") && last.contains(&part), "{}", ended.log);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
}

#[test]
fn the_demo_ends_by_itself_with_a_summary() {
    let _turn = alone();
    let out = run_with(program().args(["demo", "--events", "2000", "--rate", "1000"]), b"");
    let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{stderr}");
    let figure = |label: &str| {
        let line = stdout
            .lines()
            .find(|line| line.trim_start().starts_with(label))
            .unwrap_or_else(|| panic!("{label}: {stdout}"));
        line.trim_start()[label.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!((figure("events in"), figure("events out")), ("2000".to_owned(), "2000".to_owned()));
    assert_eq!(figure("calls over quota"), "0");
    for part in ["Worst indicators", "malicious", "\"sidelight\":{\"schema\":1", "Where to look next"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert!(stderr.contains("http://127.0.0.1:") && !stderr.contains("panicked"), "{stderr}");
}
