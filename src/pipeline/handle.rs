//! The address of a shard: what others may tell it.

use std::sync::{Arc, mpsc};

use crate::{
    enrich::{Listener, Notice},
    pipeline::{
        DeliveryFailure, Token,
        mailbox::{Deal, Mailbox, News},
    },
    state::obligation::{EventName, Obligation},
};

/// The address of a shard.
#[derive(Clone, Debug, Default)]
pub(super) struct ShardHandle {
    mailbox: Arc<Mailbox>,
}

impl ShardHandle {
    pub(super) fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }

    pub(super) fn records(&self, deal: Deal) {
        self.mailbox.records(deal);
    }

    /// How often the shard has looked for mail.
    pub(super) fn rounds(&self) -> u64 {
        self.mailbox.rounds()
    }

    pub(super) fn queued(&self) -> usize {
        self.mailbox.queued()
    }

    pub(super) fn bounced(&self, token: Token, failure: DeliveryFailure) {
        self.mailbox.news(News::Bounced(token, failure));
    }

    pub(super) fn paid(&self, slot: u32) {
        self.mailbox.news(News::Paid(slot));
    }

    pub(super) fn replayed(&self, window: u32, owed: Vec<(EventName, Obligation)>, last: bool) {
        self.mailbox.news(News::Replayed { window, owed, last });
    }

    pub(super) fn revoke(&self, windows: Vec<u32>, lost: bool, done: mpsc::Sender<()>) {
        self.mailbox.news(News::Revoke { windows, lost, done });
    }

    pub(super) fn relieve(&self, window: u32, through: i64) {
        self.mailbox.news(News::Relieve { window, through });
    }

    pub(super) fn undo(&self, done: mpsc::Sender<()>) {
        self.mailbox.news(News::Undo(done));
    }

    pub(super) fn resume(&self) {
        self.mailbox.news(News::Resume);
    }

    pub(super) fn drain(&self, done: mpsc::Sender<()>) {
        self.mailbox.news(News::Drain(done));
    }

    pub(super) fn stop(&self) {
        self.mailbox.news(News::Stop);
    }
}

impl Listener for ShardHandle {
    fn notify(&self, notice: Notice) {
        self.mailbox.news(News::Notice(notice));
    }
}
