//! One task for each provider that starts its calls, and one for each call.

use std::{sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, error, info, warn};

use crate::{
    budget::purse::Reading,
    enrich::{Shared, calls::Finished, desk::Idle, keys::Call},
    model::{FailReason, Verdict, VerdictKind},
    provider::{LookupError, Provider},
    telemetry::RequestOutcome,
};

/// Longest sleep of a dispatcher, so that a jump of the wall clock (a new day's quota) is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Starts the calls of one provider until `stop`.
pub(super) async fn run(shared: Arc<Shared>, provider: usize, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let step = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            step = next(&shared, provider) => step,
        };
        let Some((call, permits)) = step else { return };
        let shared = Arc::clone(&shared);
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = carry_out(&shared, provider, &call) => {}
            }
            drop(permits);
            if let Some(wake) = shared.wake.get(provider) {
                wake.notify_one();
            }
        });
    }
}

type Permits = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// Waits for the next call; `None` when the semaphores are closed.
async fn next(shared: &Shared, provider: usize) -> Option<(Call, Permits)> {
    let (wake, slots) = (shared.wake.get(provider)?, shared.slots.get(provider)?);
    loop {
        // A slot of the provider first: a provider that is slow must not hold slots of all the others.
        let own = Arc::clone(slots).acquire_owned().await.ok()?;
        let idle = match shared.step(|board, now, wall_ms| board.peek(provider, now, wall_ms)) {
            Ok(()) => {
                let all = Arc::clone(&shared.all_slots).acquire_owned().await.ok()?;
                match shared.step(|board, now, wall_ms| board.take(provider, now, wall_ms)) {
                    Ok(call) => return Some((call, (own, all))),
                    Err(idle) => idle,
                }
            }
            Err(idle) => idle,
        };
        drop(own);
        match idle {
            Idle::UntilWoken => wake.notified().await,
            Idle::Until(at) => {
                let pause = at.saturating_sub(shared.clock.monotonic());
                let pause = pause.clamp(Duration::from_millis(1), LONGEST_SLEEP);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = wake.notified() => {}
                }
            }
        }
    }
}

async fn carry_out(shared: &Shared, provider: usize, call: &Call) {
    let client = &call.client;
    let id = client.id();
    let begun = shared.clock.monotonic();
    let results = match &*call.indicators {
        [one] => vec![client.lookup(one).await],
        several => client.lookup_many(several).await,
    };
    let now = shared.clock.monotonic();
    let length = now.saturating_sub(begun);
    shared.metrics.provider_request(id, outcome(&results), call.cost, length);
    let details: Vec<String> = results.iter().map(detail).collect();
    let (finished, effects) = {
        let mut board = shared.board.lock();
        let wall_ms = shared.clock.wall_ms();
        let finished = board.finish(provider, call, results, length, now, wall_ms);
        board.hear(provider, &client.feedback(), length, Reading { monotonic: now, wall_ms });
        (finished, board.take_effects())
    };
    shared.apply(effects);
    for (finished, detail) in finished.iter().zip(details) {
        report(shared, client.as_ref(), finished, &detail);
    }
}

fn report(shared: &Shared, client: &dyn Provider, finished: &Finished, detail: &str) {
    let (provider, account) = (client.id(), client.account());
    match finished {
        Finished::Answered => debug!(%provider, "provider answered"),
        Finished::Paused(pause) => {
            if let Some(repeated) = shared.quiet.pass(provider, "paused") {
                warn!(%provider, seconds = pause.as_secs_f64(), repeated, "provider asked for a pause, the others go on");
            }
        }
        Finished::OutOfCredits(pause) => {
            if let Some(repeated) = shared.quiet.pass(provider, "out_of_credits") {
                warn!(
                    %provider, account = &*account, seconds = pause.as_secs_f64(), repeated,
                    "the credits of the key are used up; what costs less goes on"
                );
            }
        }
        Finished::Disabled(reason) => {
            if shared.quiet.first_disabled(&account, None) {
                let what_to_do = match reason {
                    FailReason::Retired => {
                        "the service is no more, so it is switched off; take its table out, or name a base_url that serves it"
                    }
                    FailReason::Unauthorized
                    | FailReason::Connect
                    | FailReason::Timeout
                    | FailReason::Unavailable
                    | FailReason::Malformed
                    | FailReason::TooLarge
                    | FailReason::Rejected
                    | FailReason::NotInPlan
                    | FailReason::CircuitOpen => {
                        "provider refused the key and is switched off; replace the key, then reload (SIGHUP) or restart"
                    }
                };
                error!(%provider, account = &*account, reason = reason.as_str(), detail, "{what_to_do}");
            }
        }
        Finished::LeftOut(kind) => {
            if shared.quiet.first_disabled(&account, Some(*kind)) {
                warn!(
                    %provider, account = &*account, kind = kind.as_str(), reason = FailReason::NotInPlan.as_str(), detail,
                    "the plan of the key does not include look-ups of this kind, so they are not asked for; the other kinds go on. \
                     Route the kind elsewhere, or change the plan, then reload (SIGHUP) or restart"
                );
            }
        }
        Finished::Over(reason) => {
            if let Some(repeated) = shared.quiet.pass(provider, "over") {
                info!(%provider, reason = reason.as_str(), detail, repeated, "look-up failed, it will not be tried again");
            }
        }
        Finished::Failed(reason) => {
            if let Some(repeated) = shared.quiet.pass(provider, "failed") {
                info!(%provider, reason = reason.as_str(), detail, repeated, "look-up failed, it will be tried again");
            }
        }
    }
}

fn detail(result: &Result<Verdict, LookupError>) -> String {
    match result {
        Err(LookupError::Failed { detail, .. }) => detail.clone(),
        Err(LookupError::Throttled { .. }) | Ok(_) => String::new(),
    }
}

/// The class of a call's results in `provider_requests_total`: that of its first verdict, else that of its first failure.
fn outcome(results: &[Result<Verdict, LookupError>]) -> RequestOutcome {
    let Some(result) = results.iter().find(|result| result.is_ok()).or_else(|| results.first()) else {
        return RequestOutcome::GeneralError;
    };
    match result {
        Ok(verdict) => match verdict.kind {
            VerdictKind::Found | VerdictKind::Clean => RequestOutcome::Success,
            VerdictKind::NotFound => RequestOutcome::NotFound,
        },
        Err(LookupError::Throttled { .. }) => RequestOutcome::RateLimited,
        Err(LookupError::Failed { reason, .. }) => match reason {
            FailReason::Unauthorized | FailReason::NotInPlan => RequestOutcome::AuthError,
            FailReason::Timeout => RequestOutcome::Timeout,
            FailReason::Connect | FailReason::Unavailable | FailReason::CircuitOpen | FailReason::Retired => {
                RequestOutcome::ServiceError
            }
            FailReason::Malformed | FailReason::TooLarge | FailReason::Rejected => RequestOutcome::GeneralError,
        },
    }
}
