//! When to stop: SIGTERM or SIGINT, or somebody in the process says so. A second signal ends the process at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The wish to stop. `Clone` shares it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
}

impl Stop {
    /// Says that it is time to stop.
    pub fn now(&self) {
        self.token.cancel();
    }

    /// Whether it is time to stop.
    pub fn is_wanted(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits up to this long; whether it is time to stop.
    pub fn wait(&self, runtime: &tokio::runtime::Handle, within: Duration) -> bool {
        runtime.block_on(async { tokio::time::timeout(within, self.token.cancelled()).await.is_ok() })
    }

    /// Stops on SIGTERM and SIGINT; the second one ends the process with code 130 at once.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn on_signals(&self, runtime: &tokio::runtime::Handle) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let _entered = runtime.enter();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = self.clone();
        runtime.spawn(async move {
            let mut seen = 0;
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                seen += 1;
                if seen > 1 {
                    warn!(signal = name, "second signal, ending at once; what is under way will be read again");
                    std::process::exit(130);
                }
                info!(signal = name, "draining");
                stop.now();
            }
        });
        Ok(())
    }
}
