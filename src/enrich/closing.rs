//! What a provider is not asked about any more, and how those who wait for an answer that nobody will give are told so.
//!
//! A key that is refused is not used again until the keys are read anew; without another one the provider is closed. A service that says "not in your plan" of one kind answers
//! for the others, and says it of every indicator of that kind: asking on would pay for the same words, so that kind is left out until then. Several keys of
//! one provider are taken to be of one plan: the line of what waits does not know which key an indicator will meet.

use std::time::Duration;

use crate::{
    budget::purse::Reading,
    enrich::{board::Board, flight::SlotState},
    model::{Answer, FailReason, Indicator, IndicatorKind, Reason},
};

impl Board {
    /// The key in use is not used any more; without another one the provider is not asked, and whoever waits for it is told so.
    pub(super) fn close(&mut self, provider: usize, reason: Reason, now: Duration, wall_ms: i64) {
        let Some(desk) = self.desks.get_mut(provider) else { return };
        desk.key.closed = Some(reason);
        if !desk.is_closed() {
            // What it holds is for the others, at once.
            self.give_back(provider, Reading { monotonic: now, wall_ms });
            return;
        }
        desk.door.close();
        self.turn_away(provider, |_| true, &Answer::Skipped { reason }, now, wall_ms);
    }

    /// Indicators of this kind are not asked for at this provider any more.
    pub(super) fn leave_out(&mut self, provider: usize, kind: IndicatorKind, now: Duration, wall_ms: i64) {
        let Some(desk) = self.desks.get_mut(provider) else { return };
        if desk.door.leave_out(kind) {
            let answer = Answer::Failed { reason: FailReason::NotInPlan, retry_at: None };
            self.turn_away(provider, |indicator| indicator.kind == kind, &answer, now, wall_ms);
        }
    }

    /// Ends the wait of these in the line of a provider; this is what it comes to.
    pub(super) fn turn_away(
        &mut self,
        provider: usize,
        wanted: impl Fn(&Indicator) -> bool,
        answer: &Answer,
        now: Duration,
        wall_ms: i64,
    ) {
        let Some(desk) = self.desks.get_mut(provider) else { return };
        for indicator in desk.queue.drain(wanted) {
            if let Some(flight) = self.flights.get_mut(&indicator) {
                if let (Some(desk), Some(reason)) = (self.desks.get_mut(provider), answer.reason()) {
                    desk.not_asked(reason, flight.role);
                }
                if let Some(slot) = flight.slot(provider) {
                    *slot = SlotState::Over { answer: answer.clone() };
                }
                flight.snapshot = None;
            }
            self.review(&indicator, now, wall_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        budget::Urgency,
        cache::Entry,
        enrich::{
            calls::Finished,
            desk::Idle,
            tests::{Bench, address, answers, clean, failed},
        },
        model::{Clock as _, ProviderId, Role, Status, Tlp},
        provider::{BoxFuture, LookupError, Provider},
    };

    struct Renewed;

    impl Provider for Renewed {
        fn id(&self) -> ProviderId {
            ProviderId("virustotal")
        }
        fn supports(&self, kind: IndicatorKind) -> bool {
            kind.is_ip()
        }
        fn lookup<'a>(
            &'a self,
            _indicator: &'a Indicator,
        ) -> BoxFuture<'a, Result<crate::model::Verdict, LookupError>> {
            Box::pin(std::future::pending())
        }
    }

    fn v6(n: u8) -> Indicator {
        Indicator::new(IndicatorKind::Ipv6, format!("2a00:1450::{n}"))
    }

    fn says(entry: &Entry) -> (&'static str, Option<&'static str>) {
        let answer = &entry.assessment().sources[0].answer;
        (answer.outcome(), answer.reason())
    }

    #[test]
    fn a_kind_that_the_plan_leaves_out_is_not_asked_for_and_the_others_are() {
        const LEFT_OUT: (&str, Option<&str>) = ("failed", Some("not_in_plan"));
        let mut bench = Bench::new("1000/min", 100);
        let ask = |bench: &mut Bench, what: &Indicator| bench.ask_about(what, Role::Destination, Urgency::Ordinary);
        for n in 0..3 {
            ask(&mut bench, &v6(n));
        }
        ask(&mut bench, &address(1));
        assert_eq!(bench.take(0), Ok(v6(0)));
        let finished = bench.finish_about(0, &v6(0), failed(FailReason::NotInPlan));
        assert_eq!(finished, Finished::LeftOut(IndicatorKind::Ipv6));
        // Those of the kind that waited are not asked for; what waits for the other provider still does.
        assert_eq!(bench.take(0), Ok(address(1)), "another kind goes on");
        assert_eq!(bench.take(0), Err(Idle::UntilWoken));
        bench.clock.advance(std::time::Duration::from_secs(2));
        for n in 0..3 {
            let known = ask(&mut bench, &v6(n));
            assert_eq!(says(&known.entry), LEFT_OUT, "{n}");
            assert_eq!(answers(&known.entry)[1], "pending", "{n}");
            assert_eq!(bench.take(1), Ok(v6(n)));
            bench.finish_about(1, &v6(n), clean());
        }
        let settled: Vec<_> = bench.notices().into_iter().filter(|(_, notice)| notice.settled).collect();
        assert_eq!(settled.len(), 3);
        for (_, notice) in &settled {
            assert_eq!(notice.entry.assessment().status, Status::Partial);
            assert!(!notice.entry.assessment().can_still_come(), "no late answer is owed for a plan");
        }
        // One that is new later is no call, and the answer in the cache is no call either.
        assert_eq!(says(&ask(&mut bench, &v6(9)).entry), LEFT_OUT);
        assert!(!ask(&mut bench, &v6(0)).open);
        assert_eq!(bench.take(0), Err(Idle::UntilWoken));
        let (now, wall) = bench.now();
        let status = bench.board.status(now, wall);
        assert_eq!((status[0].calls, status[0].closed), (2, None), "it is not switched off");
        assert_eq!(status[0].left_out, [IndicatorKind::Ipv6]);
        let unasked: Vec<_> = status[0].unasked.iter().map(|((reason, _), count)| (*reason, *count)).collect();
        assert_eq!(unasked, [("not_in_plan", 3)]);

        // Keys that are read again are asked once more.
        let renewed: Arc<dyn Provider> = Arc::new(Renewed);
        assert!(bench.board.renew(0, &renewed, bench.clock.monotonic()));
        assert!(bench.board.doors().would_open(&settled[0].1.entry, Tlp::Clear, IndicatorKind::Ipv6));
        assert!(ask(&mut bench, &v6(0)).open);
        assert_eq!(bench.take(0), Ok(v6(0)));
    }
}
