//! What the formats give: fields, roles, and the right bytes of each.

use super::*;
use crate::event::Format;

fn format_of(payload: &str) -> Format {
    let mut out = Extraction::default();
    Extractor::new(&Config::default()).extract(payload.as_bytes(), &mut out);
    out.outline().format
}

/// `field=value` with the role of each match.
fn fields(payload: &str) -> Vec<String> {
    let mut out = Extraction::default();
    Extractor::new(&Config::default()).extract(payload.as_bytes(), &mut out);
    out.matches().map(|found| format!("{}={}", found.field, found.value)).collect()
}

#[test]
fn formats_are_recognised_by_content() {
    let rows = [
        ("object", r#" {"a":1} "#, Format::JsonObject),
        ("array", "[1]", Format::Json),
        ("string", "\"a\"", Format::Json),
        ("broken", r#"{"a":1"#, Format::Text),
        ("NUL behind", "{\"a\":1}\0", Format::Text),
        ("CEF", "CEF:0|a|b|c|d|e|1|src=198.51.100.7", Format::Cef),
        ("CEF in syslog", "<134>Nov 23 09:12:00 fw01 CEF:0|a|b|c|d|e|1|src=198.51.100.7", Format::Cef),
        ("CEF cut short", "CEF:0|a|b", Format::Text),
        ("LEEF 1", "LEEF:1.0|a|b|c|d|src=198.51.100.7\tdst=198.51.100.8", Format::Leef),
        ("LEEF 2", "LEEF:2.0|a|b|c|d|^|src=198.51.100.7^dst=198.51.100.8", Format::Leef),
        ("RFC 5424", "<34>1 2026-11-23T09:12:00Z host app 1 ID - text", Format::Syslog),
        ("RFC 3164", "<34>Nov 23 09:12:00 host app[1]: text", Format::Syslog),
        ("without a priority", "Nov  3 09:12:00 host app[1]: text", Format::Syslog),
        ("text", "text", Format::Text),
        ("less than", "<b>", Format::Text),
    ];
    for (name, payload, format) in rows {
        assert_eq!(format_of(payload), format, "{name}");
    }
}

#[test]
fn values_have_their_fields() {
    let rows: &[(&str, &str, &[&str])] = &[
        ("text", "from 198.51.100.7", &["message=198.51.100.7"]),
        ("array", r#"{"dns":{"answers":[{"data":"198.51.100.7"}]}}"#, &["dns.answers.data=198.51.100.7"]),
        ("dotted", r#"{"dns.answers":[{"data":"198.51.100.7"}]}"#, &["dns.answers.data=198.51.100.7"]),
        ("bare string", r#""198.51.100.7""#, &["message=198.51.100.7"]),
        (
            "CEF",
            r"CEF:0|v|p|1.2.3.4|d|to evil.example.com|1|src=198.51.100.7 msg=a b http://c.example.com/?d\=e dst=198.51.100.8",
            &["name=evil.example.com", "src=198.51.100.7", "msg=http://c.example.com/?d=e", "dst=198.51.100.8"],
        ),
        (
            "CEF labels",
            "CEF:0|v|p|1|d|n|1|cs1=198.51.100.7 cs1Label=Firmware Version cs2=4.4.4.4 cs2Label=Source IP",
            &["cs2=4.4.4.4"],
        ),
        (
            "CEF recipient",
            "CEF:0|v|p|1|d|n|1|duser=jane@example.org suser=joe@example.com",
            &["duser=jane@example.org", "suser=joe@example.com"],
        ),
        ("LEEF tab", "LEEF:1.0|v|p|1|d|src=198.51.100.7\tdst=198.51.100.8", &["src=198.51.100.7", "dst=198.51.100.8"]),
        (
            "LEEF caret",
            "LEEF:2.0|v|p|1|d|^|src=198.51.100.7^url=http://a.example.com/b",
            &["src=198.51.100.7", "url=http://a.example.com/b"],
        ),
        (
            "LEEF hex",
            "LEEF:2.0|v|p|1|d|x7C|src=198.51.100.7|dst=198.51.100.8",
            &["src=198.51.100.7", "dst=198.51.100.8"],
        ),
        ("RFC 3164", "<34>Nov 23 09:12:00 host sshd[1]: from 198.51.100.7 port 22", &["message=198.51.100.7"]),
        (
            "RFC 5424",
            r#"<34>1 2026-11-23T09:12:00.003Z 192.0.2.9 a 1 I [x@1 ip="198.51.100.7" u="a\]b"] to 198.51.100.8"#,
            &["log.syslog.hostname=192.0.2.9", "ip=198.51.100.7", "message=198.51.100.8"],
        ),
        (
            "pairs",
            r#"<189>date=2026-11-23 time=09:12:00 srcip=198.51.100.7 dstip="198.51.100.8" msg="to evil.example.com = bad""#,
            &["srcip=198.51.100.7", "dstip=198.51.100.8", "msg=evil.example.com"],
        ),
        ("JSON in syslog", r#"<34>Nov 23 09:12:00 host app: {"a":"198.51.100.7"}"#, &["message=198.51.100.7"]),
        ("JSON after a priority", r#"<34>{"a":"198.51.100.7"}"#, &["a=198.51.100.7"]),
        ("JSON in JSON", r#"{"message":"{\"dst_ip\":\"198.51.100.7\",\"site.id\":\"x\"}"}"#, &["message=198.51.100.7"]),
        (
            "CEF in JSON",
            r#"{"event":{"original":"CEF:0|a|b|1.2.3.4|d|e|1|request=http://a.example.com/?b\\=c src=198.51.100.7"}}"#,
            &["event.original=http://a.example.com/?b=c", "event.original=198.51.100.7"],
        ),
        ("own annotation", r#"{"a":"198.51.100.7","sidelight":{"x":"198.51.100.8"}}"#, &["a=198.51.100.7"]),
    ];
    for (name, payload, expected) in rows {
        assert_eq!(fields(payload), *expected, "{name}");
    }
}
