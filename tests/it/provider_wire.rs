//! What goes over the wire, and what is refused before anything does.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sidelight::{
    budget::Span,
    model::{FailReason, Indicator, IndicatorKind, ProviderId, VerdictKind},
    provider::{
        self, ABUSEIPDB, BuildError, CIRCL_PDNS, Feedback, GREYNOISE, HASHLOOKUP, INTERNETDB, KNOWN, KeyUse,
        LookupError, MALWAREBAZAAR, MISP, OTX, OTX_PDNS, PASSIVETOTAL, SAFEBROWSING, SAFEBROWSING_V5, SHODAN,
        THREATFOX, URLHAUS, URLSCAN, VIRUSTOTAL,
    },
};

use crate::provider_support::{CANARY, Canned, build, clock, config, sample, specs};

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
        for spec in specs() {
            let server = Canned::start(redirect.clone()).await;
            let provider = build(spec.id, config(&server.base_url()));
            let kind = spec.kinds[0];
            provider.lookup(&Indicator::new(kind, sample(kind))).await.unwrap_err();
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

/// First line, key and body of what is sent by POST or with a key elsewhere than in a header of its own.
#[tokio::test]
async fn requests_of_other_shapes_say_what_the_services_expect() {
    let (ip, name, url, hash) =
        ("198.51.100.7", "host.example", "http://a.example/b?c=d&e", sample(IndicatorKind::Md5));
    let basic = format!("authorization: basic {}", STANDARD.encode(format!("user:{CANARY}")).to_ascii_lowercase());
    let own = |header: &str| format!("{header}: {CANARY}");
    let rows: [(ProviderId, IndicatorKind, &str, String, String, &str); 23] = [
        (SHODAN, IndicatorKind::Ipv4, ip, format!("GET /shodan/host/{ip}?minify=true&key={CANARY}"), String::new(), ""),
        (SHODAN, IndicatorKind::Domain, name, format!("GET /dns/domain/{name}?key={CANARY}"), String::new(), ""),
        (
            MISP,
            IndicatorKind::Ipv4,
            ip,
            "POST /attributes/restSearch".into(),
            own("authorization"),
            r#""value":["198.51.100.7"]"#,
        ),
        (
            MISP,
            IndicatorKind::Ipv4,
            ip,
            "POST /attributes/restSearch".into(),
            own("authorization"),
            r#""enforceWarninglist":1"#,
        ),
        (CIRCL_PDNS, IndicatorKind::Domain, name, format!("GET /pdns/query/{name}"), basic.clone(), ""),
        (PASSIVETOTAL, IndicatorKind::Domain, name, format!("GET /v2/reputation?query={name}"), basic, ""),
        (
            URLSCAN,
            IndicatorKind::Url,
            url,
            "GET /api/v1/search/?q=page.url.keyword:%22http:%2F%2Fa.example%2Fb%3Fc%3Dd%26e%22&size=10".into(),
            own("api-key"),
            "",
        ),
        (
            SAFEBROWSING,
            IndicatorKind::Url,
            url,
            format!("POST /v4/threatMatches:find?key={CANARY}"),
            String::new(),
            r#""threatEntries":[{"url":"http://a.example/b?c=d&e"}]"#,
        ),
        (
            SAFEBROWSING_V5,
            IndicatorKind::Url,
            url,
            format!("GET /v5/urls:search?urls=http:%2F%2Fa.example%2Fb%3Fc%3Dd%26e&alt=json&key={CANARY}"),
            String::new(),
            "",
        ),
        (
            URLHAUS,
            IndicatorKind::Url,
            url,
            "POST /v1/url/".into(),
            own("auth-key"),
            "url=http:%2F%2Fa.example%2Fb%3Fc%3Dd%26e",
        ),
        (OTX, IndicatorKind::Ipv4, ip, format!("GET /api/v1/indicators/IPv4/{ip}/general"), own("x-otx-api-key"), ""),
        (OTX, IndicatorKind::Domain, name, format!("GET /api/v1/indicators/domain/{name}/general"), String::new(), ""),
        (
            OTX,
            IndicatorKind::Domain,
            "www.host.example",
            "GET /api/v1/indicators/hostname/www.host.example/general".into(),
            String::new(),
            "",
        ),
        (
            OTX,
            IndicatorKind::Url,
            url,
            "GET /api/v1/indicators/url/http:%2F%2Fa.example%2Fb%3Fc%3Dd%26e/general".into(),
            String::new(),
            "",
        ),
        (
            OTX_PDNS,
            IndicatorKind::Domain,
            name,
            format!("GET /api/v1/indicators/domain/{name}/passive_dns"),
            own("x-otx-api-key"),
            "",
        ),
        (
            THREATFOX,
            IndicatorKind::Md5,
            hash,
            "POST /api/v1/".into(),
            own("auth-key"),
            r#"{"hash":"0123456789abcdef0123456789abcdef","query":"search_hash"}"#,
        ),
        (
            THREATFOX,
            IndicatorKind::Domain,
            name,
            "POST /api/v1/".into(),
            own("auth-key"),
            r#"{"exact_match":true,"query":"search_ioc","search_term":"host.example"}"#,
        ),
        (
            THREATFOX,
            IndicatorKind::Ipv4,
            ip,
            "POST /api/v1/".into(),
            own("auth-key"),
            r#"{"query":"search_ioc","search_term":"198.51.100.7"}"#,
        ),
        (INTERNETDB, IndicatorKind::Ipv4, ip, format!("GET /{ip}"), String::new(), ""),
        (GREYNOISE, IndicatorKind::Ipv4, ip, format!("GET /v3/community/{ip}"), own("key"), ""),
        (HASHLOOKUP, IndicatorKind::Md5, hash, format!("GET /lookup/md5/{}", hash.to_uppercase()), String::new(), ""),
        (
            MALWAREBAZAAR,
            IndicatorKind::Md5,
            hash,
            "POST /api/v1/".into(),
            own("auth-key"),
            "query=get_info&hash=0123456789abcdef",
        ),
        (
            MALWAREBAZAAR,
            IndicatorKind::Md5,
            hash,
            "POST /api/v1/".into(),
            "content-type: application/x-www-form-urlencoded".into(),
            "",
        ),
    ];
    for (id, kind, value, first, header, body) in rows {
        let server = Canned::json(503, b"{}").await;
        let provider = build(id, config(&format!("{}/gateway", server.base_url())));
        provider.lookup(&Indicator::new(kind, value)).await.unwrap_err();
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "asked once");
        let (head, sent) = requests[0].split_once("\r\n\r\n").unwrap();
        let expected = format!("{} HTTP/1.1", first.replacen(' ', " /gateway", 1));
        assert_eq!(head.lines().next(), Some(&*expected), "{id} {value}");
        assert!(head.to_ascii_lowercase().contains(&header), "{id}: {header} in {head}");
        assert!(sent.contains(body), "{id}: {body} in {sent}");
    }
}

