//! Budgets: the running account of a provider's quota.
//!
//! Guarantees, for calls admitted by one [`Budget`]:
//! - in any span of a second, a minute or an hour at most the limit starts, with a little slack for the network; in a
//!   calendar day or month (UTC) at most the limit starts;
//! - a call is admitted by all windows or by none;
//! - a refusal says when the same call would be admitted if nobody else came;
//! - of every limit a share is left to urgent work: rounded up, but ordinary work keeps at least one unit (of 4 units a
//!   fifth is one, so ordinary work spends 3; of 1 unit it spends 1); in the last tenth of a calendar window it is released bit by bit;
//! - windows of an hour and longer are spent evenly unless told otherwise: a tenth at once, the rest as it accrues. In the
//!   last tenth of a calendar window what is left of it is no longer held back.

mod account;
mod calendar;
mod fleet;
pub mod ledger;
mod outlook;
mod pace;
pub mod purse;
mod quota;
mod reserve;
mod sliding;

use std::time::Duration;

use parking_lot::Mutex;

pub use fleet::Fleet;
pub use outlook::Outlook;
pub use quota::{Pace, Quota, QuotaError, Span, Window};

use crate::{
    budget::{
        account::{Account, Now},
        fleet::FleetAccount,
        ledger::Terms,
    },
    model::SharedClock,
};

/// Who asks; a share of every quota is kept for urgent work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// The stream.
    Ordinary,
    /// Events of high severity, analysts.
    Urgent,
}

/// A refused admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Monotonic time of the clock at which it is admitted if nothing else is before; `Duration::MAX` where the call costs
    /// more than a window allows.
    pub retry_at: Duration,
}

/// The state of one window, for people and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowAccount {
    /// Which window.
    pub span: Span,
    /// Units allowed.
    pub limit: u64,
    /// Units spent, those of calls that are leased and not over included.
    pub used: u64,
    /// Of these, units that are leased in the fleet's ledger and not over.
    pub leased: u64,
    /// Units kept for urgent work.
    pub reserved: u64,
    /// When a calendar window ends, milliseconds since the epoch; `None` for the sliding ones.
    pub resets_at: Option<i64>,
}

/// The account of one provider. Shared; all methods take `&self` and never block for long.
///
/// It is either this process's own, or one in the fleet's ledger. Of the latter it shows the state; units of it are leased (see [`purse`]), not acquired.
#[derive(Debug)]
pub struct Budget {
    kept: Kept,
}

/// Where an account is kept.
#[derive(Debug)]
enum Kept {
    Here { clock: SharedClock, accounts: Mutex<Vec<Account>> },
    InLedger(FleetAccount),
}

impl Budget {
    /// An account with nothing spent. `pace` is that of windows of an hour and longer (`None`: even); `reserve` the share
    /// that is left to urgent work, 0.0..=0.9.
    pub fn new(quota: Quota, pace: Option<Pace>, reserve: f64, clock: SharedClock) -> Self {
        let now = read(&clock);
        let (pace, reserve) = (pace.unwrap_or(Pace::Even), reserve.clamp(0.0, 0.9));
        let accounts = quota.windows().iter().map(|window| Account::new(*window, pace, reserve, now)).collect();
        Self { kept: Kept::Here { clock, accounts: Mutex::new(accounts) } }
    }

    /// The account of a provider in the fleet's ledger; terms as for [`Budget::new`].
    pub fn in_ledger(fleet: Fleet, provider: &str, quota: Quota, pace: Option<Pace>, reserve: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 900,000")]
        let reserve = (reserve.clamp(0.0, 0.9) * 1e6).round() as u32;
        let terms = Terms { quota, pace: pace.unwrap_or(Pace::Even), reserve };
        Self { kept: Kept::InLedger(FleetAccount::new(fleet, provider, terms)) }
    }

    /// The terms of an account that is kept in the ledger.
    pub fn ledger_terms(&self) -> Option<&Terms> {
        match &self.kept {
            Kept::Here { .. } => None,
            Kept::InLedger(account) => Some(account.terms()),
        }
    }

    /// Admits a call of `cost` units by all windows, or by none. Windows that slide count calls, whatever they cost. Units that are kept in the ledger cannot
    /// be acquired.
    pub fn try_acquire(&self, cost: u32, urgency: Urgency) -> Result<(), Exhausted> {
        let (clock, accounts) = match &self.kept {
            Kept::Here { clock, accounts } => (clock, accounts),
            Kept::InLedger(account) => return Err(account.retry()),
        };
        with(clock, accounts, |accounts, now| {
            let retry_at = admits_at(accounts, cost, urgency, now);
            if retry_at > now.monotonic {
                return Err(Exhausted { retry_at });
            }
            for account in accounts {
                account.book(cost, now);
            }
            Ok(())
        })
    }

