//! Tests of the JSON reader.

use proptest::prelude::*;

use super::*;
use crate::event::Threat;

#[derive(Default)]
struct Seen(Vec<(String, String)>);

impl Strings for Seen {
    type Field = usize;

    fn field(&mut self, path: &str) -> usize {
        path.len()
    }

    fn string(&mut self, path: &str, field: usize, raw: &str, start: usize, _bits: Bits) {
        assert!(start > 0);
        assert_eq!(field, path.len());
        self.0.push((path.to_owned(), raw.to_owned()));
    }
}

fn outline_of(text: &str) -> (Option<Top>, Outline, Vec<(String, String)>) {
    let mut outline = Outline::default();
    let mut seen = Seen::default();
    let top = walk(text, &mut Memory::default(), Some(&mut outline), &mut seen);
    (top, outline, seen.0)
}

#[test]
fn accepts_exactly_the_well_formed() {
    let deep_array = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_object = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let rows = [
        ("object", "{}", true),
        ("spaces", " \r\n\t{ \"a\" : [ 1 , -0.5e+7 , true , false , null ] } \n", true),
        ("byte order mark", "\u{feff}{}", true),
        ("huge number", r#"{"a":1e999}"#, true),
        ("repeated key", r#"{"a":1,"a":2}"#, true),
        ("deep array", &deep_array, true),
        ("deep object", &deep_object, true),
        ("scalar", "12", true),
        ("truncated", r#"{"a":"#, false),
        ("truncated string", r#"{"a":"b"#, false),
        ("truncated escape", r#"{"a":"\"#, false),
        ("bad escape", r#"{"a":"\x"}"#, false),
        ("bad unicode escape", r#"{"a":"\u12g4"}"#, false),
        ("control character", "{\"a\":\"\n\"}", false),
        ("NUL", "{\"a\":1}\0", false),
        ("NUL inside", "{\"a\":\0 1}", false),
        ("trailing garbage", "{} x", false),
        ("two documents", "{}{}", false),
        ("trailing comma", r#"{"a":1,}"#, false),
        ("trailing comma in array", "[1,]", false),
        ("no comma", r#"{"a":1"b":2}"#, false),
        ("no colon", r#"{"a" 1}"#, false),
        ("no quotes", "{a:1}", false),
        ("leading zero", "[01]", false),
        ("plus", "[+1]", false),
        ("bare dot", "[1.]", false),
        ("bare exponent", "[1e]", false),
        ("minus", "[-]", false),
        ("literal", "[nul]", false),
        ("glued literal", "[nullx]", false),
        ("mismatched", "[}", false),
        ("empty", "", false),
    ];
    for (name, text, well_formed) in rows {
        assert_eq!(outline_of(text).0.is_some(), well_formed, "{name}");
    }
}

#[test]
fn paths_are_dotted_and_arrays_transparent() {
    let text = r#"{"a":{"b":"1","c.d":["2",{"e":"3"},["4"]]},"f.g":"5","x\u002ey":"6"}"#;
    let expected = [("a.b", "1"), ("a.c.d", "2"), ("a.c.d.e", "3"), ("a.c.d", "4"), ("f.g", "5"), ("x.y", "6")];
    let seen = outline_of(text).2;
    assert_eq!(seen, expected.map(|(path, raw)| (path.to_owned(), raw.to_owned())));
    assert_eq!(outline_of(r#"[{"a":"1"}]"#).2, [("a".to_owned(), "1".to_owned())]);
}

#[test]
fn fields_that_are_not_kept_have_the_paths_that_they_would_have() {
    let inside = r#""":[{"dst":"1","":{"x":"2"}}],"a":{"b":[{"c.d":["3",{"":"4"}]}],"":{"e":"5"}},"event":{"id":"6"},"ids":[["7"]]"#;
    let few = outline_of(&format!("{{{inside}}}"));
    let full: String = (0..3_000).map(|number| format!("\"k{number}\":{number},")).collect();
    let many = outline_of(&format!("{{{full}{inside}}}"));
    assert_eq!(few.2, many.2);
    assert_eq!(few.2[0], (".dst".to_owned(), "1".to_owned()));
    assert!(many.1.id.is_some());
}

#[test]
fn own_annotations_and_enrichments_are_not_handed_on() {
    let text =
        r#"{"sidelight":{"a":"1"},"threat":{"enrichments":[{"b":"2"}],"c":"3"},"threat.enrichments":[{"d":"4"}]}"#;
    assert_eq!(outline_of(text).2, [("threat.c".to_owned(), "3".to_owned())]);
}

#[test]
fn ids_are_found_by_rank() {
    let rows = [
        ("nested", r#"{"id":1,"_id":"x","event":{"id":"e"}}"#, Some(r#""e""#)),
        ("dotted", r#"{"_id":"x","event.id":7}"#, Some("7")),
        ("underscore", r#"{"id":1,"_id":"x"}"#, Some(r#""x""#)),
        ("plain", r#"{"id": 1.5e3 }"#, Some("1.5e3")),
        ("escaped key", r#"{"\u0069d":"y"}"#, Some(r#""y""#)),
        ("escaped value", r#"{"id":"a\"b"}"#, Some(r#""a\"b""#)),
        ("null", r#"{"id":null}"#, None),
        ("object", r#"{"id":{"id":1}}"#, None),
        ("deeper", r#"{"a":{"event":{"id":1}}}"#, None),
        ("empty key", r#"{"":{"event.id":1}}"#, None),
        ("in an array", r#"{"event":[{"id":1}]}"#, None),
    ];
    for (name, text, id) in rows {
        assert_eq!(outline_of(text).1.id.map(|range| &text[range]), id, "{name}");
    }
}

#[test]
fn the_place_for_hits_is_found() {
    let rows = [
        ("absent", r#"{"a":1}"#, Threat::Absent),
        ("scalar", r#"{"threat":1}"#, Threat::Unfit),
        ("null", r#"{"threat":null}"#, Threat::Unfit),
        ("array", r#"{"threat":[{"enrichments":[]}]}"#, Threat::Unfit),
        ("empty object", r#"{"threat":{ }}"#, Threat::Object { close: 12, empty: true }),
        ("object", r#"{"threat":{"a":1}}"#, Threat::Object { close: 16, empty: false }),
        ("empty array", r#"{"threat":{"enrichments":[]}}"#, Threat::Enrichments { close: 26, empty: true }),
        ("filled array", r#"{"threat":{"enrichments":[1],"x":2}}"#, Threat::Enrichments { close: 27, empty: false }),
        ("object for array", r#"{"threat":{"enrichments":{}}}"#, Threat::Unfit),
        ("string for array", r#"{"threat":{"enrichments":"x"}}"#, Threat::Unfit),
        ("dotted", r#"{"threat.enrichments":[]}"#, Threat::Enrichments { close: 23, empty: true }),
        ("dotted scalar", r#"{"threat.enrichments":4}"#, Threat::Unfit),
        ("dotted leaf", r#"{"threat.enrichments.matched.field":"a"}"#, Threat::Unfit),
        ("the last counts", r#"{"threat":1,"threat":{}}"#, Threat::Object { close: 22, empty: true }),
        ("deeper", r#"{"a":{"threat":{"enrichments":[]}}}"#, Threat::Absent),
    ];
    for (name, text, threat) in rows {
        assert_eq!(outline_of(text).1.threat, threat, "{name}");
    }
}

/// Takes the own members out and puts a new one before the last brace, as simply as it can be done.
fn splice(text: &str, outline: &Outline) -> String {
    let mut out = String::new();
    let mut done = 0;
    for range in &outline.ours {
        assert!(done <= range.start && range.start < range.end && range.end <= outline.close);
        out.push_str(&text[done..range.start]);
        done = range.end;
    }
    out.push_str(&text[done..outline.close]);
    out.push_str(if outline.empty { r#""sidelight":{"new":1}"# } else { r#","sidelight":{"new":1}"# });
    out.push_str(&text[outline.close..]);
    out
}

#[test]
fn own_members_go_with_one_comma() {
    let rows = [
        ("alone", r#"{ "sidelight" : 1 }"#, r#"{  }"#),
        ("first", r#"{"sidelight":1,"a":2}"#, r#"{"a":2}"#),
        ("last", r#"{"a":2 , "sidelight":{"x":[1,2]} }"#, r#"{"a":2  }"#),
        ("middle", r#"{"a":2,"sidelight":1,"b":3}"#, r#"{"a":2,"b":3}"#),
        ("twice first", r#"{"sidelight":1,"sidelight":2,"a":3}"#, r#"{"a":3}"#),
        ("twice alone", r#"{"sidelight":1,"sidelight":2}"#, "{}"),
        ("around", r#"{"sidelight":1,"a":3,"sidelight":2}"#, r#"{"a":3}"#),
        ("escaped", r#"{"a":3,"sideligh\u0074":2}"#, r#"{"a":3}"#),
        ("only at the top", r#"{"a":{"sidelight":2},"sidelight.x":1}"#, r#"{"a":{"sidelight":2},"sidelight.x":1}"#),
    ];
    for (name, text, left) in rows {
        let outline = outline_of(text).1;
        let mut rest = String::new();
        let mut done = 0;
        for range in &outline.ours {
            rest.push_str(&text[done..range.start]);
            done = range.end;
        }
        rest.push_str(&text[done..]);
        assert_eq!(rest, left, "{name}");
        let _: serde_json::Value = serde_json::from_str(&splice(text, &outline)).unwrap();
    }
}

fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(" ,\n"))),
            members(inner).prop_map(|members| format!("{{{members}}}")),
        ]
    })
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let key = prop_oneof![
        4 => Just("sidelight".to_owned()),
        1 => Just("threat".to_owned()),
        1 => Just("enrichments".to_owned()),
        1 => Just("id".to_owned()),
        4 => any::<String>(),
    ];
    prop::collection::vec((key, value), 0..6).prop_map(|members| {
        let parts: Vec<String> = members
            .into_iter()
            .map(|(key, value)| format!(" {} : {value}", serde_json::to_string(&key).unwrap()))
            .collect();
        parts.join(",")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_simple_splice_gives_well_formed_json(members in members(any_json())) {
        let text = format!(" {{{members} }}\n");
        let (top, outline, _) = outline_of(&text);
        prop_assert_eq!(top, Some(Top::Object));
        let spliced = splice(&text, &outline);
        let value: serde_json::Value = serde_json::from_str(&spliced).unwrap();
        let mut expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        expected.as_object_mut().unwrap().insert("sidelight".to_owned(), serde_json::json!({"new": 1}));
        prop_assert_eq!(value, expected);
        match outline.threat {
            Threat::Object { close, empty } | Threat::Enrichments { close, empty } => {
                let object = matches!(outline.threat, Threat::Object { .. });
                let member = if object { r#""enrichments":[7]"# } else { "7" };
                let comma = if empty { "" } else { "," };
                let hit = format!("{}{comma}{member}{}", &text[..close], &text[close..]);
                let value: serde_json::Value = serde_json::from_str(&hit).unwrap();
                let last = value["threat"]["enrichments"].as_array().and_then(|array| array.last()).cloned();
                prop_assert_eq!(last, Some(serde_json::json!(7)));
            }
            Threat::Absent | Threat::Unfit => {}
        }
    }

    #[test]
    fn agrees_with_serde_on_any_text(text in any::<String>(), cut in 0usize..200, members in members(any_json())) {
        // No half surrogates come up here, on which serde is stricter than the grammar.
        let document = format!("{{{members}}}");
        let cut = document.char_indices().nth(cut).map_or(document.len(), |(at, _)| at);
        for text in [&text, &document[..cut]] {
            let serde = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            prop_assert_eq!(outline_of(text).0.is_some(), serde, "{}", text);
        }
    }
}
