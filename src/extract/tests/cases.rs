//! The cases that tools of this kind are known to get wrong, each a table of its own.

use super::*;

const MD5: &str = "9e107d9d372bb6826bd81d3542a419d6";
const SHA1: &str = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12";

#[test]
fn versions_are_no_addresses() {
    check(&[
        ("field", r#"{"user_agent":{"version":"131.0.0.0"},"driver_version":"31.0.15.3699","appver":"1.2.3.4"}"#, ""),
        ("product", "Chrome/131.0.0.0 Edg/120.0.2210.91 curl/7.8.9.1", ""),
        ("word", "v23.4.4.223, version 1.2.3.4, ver. 1.2.3.4, build 1.2.3.4", ""),
        ("from and to", "upgraded from 10.1.0.2 to 10.1.0.3", ""),
        ("package", "foo-1.2.3.4.rpm foo_1.2.3.4_amd64.deb", ""),
        ("beside an address", "Chrome/131.0.0.0 from 198.51.100.7", "ipv4:198.51.100.7"),
        ("path of a URL", "http://a.example.org/v1.2.3.4/x", "url:http://a.example.org/v1.2.3.4/x"),
    ]);
}

#[test]
fn file_names_are_no_domains() {
    check(&[
        ("archives", "backup.zip data.cab a.b.zip", ""),
        ("scripts", "script.py install.sh index.pl Module.pm", ""),
        ("others", "libfoo.so README.md Calculator.app command.com clip.mov", ""),
        ("fields", r#"{"file":{"name":"evil.com"},"process":{"executable":"/opt/a.app"}}"#, ""),
        ("defanged, so meant", "evil[.]zip get[.]sh", "domain:evil.zip domain:get.sh"),
        ("asked for", r#"{"dns":{"question":{"name":"evil.zip"}}}"#, "domain:evil.zip"),
        ("in a URL", "http://evil.zip/a.sh", "url:http://evil.zip/a.sh"),
    ]);
}

#[test]
fn code_is_no_domain() {
    check(&[
        ("namespaces", "org.apache.hadoop.mapreduce.v2.app microsoft.windows System.Management", ""),
        ("virus names", "BURNTCIGAR.CA!tr Trojan.Win32.Agent.so W32.Sality.ml", ""),
        ("members", "window.open self.name user.email request.host obj.call()", ""),
        ("stack", "at com.example.app.Main.run(Main.java:42)", ""),
        ("beside a host", "java.net.UnknownHostException: evil.example.com", "domain:evil.example.com"),
    ]);
}

#[test]
fn keys_are_no_domains() {
    check(&[
        ("JSON", r#"{"site.id":1,"src.process.name":"x","os.name":{"evil.com":"y"}}"#, ""),
        ("JSON in JSON", r#"{"message":"{\"site.id\":\"x\",\"evil.com\":1}"}"#, ""),
        ("in a text", r#"x "site.id": 1, 'a.example.com': 2, os.name=linux"#, ""),
        ("its value", r#"{"a.example.com":"b.example.com"}"#, "domain:b.example.com"),
    ]);
}

#[test]
fn urls_end_where_their_text_does() {
    const URL: &str = "url:http://a.example.org/b";
    check(&[
        ("full stop", "http://a.example.org/b. And", URL),
        ("brackets", "(http://a.example.org/b)", URL),
        ("Markdown", "[x](http://a.example.org/b), **http://a.example.org/b**", URL),
        ("HTML", "<a href=\"http://a.example.org/b\">x</a>", URL),
        ("entities", "&lt;http://a.example.org/b&gt; http://a.example.org/b&quot;x", URL),
        ("CJK", "「http://a.example.org/b」http://a.example.org/b。", URL),
        ("quotes", "'http://a.example.org/b' `http://a.example.org/b` “http://a.example.org/b”", URL),
        (
            "name spaces",
            r#"<a xmlns='http://b.example.org/c' xmlns:x="http://b.example.org/d">http://a.example.org/b</a>"#,
            URL,
        ),
        ("cells", "x,http://a.example.org/b,y", URL),
    ]);
}

#[test]
fn parentheses_of_a_url_stay_when_they_are_balanced() {
    const URL: &str = "url:http://a.example.org/path_(more)";
    check(&[
        ("alone", "http://a.example.org/path_(more)", URL),
        ("in parentheses", "(http://a.example.org/path_(more))", URL),
        ("and a full stop", "(see http://a.example.org/path_(more).)", URL),
    ]);
}

#[test]
fn look_alikes_of_version_six_are_none() {
    check(&[
        ("times", "12:34:56 2018-12-15T14:05:43+01:00 00::00:01", ""),
        ("hardware", "00:1a:2b:3c:4d:5e AA:BB:CC:DD:EE:FF:00:11", ""),
        ("serial", "0a:1b:2c:3d:4e:5f:60:71:82:93:a4:b5:c6:d7:e8:f9", ""),
        ("code", "std::string a::b::c face::book()", ""),
        ("UUID", "123e4567-e89b-12d3-a456-426614174000", ""),
        ("PCI", "0000:00:1f.2", ""),
    ]);
}

#[test]
fn forms_of_version_six() {
    check(&[
        ("full", "2001:0db8:0000:0000:0000:ff00:0042:8329", "ipv6:2001:db8::ff00:42:8329"),
        ("mapped", "::ffff:198.51.100.7", "ipv4:198.51.100.7"),
        ("zone", "fe80::1%eth0", "ipv6:fe80::1"),
        ("port", "[2001:db8::1]:443", "ipv6:2001:db8::1"),
        ("port without brackets", "2001:db8:1:2:3:4:5:6:443", "ipv6:2001:db8:1:2:3:4:5:6"),
        ("prefix", "IPv6:2001:db8::1", "ipv6:2001:db8::1"),
    ]);
}

#[test]
fn keys_are_no_part_of_a_mailbox() {
    check(&[
        ("pair", "duser=jane@example.org suser=joe@example.com", "email:jane@example.org email:joe@example.com"),
        ("dotted key", "smtp.mailfrom=jane@example.org", "email:jane@example.org"),
        ("CEF", "CEF:0|a|b|c|d|e|1|duser=jane@example.org", "email:jane@example.org"),
    ]);
}

#[test]
fn escapes_of_json_are_undone() {
    let inner = format!(r#"{{"message":"{{\"a\":\"{{\\\"sha1\\\":\\\"{SHA1}\\\"}}\"}}"}}"#);
    check(&[
        ("slashes", r#"{"message":"http:\/\/a.example.org\/b"}"#, "url:http://a.example.org/b"),
        ("codes", r#"{"message":"198\u002e51.100.7"}"#, "ipv4:198.51.100.7"),
        ("breaks", r#"{"message":"a\r\n198.51.100.7"}"#, "ipv4:198.51.100.7"),
        ("breaks of a further layer", r#"{"message":"a\\r\\n198.51.100.7"}"#, "ipv4:198.51.100.7"),
        ("JSON in JSON", &inner, &format!("sha1:{SHA1}")),
        ("slashes of a further layer", r#"{"message":"u=http:\\/\\/a.example.org\\/b"}"#, "url:http://a.example.org/b"),
    ]);
}

#[test]
fn addresses_have_tails() {
    check(&[
        ("quote", "198.51.100.7.\",", "ipv4:198.51.100.7"),
        ("packet dump", "IP 10.1.1.117.4222 > 198.51.100.7.53: x", "ipv4:10.1.1.117 ipv4:198.51.100.7"),
        ("BIND", "client 10.2.3.4#54298", "ipv4:10.2.3.4"),
        ("underscores", "_127.0.0.1_", "ipv4:127.0.0.1"),
        ("network", "198.51.100.0/24", "ipv4:198.51.100.0"),
    ]);
}

#[test]
fn more_groups_and_leading_zeros_are_no_address() {
    check(&[
        ("five", "1.2.3.4.5", ""),
        ("date", "2018.12.15.14.05.43", ""),
        ("OID", "1.3.6.1.4.1.311.21.8", ""),
        ("leading zeros", "01.1.1.1 192.168.001.001", ""),
        ("too large", "256.1.1.1 1.2.3.256", ""),
    ]);
}

#[test]
fn telephone_numbers_are_no_addresses() {
    check(&[("plus", "+49.30.123.45", ""), ("word", "phone 49.30.123.45, tel: 49.30.123.45", "")]);
}

#[test]
fn addresses_of_urls_are_read_as_browsers_read_them() {
    const URL: &str = "url:http://127.0.0.1/";
    check(&[
        ("octal", "http://0177.0.0.1/ http://017700000001/", URL),
        ("hexadecimal", "http://0x7f.0x0.0x0.0x1/ http://0x7f000001/", URL),
        ("number", "http://2130706433/", URL),
        ("not in a text", "0177.0.0.1 0x7f000001 2130706433", ""),
    ]);
}

#[test]
fn hashes_stand_alone() {
    check(&[
        ("longer", &format!("{MD5}0 x{MD5} 0x{SHA1}"), ""),
        ("session", &format!("session={MD5} PHPSESSID={MD5}"), ""),
        ("identifier", &format!(r#"{{"trace":{{"id":"{MD5}"}}}}"#), ""),
        ("UUID", "9e107d9d-372b-b682-6bd8-1d3542a419d6", ""),
        (
            "request",
            &format!("[req-9e107d9d-372b-b682-6bd8-1d3542a419d6 {MD5} {MD5} - - -] GET /v2.1/{MD5}/servers"),
            "",
        ),
        ("padded", "fe800000000000000000000000000000", ""),
        ("zeros", &"0".repeat(64), ""),
        ("file of that name", &format!("{MD5}.exe"), &format!("md5:{MD5}")),
        ("empty file", "d41d8cd98f00b204e9800998ecf8427e", "md5:d41d8cd98f00b204e9800998ecf8427e"),
    ]);
}

#[test]
fn other_fingerprints_are_no_file_hashes() {
    check(&[
        ("ja3", &format!("ja3={MD5} imphash: {MD5}"), ""),
        ("fields", &format!(r#"{{"tls":{{"client":{{"ja3":"{MD5}"}}}},"pe":{{"imphash":"{MD5}"}}}}"#), ""),
        ("ssdeep", "220:50010:Got", ""),
    ]);
}

#[test]
fn other_scripts() {
    check(&[
        ("IDN", "see bücher.example.com", "domain:xn--bcher-kva.example.com"),
        ("suffix", "пример.рф", "domain:xn--e1afmkfd.xn--p1ai"),
        ("punycode", "XN--BCHER-KVA.example.com", "domain:xn--bcher-kva.example.com"),
        ("full-width dots", "evil．example．com", "domain:evil.example.com"),
        ("spaces", "a\u{a0}evil.example.com\u{2003}b", "domain:evil.example.com"),
        ("homoglyph", "ехаmple.com", "domain:xn--mple-43d3a6i.com"),
        ("host of a URL", "http://☺.example.com/", "url:http://xn--74h.example.com/"),
    ]);
}

#[test]
fn userinfo_belongs_to_the_url() {
    check(&[
        ("password", "http://u:p@a.example.org/b", "url:http://u:p@a.example.org/b"),
        ("user", "http://u@a.example.org:8080/b", "url:http://u@a.example.org:8080/b"),
        ("two signs", "http://u@x.example.com@a.example.org/", "url:http://u@x.example.com@a.example.org/"),
        ("backslash", r"https://a.example.org\@b.example.com", "url:https://a.example.org"),
        ("remote path", "git@a.example.org:b/c.git", "domain:a.example.org"),
    ]);
}

#[test]
fn defanged_forms_are_many_and_prose_is_none() {
    const HOST: &str = "domain:evil.example.com";
    check(&[
        ("brackets", "evil[.]example(.)com evil{.}example[dot]com", HOST),
        ("half and turned", "evil[.example.]com evil].[example[.[com", HOST),
        ("many", "evil[[.]]example[[.]]com", HOST),
        ("escaped", r"evil\.example\.com evil\[.\]example\[.\]com", HOST),
        ("spaced", "evil [.] example [ . ] com", HOST),
        ("entities", "evil&#46;example&#x2e;com", HOST),
        (
            "schemes",
            "hxxp://a.example.org h**p://a.example.org hxtp://a.example.org meow://a.example.org",
            "url:http://a.example.org",
        ),
        ("scheme in brackets", "http[:]//a.example.org [http]://a.example.org", "url:http://a.example.org"),
        ("backslashes", r"hxxp:\\a.example.org\b", "url:http://a.example.org/b"),
        ("mail", "jane[at]example(dot)org", "email:jane@example.org"),
        ("prose", "failed at 0day[dot]rocks", "domain:0day.rocks"),
        ("prose without marks", "look at server dot com (see (a) and [b])", ""),
    ]);
    let off = Config { defang: Defang::Off, ..Config::default() };
    assert!(found_with(&off, "evil [.] example [.] com evil[.]example[.]org hxxp://evil.example[.]com").is_empty());
}

#[test]
fn paths_are_no_hosts() {
    check(&[
        ("DOS", r"C:\x.com\y.com ..\another.com\file", ""),
        ("hidden directory", r"C:\project\.next\cache work\.app", ""),
        ("registry", r"HKLM\Software\Classes\.com", ""),
        ("Unix", "/var/log/evil.com/x /usr/share/a.example.com", ""),
        ("share", r"\\files.example.com\docs", "domain:files.example.com"),
    ]);
}

#[test]
fn encodings_of_urls() {
    check(&[
        ("percent", "x=http%3A%2F%2Fa%2Eexample%2Eorg%2Fb&y", "url:http://a.example.org/b"),
        (
            "redirect, as written",
            "https://r.example.com/?u=http%3A%2F%2Fa.example.org%2Fb",
            "url:https://r.example.com/?u=http%3A%2F%2Fa.example.org%2Fb",
        ),
        ("base64, not undone", "aHR0cDovL2EuZXhhbXBsZS5vcmcv", ""),
    ]);
}

#[test]
fn what_is_private_is_found() {
    check(&[
        (
            "addresses",
            "10.0.0.1 192.168.1.1 127.0.0.1 169.254.1.1",
            "ipv4:10.0.0.1 ipv4:192.168.1.1 ipv4:127.0.0.1 ipv4:169.254.1.1",
        ),
        ("documentation", "192.0.2.1 2001:db8::1", "ipv4:192.0.2.1 ipv6:2001:db8::1"),
        (
            "names",
            "dc01.corp.local printer.lan c2.evil.example",
            "domain:dc01.corp.local domain:printer.lan domain:c2.evil.example",
        ),
        ("files", "rc.local .env.example settings.local jdk.internal", ""),
    ]);
}

#[test]
fn without_a_scheme_it_is_a_host() {
    check(&[
        ("address", "198.51.100.7/85.exe", "ipv4:198.51.100.7"),
        ("name", "evil.example.com/gate.php", "domain:evil.example.com"),
        ("network", "1.1.1.1/0", "ipv4:1.1.1.1"),
    ]);
}

#[test]
fn a_span_is_one_indicator() {
    check(&[
        ("URL and host", "http://198.51.100.7/a", "url:http://198.51.100.7/a"),
        ("mailbox and host", "jane@a.example.org", "email:jane@a.example.org"),
        ("hash in a name", &format!("{MD5}.example.com"), &format!("domain:{MD5}.example.com")),
    ]);
    let hosts = Config { url_hosts: true, ..Config::default() };
    assert_eq!(found_with(&hosts, "http://198.51.100.7/a"), ["url:http://198.51.100.7/a", "ipv4:198.51.100.7"]);
}
