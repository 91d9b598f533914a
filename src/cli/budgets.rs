//! `sidelight budgets`: what is left of every provider's quota, of a running daemon or of the local file.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use crate::{
    app::{build_for_command, provider_reports},
    cli::{
        ConfigArgs, Outcome,
        daemon::{self, DaemonArgs},
        load_and_log, say,
    },
    config::Config,
    model::SystemClock,
    state::Store,
};

/// Arguments of `budgets`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Longest wait for the last words to the ledger.
const LEAVE: Duration = Duration::from_secs(2);

pub(super) fn run(args: &Args) -> Outcome {
    let providers = match args.daemon.admin {
        // The daemon has the configuration, and the keys.
        Some(at) => ask(at).with_context(|| format!("no answer of a daemon at {at}"))?,
        None => by_configuration(&args.daemon.config)?,
    };
    let mut out = io::stdout().lock();
    if args.daemon.json {
        writeln!(out, "{providers:#}")?;
    } else {
        out.write_all(table(&providers).as_bytes())?;
    }
    Ok(())
}

/// The accounts of the daemon of a configuration, or what its file holds.
fn by_configuration(args: &ConfigArgs) -> Result<Value, crate::cli::Failure> {
    let config = load_and_log(&args.config)?;
    let is_local = config.state.store == Store::Local;
    let Some(at) = config.admin.listen else {
        return if is_local {
            of_file(&config)
        } else {
            Err(anyhow!("admin.listen is off: --admin names the address of a daemon").into())
        };
    };
    match ask(at) {
        Ok(providers) => Ok(providers),
        Err(error) if is_local => {
            say(&format!("no daemon at {at} ({error:#}): this is what the file says"));
            of_file(&config)
        }
        Err(error) => {
            let what =
                "is `sidelight run` up? --admin names another address; the accounts of a fleet are read from a daemon";
            Err(anyhow!("no answer of a daemon at {at}: {error:#}; {what}").into())
        }
    }
}

/// The accounts of a running daemon.
fn ask(at: SocketAddr) -> anyhow::Result<Value> {
    daemon::get(at, "/api/v1/budgets")
}

/// The accounts in the local file.
fn of_file(config: &Config) -> Result<Value, crate::cli::Failure> {
    let clock = SystemClock::shared();
    let wall_ms = clock.wall_ms();
    let (engine, pipeline, member) = build_for_command(config, clock)?;
    let statuses = pipeline.enricher().providers();
    let summary = engine.metrics.summary();
    let reports = provider_reports(&statuses, &summary.calls, &config.prices(), wall_ms);
    if let Some(member) = member {
        member.leave(LEAVE);
    }
    engine.shutdown();
    Ok(serde_json::to_value(reports)?)
}

const COLUMNS: [&str; 9] =
    ["provider", "window", "limit", "used", "leased", "reserved", "remaining", "runs out", "resets"];

fn table(providers: &Value) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    let mut notes = Vec::new();
    for provider in providers.as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let name = text(&provider["provider"]);
        for (n, window) in provider["budget"].as_array().into_iter().flatten().enumerate() {
            let number = |key: &str| window[key].as_u64().map_or_else(|| "-".to_owned(), |n| n.to_string());
            rows.push([
                if n == 0 { name.clone() } else { String::new() },
                text(&window["window"]),
                number("limit"),
                number("used"),
                number("leased"),
                number("reserved"),
                number("remaining"),
                text(&window["runs_out_at"]),
                text(&window["resets_at"]),
            ]);
        }
        let state = text(&provider["state"]);
        if state != "ok" {
            notes.push(format!("{name}: {state}"));
        }
        if let Some(waiting) = provider["waiting"].as_u64().filter(|waiting| *waiting > 0) {
            notes.push(format!("{name}: {waiting} indicators wait"));
        }
        for row in provider["unasked"].as_array().into_iter().flatten() {
            notes.push(format!(
                "{name}: {} not asked, {}, {}",
                row["indicators"],
                text(&row["reason"]),
                text(&row["role"])
            ));
        }
        if let Some(cost) = provider["cost"].as_object() {
            let since = if cost["since"] == "month" { "this month" } else { "since the start" };
            notes.push(format!("{name}: {} for {} units {since}", cost["cost"], cost["units"]));
        }
    }
    let mut widths = [0; COLUMNS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(n, (cell, width))| {
            // Names to the left, numbers to the right.
            if (2..7).contains(&n) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    for note in notes {
        text.push_str(&note);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{CostReport, ProviderReport, UnaskedReport, WindowReport};

    #[test]
    fn the_table_shows_what_the_report_says() {
        let window = |window, limit, used| WindowReport {
            window,
            limit,
            used,
            leased: 1,
            reserved: 100,
            remaining: limit - used,
            runs_out_at: None,
            resets_at: Some("2026-11-24T00:00:00Z".to_owned()),
        };
        let provider = ProviderReport {
            provider: "virustotal",
            state: "quota used up".to_owned(),
            waiting: 7,
            budget: vec![window("minute", 4, 4), window("day", 500, 123)],
            unasked: vec![UnaskedReport { reason: "flood", role: "query", indicators: 9 }],
            cost: Some(CostReport { unit_price: 0.01, since: "month", units: 1_500, cost: 15.0 }),
            ..ProviderReport::default()
        };
        let shown = table(&serde_json::to_value([provider]).unwrap_or_default());
        let lines: Vec<String> =
            shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "provider window limit used leased reserved remaining runs out resets",
                "virustotal minute 4 4 1 100 0 - 2026-11-24T00:00:00Z",
                "day 500 123 1 100 377 - 2026-11-24T00:00:00Z",
                "virustotal: quota used up",
                "virustotal: 7 indicators wait",
                "virustotal: 9 not asked, flood, query",
                "virustotal: 15.0 for 1500 units this month",
            ]
        );
    }
}
