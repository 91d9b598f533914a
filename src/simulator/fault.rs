//! Faults that can be switched on and off while the simulator runs.
//!
//! A service has at most one rule at a time. A rule meets a share of the calls, spread evenly and without chance (a half is
//! every second call), and ends by itself after so many calls it met, where it says so.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::model::ProviderId;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 500 with plain text.
    InternalError,
    /// 502 with a gateway's HTML page.
    BadGateway,
    /// 503 with JSON.
    Unavailable,
    /// The call is accepted and never answered.
    Hang,
    /// The right answer, as soon as the rule is over.
    Hold,
    /// Status and headers come at once, the body byte by byte.
    SlowBody,
    /// The connection breaks in the middle of the body.
    Reset,
    /// A valid answer of over 8 MiB, without a declared length.
    Oversize,
    /// A declared length of 1 GiB.
    OversizeDeclared,
    /// A valid, small gzip stream that holds 64 MiB.
    GzipBomb,
    /// A gzip stream that is cut off.
    GzipDamaged,
    /// Bytes that are no text, declared as JSON.
    Garbage,
    /// The right answer with every number as text, every text and flag as a number.
    WrongTypes,
    /// The first half of the right answer, complete as far as HTTP can see.
    Truncated,
    /// An empty body.
    Empty,
    /// The right answer, declared as plain text.
    WrongContentType,
    /// 200 with an HTML page.
    HtmlPage,
    /// 404 with a foreign HTML page.
    NotFoundHtml,
    /// 200 with an error object.
    ErrorInside,
    /// 302 to a place that gives an answer.
    Redirect,
    /// 429 with `Retry-After` as given, or 30.
    Throttle,
    /// 429 with `Retry-After` as the date 30 s from now.
    ThrottleDate,
    /// 429 without `Retry-After`.
    ThrottleBare,
    /// 429 with the HTML page of an edge server.
    ThrottleHtml,
    /// 401 in the service's own words.
    Unauthorized,
    /// 403.
    Forbidden,
}

/// When what goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// What.
    pub fault: Fault,
    /// Which share of the calls, 0.0..=1.0.
    #[serde(default = "all")]
    pub share: f64,
    /// How many calls it still meets; `None` until cleared.
    #[serde(default)]
    pub calls: Option<u64>,
    /// Value of `Retry-After` for [`Fault::Throttle`], as it is.
    #[serde(default)]
    pub retry_after: Option<String>,
}

const fn all() -> f64 {
    1.0
}

impl From<Fault> for FaultRule {
    fn from(fault: Fault) -> Self {
        Self { fault, share: 1.0, calls: None, retry_after: None }
    }
}

/// The faults of all services. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Arc<Mutex<BTreeMap<ProviderId, Active>>>,
    /// A rule was replaced or ended.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Active {
    rule: FaultRule,
    due: f64,
}

impl Faults {
    /// Sets the rule of a service; it replaces the earlier one.
    pub fn set(&self, provider: ProviderId, rule: impl Into<FaultRule>) {
        self.rules.lock().insert(provider, Active { rule: rule.into(), due: 0.0 });
        self.changed.notify_waiters();
    }

    /// Ends the faults of a service.
    pub fn clear(&self, provider: ProviderId) {
        self.rules.lock().remove(&provider);
        self.changed.notify_waiters();
    }

    /// Ends all faults.
    pub fn clear_all(&self) {
        self.rules.lock().clear();
        self.changed.notify_waiters();
    }

    /// Waits until a service's calls are not held.
    pub(crate) async fn released(&self, provider: ProviderId) {
        let holds = || self.rules.lock().get(&provider).is_some_and(|active| active.rule.fault == Fault::Hold);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the look, so that no change is missed between it and the wait.
            changed.as_mut().enable();
            if !holds() {
                return;
            }
            changed.await;
        }
    }

    /// The rules in force.
    pub fn rules(&self) -> Vec<(ProviderId, FaultRule)> {
        self.rules.lock().iter().map(|(provider, active)| (*provider, active.rule.clone())).collect()
    }

    /// The rule that meets this call, where one does.
    pub(crate) fn meet(&self, provider: ProviderId) -> Option<FaultRule> {
        let mut rules = self.rules.lock();
        let active = rules.get_mut(&provider)?;
        // Shares such as 0.1 do not add up to whole numbers exactly.
        const NEARLY_ONE: f64 = 1.0 - 1e-9;
        active.due += active.rule.share.clamp(0.0, 1.0);
        if active.due < NEARLY_ONE {
            return None;
        }
        active.due -= 1.0;
        let rule = active.rule.clone();
        if let Some(calls) = &mut active.rule.calls {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                rules.remove(&provider);
            }
        }
        Some(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: ProviderId = ProviderId("virustotal");

    fn met(rule: FaultRule, calls: usize) -> Vec<usize> {
        let faults = Faults::default();
        faults.set(SERVICE, rule);
        (0..calls).filter(|_| faults.meet(SERVICE).is_some()).collect()
    }

    #[test]
    fn rules_meet_their_share_and_end_by_themselves() {
        let rule = |share, calls| FaultRule { share, calls, ..Fault::Hang.into() };
        assert_eq!(met(rule(1.0, None), 3), [0, 1, 2]);
        assert_eq!(met(rule(0.0, None), 3), [0; 0]);
        assert_eq!(met(rule(0.5, None), 6), [1, 3, 5]);
        assert_eq!(met(rule(0.1, None), 1000).len(), 100);
        assert_eq!(met(rule(1.0, Some(2)), 5), [0, 1]);
        assert_eq!(met(rule(0.5, Some(1)), 6), [1]);
    }

    #[test]
    fn a_rule_meets_its_service_alone() {
        let faults = Faults::default();
        faults.set(SERVICE, Fault::Hang);
        assert_eq!(faults.meet(ProviderId("abuseipdb")), None);
        assert_eq!(faults.rules(), [(SERVICE, Fault::Hang.into())]);
        faults.clear(SERVICE);
        assert_eq!(faults.meet(SERVICE), None);
    }

    #[tokio::test]
    async fn calls_are_held_until_the_rule_is_over() {
        let faults = Faults::default();
        let held = || {
            let faults = faults.clone();
            tokio::spawn(async move { faults.released(SERVICE).await })
        };
        held().await.expect("nothing holds it");
        let ends: [fn(&Faults); 3] =
            [|faults| faults.clear(SERVICE), Faults::clear_all, |faults| faults.set(SERVICE, Fault::Hang)];
        for end in ends {
            faults.set(SERVICE, Fault::Hold);
            let waits = held();
            tokio::task::yield_now().await;
            faults.clear(ProviderId("abuseipdb"));
            tokio::task::yield_now().await;
            assert!(!waits.is_finished());
            end(&faults);
            waits.await.expect("released");
        }
    }

    #[test]
    fn rules_are_read_from_json() {
        let rule: FaultRule = serde_json::from_str(r#"{"fault":"throttle","retry_after":"7","calls":3}"#).unwrap();
        let expected = FaultRule { retry_after: Some("7".to_owned()), calls: Some(3), ..Fault::Throttle.into() };
        assert_eq!(rule, expected);
        assert!(serde_json::from_str::<FaultRule>(r#"{"fault":"throttle","cals":3}"#).is_err());
    }
}
