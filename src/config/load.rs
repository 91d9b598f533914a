//! Reading a whole configuration.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use toml::de::DeTable;

use super::{
    context::Context,
    diagnostic::{ConfigErrors, Diagnostic, Place, Severity},
    environment::{Environment, FixedEnvironment},
    providers, routing, sections,
    source::Source,
};
use crate::{
    admin, cache, enrich, extract, gate, kafka, model::ProviderId, pipeline, provider, score, state, telemetry,
};

/// The largest configuration file.
const MOST_BYTES: u64 = 1 << 20;
const SECTIONS: [&str; 14] = [
    "kafka",
    "input",
    "output",
    "delivery",
    "state",
    "cache",
    "extract",
    "gate",
    "enrich",
    "providers",
    "routing",
    "score",
    "admin",
    "log",
];

/// Everything that the product is told. Plain data; `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// Brokers, topics, group and delivery.
    pub kafka: kafka::Config,
    /// Parking, order, deadlines.
    pub pipeline: pipeline::Config,
    /// Where state is kept.
    pub state: state::Config,
    /// Size and times to live.
    pub cache: cache::Config,
    /// What is extracted.
    pub extract: extract::Config,
    /// What never leaves.
    pub gate: gate::Config,
    /// Bounds of the enricher.
    pub enrich: enrich::Config,
    /// The providers that are on, in the order of the product's own list.
    pub providers: Vec<(ProviderId, provider::Config)>,
    /// Thresholds, and the weights that the providers' tables change.
    pub score: score::Config,
    /// Where the admin server listens.
    pub admin: admin::Config,
    /// Form and level of the log.
    pub log: telemetry::Config,
}

impl Config {
    /// Prices of a unit, of the providers that have one.
    pub fn prices(&self) -> BTreeMap<ProviderId, f64> {
        self.providers.iter().filter_map(|(provider, config)| Some((*provider, config.unit_price?))).collect()
    }
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// What is probably not meant so.
    pub warnings: Vec<Diagnostic>,
}

/// Reads the file at `path` and applies the overrides of the environment.
///
/// # Errors
/// Everything that is wrong, all at once; also a file that cannot be read.
pub fn load(path: &Path, environment: &dyn Environment) -> Result<Loaded, ConfigErrors> {
    let name = path.display().to_string();
    let text = read(path).map_err(|message| {
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            file: name.clone(),
            place: Place::File,
            path: String::new(),
            message,
            help: None,
        };
        ConfigErrors::new(&name, vec![diagnostic])
    })?;
    parse(&name, &text, environment)
}

/// As [`load`], from text; `name` stands for the file in reports.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn parse(name: &str, text: &str, environment: &dyn Environment) -> Result<Loaded, ConfigErrors> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut context = Context::new(document.get_ref(), environment);
    let config = read_all(&mut context);
    let diagnostics = context.finish(Source { name, text }, &syntax);
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(ConfigErrors::new(name, diagnostics));
    }
    Ok(Loaded { config, warnings: diagnostics })
}

/// The dotted path of every key that a file may set, in the order in which they are read.
pub fn known_keys() -> Vec<String> {
    let everything: String = providers::names().map(|name| format!("[providers.{name}]\n")).collect();
    let (document, _) = DeTable::parse_recoverable(&everything);
    let environment = FixedEnvironment::default();
    let mut context = Context::new(document.get_ref(), &environment);
    read_all(&mut context);
    context.into_known()
}

fn read_all(context: &mut Context<'_>) -> Config {
    let sections: Vec<String> = SECTIONS.into_iter().map(str::to_owned).collect();
    for (key, _) in context.root() {
        if !sections.iter().any(|section| section == key.get_ref()) {
            context.unknown("", key.get_ref(), key.span(), sections.clone());
        }
    }
    let (kafka, pipeline, state) = sections::stream(context);
    let cache = sections::cache(context);
    let extract = sections::extract(context);
    let gate = sections::gate(context);
    let enrich = sections::enrich(context);
    let mut providers = providers::read(context);
    routing::read(context, &mut providers);
    let weights = providers.iter().filter_map(|(id, provider)| Some((*id, provider.weight?))).collect();
    let score = sections::score(context, weights);
    let admin = sections::admin(context);
    let log = sections::log(context);
    Config { kafka, pipeline, state, cache, extract, gate, enrich, providers, score, admin, log }
}

fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot read the file: {}", error.kind());
    let file = File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        return Err(format!("the file is larger than {MOST_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count() + 1;
        format!("the file is no UTF-8 text (line {line})")
    })
}
