//! What holds for any input.

use proptest::prelude::*;

use super::*;

/// Text in which something is to be found.
fn tempting() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("http://".to_owned()),
        Just("hxxps[:]//".to_owned()),
        Just("evil[.]example.com".to_owned()),
        Just("a.example.co.uk".to_owned()),
        Just("user@mail.example.org".to_owned()),
        Just("198.51.100.7".to_owned()),
        Just("2001:db8::1".to_owned()),
        Just("::ffff:1.2.3.4".to_owned()),
        Just("[fe80::1%eth0]:443".to_owned()),
        Just("CVE-2021-44228".to_owned()),
        Just("d41d8cd98f00b204e9800998ecf8427e".to_owned()),
        Just("bücher.example.com".to_owned()),
        Just("例え.テスト.com".to_owned()),
        Just("{\"a\":\"".to_owned()),
        Just("CEF:0|a|b|c|d|e|1|src=".to_owned()),
        Just("LEEF:2.0|a|b|c|d|^|".to_owned()),
        Just("<34>1 2026-11-23T09:12:00Z h a 1 I [x y=\"".to_owned()),
        Just("Nov 23 09:12:00 ".to_owned()),
        Just("\u{3000}".to_owned()),
        Just("“".to_owned()),
        Just("→".to_owned()),
        Just("地址".to_owned()),
        Just("й".to_owned()),
        Just("\u{1b}[31m".to_owned()),
        Just("#012".to_owned()),
        Just("%20".to_owned()),
        Just("bounce+1=x.example.org=".to_owned()),
        Just(";sh ".to_owned()),
        Just("git+".to_owned()),
        "[ -~]{0,3}",
        "[./:@\\[\\](){}\\\\\"' =|,;_%-]{1,3}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut out = Extraction::default();
        Extractor::new(&Config::default()).extract(&bytes, &mut out);
    }

    #[test]
    fn spans_are_parts_of_the_payload(text in tempting(), aggressive in any::<bool>()) {
        let defang = if aggressive { Defang::Aggressive } else { Defang::Standard };
        let mut out = Extraction::default();
        Extractor::new(&Config { defang, url_hosts: true, ..Config::default() }).extract(text.as_bytes(), &mut out);
        for found in out.matches() {
            prop_assert!(text.get(found.span.clone()).is_some_and(|raw| !raw.is_empty()), "{:?} in {:?}", found, text);
            prop_assert!(!found.field.is_empty());
        }
        for sighted in out.iter() {
            prop_assert!(sighted.fields().count() > 0);
        }
    }

    #[test]
    fn canonical_values_are_their_own_canonical_form(text in tempting()) {
        let mut out = Extraction::default();
        let extractor = Extractor::new(&Config { defang: Defang::Off, ..Config::default() });
        extractor.extract(text.as_bytes(), &mut out);
        for sighted in out.iter() {
            let mut again = Extraction::default();
            extractor.extract(sighted.value.as_bytes(), &mut again);
            // A value may lose the context that made it one, and may then not be found; it is never another one of its kind.
            let other = again.iter().find(|other| other.kind == sighted.kind && other.value != sighted.value);
            prop_assert!(other.is_none(), "{:?} gives {:?} in {:?}", sighted.value, other, text);
        }
    }

    #[test]
    fn an_envelope_changes_nothing(text in "x ([ -<>-~]|\u{e9}|\u{3002}|[./:@]|evil\\.example\\.com|198\\.51\\.100\\.7|http://a\\.example\\.org/){0,60}") {
        // It begins as prose and holds no pairs, lest it be read as an event itself.
        let json = serde_json::json!({ "message": text }).to_string();
        let plain: Vec<_> = found(&text);
        prop_assert_eq!(found(&json), plain, "{}", text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_read_lately_is_read_alike(
        texts in prop::collection::vec(tempting(), 1..4),
        keys in prop::collection::vec(prop_oneof![
            Just("source.ip"), Just("url.full"), Just("file.hash.sha256"), Just("dns.question.name"), Just("user.email"),
            Just("message"), Just("process.command_line"), Just("http.version"), Just("trace.id"), Just("k\u{e9}y\"\\"), Just(""),
        ], 1..5),
        aggressive in any::<bool>(),
    ) {
        let defang = if aggressive { Defang::Aggressive } else { Defang::Standard };
        let config = Config { defang, ..Config::default() };
        let nested: serde_json::Map<_, _> =
            keys.iter().zip(texts.iter().cycle()).map(|(key, text)| ((*key).to_owned(), serde_json::json!([text, { "ip": text }]))).collect();
        let payload = serde_json::json!({ "a": nested.clone(), "event": nested }).to_string();
        let all = |extractor: &Extractor| {
            let mut out = Extraction::default();
            extractor.extract(payload.as_bytes(), &mut out);
            let matches: Vec<_> = out.matches().map(|found| format!("{found:?}")).collect();
            let roles: Vec<_> = out.iter().map(|sighted| (sighted.role, sighted.fields().collect::<Vec<_>>().join(" "))).collect();
            (matches, roles, out.truncated())
        };
        let extractor = Extractor::new(&config);
        let first = all(&extractor);
        prop_assert_eq!(&all(&extractor), &first, "warm: {}", payload);
        prop_assert_eq!(&all(&Extractor::new(&config)), &first, "cold: {}", payload);
        let elsewhere = std::thread::scope(|scope| scope.spawn(|| all(&extractor)).join());
        prop_assert_eq!(&elsewhere.unwrap(), &first, "another thread: {}", payload);
        // Of another extractor nothing is remembered.
        let few = Extractor::new(&Config { kinds: vec![IndicatorKind::Ipv4.into()], ..config });
        prop_assert!(all(&few).0.iter().all(|found| found.contains("Ipv4")), "{}", payload);
    }
}
