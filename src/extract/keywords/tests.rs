//! Tests of lists of keywords.

use super::*;

fn compiled(keywords: &[&str]) -> Keywords {
    let mut reader = Reader::default();
    reader.read(keywords.join("\n").as_bytes()).unwrap();
    reader.finish()
}

fn found<'a>(keywords: &Keywords, text: &'a str) -> Vec<(String, &'a str)> {
    let mut all = Vec::new();
    keywords.find(text, |keyword, range| all.push((keyword.to_owned(), &text[range])));
    all
}

#[test]
fn keywords_are_whole_words() {
    let list = compiled(&[
        "mimikatz",
        "Cobalt Strike",
        "Cobalt",
        "-enc",
        "case-4711",
        "café",
        "Привет мир",
        "evil_tool",
        "x64dbg",
        "C:\\tools\\nc.exe",
        "100%",
        "verylongtoolname1",
        "verylongtoolname2 beta",
        "foo",
        "foo-x",
        "foo~z",
        "foobar",
        "(bar)",
    ]);
    let rows: &[(&str, &[&str])] = &[
        ("mimikatz", &["mimikatz"]),
        ("ran MimiKatz.exe", &["MimiKatz"]),
        ("mimikatz2 amimikatz mimikatz_ mimikatzé", &[]),
        ("“mimikatz” «mimikatz»", &["mimikatz", "mimikatz"]),
        ("mimikatz\u{a0}mimikatz", &["mimikatz", "mimikatz"]),
        ("cobalt strike, cobalt strikes", &["cobalt", "cobalt", "cobalt strike"]),
        ("powershell -enc AAAA", &["-enc"]),
        ("powershell -encoded", &[]),
        ("enc", &[]),
        ("case-4711 case-47112 xcase-4711", &["case-4711"]),
        ("Café cafés CAFÉ", &["Café"]),
        ("(привет мир) Привет мир", &["Привет мир"]),
        ("evil_tool evil tool", &["evil_tool"]),
        ("c:\\TOOLS\\nc.exe", &["c:\\TOOLS\\nc.exe"]),
        ("at 100% now", &["100%"]),
        (
            "verylongtoolname1 verylongtoolname2 verylongtoolname2 beta",
            &["verylongtoolname1", "verylongtoolname2 beta"],
        ),
        ("foo foo-x foo-y foo~z foobar foobaz", &["foo", "foo", "foo", "foo", "foo-x", "foo~z", "foobar"]),
        ("(bar) bar", &["(bar)"]),
        ("", &[]),
    ];
    for (text, expected) in rows {
        let mut got: Vec<&str> = found(&list, text).into_iter().map(|(_, raw)| raw).collect();
        got.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(got, expected, "{text}");
    }
    assert_eq!(found(&list, "MIMIKATZ")[0].0, "mimikatz", "as the list writes it");
}

#[test]
fn words_are_found_across_blocks_of_bytes() {
    let list = compiled(&["needle", "a needle in it"]);
    for before in 0..200 {
        let text = format!("{} a needle in it", "-".repeat(before));
        assert_eq!(found(&list, &text).len(), 2, "{before}");
        let glued = format!("{}needle", "x".repeat(before));
        assert_eq!(found(&list, &glued).len(), usize::from(before == 0), "{before}");
    }
}

#[test]
fn no_escape_hides_a_word_wherever_it_stands() {
    let list = compiled(&["needle", "ab1"]);
    let short = compiled(&["needle"]);
    for filling in ["-", "x", "é", "\\t", "\\\\x "] {
        for before in 0..140 {
            let head = filling.repeat(before);
            for escape in [" ", "\\n", "\\\\", "\\\\n", "\\/"] {
                for (word, held) in [("needle", true), ("needles", false), ("ab1", true), ("ab12", false)] {
                    let raw = format!("{head}{escape}{word}");
                    assert_eq!(list.may_hide_in(raw.as_bytes()), held, "{raw}");
                    assert_eq!(short.may_hide_in(raw.as_bytes()), held && word == "needle", "{raw}");
                }
            }
            for escape in ["\\u006eeedle", "need\\u006ce", "needl\\u0065", "&#110;eedle", "&#x6e;eedle"] {
                assert!(short.may_hide_in(format!("{head}{escape}").as_bytes()), "{head}{escape}");
            }
        }
    }
}

