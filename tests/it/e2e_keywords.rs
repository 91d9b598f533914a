//! Lists of keywords: on the command line, and read again while the daemon runs.

use std::time::Duration;

use serde_json::{Value, json};
use sidelight::simulator::SimulatorConfig;

use crate::support::{
    e2e::{Daemon, Directory, Stage, beside_others, json_lines, program, run_with},
    e2e_wire::{Feeder, Seen, Tap},
    kafka::{Wire, eventually},
};

const WITHIN: Duration = Duration::from_secs(30);

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn extract_notes_the_keywords_of_all_files() {
    let _turn = beside_others();
    let directory = Directory::new();
    let tools = directory.write("tools.txt", "# tools\nMimikatz\n\nCobalt Strike\n".as_bytes());
    let cases = directory.write("cases.txt", "case-4711\r\nплан «Б»\n".as_bytes());
    let lines = [
        r#"{"mimikatz":"no value","message":"ran \u006dimikatz and\ncobalt strike to 45.83.12.7"}"#,
        "MIMIKATZ.exe, mimikatz2 and amimikatz",
        r#"{"note":"план «Б» of CASE-4711, not case-47112"}"#,
        "nothing of them",
    ];
    let extract = |arguments: &[&str]| {
        let mut program = program();
        let program = program.arg("extract").arg("--keywords").arg(&tools).arg("--keywords").arg(&cases);
        let ended = run_with(program.args(arguments), lines.join("\n").as_bytes());
        assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
        text(&ended.stdout)
    };
    let found = json_lines(&extract(&[]));
    let expected: [&[(&str, &str, &str)]; 4] = [
        &[
            ("keyword", "Mimikatz", r"\u006dimikatz"),
            ("keyword", "Cobalt Strike", "cobalt strike"),
            ("ipv4", "45.83.12.7", "45.83.12.7"),
        ],
        &[("keyword", "Mimikatz", "MIMIKATZ")],
        &[("keyword", "план «Б»", "план «Б»"), ("keyword", "case-4711", "CASE-4711")],
        &[],
    ];
    assert_eq!(found.len(), lines.len());
    for ((line, found), expected) in lines.iter().zip(&found).zip(expected) {
        let indicators = found["indicators"].as_array().unwrap();
        assert_eq!(indicators.len(), expected.len(), "{found}");
        for (indicator, (kind, value, raw)) in indicators.iter().zip(expected) {
            assert_eq!((&indicator["type"], &indicator["value"]), (&json!(kind), &json!(value)), "{found}");
            let place = |name: &str| usize::try_from(indicator[name].as_u64().unwrap()).unwrap();
            assert_eq!(&line[place("start")..place("end")], *raw, "{found}");
            let noted = if *kind == "keyword" { json!("noted_only") } else { Value::Null };
            assert_eq!(indicator["suppressed"], noted, "{found}");
        }
    }
    assert_eq!(found[0]["indicators"][0]["field"], "message");
    let rows = extract(&["--kinds", "md5", "--format", "csv"]);
    let kinds = rows.lines().skip(1).map(|row| row.split(',').nth(1).unwrap());
    assert_eq!(kinds.collect::<Vec<_>>(), ["keyword"; 5], "{rows}");
}

#[test]
fn a_list_that_cannot_be_read_is_named_with_the_line() {
    let _turn = beside_others();
    let directory = Directory::new();
    let list = directory.write("list.txt", b"mimikatz\nx\n");
    let missing = list.with_file_name("missing.txt");
    for (file, said) in [(&list, "line 2: a keyword has at least 3 bytes"), (&missing, "cannot read the file")] {
        let ended = run_with(program().arg("extract").arg("--keywords").arg(file), b"mimikatz");
        assert_eq!((ended.status.code(), text(&ended.stdout).as_str()), (Some(1), ""));
        let stderr = text(&ended.stderr);
        assert!(stderr.contains(said) && stderr.contains(file.file_name().unwrap().to_str().unwrap()), "{stderr}");
    }
}

/// The keywords that are noted in a record, and whether they are said to be noted only.
fn keywords(record: &Seen) -> Vec<String> {
    let noted = record.indicators().into_iter().filter(|indicator| indicator["ioc_type"] == "keyword");
    noted.map(|keyword| format!("{} {}", keyword["ioc_value"].as_str().unwrap(), keyword["reason"])).collect()
}

/// Whether so many lines of the log begin so.
fn says(daemon: &Daemon, message: &str, times: usize) -> bool {
    let begins = |line: &Value| line["message"].as_str().is_some_and(|said| said.starts_with(message));
    daemon.log_lines().iter().filter(|line| begins(line)).count() == times
}

#[test]
fn lists_are_read_again_while_the_stream_runs() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-keywords", 1, SimulatorConfig::default());
    let list = stage.directory.write("tools.txt", b"mimikatz\n");
    stage.set("extract.keywords", &format!("[{list:?}]"));
    let daemon = stage.start();
    let (output, feeder) = (Tap::open(&stage.output()), Feeder::new(&stage.input()));
    let mut sent = 0;
    let mut noted = |daemon: &Daemon| {
        let event = json!({ "event": { "id": format!("evt-{sent}") }, "message": "mimikatz, then rubeus" });
        feeder.send_all(sent, &[Wire::keyed(0, "host-1", event.to_string())]);
        sent += 1;
        let left = output.wait(sent, WITHIN);
        assert!(daemon.is_ready());
        keywords(left.last().unwrap())
    };
    assert_eq!(noted(&daemon), ["mimikatz \"noted_only\""]);

    stage.directory.write("tools.txt", b"mimikatz\nrubeus\n");
    assert_eq!(noted(&daemon).len(), 1, "a file that has changed changes nothing by itself");
    daemon.hang_up();
    eventually("the list is read again", || says(&daemon, "configuration read again", 1));
    assert_eq!(noted(&daemon), ["mimikatz \"noted_only\"", "rubeus \"noted_only\""]);

    // A list with a line that is none is named, and the one before holds.
    stage.directory.write("tools.txt", b"certify\nx\n");
    daemon.hang_up();
    eventually("the line is named", || says(&daemon, "the configuration is wrong now", 1));
    assert!(daemon.log().contains("tools.txt") && daemon.log().contains("line 2"), "{}", daemon.log());
    assert_eq!(noted(&daemon).len(), 2);

    stage.directory.write("tools.txt", b"certify\n");
    daemon.hang_up();
    eventually("another list is taken over", || says(&daemon, "configuration read again", 2));
    assert_eq!(noted(&daemon), Vec::<String>::new());
    assert!(says(&daemon, "other settings have changed", 0));
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}
