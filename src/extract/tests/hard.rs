//! The hard cases, each a named row.

use std::time::{Duration, Instant};

use super::*;

#[test]
fn addresses() {
    check(&[
        ("plain", "from 198.51.100.7 to 10.0.0.1", "ipv4:198.51.100.7 ipv4:10.0.0.1"),
        ("port", "198.51.100.7:443", "ipv4:198.51.100.7"),
        ("BIND", "client 198.51.100.7#54298", "ipv4:198.51.100.7"),
        ("underscores", "_127.0.0.1_", "ipv4:127.0.0.1"),
        ("tail", "198.51.100.7.\",", "ipv4:198.51.100.7"),
        ("packet dump", "IP 10.1.1.117.4222 > 8.8.8.8.53: x", "ipv4:10.1.1.117 ipv4:8.8.8.8"),
        ("range", "10.0.0.1-10.0.0.9", "ipv4:10.0.0.1 ipv4:10.0.0.9"),
        ("network", "10.1.0.5/24", "ipv4:10.1.0.5"),
        ("Java", "node7/198.51.100.7:8020 and /198.51.100.8:80", "ipv4:198.51.100.7 ipv4:198.51.100.8"),
        ("service", "HTTP/198.51.100.7", "ipv4:198.51.100.7"),
        ("list", "a=198.51.100.7,198.51.100.8;198.51.100.9", "ipv4:198.51.100.7 ipv4:198.51.100.8 ipv4:198.51.100.9"),
        ("five groups", "1.2.3.4.5", ""),
        ("six groups", "2018.12.15.14.05.43", ""),
        ("leading zero", "01.1.1.1", ""),
        ("too large", "256.1.1.1", ""),
        ("glued letters", "x1.2.3.4 1.2.3.4x", ""),
        ("version letter", "v1.2.3.4", ""),
        ("version word", "version 1.2.3.4 Version=4.0.0.0 build 10.2.3.4", ""),
        ("product", "Chrome/131.0.0.0 Safari/5.3.7.6 curl/7.8.9.1", ""),
        ("Windows package", "Package_for_KB1~31bf3856ad364e35~amd64~~6.1.1.0", ""),
        ("assembly cache", r#"{"TargetFilename":"C:\\assembly\\System.Web__4.0.0.0__b03f\\x.dll"}"#, ""),
        ("Gecko", "Mozilla/5.0 (X11; rv:1.9.1.8) Gecko/20100202", ""),
        ("package", "foo-1.2.3.4.rpm foo-1.2.3.4 1.2.3.4-rc1", ""),
        ("version directory", r"C:\Program Files\App\131.0.0.0\x.dll /opt/app/1.2.3.4/bin", ""),
        ("share", r"\\198.51.100.7\share", "ipv4:198.51.100.7"),
        ("version field", r#"{"user_agent":{"version":"131.0.0.0"},"FileVersion":"10.0.1.2"}"#, ""),
        ("trusted field", r#"{"source":{"ip":"1.2.3.4"}}"#, "ipv4:1.2.3.4"),
        ("octal in a URL", "http://0300.0250.0.1/a", "url:http://192.168.0.1/a"),
        ("escaped break", r#"{"message":"a\r\n198.51.100.7"}"#, "ipv4:198.51.100.7"),
        (
            "break of a further layer",
            r#"{"message":"a\\r\\n198.51.100.7\\nevil.example.com"}"#,
            "ipv4:198.51.100.7 domain:evil.example.com",
        ),
        ("IPv6", "from 2001:DB8:0:0:0:0:0:1 to fe80::1%eth0", "ipv6:2001:db8::1 ipv6:fe80::1"),
        ("IPv6 in brackets", "[2001:db8::1]:443", "ipv6:2001:db8::1"),
        ("IPv6 with a port", "2001:db8:1:2:3:4:5:6:443", "ipv6:2001:db8:1:2:3:4:5:6"),
        ("IPv6 prefix word", "IPv6:2001:db8::1 src:2001:db8::2", "ipv6:2001:db8::1 ipv6:2001:db8::2"),
        ("IPv6 at the end of a sentence", "2001:db8::1. 2001:db8::2:", "ipv6:2001:db8::1 ipv6:2001:db8::2"),
        ("mapped", "::ffff:198.51.100.7", "ipv4:198.51.100.7"),
        ("times", "12:34:56 2018-12-15T14:05:43.123Z 00::00:01", ""),
        ("hardware address", "00:11:22:33:44:55 aa:bb:cc:dd:ee:ff:00:11", ""),
        ("serial", "0a:1b:2c:3d:4e:5f:60:71:82:93:a4:b5:c6:d7:e8:f9", ""),
        ("code", "std::string abc::def Face::fade()", ""),
    ]);
}

#[test]
fn names() {
    check(&[
        ("plain", "see Evil.Example.COM.", "domain:evil.example.com"),
        ("port", "evil.example.com:8080", "domain:evil.example.com"),
        ("path behind", "evil.example.com/gate.php", "domain:evil.example.com"),
        (
            "in brackets",
            "(evil.example.com) [a.example.org] <b.example.net>",
            "domain:evil.example.com domain:a.example.org domain:b.example.net",
        ),
        ("key", "query=evil.example.com host:a.example.org", "domain:evil.example.com domain:a.example.org"),
        ("unknown suffix", "foo.notatld", ""),
        ("suffix alone", "co.uk com", ""),
        ("private suffix", "evil.web.app evil.github.io", "domain:evil.web.app domain:evil.github.io"),
        ("IDN", "see bücher.example.com now", "domain:xn--bcher-kva.example.com"),
        ("punycode", "xn--bcher-kva.de", "domain:xn--bcher-kva.de"),
        ("IDN suffix", "пример.рф", "domain:xn--e1afmkfd.xn--p1ai"),
        ("full-width dots", "evil．example．com", "domain:evil.example.com"),
        (
            "glued to Chinese",
            "请访问evil.example.com。访问a.example.org吧",
            "domain:evil.example.com domain:a.example.org",
        ),
        ("file names", "backup.zip script.py README.md install.sh libfoo.so video.mov data.cab Module.pm", ""),
        ("more file names", "/etc/foo.conf main.rs index.pl workers2.properties a.b.zip", ""),
        ("registered under an extension", "allegro.pl bit.ly", "domain:allegro.pl domain:bit.ly"),
        ("path", "/var/log/evil.com/x /usr/share/a.example.com", ""),
        ("Windows path", r"C:\x.com\y.com ..\another.com\file", ""),
        ("share", r"\\files.example.com\share", "domain:files.example.com"),
        ("service", "HTTP/web.example.com ldap/dc.example.org", "domain:web.example.com domain:dc.example.org"),
        ("namespaces", "org.apache.hadoop.mapreduce.v2.app System.Management microsoft.windows java.lang.is", ""),
        ("Java packages", "com.android.server.am io.netty.channel com.example.Foo", ""),
        ("calls and keys", "foo.call() site.id=5 os.name: x $foo.is bar.in[0] state.clipTopAmount.in", ""),
        ("JSON keys in text", r#"x "site.id": 1, 'a.example.com': 2"#, ""),
        ("JSON keys", r#"{"src.process.name":"x","evil.com":1}"#, ""),
        ("frameworks", "ASP.NET System.Net nova.compute.claims", ""),
        ("virus names", "BURNTCIGAR.CA!tr Trojan.Win32.Agent.so", ""),
        ("missing space", "it failed.No more", ""),
        ("numbers", "3.5.in 12.is", ""),
        ("escapes before a dot", r"x\t.a.example.com x\t.Main.run", "domain:a.example.com"),
        ("numbers that are sites", "163.com", "domain:163.com"),
        ("DOS programs", "command.com format.com", ""),
        ("file fields", r#"{"file":{"name":"evil.com","path":"/x/evil.org"},"process":{"name":"evil.com"}}"#, ""),
        (
            "command line",
            r#"{"process":{"command_line":"perl run.pl evil.example.com C:\\evil.com"}}"#,
            "domain:evil.example.com",
        ),
        ("single label asked for", r#"{"dns":{"question":{"name":"wpad"}}}"#, "domain:wpad"),
        ("internal name asked for", r#"{"dns":{"question":{"name":"dc1.corp.local"}}}"#, "domain:dc1.corp.local"),
        (
            "service record asked for",
            r#"{"dns":{"question":{"name":"_ldap._tcp.dc._msdcs.example.com"}}}"#,
            "domain:_ldap._tcp.dc._msdcs.example.com",
        ),
        ("internal name in prose", "dc1.corp.local", "domain:dc1.corp.local"),
        ("filler", r#"{"dns":{"question":{"name":"-"}},"url":{"domain":"null"}}"#, ""),
        ("service behind an address field", r#"{"sourceIPAddress":"cloudtrail.amazonaws.com"}"#, ""),
    ]);
}

#[test]
fn links_and_mail() {
    check(&[
        ("URL", "get http://evil.example.com/a.zip now", "url:http://evil.example.com/a.zip"),
        ("URL in a tag", "<a href=\"http://evil.example.com/a\">", "url:http://evil.example.com/a"),
        ("balanced", "(see http://evil.example.com/path_(more))", "url:http://evil.example.com/path_(more)"),
        ("Markdown", "[here](http://evil.example.com/a)", "url:http://evil.example.com/a"),
        (
            "two in a list",
            "http://a.example.com/1,http://b.example.com/2",
            "url:http://a.example.com/1 url:http://b.example.com/2",
        ),
        ("traversal", r"ftp://198.51.100.7/./..\/..\/x", "url:ftp://198.51.100.7/./"),
        ("directory entry", "LDAP://DC=jerry,DC=land", ""),
        ("unknown scheme", "mysql://db.example.com/x", "domain:db.example.com"),
        ("password", "postgres://user:secret@db.example.com/x", "domain:db.example.com"),
        ("URL with a password", "http://u:p@evil.example.com/", "url:http://u:p@evil.example.com/"),
        ("escaped slashes", r#"{"message":"http:\/\/evil.example.com\/a"}"#, "url:http://evil.example.com/a"),
        ("URL field without scheme", r#"{"url":{"original":"evil.example.com/a.php"}}"#, "domain:evil.example.com"),
        ("mail", "from Jane@Example.ORG.", "email:Jane@example.org"),
        ("mail behind a key", "smtp.mailfrom=jane@example.org", "email:jane@example.org"),
        ("mail to", "mailto:jane@example.org", "email:jane@example.org"),
        ("tagged mail", "<jane.doe+tag@mail.example.org>", "email:jane.doe+tag@mail.example.org"),
        ("no mail", "local@host @handle a@b", ""),
        ("mail behind a break", r#"{"message":"x\\njane@example.org"}"#, "email:jane@example.org"),
        ("address as user", "root@198.51.100.7", "ipv4:198.51.100.7"),
    ]);
}

#[test]
fn hashes_and_weaknesses() {
    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let sha512 = format!("{SHA256}{}", SHA256.replace('e', "c"));
    let rows = [
        ("md5", MD5.to_uppercase(), format!("md5:{MD5}")),
        ("sha1", format!("({SHA1})"), format!("sha1:{SHA1}")),
        ("sha256", format!("sha256:{SHA256}"), format!("sha256:{SHA256}")),
        ("sha512", sha512.clone(), format!("sha512:{sha512}")),
        (
            "Sysmon",
            format!(r#"{{"Hashes":"SHA1={SHA1},MD5={MD5},SHA256={SHA256},IMPHASH={}"}}"#, MD5.replace('d', "a")),
            format!("sha1:{SHA1} md5:{MD5} sha256:{SHA256}"),
        ),
        ("JSON in text", format!(r#"{{"message":"x {{\"sha1\":\"{SHA1}\"}}"}}"#), format!("sha1:{SHA1}")),
        ("two layers", format!(r#"{{"message":"x {{\\\"sha1\\\":\\\"{SHA1}\\\"}}"}}"#), format!("sha1:{SHA1}")),
        ("file name", format!("{MD5}.exe"), format!("md5:{MD5}")),
        ("native image", format!(r"C:\assembly\{MD5}\x.dll"), String::new()),
        ("label", format!("{MD5}.example.com"), format!("domain:{MD5}.example.com")),
        ("longer", format!("{MD5}0"), String::new()),
        ("part of a longer one", format!("0x{SHA1} z{MD5}"), String::new()),
        ("request", format!("1-67891233-{MD5} {MD5}-67891233"), String::new()),
        ("session", format!("session_id={MD5} sid: {MD5} deviceid={MD5}"), String::new()),
        ("no session", format!("signature invalid: {MD5}"), format!("md5:{MD5}")),
        ("identifier field", format!(r#"{{"trace":{{"id":"{MD5}"}}}}"#), String::new()),
        ("ja3", format!(r#"{{"tls":{{"client":{{"ja3":"{MD5}"}}}}}}"#), String::new()),
        ("digits", "12345678901234567890123456789012".to_owned(), String::new()),
        ("zeroes", "0".repeat(40), String::new()),
        ("UUID", "d41d8cd9-8f00-b204-e980-0998ecf8427e".to_owned(), String::new()),
        ("CVE", "cve-2021-44228, (CVE-2024-1234567).".to_owned(), "cve:CVE-2021-44228 cve:CVE-2024-1234567".to_owned()),
        ("CVE in a word", "log4j-CVE-2021-44228-poc".to_owned(), "cve:CVE-2021-44228".to_owned()),
        ("no CVE", "CVE-2021-123 xCVE-2021-44228 CVE-21-44228 CVE-2021-44228a".to_owned(), String::new()),
    ];
    let rows: Vec<_> = rows.iter().map(|(name, text, expected)| (*name, text.as_str(), expected.as_str())).collect();
    check(&rows);
}

#[test]
fn defanged_forms() {
    check(&[
        ("dots", "evil[.]example(.)com a{.}example[dot]org", "domain:evil.example.com domain:a.example.org"),
        ("address", "198[.]51[.]100[.]7 198.51.100[.]8", "ipv4:198.51.100.7 ipv4:198.51.100.8"),
        ("half brackets", "evil[.example[.com 198.51.100.]7", "domain:evil.example.com ipv4:198.51.100.7"),
        (
            "scheme",
            "hxxps://evil[.]example.com/a hXXp://b.example.com/ h**p://c.example.com/",
            "url:https://evil.example.com/a url:http://b.example.com/ url:http://c.example.com/",
        ),
        (
            "colon",
            "hxxp[:]//evil.example.com/a hxxp[://]b.example.com",
            "url:http://evil.example.com/a url:http://b.example.com",
        ),
        (
            "mail",
            "jane[at]example[.]org joe(at)example.com ann[@]example.net",
            "email:jane@example.org email:joe@example.com email:ann@example.net",
        ),
        ("ftp", "fxp://evil.example.com/a", "url:ftp://evil.example.com/a"),
        ("words are left alone", "evil dot example dot com", ""),
    ]);
    let aggressive = Config { defang: Defang::Aggressive, ..Config::default() };
    assert_eq!(found_with(&aggressive, "evil dot example dot com"), ["domain:evil.example.com"]);
    assert_eq!(found_with(&aggressive, r"198\.51\.100\.7"), ["ipv4:198.51.100.7"]);
    let off = Config { defang: Defang::Off, ..Config::default() };
    assert!(found_with(&off, "hxxp://evil[.]example[.]com/a").is_empty());
}

#[test]
fn hostile_runs_are_linear() {
    // Far more than any machine needs for a linear scan, far less than a quadratic one takes.
    const ENOUGH: Duration = Duration::from_secs(2);
    let patterns = [
        "A",
        "a.",
        "a[.]",
        "1.",
        ":",
        "f",
        "http://",
        "http://a",
        "a@",
        "a@b.",
        "[",
        "(.",
        "\\",
        "::1",
        "cve-",
        "a=b ",
        "a=\"",
        "-",
        "é",
        "1.2.3.4 -> ",
        "is 1.2.3.4 ",
        "AbCd.id ",
        "aa.de/@v",
        "{\"a\":",
        "\\u002e",
        "CEF:0|",
        "[x y=\"",
    ];
    for pattern in patterns {
        let text = pattern.repeat(64 * 1024 / pattern.len());
        for text in [format!("<1>1 - - - - - {text}"), serde_json::json!({ "message": text }).to_string(), text] {
            let mut out = Extraction::default();
            let start = Instant::now();
            Extractor::new(&Config::default()).extract(text.as_bytes(), &mut out);
            assert!(start.elapsed() < ENOUGH, "{pattern}");
        }
    }
}

#[test]
fn a_long_text_behind_each_of_many_signs_is_read_once() {
    // No mark within the length of a name: what stands behind a sign must not be read to the end of the value for each of them.
    let text = format!("a@é{}", "b".repeat(260)).repeat(4_000);
    let start = Instant::now();
    assert_eq!(found(&text), Vec::<String>::new());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