/// One call about many indicators: each has its own answer, what cannot be asked about does not keep the others from being asked.
#[tokio::test]
async fn a_call_about_many_gives_each_its_own_answer() {
    let answer =
        br#"{"matches":[{"threatType":"MALWARE","threat":{"url":"http://bad.example/"},"cacheDuration":"300s"}]}"#;
    let server = Canned::json(200, answer).await;
    let provider = build(SAFEBROWSING, config(&server.base_url()));
    assert_eq!(provider.batch_size(), 500);
    let url = |value: &str| Indicator::new(IndicatorKind::Url, value);
    let asked =
        [url("http://good.example/"), Indicator::new(IndicatorKind::Domain, "bad.example"), url("http://bad.example/")];
    let answers = provider.lookup_many(&asked).await;
    let kinds: Vec<_> = answers.iter().map(|answer| answer.as_ref().ok().map(|verdict| verdict.kind)).collect();
    assert_eq!(kinds, [Some(VerdictKind::Clean), None, Some(VerdictKind::Found)]);
    assert!(matches!(&answers[1], Err(LookupError::Failed { reason: FailReason::Rejected, .. })));
    assert_eq!(server.requests().len(), 1);

    let down = Canned::json(503, b"{}").await;
    let answers = build(MISP, config(&down.base_url())).lookup_many(&asked).await;
    let unavailable = |answer: &Result<_, LookupError>| {
        matches!(answer, Err(LookupError::Failed { reason: FailReason::Unavailable, .. }))
    };
    assert!(answers.len() == 3 && answers.iter().all(unavailable), "{answers:?}");
}

/// A key is proved by a page that costs nothing; where that is closed, by one look-up, whose word counts.
#[tokio::test]
async fn a_key_is_proved_by_the_cheapest_call() {
    let pages = [
        (VIRUSTOTAL, format!("/api/v3/users/{CANARY}/overall_quotas")),
        (SHODAN, "/api-info?".to_owned()),
        (MISP, "/servers/getVersion".to_owned()),
        (PASSIVETOTAL, "/v2/account/quota".to_owned()),
        (URLSCAN, "/api/v1/quotas".to_owned()),
        (OTX, "/api/v1/user/me".to_owned()),
        (OTX_PDNS, "/api/v1/user/me".to_owned()),
    ];
    for spec in specs() {
        let page = pages.iter().find(|(id, _)| *id == spec.id).map(|(_, page)| page);
        for (status, expected) in [(200, 1), (403, 2), (404, 2), (503, 1)] {
            let server = Canned::json(status, b"{}").await;
            let proved = build(spec.id, config(&server.base_url())).prove().await;
            let requests = server.requests();
            let firsts: Vec<&str> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
            assert!(!format!("{proved:?}").contains(CANARY), "{proved:?}");
            match page {
                Some(page) => {
                    assert!(firsts[0].contains(&**page), "{}: {firsts:?}", spec.id);
                    assert_eq!(
                        (firsts.len(), proved.is_ok()),
                        (expected, status == 200),
                        "{} {status}: {proved:?}",
                        spec.id
                    );
                }
                None => assert_eq!(firsts.len(), 1, "{} {status}: {firsts:?}", spec.id),
            }
        }
    }
}

