//! The chaos suite: the real program, several replicas of it, between a real Kafka and simulated providers, while processes are killed,
//! frozen and restarted; and a checker that shares no code with the product.
//!
//! Without options it checks the checker and runs the short forms; `tests/chaos.sh` runs the long ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod aim;
mod bytes;
mod check;
mod check_tests;
mod events;
mod history;
mod kafka;
mod options;
mod plan;
mod quota;
mod run;
mod strike;
mod world;

use std::{env, process::ExitCode, thread};

/// Checks of the checker.
const CHECKS: &[(&str, fn())] = &[
    ("transactions_are_told_apart", aim::transactions_are_told_apart),
    ("changed_bytes_are_found", bytes::changed_bytes_are_found),
    ("windows_are_counted", quota::windows_are_counted),
    ("wrong_histories_are_found", check_tests::wrong_histories_are_found),
    ("at_least_once_may_repeat_after_a_fault", check_tests::at_least_once_may_repeat_after_a_fault),
    ("lost_units_are_counted", check_tests::lost_units_are_counted),
    ("a_repeat_elsewhere_is_no_early_commit", check_tests::a_repeat_elsewhere_is_no_early_commit),
];

/// A signal ends the run, and with it every process that the run has started.
fn hear_signals() {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate()).unwrap();
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        });
        run::INTERRUPTED.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

fn main() -> ExitCode {
    let asked = options::Options::parse(env::args().skip(1));
    let (options, plans) = match asked.and_then(|options| Ok((plan::plans(&options)?, options))) {
        Ok((plans, options)) => (options, plans),
        Err(text) => {
            println!("{text}");
            return ExitCode::from(2);
        }
    };
    let named = |name: &&(&str, fn())| options.filter.as_ref().is_none_or(|part| name.0.contains(part.as_str()));
    for (name, check) in CHECKS.iter().filter(named) {
        check();
        println!("check {name}: ok");
    }
    hear_signals();
    let mut held = true;
    for plan in &plans {
        held &= run::run(plan, &options);
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
