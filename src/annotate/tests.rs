//! Golden annotations, and what holds for every payload.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{sight::Sight, splice::Annotation, *};
use crate::{
    event::{Format, Outline, Threat},
    gate::Suppression,
    model::{
        Answer, Assessment, Evidence, Fact, FailReason, Indicator, IndicatorKind, Kind, ProviderId, Reason, Role,
        Source, Status, Verdict, VerdictKind,
    },
    score,
};

/// 2026-11-23T08:37:37.412Z
const NOW: i64 = 1_795_423_057_412;

#[derive(Clone, Debug)]
struct Piece {
    kind: IndicatorKind,
    value: &'static str,
    role: Role,
    fields: Vec<&'static str>,
}

impl<'a> Sight<'a> for &'a Piece {
    fn kind(&self) -> Kind {
        self.kind.into()
    }

    fn value(&self) -> &'a str {
        self.value
    }

    fn role(&self) -> Role {
        self.role
    }

    fn fields(&self) -> impl Iterator<Item = &'a str> {
        self.fields.iter().copied()
    }
}

fn piece(kind: IndicatorKind, value: &'static str, role: Role, fields: &[&'static str]) -> Piece {
    Piece { kind, value, role, fields: fields.to_vec() }
}

fn source(provider: &'static str, answer: Answer) -> Source {
    Source { provider: ProviderId(provider), answer, stale: false }
}

fn verdict(kind: VerdictKind, evidence: Evidence, age_ms: i64) -> Answer {
    Answer::Verdict(Verdict { kind, evidence, answered_at: NOW - age_ms })
}

/// The example of the contract.
fn example() -> Assessment {
    let virustotal = Evidence {
        share: Some(41.0 / 90.0),
        floor: Some(40),
        facts: vec![("vt_malicious", Fact::Int(41)), ("vt_total", Fact::Int(90))],
        reference: Some("https://vt.test/ip/198.51.100.7".into()),
        scanner_stats: Some(41),
        ..Evidence::default()
    };
    let abuseipdb = Evidence {
        share: Some(0.97),
        facts: vec![("abuse_confidence", Fact::Int(97))],
        reference: Some("https://abuse.test/check/198.51.100.7".into()),
        description: Some("412 reports of \"SSH\"".into()),
        first_seen: Some(NOW - 86_400_000),
        last_seen: Some(NOW - 60_000),
        sightings: Some(412),
        ..Evidence::default()
    };
    let misp = Evidence {
        share: Some(1.0),
        floor: Some(70),
        facts: vec![("misp_events", Fact::Texts(vec!["1042".into()]))],
        ..Evidence::default()
    };
    let sources = vec![
        source("virustotal", verdict(VerdictKind::Found, virustotal, 41_900)),
        source("abuseipdb", verdict(VerdictKind::Found, abuseipdb, 41_000)),
        source("misp", verdict(VerdictKind::Found, misp, 0)),
        source("shodan", Answer::Throttled { reason: Reason::Quota, retry_at: Some(1_795_425_119_001) }),
    ];
    score::assess(IndicatorKind::Ipv4, sources, &score::Config::default())
}

fn address() -> Indicator {
    Indicator::new(IndicatorKind::Ipv4, "198.51.100.7")
}