/// An answer that was cut short on the way is no answer, least of all one that says that there is nothing.
#[tokio::test]
async fn lines_that_the_service_calls_incomplete_are_no_answer() {
    for (extra, expected) in [("", None), ("x-dribble-errors: {}\r\n", Some(FailReason::Unavailable))] {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n";
        let server = Canned::start(format!("{head}{extra}\r\n")).await;
        let provider = build(CIRCL_PDNS, config(&server.base_url()));
        let outcome = provider.lookup(&Indicator::new(IndicatorKind::Domain, "host.example")).await;
        match (outcome, expected) {
            (Ok(verdict), None) => assert_eq!(verdict.kind, VerdictKind::NotFound),
            (Err(LookupError::Failed { reason, .. }), Some(expected)) => assert_eq!(reason, expected),
            (outcome, _) => panic!("{outcome:?}"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_nested_without_end_is_no_answer() {
    let deep = |levels: usize| format!("{{\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
    for spec in specs() {
        for levels in [100, 100_000, 1_000_000] {
            let server = Canned::json(200, &deep(levels)).await;
            let kind = spec.kinds[0];
            let provider = build(spec.id, config(&server.base_url()));
            let error = provider.lookup(&Indicator::new(kind, sample(kind))).await.unwrap_err();
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
        (204, FailReason::Malformed),
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
    assert_eq!(provider.feedback(), []);
    provider.lookup(&Indicator::new(IndicatorKind::Ipv4, "198.51.100.7")).await.unwrap_err();
    let expected = Feedback { span: Some(Span::Day), remaining: 987, limit: Some(1000), resets_in: None };
    assert_eq!(provider.feedback(), [expected]);
}

#[test]
fn bad_configurations_are_refused_without_a_word_of_their_secrets() {
    let with = |base_url: &str, key: &str| {
        let mut config = config(base_url);
        config.api_key = Some(key.to_owned().into());
        config
    };
    assert!(!format!("{:?}", config("https://service.example")).contains(CANARY));
    for spec in KNOWN {
        let provider = spec.id;
        let base = if spec.base_url.is_empty() { "https://own.example" } else { spec.base_url };
        let key = if spec.key == KeyUse::Pair { "u:k" } else { "k" };
        let base_url = |why| BuildError::BaseUrl { provider, why };
        let rows = [
            (with("http://service.example", CANARY), base_url("is not https (http is for a loopback host only)")),
            (with(&format!("https://u:{CANARY}@service.example"), key), base_url("holds a user name or password")),
            (with(&format!("https://service.example?key={CANARY}"), key), base_url("holds a query or fragment")),
            (with(CANARY, key), base_url("is not a URL")),
            (with("https://169.254.169.254", key), base_url("is an address that no provider can have")),
            (with("https://0x7f.1", key), base_url("writes an address in a form that hides which one it is")),
            (with(base, ""), BuildError::Key { provider }),
            (with(base, &format!("u:{CANARY}\n")), BuildError::Key { provider }),
        ];
        for (config, expected) in rows {
            // A key that is never sent cannot be wrong.
            if spec.key == KeyUse::Unused && matches!(expected, BuildError::Key { .. }) {
                continue;
            }
            let error = provider::build(&[(provider, config)], &clock()).err().unwrap();
            assert!(!format!("{error:?} {error}").contains(CANARY));
            assert_eq!(error, expected);
        }
        assert!(provider::build(&[(provider, with(base, &format!("u:{CANARY}")))], &clock()).is_ok());
        assert!(spec.quota.parse::<sidelight::budget::Quota>().is_ok());
    }
    let stranger = ProviderId("stranger");
    let error = provider::build(&[(stranger, with("https://service.example", "k"))], &clock()).err().unwrap();
    assert_eq!(error, BuildError::Unknown { provider: stranger });
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_told_from_haste() {
    let error = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"Quota exceeded"}}}}"#);
    let rows = [
        (VIRUSTOTAL, error("QuotaExceededError"), true),
        (VIRUSTOTAL, error("TooManyRequestsError"), false),
        (VIRUSTOTAL, "[]".to_owned(), false),
        (ABUSEIPDB, error("QuotaExceededError"), false),
    ];
    for (id, body, expected) in rows {
        let server = Canned::json(429, body.as_bytes()).await;
        let provider = build(id, config(&server.base_url()));
        let indicator = Indicator::new(IndicatorKind::Ipv4, sample(IndicatorKind::Ipv4));
        let refused = provider.lookup(&indicator).await.unwrap_err();
        assert_eq!(refused, LookupError::Throttled { retry_after: None, used_up: expected }, "{id} {body}");
    }
}