#[test]
fn a_list_is_checked_line_by_line() {
    let mut reader = Reader::default();
    let long = "x".repeat(257);
    let content = format!("ok1\nno\n{long}\n---\na\u{7}bc\n# no\n\n  ok2  \r\nOK1");
    let errors = reader.read(content.as_bytes()).unwrap_err();
    let got: Vec<_> = errors.iter().map(|error| (error.line, error.mistake)).collect();
    assert_eq!(got, [(2, Mistake::TooShort), (3, Mistake::TooLong), (4, Mistake::NoWord), (5, Mistake::Control)]);
    assert_eq!(reader.read(b"fine\n\xff\xff\xff").unwrap_err()[0].to_string(), "line 2: the line is no UTF-8 text");
    assert_eq!(reader.finish().len(), 3);
}

#[test]
fn there_are_a_hundred_thousand_at_most() {
    let lines = |count: usize| (0..count).map(|n| format!("tool-{n:06} of many\n")).collect::<String>();
    let mut reader = Reader::default();
    assert_eq!(reader.read(lines(MOST).as_bytes()), Ok(()));
    assert_eq!(
        reader.read(b"tool-000001 of many\n\none more"),
        Err(vec![KeywordError { line: 3, mistake: Mistake::TooMany }])
    );
    let list = reader.finish();
    assert_eq!(list.len(), MOST);
    assert!(list.weight() < 16 << 20, "{}", list.weight());
    assert_eq!(found(&list, "TOOL-099999 of many, tool-100000 of many").len(), 1);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// As the rules say it, without any table.
    fn plainly(keywords: &[String], text: &str) -> Vec<(usize, usize)> {
        let is_word = |letter: Option<char>| letter.is_some_and(words::is_word);
        let mut all = Vec::new();
        for keyword in keywords {
            for (start, _) in text.char_indices() {
                let Some(part) = text.get(start..start + keyword.len()) else { continue };
                let end = start + part.len();
                let before = text[..start].chars().next_back();
                let after = text[end..].chars().next();
                let glued = is_word(before) && is_word(part.chars().next())
                    || is_word(after) && is_word(part.chars().next_back());
                if part.eq_ignore_ascii_case(keyword) && !glued {
                    all.push((start, end));
                }
            }
        }
        all.sort_unstable();
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_found_is_what_the_rules_say(
            keywords in proptest::collection::vec("[aAbé_ .-]{0,2}[abé][ab .é-]{2,9}", 1..12),
            text in "[aAbBé_ .“-]{0,80}",
        ) {
            let mut reader = Reader::default();
            reader.read(keywords.join("\n").as_bytes()).ok();
            let list = reader.finish();
            let kept: Vec<String> = list.entries.iter().map(|entry| list.keyword(*entry).to_owned()).collect();
            let mut got = Vec::new();
            list.find(&text, |_, range| got.push((range.start, range.end)));
            got.sort_unstable();
            prop_assert_eq!(got, plainly(&kept, &text));
        }

        #[test]
        fn escapes_hide_nothing(before in "[a\n\t\\\\\"é ]{0,6}", after in "[a\n\t\\\\\"é ]{0,6}", keyword in "[nrtbfu][a-f0-9]{2,6}") {
            let list = compiled(&[&keyword]);
            let text = format!("{before}{keyword}{after}");
            let raw = serde_json::to_string(&text).unwrap();
            let inside = &raw[1..raw.len() - 1];
            if list.are_in(&text, false) {
                prop_assert!(list.are_in(inside, inside.contains('\\')));
            }
        }
    }
}
