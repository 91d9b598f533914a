//! Configurations: broken ones against their golden reports, the samples, overrides, and secrets that must not show.
//!
//! `tests/configs/bad/*.toml` are broken on purpose. The first line of each says how many errors it has, lines
//! `# env: NAME=VALUE` below it set variables; the report is compared with the file `.report` beside it.
//! `UPDATE_GOLDEN=1` rewrites the reports.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sidelight::config::{self, Config, ConfigErrors, FixedEnvironment, Loaded};

mod overrides;
mod samples;
mod secrets;

/// In every value that a report must not show.
const CANARY: &str = "canary";

const MINIMAL: &str = "\
[kafka]
brokers = \"127.0.0.1:9092\"

[input]
topics = [\"siem.events\"]

[output]
topic = \"siem.events.enriched\"
";

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    config::parse("sidelight.toml", text, &FixedEnvironment::new(variables.iter().copied()))
}

fn config_of(text: &str, variables: &[(&str, &str)]) -> Config {
    match parse_with(text, variables) {
        Ok(loaded) => loaded.config,
        Err(errors) => panic!("{errors}"),
    }
}

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

#[test]
fn broken_configurations_are_reported_in_full() {
    let files = files("tests/configs/bad", "toml");
    assert!(files.len() >= 24, "{}", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let mut environment = FixedEnvironment::new([("VT_API_KEY", "canary-of-a-variable")]);
        for line in text.lines().filter_map(|line| line.strip_prefix("# env: ")) {
            let (name, value) = line.split_once('=').unwrap();
            environment.variables.insert(name.to_owned(), value.into());
        }
        let Err(errors) = config::parse(name, &text, &environment) else {
            wrong.push(format!("{name} is accepted"));
            continue;
        };
        let report = format!("{errors}\n");
        let expected: usize = text.lines().next().unwrap().strip_prefix("# errors: ").unwrap().parse().unwrap();
        if errors.count() != expected {
            wrong.push(format!("{name}: {} errors, not {expected}\n{report}", errors.count()));
        }
        // The only place where it may show is the name of a variable, which no fixture has.
        if report.contains(CANARY) || format!("{errors:?}").contains(CANARY) {
            wrong.push(format!("{name} shows a secret\n{report}"));
        }
        let golden = file.with_extension("report");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &report).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != report {
            wrong.push(format!("{name} reads differently now; UPDATE_GOLDEN=1 accepts this:\n{report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_of_its_own() {
    let environment = FixedEnvironment::new([]);
    let errors = config::load(Path::new("/nowhere/sidelight.toml"), &environment).unwrap_err();
    let report = errors.to_string();
    assert!(report.contains("/nowhere/sidelight.toml") && report.contains("cannot read the file"), "{report}");
    assert_eq!(errors.count(), 1);
}
