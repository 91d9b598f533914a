//! What goes over the wire, and what is refused before anything does.

use std::time::Duration;

use sidelight::{
    model::{FailReason, Indicator, IndicatorKind, ProviderId},
    provider::{self, ABUSEIPDB, BuildError, Feedback, KNOWN, LookupError, VIRUSTOTAL},
};

use crate::provider_support::{CANARY, Canned, build, clock, config};

#[tokio::test]
async fn requests_say_what_the_services_expect() {
    let rows = [
        (VIRUSTOTAL, IndicatorKind::Ipv4, "198.51.100.7", "/api/v3/ip_addresses/198.51.100.7", "x-apikey"),
        (VIRUSTOTAL, IndicatorKind::Ipv6, "2001:db8::1", "/api/v3/ip_addresses/2001:db8::1", "x-apikey"),
        (VIRUSTOTAL, IndicatorKind::Domain, "host.example", "/api/v3/domains/host.example", "x-apikey"),
        (VIRUSTOTAL, IndicatorKind::Url, "http://example.com/", "/api/v3/urls/aHR0cDovL2V4YW1wbGUuY29tLw", "x-apikey"),
        (
            VIRUSTOTAL,
            IndicatorKind::Url,
            "http://a.example/?>~",
            "/api/v3/urls/aHR0cDovL2EuZXhhbXBsZS8_Pn4",
            "x-apikey",
        ),
        (
            VIRUSTOTAL,
            IndicatorKind::Md5,
            "0123456789abcdef0123456789abcdef",
            "/api/v3/files/0123456789abcdef0123456789abcdef",
            "x-apikey",
        ),
        (ABUSEIPDB, IndicatorKind::Ipv4, "198.51.100.7", "/api/v2/check?ipAddress=198.51.100.7&maxAgeInDays=90", "key"),
        (ABUSEIPDB, IndicatorKind::Ipv6, "2001:db8::1", "/api/v2/check?ipAddress=2001:db8::1&maxAgeInDays=90", "key"),
    ];
    for (id, kind, value, path, key_header) in rows {
        // A prefix, with and without a slash at its end.
        for prefix in ["", "/", "/gateway", "/gateway/"] {
            let server = Canned::json(503, b"{}").await;
            let provider = build(id, config(&format!("{}{prefix}", server.base_url())));
            provider.lookup(&Indicator::new(kind, value)).await.unwrap_err();
            let requests = server.requests();
            assert_eq!(requests.len(), 1, "asked once");
            let head = requests[0].to_ascii_lowercase();
            let first = format!("GET {}{path} HTTP/1.1", prefix.trim_end_matches('/'));
            assert_eq!(requests[0].lines().next(), Some(&*first), "{id} {value}");
            let expected = [
                format!("\r\n{key_header}: {CANARY}\r\n"),
                "\r\naccept: application/json\r\n".to_owned(),
                "\r\naccept-encoding: gzip\r\n".to_owned(),
                "\r\nuser-agent: sidelight/".to_owned(),
            ];
            for line in expected {
                assert!(head.contains(&line), "{line:?} in {head}");
            }
        }
    }
}

