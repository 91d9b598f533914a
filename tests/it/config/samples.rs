//! The samples: they load, and the full one says what the product does by default.

use std::fs;

use super::{config_of, files, parse_with};
use sidelight::{
    config,
    provider::{KNOWN, KeyUse, VIRUSTOTAL},
};

const KEYS: [(&str, &str); 15] = [
    ("VT_API_KEY", "one"),
    ("ABUSEIPDB_API_KEY", "two"),
    ("SHODAN_API_KEY", "three"),
    ("MISP_API_KEY", "four"),
    ("PASSIVETOTAL_API_KEY", "user:five"),
    ("URLSCAN_API_KEY", "six"),
    ("SAFEBROWSING_API_KEY", "seven"),
    ("MALWAREBAZAAR_API_KEY", "eight"),
    ("GREYNOISE_API_KEY", "nine"),
    ("URLHAUS_API_KEY", "ten"),
    ("THREATFOX_API_KEY", "eleven"),
    ("OTX_API_KEY", "twelve"),
    ("OTX_PDNS_API_KEY", "thirteen"),
    ("CIRCL_PDNS_API_KEY", "user:fourteen"),
    ("SAFEBROWSING_V5_API_KEY", "fifteen"),
];

#[test]
fn every_sample_loads_without_a_warning() {
    let samples = files("samples", "toml");
    assert!(samples.len() >= 5);
    for sample in samples {
        let text = fs::read_to_string(&sample).unwrap();
        match parse_with(&text, &KEYS) {
            Ok(loaded) => assert_eq!(loaded.warnings, [], "{}", sample.display()),
            Err(errors) => panic!("{}\n{errors}", sample.display()),
        }
    }
}

#[test]
fn the_full_sample_holds_the_defaults() {
    let full = fs::read_to_string("samples/sidelight.full.toml").unwrap();
    let mut minimal = fs::read_to_string("samples/sidelight.toml").unwrap();
    for spec in KNOWN.iter().filter(|spec| spec.id != VIRUSTOTAL) {
        minimal += &format!("\n[providers.{}]\n", spec.id);
        if spec.key != KeyUse::Unused {
            minimal += &format!("api_key = {{ env = \"{}_API_KEY\" }}\n", spec.id.as_str().to_uppercase());
        }
        if spec.base_url.is_empty() {
            minimal += "base_url = \"https://misp.example.org\"\n";
        }
    }
    let (full, minimal) = (config_of(&full, &KEYS), config_of(&minimal, &KEYS));
    // The Debug of kafka::Config leaves fields out.
    let kafka = |config: &config::Config| {
        let k = config.kafka.clone();
        let flags = (k.static_membership, k.start_timeout, k.offset_reset, k.on_gap, k.partitioning, k.create_topics);
        let topics = (k.output_topic, k.late_topic, k.dlq_topic, k.commit_interval, k.shutdown_timeout);
        format!("{flags:?} {topics:?} {}", k.replication_factor)
    };
    assert_eq!(kafka(&full), kafka(&minimal));
    assert_eq!(format!("{full:#?}"), format!("{minimal:#?}"));
}

/// A key is named by a line of its own, in its section, commented out or not; the sources of a secret in the comment above.
#[test]
fn the_full_sample_names_every_key() {
    let full = fs::read_to_string("samples/sidelight.full.toml").unwrap();
    let mut section = "";
    let mut named = Vec::new();
    for line in full.lines() {
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = header;
            named.push(header.to_owned());
        } else if let Some((key, _)) = line.strip_prefix("# ").unwrap_or(line).split_once(" = ") {
            named.push(format!("{section}.{key}"));
        }
    }
    for key in config::known_keys() {
        let secret =
            [".api_key.", ".token."].into_iter().find_map(|part| key.split_once(part).map(|found| (part, found)));
        // What calls about each kind cost stands in one line.
        let key = key.find(".cost.").map_or(key.clone(), |at| key[..at + 5].to_owned());
        let (key, source) = match secret {
            Some((part, (table, source))) => (format!("{table}{}", part.trim_end_matches('.')), Some(source)),
            None => (key.clone(), None),
        };
        assert!(named.contains(&key), "{key} is not in the sample");
        if let Some(source) = source {
            assert!(full.contains(&format!("{{ {source} = ")), "{source}");
        }
    }
}

#[test]
fn the_parser_knows_the_keys_of_every_section() {
    let known = config::known_keys();
    for key in ["kafka.brokers", "delivery.owed_bytes", "providers.abuseipdb.api_key.credential", "log.level"] {
        assert!(known.iter().any(|known| known == key), "{key}");
    }
    assert!(known.len() > 60, "{}", known.len());
}