fn annotate(pieces: &[Piece], states: &[State<'_>], payload: &[u8], outline: &Outline, shape: Shape) -> String {
    let summary = Summary::of(states, false);
    let annotation = Annotation { sights: || pieces.iter(), states, summary: &summary, now_ms: NOW };
    let mut out = b"left over".to_vec();
    annotation.splice(payload, outline, shape, &mut out);
    String::from_utf8(out).unwrap()
}

fn outline(payload: &str) -> Outline {
    let empty = serde_json::from_str::<Value>(payload).unwrap().as_object().unwrap().is_empty();
    Outline { format: Format::JsonObject, close: payload.rfind('}').unwrap(), empty, ..Outline::default() }
}

#[test]
fn the_example_of_the_contract() {
    let assessment = example();
    let fragment = Fragment::new(&address(), &assessment);
    let pieces = [
        piece(IndicatorKind::Ipv4, "198.51.100.7", Role::Destination, &["destination.ip"]),
        piece(IndicatorKind::Ipv4, "10.0.0.5", Role::Source, &["source.ip", "message"]),
    ];
    let states = [State::Assessed(&assessment, &fragment), State::Suppressed(Suppression::PrivateAddress)];
    let payload = "{\"a\": 1 }\n";
    let got = annotate(&pieces, &states, payload.as_bytes(), &outline(payload), Shape::Native);
    let expected = concat!(
        "{\"a\": 1 ,\"sidelight\":{\"schema\":1,\"status\":\"partial\",\"disposition\":\"malicious\",",
        "\"confidence_score\":70.0,\"queue\":\"high\",\"requires_review\":true,\"indicators\":[",
        "{\"ioc_type\":\"ipv4\",\"ioc_value\":\"198.51.100.7\",\"fields\":[\"destination.ip\"],\"role\":\"destination\",",
        "\"status\":\"partial\",\"disposition\":\"malicious\",\"confidence_score\":70.0,\"score_low\":70.0,",
        "\"score_high\":70.0,\"queue\":\"high\",\"vt_malicious\":41,\"vt_total\":90,\"abuse_confidence\":97,",
        "\"misp_events\":[\"1042\"],\"sources\":[",
        "{\"provider\":\"virustotal\",\"outcome\":\"found\",\"contribution\":27.3,\"age_s\":41,",
        "\"reference\":\"https://vt.test/ip/198.51.100.7\"},",
        "{\"provider\":\"abuseipdb\",\"outcome\":\"found\",\"contribution\":38.8,\"age_s\":41,",
        "\"reference\":\"https://abuse.test/check/198.51.100.7\"},",
        "{\"provider\":\"misp\",\"outcome\":\"found\",\"floor\":70,\"age_s\":0},",
        "{\"provider\":\"shodan\",\"outcome\":\"throttled\",\"reason\":\"quota\",\"retry_at\":\"2026-11-23T09:12:00Z\"}]},",
        "{\"ioc_type\":\"ipv4\",\"ioc_value\":\"10.0.0.5\",\"fields\":[\"source.ip\",\"message\"],\"role\":\"source\",",
        "\"status\":\"suppressed\",\"reason\":\"private_address\"}],",
        "\"truncated\":false}}\n",
    );
    assert_eq!(got, expected);
}

#[test]
fn the_object_by_itself_is_the_same() {
    let assessment = example();
    let fragment = Fragment::new(&address(), &assessment);
    let pieces = [piece(IndicatorKind::Ipv4, "198.51.100.7", Role::Destination, &["destination.ip"])];
    let states = [State::Assessed(&assessment, &fragment)];
    let summary = Summary::of(&states, true);
    let mut object = b"kept ".to_vec();
    Annotation { sights: || pieces.iter(), states: &states, summary: &summary, now_ms: NOW }.object(false, &mut object);
    let object = String::from_utf8(object).unwrap();
    assert!(object.starts_with("kept {\"schema\":1,"));
    assert!(object.ends_with("\"truncated\":true}"));
    let spliced = annotate(&pieces, &states, b"{}", &outline("{}"), Shape::Native);
    let spliced: Value = serde_json::from_str(&spliced).unwrap();
    let object: Value = serde_json::from_str(&object["kept ".len()..]).unwrap();
    assert_eq!(object["indicators"], spliced["sidelight"]["indicators"]);
}

#[test]
fn what_is_not_assessed_says_why() {
    let pieces = [
        piece(IndicatorKind::Domain, "a.example", Role::Query, &["dns.question.name"]),
        piece(IndicatorKind::Url, "http://a.example/\"\\", Role::Url, &["url.full"]),
    ];
    let states = [State::Pending(Reason::Deadline), State::Skipped(Reason::Flood)];
    let got = annotate(&pieces, &states, b"{}", &outline("{}"), Shape::Ecs);
    let expected = json!({"sidelight": {
        "schema": 1, "status": "partial", "disposition": "unknown", "queue": "unscored", "requires_review": true,
        "indicators": [
            {"ioc_type": "domain", "ioc_value": "a.example", "fields": ["dns.question.name"], "role": "query",
             "status": "pending", "disposition": "unknown", "queue": "unscored", "reason": "deadline"},
            {"ioc_type": "url", "ioc_value": "http://a.example/\"\\", "fields": ["url.full"], "role": "url",
             "status": "skipped", "disposition": "unknown", "queue": "unscored", "reason": "flood"}],
        "truncated": false}});
    assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), expected);

    let got = annotate(&[], &[], b"{}", &outline("{}"), Shape::Ecs);
    let expected = "{\"sidelight\":{\"schema\":1,\"status\":\"none\",\"requires_review\":false,\"indicators\":[],\"truncated\":false}}";
    assert_eq!(got, expected);
}

