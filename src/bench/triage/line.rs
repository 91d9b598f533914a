//! What others do, to be measured beside: a line of a fixed length in plain orders, and one that knows the labels.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    budget::{Budget, Pace, Quota, Urgency},
    enrich::Dice,
    model::{ManualClock, SharedClock},
};

/// Whom a line asks about next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Who came first; when it is full nobody joins.
    Fifo,
    /// Who came last; when it is full who came first leaves.
    Newest,
    /// Anybody; when it is full anybody leaves.
    Random,
    /// Threats first, by their labels.
    Oracle,
}

impl Order {
    pub(super) const ALL: [Self; 4] = [Self::Fifo, Self::Newest, Self::Random, Self::Oracle];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Fifo => "FIFO",
            Self::Newest => "newest first",
            Self::Random => "random",
            Self::Oracle => "oracle",
        }
    }
}

/// Where an indicator stands with a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    New,
    Waiting,
    Asked,
}

/// A line before the same budget; it keeps no reserve, so that it may spend all of it.
pub(super) struct Line {
    order: Order,
    waiting: VecDeque<u32>,
    standing: Vec<Standing>,
    most: usize,
    threats: u32,
    budget: Budget,
    dice: Dice,
}

impl Line {
    pub(super) fn new(
        order: Order,
        quota: Quota,
        pace: Pace,
        most: usize,
        indicators: usize,
        threats: u32,
        clock: &Arc<ManualClock>,
    ) -> Self {
        let budget = Budget::new(quota, Some(pace), 0.0, Arc::clone(clock) as SharedClock);
        let standing = vec![Standing::New; indicators];
        Self { order, waiting: VecDeque::new(), standing, most: most.max(1), threats, budget, dice: Dice::new(1) }
    }

    pub(super) fn sight(&mut self, indicator: u32) {
        let Some(standing) = self.standing.get_mut(indicator as usize) else { return };
        if *standing != Standing::New {
            return;
        }
        *standing = Standing::Waiting;
        if self.waiting.len() >= self.most {
            let leaves = match self.order {
                Order::Fifo => Some(indicator),
                Order::Newest => self.waiting.pop_front(),
                Order::Oracle if indicator >= self.threats => Some(indicator),
                Order::Oracle => self.waiting.pop_back(),
                Order::Random => self.any(),
            };
            if let Some(standing) = leaves.and_then(|leaves| self.standing.get_mut(leaves as usize)) {
                *standing = Standing::New;
            }
            if leaves == Some(indicator) {
                return;
            }
        }
        match self.order {
            Order::Oracle if indicator < self.threats => self.waiting.push_front(indicator),
            Order::Fifo | Order::Newest | Order::Random | Order::Oracle => self.waiting.push_back(indicator),
        }
    }

    fn any(&mut self) -> Option<u32> {
        let at = (self.dice.share() * self.waiting.len() as f64) as usize;
        self.waiting.swap_remove_back(at)
    }

    pub(super) fn call(&mut self) -> Option<u32> {
        if self.waiting.is_empty() || self.budget.try_acquire(1, Urgency::Ordinary).is_err() {
            return None;
        }
        let asked = match self.order {
            Order::Fifo | Order::Oracle => self.waiting.pop_front(),
            Order::Newest => self.waiting.pop_back(),
            Order::Random => self.any(),
        }?;
        if let Some(standing) = self.standing.get_mut(asked as usize) {
            *standing = Standing::Asked;
        }
        Some(asked)
    }
}