    /// When a call of this cost is admitted, monotonic; `None` where it is now.
    pub fn exhausted_until(&self, cost: u32, urgency: Urgency) -> Option<Duration> {
        match &self.kept {
            Kept::Here { clock, accounts } => with(clock, accounts, |accounts, now| {
                Some(admits_at(accounts, cost, urgency, now)).filter(|retry_at| *retry_at > now.monotonic)
            }),
            Kept::InLedger(account) => account.exhausted_until(cost, urgency),
        }
    }

    /// How many calls of this cost could start from now until `within` from now, if nothing else is spent. Never too few;
    /// exact for a single window and a cost of 1, else what the tightest of them allows.
    pub fn capacity_within(&self, within: Duration, cost: u32, urgency: Urgency) -> u64 {
        match &self.kept {
            Kept::Here { clock, accounts } => with(clock, accounts, |accounts, now| {
                accounts.iter().map(|account| account.capacity(within, cost, urgency, now)).min().unwrap_or(u64::MAX)
            }),
            Kept::InLedger(account) => account.capacity_within(within, cost, urgency),
        }
    }

    /// How much of what may go at once is at hand for ordinary work, 0.0..=1.0, of the paced window that has least; 1 where pace holds nothing back.
    pub fn level(&self) -> f64 {
        match &self.kept {
            Kept::Here { clock, accounts } => with(clock, accounts, |accounts, now| {
                accounts.iter().map(|account| account.level(now)).fold(1.0, f64::min)
            }),
            Kept::InLedger(account) => account.level(),
        }
    }

    /// What calls of this cost are left for the time that they have to last; `None` where no window is paced, so that units may go as they come.
    pub fn outlook(&self, cost: u32) -> Option<Outlook> {
        match &self.kept {
            Kept::Here { clock, accounts } => with(clock, accounts, |accounts, now| {
                accounts.iter().any(Account::is_paced).then(|| {
                    let ends_at = accounts.iter().filter_map(Account::ends_at).min();
                    let within = outlook::horizon(ends_at.map(|end| calendar::distance(now.wall_ms, end)));
                    let units = |urgency| {
                        let until = outlook::before(within);
                        accounts.iter().map(|account| account.capacity(until, cost, urgency, now)).min().unwrap_or(0)
                    };
                    let (ordinary, urgent) = (units(Urgency::Ordinary), units(Urgency::Urgent));
                    Outlook { within, ends_at, ordinary, urgent, sharers: 1 }
                })
            }),
            Kept::InLedger(account) => account.outlook(cost),
        }
    }

    /// The provider says that `remaining` units are left of its window of this span. Where the account has more, others share the key: then no more are left
    /// than that, less `in_flight` units of calls that the provider may not have counted yet. Never raises what is left; without effect where the quota has no
    /// such window.
    pub fn correct(&self, span: Span, remaining: u64, in_flight: u64) {
        match &self.kept {
            Kept::Here { clock, accounts } => with(clock, accounts, |accounts, now| {
                for account in accounts.iter_mut().filter(|account| account.span() == span) {
                    account.lower(remaining, in_flight, now);
                }
            }),
            Kept::InLedger(account) => account.correct(span, remaining),
        }
    }

    /// The state of every window, shortest first.
    pub fn snapshot(&self) -> Vec<WindowAccount> {
        match &self.kept {
            Kept::Here { clock, accounts } => {
                with(clock, accounts, |accounts, now| accounts.iter().map(|account| account.snapshot(now)).collect())
            }
            Kept::InLedger(account) => account.snapshot(),
        }
    }
}

/// Runs a step on accounts that are up to date with one reading of the clocks.
fn with<T>(clock: &SharedClock, accounts: &Mutex<Vec<Account>>, step: impl FnOnce(&mut [Account], Now) -> T) -> T {
    let mut accounts = accounts.lock();
    // Read under the lock, so that the readings come in order.
    let now = read(clock);
    for account in accounts.iter_mut() {
        account.advance(now);
    }
    step(&mut accounts, now)
}

fn read(clock: &SharedClock) -> Now {
    Now { monotonic: clock.monotonic(), wall_ms: clock.wall_ms() }
}

fn admits_at(accounts: &[Account], cost: u32, urgency: Urgency, now: Now) -> Duration {
    accounts.iter().map(|account| account.admits_at(cost, urgency, now)).max().unwrap_or(now.monotonic)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod time_tests;
