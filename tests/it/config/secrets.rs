//! Secrets: where they may come from, and that nothing shows them.

use std::{fs, path::PathBuf};

use proptest::prelude::*;
use secrecy::ExposeSecret;
use sidelight::config::Severity;

use super::{CANARY, MINIMAL, config_of, parse_with};

/// A file with this content, in a directory of its own.
fn file(name: &str, content: &[u8], mode: u32) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("config-{}-{name}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("key");
    fs::write(&path, content).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    path
}

fn with_key(source: &str) -> String {
    format!("{MINIMAL}[providers.virustotal]\napi_key = {{ {source} }}\n")
}

#[test]
fn a_key_comes_from_a_variable_a_file_or_a_credential() {
    let path = file("sources", b"from a file\n", 0o600);
    let directory = path.parent().unwrap().to_str().unwrap().to_owned();
    let variables = [("VT", "from a variable"), ("CREDENTIALS_DIRECTORY", &directory)];
    for (source, expected) in [
        ("env = \"VT\"".to_owned(), "from a variable"),
        (format!("file = \"{}\"", path.display()), "from a file"),
        ("credential = \"key\"".to_owned(), "from a file"),
    ] {
        let config = config_of(&with_key(&source), &variables);
        assert_eq!(config.providers[0].1.api_key.as_ref().unwrap().expose_secret(), expected, "{source}");
    }
}

