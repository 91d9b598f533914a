//! Reading the configuration again while the daemon runs: SIGHUP.
//!
//! Validated first: a wrong configuration changes nothing, is reported once and shows in `config_last_reload_successful`. What is taken over is what the
//! providers' clients are made of: keys, base URLs, time limits, own networks, proxies, certificates; and the lists of keywords. Cache, budgets and
//! circuits stay; a provider whose key was refused is tried again. All other settings hold after a restart, and the log says so where they differ.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::{error, info, warn};

use crate::{
    app::Engine,
    config::{Config, ConfigErrors, Loaded},
    enrich::Enricher,
    extract::Extractor,
    model::SharedClock,
    provider,
};

/// Reads the configuration.
pub type Load = Box<dyn Fn() -> Result<Loaded, ConfigErrors> + Send>;

/// The wish to read the configuration again, and how that is done.
pub struct Reload {
    wanted: Arc<AtomicBool>,
    load: Load,
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Reload {
    /// Reads again on SIGHUP.
    ///
    /// # Errors
    /// When the system refuses the handler.
    pub fn on_hangup(runtime: &tokio::runtime::Handle, load: Load) -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let _entered = runtime.enter();
        let mut hangup = signal(SignalKind::hangup())?;
        let wanted = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&wanted);
        runtime.spawn(async move {
            while hangup.recv().await.is_some() {
                set.store(true, Ordering::Relaxed);
            }
        });
        Ok(Self { wanted, load })
    }

    /// Reads the configuration again if somebody wants it.
    pub(super) fn look(&self, current: &mut Config, enricher: &Enricher, engine: &Engine) {
        if self.wanted.swap(false, Ordering::Relaxed) {
            engine.metrics.reloaded(self.read(current, enricher, &engine.extractor, &engine.clock));
        }
    }

    /// Whether the configuration was taken over.
    fn read(&self, current: &mut Config, enricher: &Enricher, extractor: &Extractor, clock: &SharedClock) -> bool {
        let loaded = match (self.load)() {
            Ok(loaded) => loaded,
            Err(errors) => {
                error!(report = %errors, "the configuration is wrong now and was not taken over; the old one holds");
                return false;
            }
        };
        for warning in &loaded.warnings {
            warn!(%warning, "configuration");
        }
        let merged = merge(current, &loaded.config);
        let clients = match provider::build(&merged.providers, clock) {
            Ok(clients) => clients,
            Err(error) => {
                error!(%error, "the configuration was not taken over; the old one holds");
                return false;
            }
        };
        let reopened = enricher.reload(&clients);
        extractor.replace_keywords(Arc::clone(&merged.extract.keywords));
        info!(
            providers = clients.len(),
            reopened = reopened.join(","),
            keywords = merged.extract.keywords.len(),
            "configuration read again; keys, ways to the providers and keywords hold from now on"
        );
        // Compared as they print: keys do not.
        if format!("{merged:?}") != format!("{:?}", loaded.config) {
            warn!("other settings have changed too; they hold after a restart");
        }
        *current = merged;
        true
    }
}

/// The configuration that holds, with keywords and what the clients of its providers are made of from the new one.
fn merge(current: &Config, new: &Config) -> Config {
    let mut merged = current.clone();
    merged.extract.keywords = Arc::clone(&new.extract.keywords);
    for (id, settings) in &mut merged.providers {
        let is_same = |other: &provider::Config| other.key_name == settings.key_name;
        if let Some((_, new)) = new.providers.iter().find(|(other, config)| other == id && is_same(config)) {
            *settings = provider::Config {
                api_key: new.api_key.clone(),
                base_url: new.base_url.clone(),
                timeout: new.timeout,
                network: new.network.clone(),
                ..settings.clone()
            };
        }
    }
    merged
}
