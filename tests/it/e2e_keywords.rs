//! Lists of keywords on the command line.

use serde_json::{Value, json};

use crate::support::e2e::{Directory, beside_others, json_lines, program, run_with};

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
