//! Asks services what their accounts have left, where they tell by a call that costs nothing: other tools may share a key, also while nothing is asked from here.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    budget::purse::Reading,
    enrich::{Shared, board::Board},
    provider::Provider,
};

/// Asks about the keys of one provider, at once and then every so often until `stop`. `heard` is told of the first round, however it went.
pub(super) async fn run(
    shared: Arc<Shared>,
    provider: usize,
    every: Duration,
    stop: CancellationToken,
    heard: oneshot::Sender<()>,
) {
    let mut heard = Some(heard);
    loop {
        let round = async {
            let keys = shared.step(|board, now, _| board.usable_keys(provider, now));
            for (key, client) in keys {
                ask(&shared, provider, key, client.as_ref()).await;
            }
            if let Some(heard) = heard.take() {
                // Nobody waits where everything ends.
                heard.send(()).ok();
            }
            tokio::time::sleep(every).await;
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = round => {}
        }
    }
}

async fn ask(shared: &Shared, provider: usize, key: usize, client: &dyn Provider) {
    let begun = shared.clock.monotonic();
    match client.ask_account().await {
        Ok(said) => shared.step(|board, now, wall_ms| {
            board.hear_of(key, provider, &said, now.saturating_sub(begun), Reading { monotonic: now, wall_ms });
        }),
        // A look-up that fails as well has its consequences.
        Err(error) => {
            if let Some(repeated) = shared.quiet.pass(client.id(), "account") {
                info!(provider = %client.id(), %error, repeated, "the service does not tell what is left");
            }
        }
    }
}

impl Board {
    /// The keys of a provider that may call now, with their clients.
    fn usable_keys(&self, provider: usize, now: Duration) -> Vec<(usize, Arc<dyn Provider>)> {
        let keys = self.desks.get(provider).into_iter().flat_map(|desk| desk.keys());
        keys.filter(|key| key.is_usable(now, now)).map(|key| (key.number, Arc::clone(&key.client))).collect()
    }
}
