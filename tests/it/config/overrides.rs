//! Overrides: `SIDELIGHT__SECTION__KEY`.

use std::time::Duration;

use secrecy::ExposeSecret;
use sidelight::{
    config::{self, FixedEnvironment},
    model::IndicatorKind,
};

use super::{MINIMAL, config_of, parse_with};

#[test]
fn the_text_is_read_by_the_type_of_the_key() {
    let config = config_of(
        MINIMAL,
        &[
            ("SIDELIGHT__DELIVERY__DEADLINE", "0s"),
            ("SIDELIGHT__DELIVERY__PARK_BYTES", "1MiB"),
            ("SIDELIGHT__INPUT__TOPICS", "a, b"),
            ("SIDELIGHT__KAFKA__STATIC_MEMBERSHIP", "true"),
            ("SIDELIGHT__KAFKA__INSTANCE_ID", "7"),
            ("SIDELIGHT__EXTRACT__KINDS", "ipv4,md5"),
            ("SIDELIGHT__GATE__OWN_NETWORKS", ""),
            ("SIDELIGHT__ENRICH__MAX_WAITING", "5_000"),
            ("SIDELIGHT__ENRICH__RESERVE", "0"),
            ("SIDELIGHT__ADMIN__LISTEN", "off"),
            ("SIDELIGHT__STATE__REPLICATION_FACTOR", "3"),
        ],
    );
    assert_eq!(config.pipeline.deadline, Duration::ZERO);
    assert_eq!(config.pipeline.park_bytes, 1 << 20);
    assert_eq!(config.kafka.topics, ["a", "b"]);
    assert!(config.kafka.static_membership);
    assert_eq!(config.kafka.instance_id, "7");
    assert_eq!(config.extract.kinds, [IndicatorKind::Ipv4, IndicatorKind::Md5]);
    assert!(config.gate.own_networks.is_empty());
    assert_eq!(config.enrich.max_waiting, 5_000);
    assert_eq!(config.enrich.reserve, 0.0);
    assert_eq!(config.admin.listen, None);
    assert_eq!(config.kafka.replication_factor, 3);
}

#[test]
fn an_override_wins_over_the_file_and_mends_it() {
    let text = format!("{MINIMAL}[delivery]\ndeadline = 7\n");
    let config = config_of(&text, &[("SIDELIGHT__DELIVERY__DEADLINE", "3s")]);
    assert_eq!(config.pipeline.deadline, Duration::from_secs(3));
}

#[test]
fn a_whole_configuration_can_stand_in_the_environment() {
    let config = config_of(
        "",
        &[
            ("SIDELIGHT__KAFKA__BROKERS", "127.0.0.1:9092"),
            ("SIDELIGHT__INPUT__TOPICS", "in"),
            ("SIDELIGHT__OUTPUT__TOPIC", "out"),
            ("SIDELIGHT__PROVIDERS__VIRUSTOTAL__API_KEY__ENV", "KEY"),
            ("SIDELIGHT__PROVIDERS__VIRUSTOTAL__QUOTA", "2/s"),
            ("SIDELIGHT__PROVIDERS__VIRUSTOTAL__WEIGHT", "50"),
            ("SIDELIGHT__KAFKA__PROPERTIES__SESSION_TIMEOUT_MS", "9000"),
            ("SIDELIGHT__KAFKA__PROPERTIES__SASL_PASSWORD__ENV", "KEY"),
            ("KEY", "  the key\n"),
        ],
    );
    let (id, provider) = &config.providers[0];
    assert_eq!(id.as_str(), "virustotal");
    assert_eq!(provider.api_key.as_ref().unwrap().expose_secret(), "the key");
    assert_eq!(provider.quota.to_string(), "2/s");
    assert_eq!(provider.weight, Some(50.0));
    assert_eq!(config.score.weights, [(*id, 50.0)]);
    assert_eq!(config.kafka.properties["session.timeout.ms"], "9000");
    assert_eq!(config.kafka.properties["sasl.password"], "the key");
}

#[test]
fn the_source_of_a_key_is_replaced_as_a_whole() {
    let text = format!("{MINIMAL}[providers.virustotal]\napi_key = {{ file = \"/nowhere\" }}\n");
    let variables = [("SIDELIGHT__PROVIDERS__VIRUSTOTAL__API_KEY__ENV", "KEY"), ("KEY", "k")];
    assert_eq!(config_of(&text, &variables).providers[0].1.api_key.as_ref().unwrap().expose_secret(), "k");
}

#[test]
fn one_that_names_no_key_is_an_error_that_names_the_nearest() {
    for (variable, near) in [
        ("SIDELIGHT__DELIVERY__DEADLIN", "SIDELIGHT__DELIVERY__DEADLINE"),
        ("SIDELIGHT__delivery__deadline", "SIDELIGHT__DELIVERY__DEADLINE"),
        ("SIDELIGHT__DELIVERY_DEADLINE", "SIDELIGHT__DELIVERY__DEADLINE"),
        ("SIDELIGHT__PROVIDERS__VIRUSTOTAL__QOUTA", "SIDELIGHT__PROVIDERS__VIRUSTOTAL__QUOTA"),
        ("SIDELIGHT__KAFKA__PROPERTIES__SESION_TIMEOUT_MS", "SIDELIGHT__KAFKA__PROPERTIES__SESSION_TIMEOUT_MS"),
        ("SIDELIGHT__", ""),
    ] {
        let text = format!("{MINIMAL}[providers.virustotal]\napi_key = {{ env = \"KEY\" }}\n");
        let report = parse_with(&text, &[("KEY", "k"), (variable, "0s")]).unwrap_err().to_string();
        assert!(report.contains(&format!("{variable} names no key")), "{report}");
        assert!(report.contains(near), "{report}");
    }
}

#[test]
fn other_variables_are_nobody_s_business() {
    config_of(MINIMAL, &[("SIDELIGHT_REVISION", "x"), ("sidelight__x", "y"), ("PATH", "/bin")]);
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_an_error() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    let mut environment = FixedEnvironment::new([]);
    environment.variables.insert("SIDELIGHT__DELIVERY__DEADLINE".to_owned(), OsString::from_vec(vec![0xff]));
    let errors = config::parse("sidelight.toml", MINIMAL, &environment).unwrap_err();
    assert_eq!(errors.count(), 1);
    assert!(errors.to_string().contains("no UTF-8 text"), "{errors}");
}

#[test]
fn the_host_name_is_needed_only_where_no_name_is_given() {
    let environment = FixedEnvironment::default();
    let errors = config::parse("sidelight.toml", MINIMAL, &environment).unwrap_err();
    assert!(errors.to_string().contains("kafka.instance_id"), "{errors}");
    assert_eq!(config_of(MINIMAL, &[]).kafka.instance_id, "host");
}