#[tokio::test]
async fn a_value_that_is_not_what_its_kind_says_is_not_sent() {
    let rows = [
        (VIRUSTOTAL, IndicatorKind::Domain, "../../users/me"),
        (VIRUSTOTAL, IndicatorKind::Domain, ".."),
        (VIRUSTOTAL, IndicatorKind::Domain, "host.example?x=y"),
        (VIRUSTOTAL, IndicatorKind::Domain, "host.example/x"),
        (VIRUSTOTAL, IndicatorKind::Domain, "host.example#x"),
        (VIRUSTOTAL, IndicatorKind::Domain, "%2e%2e"),
        (VIRUSTOTAL, IndicatorKind::Domain, "host\t.example"),
        (VIRUSTOTAL, IndicatorKind::Domain, ""),
        (VIRUSTOTAL, IndicatorKind::Url, ""),
        (VIRUSTOTAL, IndicatorKind::Ipv4, "198.51.100.7/../x"),
        (VIRUSTOTAL, IndicatorKind::Ipv6, "fe80::1%eth0"),
        (VIRUSTOTAL, IndicatorKind::Sha256, "0123"),
        (VIRUSTOTAL, IndicatorKind::Md5, "../..../..../..../..../..../..../"),
        (ABUSEIPDB, IndicatorKind::Ipv4, "198.51.100.7&verbose"),
        (ABUSEIPDB, IndicatorKind::Ipv4, "198.51.100.0/24"),
        (ABUSEIPDB, IndicatorKind::Domain, "host.example"),
    ];
    for (id, kind, value) in rows {
        let server = Canned::json(200, b"{}").await;
        let error = build(id, config(&server.base_url())).lookup(&Indicator::new(kind, value)).await.unwrap_err();
        let rejected = matches!(error, LookupError::Failed { reason: FailReason::Rejected, .. });
        assert!(rejected, "{id} {value:?}: {error:?}");
        assert_eq!(server.requests().len(), 0, "{id} {value:?} was sent");
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_does_not_take_the_key_there() {
    let target = Canned::json(200, b"{}").await;
    for status in [301, 302, 303, 307, 308] {
        let redirect = format!("HTTP/1.1 {status} X\r\nlocation: {}/x\r\ncontent-length: 0\r\n\r\n", target.base_url());
        for spec in KNOWN {
            let server = Canned::start(redirect.clone()).await;
            let provider = build(spec.id, config(&server.base_url()));
            provider.lookup(&Indicator::new(IndicatorKind::Ipv4, "198.51.100.7")).await.unwrap_err();
            assert_eq!(server.requests().len(), 1);
        }
    }
    assert_eq!(target.requests().len(), 0);
}

#[tokio::test]
async fn a_redirect_to_a_metadata_service_is_a_failure_at_once() {
    for target in ["http://169.254.169.254/latest/meta-data/", "https://[::ffff:169.254.169.254]/", "https://0x7f.1/"] {
        let server = Canned::start(format!("HTTP/1.1 302 X\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n")).await;
        let provider = build(VIRUSTOTAL, config(&server.base_url()));
        let error = provider.lookup(&Indicator::new(IndicatorKind::Domain, "host.example")).await.unwrap_err();
        // A connection to there would end in a time-out or in a failure to connect.
        let expected =
            LookupError::Failed { reason: FailReason::Malformed, detail: "unexpected status 302".to_owned() };
        assert_eq!(error, expected);
    }
}

#[tokio::test]
async fn an_answer_that_is_nested_without_end_is_no_answer() {
    let deep = |levels: usize| format!("{{\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
    for spec in KNOWN {
        for levels in [100, 100_000, 1_000_000] {
            let server = Canned::json(200, &deep(levels)).await;
            let kind = spec.kinds[0];
            let provider = build(spec.id, config(&server.base_url()));
            let error = provider.lookup(&Indicator::new(kind, "198.51.100.7")).await.unwrap_err();
            let malformed = matches!(&error, LookupError::Failed { reason: FailReason::Malformed, .. });
            assert!(malformed, "{} {levels}: {error:?}", spec.id);
        }
    }
}

#[tokio::test]
async fn statuses_map_to_reasons() {
    let rows = [
        (400, FailReason::Rejected),
        (402, FailReason::Rejected),
        (404, FailReason::Malformed),
        (409, FailReason::Rejected),
        (422, FailReason::Rejected),
        (424, FailReason::Rejected),
        (401, FailReason::Unauthorized),
        (403, FailReason::Unauthorized),
        (500, FailReason::Unavailable),
        (504, FailReason::Unavailable),
        (599, FailReason::Unavailable),
        (202, FailReason::Malformed),
        (304, FailReason::Malformed),
    ];
    for (status, expected) in rows {
        let server = Canned::json(status, br#"{"x":1}"#).await;
        let provider = build(VIRUSTOTAL, config(&server.base_url()));
        let error = provider.lookup(&Indicator::new(IndicatorKind::Domain, "host.example")).await.unwrap_err();
        assert!(matches!(&error, LookupError::Failed { reason, .. } if *reason == expected), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn the_name_of_an_error_reaches_the_log_but_its_text_does_not() {
    let rows = [
        (
            401,
            r#"{"error":{"code":"WrongCredentialsError","message":"Wrong API key"}}"#,
            "status 401, WrongCredentialsError",
        ),
        (400, r#"{"error":{"code":"host.example","message":"host.example"}}"#, "status 400"),
        (503, r#"{"error":"host.example"}"#, "status 503"),
        (404, r#"{"error":{"code":"Other","message":"host.example"}}"#, "status 404 with another error"),
    ];
    for (status, body, expected) in rows {
        let server = Canned::json(status, body.as_bytes()).await;
        let provider = build(VIRUSTOTAL, config(&server.base_url()));
        let error = provider.lookup(&Indicator::new(IndicatorKind::Domain, "host.example")).await.unwrap_err();
        assert!(matches!(&error, LookupError::Failed { detail, .. } if detail == expected), "{error:?}");
    }
}

#[tokio::test]
async fn rate_headers_are_fed_back() {
    let server = Canned::start(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nX-RateLimit-Limit: 1000\r\nX-RateLimit-Remaining: 987\r\n\
         content-length: 2\r\n\r\n{}",
    )
    .await;
    let provider = build(ABUSEIPDB, config(&server.base_url()));
    assert_eq!(provider.feedback(), None);
    provider.lookup(&Indicator::new(IndicatorKind::Ipv4, "198.51.100.7")).await.unwrap_err();
    let expected = Feedback { remaining: 987, limit: Some(1000), observed_at: Duration::ZERO };
    assert_eq!(provider.feedback(), Some(expected));
}

#[test]
fn bad_configurations_are_refused_without_a_word_of_their_secrets() {
    let with = |base_url: &str, key: &str| {
        let mut config = config(base_url);
        config.api_key = key.to_owned().into();
        config
    };
    assert!(!format!("{:?}", config("https://service.example")).contains(CANARY));
    for spec in KNOWN {
        let provider = spec.id;
        let base_url = |why| BuildError::BaseUrl { provider, why };
        let rows = [
            (with("http://service.example", CANARY), base_url("is not https (http is for a loopback host only)")),
            (with(&format!("https://u:{CANARY}@service.example"), "k"), base_url("holds a user name or password")),
            (with(&format!("https://service.example?key={CANARY}"), "k"), base_url("holds a query or fragment")),
            (with(CANARY, "k"), base_url("is not a URL")),
            (with("https://169.254.169.254", "k"), base_url("is an address that no provider can have")),
            (with("https://0x7f.1", "k"), base_url("writes an address in a form that hides which one it is")),
            (with(spec.base_url, ""), BuildError::Key { provider }),
            (with(spec.base_url, &format!("{CANARY}\n")), BuildError::Key { provider }),
        ];
        for (config, expected) in rows {
            let error = provider::build(&[(provider, config)], &clock()).err().unwrap();
            assert!(!format!("{error:?} {error}").contains(CANARY));
            assert_eq!(error, expected);
        }
        assert!(provider::build(&[(provider, with(spec.base_url, CANARY))], &clock()).is_ok());
        assert!(spec.quota.parse::<sidelight::budget::Quota>().is_ok());
    }
    let stranger = ProviderId("stranger");
    let error = provider::build(&[(stranger, with("https://service.example", "k"))], &clock()).err().unwrap();
    assert_eq!(error, BuildError::Unknown { provider: stranger });
}
