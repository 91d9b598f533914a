//! What a run is told on its command line.

use crate::quota::windows;

/// Options of a run; zero means "as the scenario's short form has it".
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) scenario: Option<String>,
    pub(crate) events: usize,
    pub(crate) replicas: usize,
    pub(crate) faults: usize,
    pub(crate) seed: u64,
    pub(crate) protocol: String,
    pub(crate) guarantee: Option<String>,
    /// Of every provider: calls a minute, or a quota as in a configuration. Empty as the scenario has it.
    pub(crate) quota: String,
    /// How long a killed broker is away, seconds.
    pub(crate) away: u64,
    /// Events sent in a second at most.
    pub(crate) rate: usize,
    /// The program; by default the one that was built with this suite.
    pub(crate) binary: String,
    /// A test name given to `cargo test`.
    pub(crate) filter: Option<String>,
}

pub(crate) const USAGE: &str = "options: --scenario alo_kill|eos_kill|late_kill|sigterm|zombie|rebalance|brokers|outage|mixed|budget  --events N  --replicas N  \
    --faults N  --seed N  --protocol classic|consumer  \
    --guarantee at_least_once|exactly_once  --quota CALLS_A_MINUTE|QUOTA  --away SECONDS  --rate EVENTS_A_SECOND  --binary PATH";

impl Options {
    /// Reads the arguments. Options of Rust's own test harness are taken and mean nothing here.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let mut options = Self {
            scenario: None,
            events: 0,
            replicas: 0,
            faults: 0,
            seed: now.as_secs(),
            protocol: "classic".to_owned(),
            guarantee: None,
            quota: String::new(),
            away: 0,
            rate: 0,
            binary: env!("CARGO_BIN_EXE_sidelight").to_owned(),
            filter: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            let number = |text: String| text.parse::<u64>().map_err(|_| format!("`{text}` is no number"));
            let size = |text: String| text.parse::<usize>().map_err(|_| format!("`{text}` is no number"));
            match argument.as_str() {
                "--scenario" => options.scenario = Some(value()?),
                "--events" => options.events = size(value()?)?,
                "--replicas" => options.replicas = size(value()?)?,
                "--faults" | "--kills" => options.faults = size(value()?)?,
                "--seed" => options.seed = number(value()?)?,
                "--rate" => options.rate = size(value()?)?,
                "--away" => options.away = number(value()?)?,
                "--quota" => {
                    let given = value()?;
                    options.quota = if given.contains('/') { given } else { format!("{given}/min") };
                    windows(&options.quota)?;
                }
                // The replicas run in directories of their own.
                "--binary" => {
                    let path = value()?;
                    let found =
                        std::fs::canonicalize(&path).map_err(|error| format!("no program at {path}: {error}"))?;
                    options.binary = found.display().to_string();
                }
                "--protocol" => {
                    options.protocol = value()?;
                    if !["classic", "consumer"].contains(&options.protocol.as_str()) {
                        return Err("--protocol is classic or consumer".to_owned());
                    }
                }
                "--guarantee" => {
                    let given = value()?;
                    if !["at_least_once", "exactly_once"].contains(&given.as_str()) {
                        return Err("--guarantee is at_least_once or exactly_once".to_owned());
                    }
                    options.guarantee = Some(given);
                }
                "--test-threads" | "--skip" | "--color" | "--format" => drop(value()?),
                "-q" | "--quiet" | "--nocapture" | "--no-capture" | "--exact" | "--show-output" => {}
                name if name.starts_with("--test-threads=") || name.starts_with("--color=") => {}
                name if !name.starts_with('-') => options.filter = Some(name.to_owned()),
                _ => return Err(format!("unknown option {argument}; {USAGE}")),
            }
        }
        Ok(options)
    }
}