#[test]
fn sources_say_what_they_know_and_why_not() {
    let facts = |facts: &[(&'static str, Fact)]| Evidence { facts: facts.to_vec(), ..Evidence::default() };
    let mut stale = source("virustotal", verdict(VerdictKind::NotFound, facts(&[("twice", Fact::Bool(true))]), -5_000));
    stale.stale = true;
    let open = facts(&[("twice", Fact::Bool(false)), ("shodan_ports", Fact::Ints(vec![22, 443]))]);
    let sources = vec![
        stale,
        source("shodan", verdict(VerdictKind::Found, open, 1_999)),
        source("misp", Answer::Failed { reason: FailReason::Timeout, retry_at: None }),
        source("otx", Answer::Skipped { reason: Reason::Tlp }),
        source("abuseipdb", Answer::Pending { reason: Reason::Queued }),
        source("greynoise", Answer::Throttled { reason: Reason::Paused, retry_at: Some(i64::MAX) }),
    ];
    let assessment = score::assess(IndicatorKind::Ipv4, sources, &score::Config::default());
    let fragment = Fragment::new(&address(), &assessment);
    assert!(fragment.weight() > size_of::<Fragment>());
    let mut out = b"{\"x\":0".to_vec();
    fragment.write(&mut out, NOW);
    out.push(b'}');
    let expected = json!({
        "x": 0, "status": "partial", "disposition": "unknown", "score_low": 0.0, "score_high": 100.0, "queue": "unscored",
        "twice": true, "shodan_ports": [22, 443],
        "sources": [
            {"provider": "virustotal", "outcome": "not_found", "age_s": 0, "stale": true},
            {"provider": "shodan", "outcome": "found", "age_s": 1},
            {"provider": "misp", "outcome": "failed", "reason": "timeout"},
            {"provider": "otx", "outcome": "skipped", "reason": "tlp"},
            {"provider": "abuseipdb", "outcome": "pending", "reason": "queued"},
            {"provider": "greynoise", "outcome": "throttled", "reason": "paused"}],
    });
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
}

#[test]
fn hits_become_threat_enrichments() {
    let assessment = example();
    let fragment = Fragment::new(&address(), &assessment);
    let pieces = [piece(IndicatorKind::Ipv4, "198.51.100.7", Role::Destination, &["destination.ip", "message"])];
    let states = [State::Assessed(&assessment, &fragment)];
    let got = annotate(&pieces, &states, b"{\"a\":1}", &outline("{\"a\":1}"), Shape::Ecs);
    let got: Value = serde_json::from_str(&got).unwrap();
    let elements = got["threat"]["enrichments"].as_array().unwrap();
    let providers: Vec<_> = elements.iter().map(|element| element["indicator"]["provider"].as_str().unwrap()).collect();
    assert_eq!(providers, ["virustotal", "abuseipdb", "misp"]);
    let id = elements[1]["matched"]["id"].as_str().unwrap();
    let expected = json!({
        "indicator": {
            "type": "ipv4-addr", "name": "198.51.100.7", "ip": "198.51.100.7", "provider": "abuseipdb",
            "confidence": "High", "description": "412 reports of \"SSH\"",
            "first_seen": "2026-11-22T08:37:37.412Z", "last_seen": "2026-11-23T08:36:37.412Z",
            "modified_at": "2026-11-23T08:36:56.412Z", "sightings": 412,
            "reference": "https://abuse.test/check/198.51.100.7"},
        "feed": {"name": "AbuseIPDB"},
        "matched": {"atomic": "198.51.100.7", "field": "destination.ip", "id": id, "index": "sidelight-abuseipdb",
            "occurred": "2026-11-23T08:37:37.412Z", "type": "indicator_match_rule"},
    });
    assert_eq!(elements[1], expected);
    assert_eq!(elements[0]["indicator"]["scanner_stats"], 41);
    // Written into indices: it must never change.
    assert_eq!(id, "882110b0-fdfb-8623-8109-a9c803673833");
    assert_ne!(elements[0]["matched"]["id"], elements[1]["matched"]["id"]);
}

#[test]
fn the_value_goes_into_the_field_of_its_kind() {
    let rows = [
        (IndicatorKind::Ipv6, "2001:db8::1", "ipv6-addr", "/ip"),
        (IndicatorKind::Domain, "bad.example", "domain-name", "/url/domain"),
        (IndicatorKind::Url, "http://bad.example/a", "url", "/url/full"),
        (IndicatorKind::Email, "a@bad.example", "email-addr", "/email/address"),
        (IndicatorKind::Sha256, "00ff", "file", "/file/hash/sha256"),
    ];
    for (kind, value, name, path) in rows {
        let got = hit(kind, value);
        assert_eq!(got["type"], name, "{value}");
        assert_eq!(got.pointer(path), Some(&json!(value)), "{value}");
    }
    assert_eq!(hit(IndicatorKind::Ipv4, "198.51.100.0/24").get("ip"), None, "no address");
    let cve = hit(IndicatorKind::Cve, "CVE-2026-0001");
    assert_eq!((&cve["type"], &cve["name"]), (&json!("vulnerability"), &json!("CVE-2026-0001")));
}

/// The `indicator` object of a hit.
fn hit(kind: IndicatorKind, value: &'static str) -> Value {
    let assessment = malicious(kind);
    let fragment = Fragment::new(&Indicator::new(kind, value), &assessment);
    let pieces = [piece(kind, value, Role::Freetext, &["message"])];
    let got = annotate(&pieces, &[State::Assessed(&assessment, &fragment)], b"{}", &outline("{}"), Shape::Ecs);
    serde_json::from_str::<Value>(&got).unwrap()["threat"]["enrichments"][0]["indicator"].take()
}

fn malicious(kind: IndicatorKind) -> Assessment {
    let floor = Evidence { floor: Some(70), ..Evidence::default() };
    let context = Evidence { facts: vec![("shodan_ports", Fact::Ints(vec![22]))], ..Evidence::default() };
    let sources = vec![
        source("shodan", verdict(VerdictKind::Found, context, 0)),
        source("misp", verdict(VerdictKind::Found, floor, 0)),
    ];
    score::assess(kind, sources, &score::Config::default())
}

#[test]
fn enrichments_go_where_the_event_has_room_for_them() {
    let assessment = malicious(IndicatorKind::Ipv4);
    let fragment = Fragment::new(&address(), &assessment);
    let pieces = [piece(IndicatorKind::Ipv4, "198.51.100.7", Role::Source, &["source.ip"])];
    let states = [State::Assessed(&assessment, &fragment)];
    let at = |payload: &str, needle: &str| payload.find(needle).unwrap() + needle.len() - 1;
    type Row = (&'static str, &'static str, fn(usize) -> Threat, usize, &'static str);
    let rows: [Row; 6] = [
        ("absent", r#"{"a":1}"#, |_| Threat::Absent, 1, ""),
        ("object", r#"{"threat":{"b":1}}"#, |close| Threat::Object { close, empty: false }, 1, r#""b":1}"#),
        ("empty object", r#"{"threat":{ },"c":2}"#, |close| Threat::Object { close, empty: true }, 1, "{ }"),
        (
            "array",
            r#"{"threat":{"enrichments":[{"x":1}]}}"#,
            |close| Threat::Enrichments { close, empty: false },
            2,
            "}]",
        ),
        (
            "empty array",
            r#"{"threat":{"enrichments":[]}}"#,
            |close| Threat::Enrichments { close, empty: true },
            1,
            "[]",
        ),
        ("unfit", r#"{"threat":"high"}"#, |_| Threat::Unfit, 0, ""),
    ];
    for (name, payload, threat, count, needle) in rows {
        let threat = threat(if needle.is_empty() { 0 } else { at(payload, needle) });
        let outline = Outline { threat, ..outline(payload) };
        let got: Value =
            serde_json::from_str(&annotate(&pieces, &states, payload.as_bytes(), &outline, Shape::Ecs)).unwrap();
        assert_eq!(got["threat"]["enrichments"].as_array().map_or(0, Vec::len), count, "{name}: {got}");
        assert_eq!(got["sidelight"]["status"], "complete", "{name}");
        let native = annotate(&pieces, &states, payload.as_bytes(), &outline, Shape::Native);
        assert!(!native.contains("indicator_match_rule"), "{name}");
    }
}

#[test]
fn harmless_indicators_are_no_threat_and_hits_are_capped() {
    let clean = verdict(VerdictKind::Clean, Evidence { share: Some(0.0), ..Evidence::default() }, 0);
    let harmless = score::assess(IndicatorKind::Ipv4, vec![source("virustotal", clean)], &score::Config::default());
    let fragment = Fragment::new(&address(), &harmless);
    let pieces: Vec<_> =
        (0..60).map(|_| piece(IndicatorKind::Ipv4, "198.51.100.7", Role::Source, &["source.ip"])).collect();
    let states = vec![State::Assessed(&harmless, &fragment); 60];
    let got: Value = serde_json::from_str(&annotate(&pieces, &states, b"{}", &outline("{}"), Shape::Ecs)).unwrap();
    assert_eq!(got.get("threat"), None);
    assert_eq!(got["sidelight"]["requires_review"], false);

    let bad = malicious(IndicatorKind::Ipv4);
    let fragment = Fragment::new(&address(), &bad);
    let states = vec![State::Assessed(&bad, &fragment); 60];
    let got: Value = serde_json::from_str(&annotate(&pieces, &states, b"{}", &outline("{}"), Shape::Ecs)).unwrap();
    assert_eq!(got["threat"]["enrichments"].as_array().unwrap().len(), 50);
    assert_eq!(got["sidelight"]["indicators"].as_array().unwrap().len(), 60);
    assert_eq!(got["sidelight"]["truncated"], true);
}

#[test]
fn earlier_annotations_are_replaced() {
    type Row = (&'static str, &'static [(usize, usize)], bool, &'static str);
    let rows: [Row; 4] = [
        (r#"{"sidelight":1}"#, &[(1, 14)], true, "{"),
        (r#"{"sidelight":1,"a":2}"#, &[(1, 15)], false, r#"{"a":2,"#),
        (r#"{"a":2,"sidelight":1}"#, &[(6, 20)], false, r#"{"a":2,"#),
        (r#"{"sidelight":1,"a":2,"sidelight":3}"#, &[(1, 15), (20, 34)], false, r#"{"a":2,"#),
    ];
    for (payload, ours, empty, before) in rows {
        let outline =
            Outline { ours: ours.iter().map(|&(start, end)| start..end).collect(), empty, ..outline(payload) };
        let got = annotate(&[], &[], payload.as_bytes(), &outline, Shape::Ecs);
        let rest = got.strip_prefix(before).unwrap();
        assert!(rest.starts_with("\"sidelight\":{\"schema\":1"), "{got}");
        assert_eq!(got.matches("sidelight").count(), 1, "{got}");
        serde_json::from_str::<Value>(&got).unwrap();
    }
}

/// A generated object with what the walk would know of it.
#[derive(Clone, Debug)]
struct Event {
    text: String,
    outline: Outline,
    /// The text without earlier annotations.
    bare: String,
}

fn any_event() -> impl Strategy<Value = Event> {
    let space = || proptest::sample::select(vec!["", " ", "\n  "]);
    let value = proptest::sample::select(vec!["1", "\"}\"", "[{}]", "{\"sidelight\":[]}", "null", "\"\\\"\\u007d\""]);
    let member = (space(), value, space());
    let threat = proptest::sample::select(vec![
        ("", 0u8),
        ("\"threat\":null", 1),
        ("\"threat\":{}", 2),
        ("\"threat\":{\"x\":1}", 3),
        ("\"threat\":{\"enrichments\":[]}", 4),
        ("\"threat\":{\"enrichments\":[{\"y\":2}]}", 5),
    ]);
    let members = proptest::collection::vec(member, 0..4);
    (members, threat, any::<prop::sample::Index>(), proptest::option::of(0..100u8), space(), space()).prop_map(
        |(members, (threat, which), place, ours, before, after)| {
            let mut parts: Vec<String> =
                members.iter().enumerate().map(|(n, (a, value, b))| format!("{a}\"m{n}\"{b}:{value}{a}")).collect();
            if !threat.is_empty() {
                parts.insert(place.index(parts.len() + 1), threat.to_owned());
            }
            let others = parts.len();
            // The annotation of an earlier pass stands last, as this product writes it.
            let bare = format!("{before}{{{}}}{after}", parts.join(","));
            let mut outline = Outline { format: Format::JsonObject, empty: others == 0, ..Outline::default() };
            let text = match ours {
                None => bare.clone(),
                Some(value) => {
                    let start = before.len() + 1 + parts.join(",").len();
                    parts.push(format!("\"sidelight\":{value}"));
                    let inner = parts.join(",");
                    outline.ours = std::iter::once(start..before.len() + 1 + inner.len()).collect();
                    format!("{before}{{{inner}}}{after}")
                }
            };
            outline.close = text.len() - after.len() - 1;
            let close = |needle: &str| text.find(needle).unwrap() + needle.len() - 1;
            outline.threat = match which {
                0 => Threat::Absent,
                1 => Threat::Unfit,
                2 | 3 => Threat::Object { close: close(threat), empty: which == 2 },
                _ => Threat::Enrichments { close: close(threat) - 1, empty: which == 4 },
            };
            Event { text, outline, bare }
        },
    )
}

proptest! {
    #[test]
    fn the_original_bytes_stay(event in any_event(), ecs in any::<bool>(), is_hit in any::<bool>()) {
        let assessment = if is_hit { malicious(IndicatorKind::Ipv4) } else { example_unknown() };
        let fragment = Fragment::new(&address(), &assessment);
        let pieces = [piece(IndicatorKind::Ipv4, "198.51.100.7", Role::Source, &["source.ip"])];
        let states = [State::Assessed(&assessment, &fragment)];
        let shape = if ecs { Shape::Ecs } else { Shape::Native };
        let got = annotate(&pieces, &states, event.text.as_bytes(), &event.outline, shape);

        // A parser reads the original members and ours.
        let mut parsed: Value = serde_json::from_str(&got).unwrap();
        let annotation = parsed.as_object_mut().unwrap().remove("sidelight").unwrap();
        prop_assert_eq!(&annotation["schema"], 1);
        prop_assert_eq!(got.matches("\"schema\":1").count(), 1);
        let fit = event.outline.threat != Threat::Unfit;
        prop_assert_eq!(got.contains("indicator_match_rule"), ecs && is_hit && fit);

        // Taking out what was inserted gives the input back: everything else is there, in order.
        let mut rest = got.clone();
        if ecs && is_hit {
            match event.outline.threat {
                Threat::Absent => take_out(&mut rest, "\"threat\":", "{\"enrichments\":[{\"indicator\""),
                Threat::Object { .. } => take_out(&mut rest, "\"enrichments\":", "[{\"indicator\""),
                Threat::Enrichments { .. } => take_out(&mut rest, "", "{\"indicator\""),
                Threat::Unfit => {}
            }
        }
        take_out(&mut rest, "\"sidelight\":", "{\"schema\"");
        prop_assert_eq!(rest, event.bare);
    }
}

/// Removes the name with the value that starts like this, and the comma before it.
fn take_out(text: &mut String, name: &str, value: &str) {
    let at = text.find(&format!("{name}{value}")).unwrap();
    let from = at + name.len();
    let mut values = serde_json::Deserializer::from_str(&text[from..]).into_iter::<Value>();
    values.next().unwrap().unwrap();
    let end = from + values.byte_offset();
    let start = if text[..at].ends_with(',') { at - 1 } else { at };
    text.replace_range(start..end, "");
}

fn example_unknown() -> Assessment {
    let waiting = source("virustotal", Answer::Pending { reason: Reason::Queued });
    let assessment = score::assess(IndicatorKind::Ipv4, vec![waiting], &score::Config::default());
    assert_eq!(assessment.status, Status::Pending);
    assessment
}
