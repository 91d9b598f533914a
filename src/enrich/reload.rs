//! New clients for the same providers while everything runs: keys are read again without a restart.
//!
//! Cache, budgets, circuits and what waits stay. A provider that was switched off because its key was refused is open again and is
//! tried once more, and so are the kinds that the plan of the key left out; a refusal that is heard later of a call that had started before says nothing of the new key.

use std::{sync::Arc, time::Duration};

use crate::{
    enrich::{Enricher, KeyHealth, board::Board},
    provider::Provider,
};

impl Enricher {
    /// Replaces the clients by these, key by key; one for a provider or key that is not configured is left out. Says which accounts are open again.
    pub fn reload(&self, clients: &[Arc<dyn Provider>]) -> Vec<Box<str>> {
        let shared = &self.shared;
        let mut reopened = Vec::new();
        let mut current = shared.clients.write();
        for new in clients {
            let Some(index) = current.iter().position(|client| client.id() == new.id()) else { continue };
            if let Some(client) = current.get_mut(index).filter(|_| new.key_name().is_none()) {
                *client = Arc::clone(new);
            }
            if shared.step(|board, now, _| board.renew(index, new, now)) {
                shared.quiet.enabled(&new.account());
                reopened.push(new.account());
            }
        }
        reopened
    }
}

impl Board {
    /// A key of a provider has a new client. Whether it was switched off before.
    pub(super) fn renew(&mut self, provider: usize, client: &Arc<dyn Provider>, now: Duration) -> bool {
        let Some(desk) = self.desks.get_mut(provider) else { return false };
        let Some(key) = desk.keys_mut().find(|key| *key.account == *client.account()) else { return false };
        key.client = Arc::clone(client);
        key.renewed_at = now;
        key.health = KeyHealth::Untried;
        let was_closed = key.closed.take().is_some();
        let had_left_out = desk.door.open();
        self.effects.wake |= 1 << provider;
        was_closed || had_left_out
    }
}
