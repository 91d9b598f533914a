//! New clients for the same providers while everything runs: keys are read again without a restart.
//!
//! Cache, budgets, circuits and what waits stay. A provider that was switched off because its key was refused is open again and is
//! tried once more; a refusal that is heard later of a call that had started before says nothing of the new key.

use std::{sync::Arc, time::Duration};

use crate::{
    enrich::{Enricher, KeyHealth, board::Board},
    model::ProviderId,
    provider::Provider,
};

impl Enricher {
    /// Replaces the clients by these; one for a provider that is not configured is left out. Says which providers are open again.
    pub fn reload(&self, clients: &[Arc<dyn Provider>]) -> Vec<ProviderId> {
        let shared = &self.shared;
        let mut reopened = Vec::new();
        {
            let mut current = shared.clients.write();
            for new in clients {
                let Some(index) = current.iter().position(|client| client.id() == new.id()) else { continue };
                if let Some(client) = current.get_mut(index) {
                    *client = Arc::clone(new);
                }
                if shared.step(|board, now, _| board.renew(index, Arc::clone(new), now)) {
                    shared.quiet.enabled(new.id());
                    reopened.push(new.id());
                }
            }
        }
        reopened
    }
}

impl Board {
    /// A provider has a new client. Whether it was switched off before.
    pub(super) fn renew(&mut self, provider: usize, client: Arc<dyn Provider>, now: Duration) -> bool {
        let Some(desk) = self.desks.get_mut(provider) else { return false };
        desk.provider = client;
        desk.renewed_at = now;
        desk.key = KeyHealth::Untried;
        desk.door.set_open(true);
        self.effects.wake |= 1 << provider;
        desk.closed.take().is_some()
    }
}
