//! What a shard is told: news first, records after, with a bounded wait.
//!
//! Notices, delivery failures and revocations overtake records, so that a backlog of records never delays an event that is already waiting.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use crate::{
    enrich::Notice,
    model::Record,
    pipeline::{DeliveryFailure, Token},
    state::obligation::{EventName, Obligation},
};

/// Records with their tokens.
pub(super) type Deal = Vec<(Arc<Record>, Token)>;

/// News for a shard.
#[derive(Debug)]
pub(super) enum News {
    /// The enricher knows more.
    Notice(Notice),
    /// A late record was written, or never will be; the slot of its obligation.
    Paid(u32),
    /// What earlier owners of a partition owe.
    Replayed {
        /// Window number.
        window: u32,
        /// To be taken over.
        owed: Vec<(EventName, Obligation)>,
        /// Nothing more comes for this window.
        last: bool,
    },
    /// The sink could not write a record.
    Bounced(Token, DeliveryFailure),
    /// These windows are closed; `lost`: somebody else owns their partitions already.
    Revoke {
        /// Window numbers.
        windows: Vec<u32>,
        /// Whether nothing may leave any more.
        lost: bool,
        /// Told when it is done.
        done: mpsc::Sender<()>,
    },
    /// Let those go that wait in this window and came up to this offset.
    Relieve {
        /// Window number.
        window: u32,
        /// The last offset that is meant.
        through: i64,
    },
    /// Everything since the last committed transaction was undone; told when it is forgotten.
    Undo(mpsc::Sender<()>),
    /// The next transaction has begun.
    Resume,
    /// Let everything go that waits.
    Drain(mpsc::Sender<()>),
    /// End.
    Stop,
}

/// What [`Mailbox::take`] returns.
#[derive(Debug)]
pub(super) enum Mail {
    News(News),
    Records(Deal),
    /// Nothing came in time.
    Nothing,
}

#[derive(Debug, Default)]
struct Contents {
    news: VecDeque<News>,
    records: VecDeque<Deal>,
    queued: usize,
}

/// The mailbox of one shard.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    contents: Mutex<Contents>,
    rounds: AtomicU64,
    arrived: Condvar,
}

impl Mailbox {
    pub(super) fn news(&self, news: News) {
        self.contents.lock().news.push_back(news);
        self.arrived.notify_one();
    }

    pub(super) fn records(&self, deal: Deal) {
        let mut contents = self.contents.lock();
        contents.queued += deal.iter().map(|(record, _)| record.weight()).sum::<usize>();
        contents.records.push_back(deal);
        drop(contents);
        self.arrived.notify_one();
    }

    /// How often somebody has looked for mail.
    pub(super) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Bytes of records that nobody has taken yet.
    pub(super) fn queued(&self) -> usize {
        self.contents.lock().queued
    }

    /// Takes the next mail, waiting at most this long.
    pub(super) fn take(&self, wait: Duration) -> Mail {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        let mut contents = self.contents.lock();
        if contents.news.is_empty() && contents.records.is_empty() && !wait.is_zero() {
            self.arrived.wait_for(&mut contents, wait);
        }
        if let Some(news) = contents.news.pop_front() {
            return Mail::News(news);
        }
        let Some(deal) = contents.records.pop_front() else { return Mail::Nothing };
        contents.queued = contents.queued.saturating_sub(deal.iter().map(|(record, _)| record.weight()).sum());
        Mail::Records(deal)
    }

    /// Takes the records out that nobody has taken yet and that `gone` names.
    pub(super) fn withdraw(&self, gone: impl Fn(Token) -> bool) -> Vec<Token> {
        let mut contents = self.contents.lock();
        let mut withdrawn = Vec::new();
        let mut bytes = 0;
        for deal in &mut contents.records {
            deal.retain(|(record, token)| {
                let gone = gone(*token);
                if gone {
                    withdrawn.push(*token);
                    bytes += record.weight();
                }
                !gone
            });
        }
        contents.queued = contents.queued.saturating_sub(bytes);
        withdrawn
    }
}