#[test]
fn a_key_that_cannot_be_used_is_an_error() {
    let paths = [
        file("empty", b"  \n", 0o600),
        file("binary", &[0xff, 0xfe], 0o600),
        file("lines", b"canary\ncanary\n", 0o600),
        file("large", &vec![b'c'; 70_000], 0o600),
    ];
    let directory = paths[0].parent().unwrap().to_str().unwrap();
    let mut cases: Vec<(String, &str)> = vec![
        ("env = \"NOT_SET\"".to_owned(), "not set"),
        ("env = \"EMPTY\"".to_owned(), "empty"),
        (format!("file = \"{directory}\""), "directory"),
        ("credential = \"../key\"".to_owned(), "no name of a credential"),
        ("credential = \"absent\"".to_owned(), "cannot read"),
    ];
    for (path, expected) in paths.iter().zip(["empty", "no UTF-8", "line break", "larger than"]) {
        cases.push((format!("file = \"{}\"", path.display()), expected));
    }
    for (source, expected) in cases {
        let variables = [("EMPTY", ""), ("CREDENTIALS_DIRECTORY", directory)];
        let errors = parse_with(&with_key(&source), &variables).unwrap_err();
        assert_eq!(errors.count(), 1, "{errors}");
        assert!(errors.to_string().contains(expected), "{source}: {errors}");
        assert!(!errors.to_string().contains(CANARY), "{errors}");
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_that_everybody_can_read_is_a_warning() {
    for (name, mode, warnings) in [("open", 0o644, 1), ("closed", 0o640, 0)] {
        let path = file(name, b"canary", mode);
        let loaded = parse_with(&with_key(&format!("file = \"{}\"", path.display())), &[]).unwrap();
        assert_eq!(loaded.warnings.len(), warnings, "{name}");
        for warning in loaded.warnings {
            assert_eq!(warning.severity, Severity::Warning);
            assert!(warning.to_string().contains("sidelight.toml:10:20"), "{warning}");
            assert!(!warning.to_string().contains(CANARY), "{warning}");
        }
    }
}

#[test]
fn no_provider_is_a_warning() {
    let loaded = parse_with(MINIMAL, &[]).unwrap();
    assert!(loaded.config.providers.is_empty());
    let report: String = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(report.starts_with("warning: no provider"), "{report}");
}

#[test]
fn a_configuration_that_is_printed_shows_no_secret() {
    let text = format!(
        "{}\n[kafka.properties]\n\"sasl.password\" = {{ env = \"VT\" }}\n\"ssl.key.password\" = {{ env = \"VT\" }}\n",
        with_key("env = \"VT\"")
    );
    let loaded = parse_with(&text, &[("VT", "canary")]).unwrap();
    assert_eq!(loaded.config.kafka.properties["sasl.password"], CANARY);
    assert_eq!(loaded.config.kafka.properties["ssl.key.password"], CANARY);
    for shown in [format!("{loaded:?}"), format!("{loaded:#?}")] {
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

/// However a key gets into the file, what is said about the file does not repeat it.
#[test]
fn no_report_quotes_a_key() {
    for (name, lines) in [
        ("written out", "[providers.virustotal]\napi_key = \"canary\"\n"),
        ("in single quotes", "[providers.virustotal]\napi_key = 'canary'\n"),
        ("over several lines", "[providers.virustotal]\napi_key = \"\"\"\ncanary\n\"\"\"\n"),
        ("without quotes", "[providers.virustotal]\napi_key = canary\n"),
        ("without an end", "[providers.virustotal]\napi_key = \"canary\n"),
        ("without an end, over several lines", "[providers.virustotal]\napi_key = \"\"\"canary\ncanary\n"),
        ("in a list", "[providers.virustotal]\napi_key = [\"canary\"]\n"),
        ("in an inline table", "providers.virustotal = { api_key = \"canary\", qouta = 1 }\n"),
        ("in a broken inline table", "providers.virustotal = { api_key = \"canary\", qouta = }\n"),
        ("under another name", "[providers.virustotal]\napikey = \"canary\"\n"),
        ("under a misspelt name", "[providers.virustotal]\napi_kye = \"canary\"\n"),
        ("under a misspelt name and broken", "[providers.virustotal]\napi_kye = canary\n"),
        ("under a misspelt source", "[providers.virustotal]\napi_key = { value = \"canary\" }\n"),
        ("behind a known key", "[providers.virustotal]\nquota = \"1/s\" api_key = \"canary\"\n"),
        (
            "in a misspelt table",
            "[provider.virustotal]\napi_key = \"canary\"\n[providers.virustota]\nkey = \"canary\"\n",
        ),
        ("at the top", "virustotal = \"canary\"\n"),
        ("in the base URL", "[providers.virustotal]\nbase_url = \"https://x:canary@www.virustotal.com\"\n"),
        ("in a property", "[kafka.properties]\n\"sasl.pasword\" = \"canary\"\n\"acks\" = \"canary\"\n"),
        ("in a dotted property", "[kafka.properties]\nsasl.jaas.config = \"password=canary\"\n"),
    ] {
        // At the top, so that keys without a header are in no section.
        let errors = parse_with(&format!("{lines}{MINIMAL}"), &[]).unwrap_err();
        for shown in [errors.to_string(), format!("{errors:?}")] {
            assert!(!shown.contains(CANARY), "{name}: {shown}");
        }
    }
}

/// A file with a key in it, damaged anywhere.
fn damaged() -> impl Strategy<Value = String> {
    let whole = fs::read_to_string("samples/sidelight.full.toml")
        .unwrap()
        .replace("{ env = \"VT_API_KEY\" }", "\"canary\"")
        .replace("[kafka.properties]", "[kafka.properties]\n\"sasl.password\" = \"canary\"");
    let places: Vec<usize> = whole.match_indices("canary").map(|(at, _)| at).collect();
    let damage = (0..places.len(), -40_isize..40, prop_oneof!["", "[\"'={}\\[\\]#,.\n\\\\ a0é]"]);
    proptest::collection::vec(damage, 1..4).prop_map(move |damages| {
        let mut text = whole.clone();
        for (place, offset, insertion) in damages {
            let at = places[place].saturating_add_signed(offset).min(text.len() - 1);
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                text.replace_range(at..at + 1, &insertion);
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_panics_or_makes_a_report_quote_a_key(text in damaged()) {
        if let Err(errors) = parse_with(&text, &[("ABUSEIPDB_API_KEY", "k")]) {
            let report = errors.to_string();
            prop_assert!(!report.contains(CANARY), "{}\n\n{}", report, text);
        }
    }

    #[test]
    fn no_text_panics(text in "[a-z\\[\\]{}=\"'.,#0-9 \n\ré]{0,80}") {
        let _unused = parse_with(&text, &[]);
    }
}
