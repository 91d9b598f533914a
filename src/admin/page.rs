//! The status page: plain HTML, no script, nothing from outside, light and dark, made anew every five seconds.

use std::fmt::{Display, Write};

use crate::admin::{KeyReport, ProviderReport, StatusReport};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--ok:#2a8a4a;--bad:#c23b3b;--warn:#b7791f}\
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem}\
h1{font-size:1.3rem;margin:0}h2{font-size:1rem;margin:1.6rem 0 .4rem}\
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.6rem;margin-top:1rem}\
.tile{border:1px solid var(--line);border-radius:.5rem;padding:.5rem .7rem}.tile b{display:block;font-size:1.25rem}\
.tile span{opacity:.75;font-size:.85rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.3rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.scroll{overflow-x:auto}\
.ok{color:var(--ok)}.bad{color:var(--bad)}.warn{color:var(--warn)}\
.bar{background:var(--soft);border-radius:.3rem;height:.5rem;min-width:6rem;overflow:hidden}\
.bar i{display:block;height:100%;background:currentColor;opacity:.6}footer{margin-top:2rem;opacity:.7;font-size:.85rem}";

/// The page for this status.
pub(super) fn render(report: &StatusReport) -> String {
    let mut page = String::with_capacity(8 * 1024);
    // Writing to a string cannot fail.
    write_page(&mut page, report).ok();
    page
}

/// Text as HTML shows it literally.
struct Escaped<T>(T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.to_string().chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

fn write_page(page: &mut String, report: &StatusReport) -> std::fmt::Result {
    let (class, word) = match (report.ready, report.state) {
        (true, _) => ("ok", "ready"),
        (false, "draining") => ("warn", "draining"),
        (false, _) => ("bad", "not ready"),
    };
    write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <meta http-equiv=refresh content=5><title>Sidelight: {word}</title><style>{STYLE}</style>\
         <h1>Sidelight <span class={class}>{word}</span></h1>"
    )?;
    for reason in &report.not_ready {
        write!(page, "<div class={class}>{}</div>", Escaped(reason))?;
    }
    write!(
        page,
        "<div>{} &rarr; {} &middot; group {} &middot; {} &middot; order by {} &middot; up {}</div>",
        Escaped(report.input.join(", ")),
        Escaped(&report.output),
        Escaped(&report.group),
        Escaped(report.guarantee.replace('_', " ")),
        Escaped(report.order),
        duration(report.uptime_s)
    )?;
    page.push_str("<div class=tiles>");
    tile(page, "events in", &grouped(report.events_in))?;
    tile(page, "events out", &grouped(report.events_out))?;
    tile(page, "behind (lag)", &grouped(report.lag))?;
    tile(page, "p99, read to written", &seconds(report.latency_p99_s))?;
    tile(page, "known in the cache", &share(report))?;
    tile(page, "parked events", &grouped(report.parked_events as u64))?;
    tile(page, "owed an answer", &grouped(report.owed_events as u64))?;
    tile(page, "waiting indicators", &grouped(report.waiting_indicators as u64))?;
    tile(page, "dead letters", &grouped(report.dead_letters))?;
    page.push_str(
        "</div><h2>Providers</h2><div class=scroll><table><tr><th>provider<th>state<th>key<th class=n>calls\
                   <th class=n>waiting<th class=n>under way<th>budget</tr>",
    );
    for provider in &report.providers {
        provider_row(page, provider)?;
    }
    if report.providers.is_empty() {
        page.push_str(
            "<tr><td colspan=6>none configured: events are annotated from nothing, every indicator is suppressed",
        );
    }
    page.push_str("</table></div>");
    counts(page, "Events out by status", &report.by_status)?;
    counts(page, "Events out by disposition", &report.by_disposition)?;
    counts(page, "Indicators by kind", &report.by_kind)?;
    counts(page, "Not looked up, by reason", &report.suppressed)?;
    counts(page, "Late records by status", &report.late)?;
    page.push_str("<h2>Memory</h2><table><tr><th>what<th class=n>held<th class=n>bound</tr>");
    memory(page, "parked events", report.parked_bytes as u64, Some(report.park_bytes_limit))?;
    memory(page, "owed answers", report.owed_bytes as u64, Some(report.owed_bytes_limit))?;
    memory(page, "records under way", report.in_flight_bytes as u64, None)?;
    memory(page, "cache", report.cache_bytes, Some(report.cache_bytes_limit))?;
    write!(
        page,
        "<tr><td>everything that is bounded<td class=n>&ndash;<td class=n>{}</tr>",
        mebibytes(report.memory_ceiling)
    )?;
    page.push_str(
        "</table><h2>Partitions</h2><div class=scroll><table><tr><th>topic<th class=n>partition<th class=n>lag</tr>",
    );
    for partition in &report.partitions {
        let lag = partition.lag.map_or_else(|| "?".to_owned(), grouped);
        write!(page, "<tr><td>{}<td class=n>{}<td class=n>{lag}</tr>", Escaped(&partition.topic), partition.partition)?;
    }
    write!(
        page,
        "</table></div><footer>version {} &middot; JSON: /api/v1/status &middot; metrics: /metrics &middot; \
         Sidelight informs decisions and never blocks anything by itself.</footer></html>",
        Escaped(report.version)
    )
}

fn tile(page: &mut String, name: &str, value: &str) -> std::fmt::Result {
    write!(page, "<div class=tile><b>{}</b><span>{}</span></div>", Escaped(value), Escaped(name))
}

/// What was heard of its key, or of each of its keys.
fn keys(provider: &ProviderReport) -> String {
    if provider.keys.is_empty() {
        return provider.key.to_owned();
    }
    let one = |key: &KeyReport| {
        let name = if key.name.is_empty() { "first" } else { &key.name };
        let state = if key.state == "ok" { String::new() } else { format!(", {}", key.state) };
        format!("{name}: {}{state}, {} calls", key.key, grouped(key.calls))
    };
    provider.keys.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn provider_row(page: &mut String, provider: &ProviderReport) -> std::fmt::Result {
    let (left_out, state) = match provider.not_in_plan.join(", ") {
        kinds if kinds.is_empty() => (false, provider.state.clone()),
        kinds => (true, format!("{}, not in its plan: {kinds}", provider.state)),
    };
    let class = if provider.state == "ok" && !left_out {
        "ok"
    } else if provider.state.starts_with("off") {
        "bad"
    } else {
        "warn"
    };
    let calls: u64 = provider.calls.values().sum();
    write!(
        page,
        "<tr><td>{}<td class={class}>{}<td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td>",
        Escaped(provider.provider),
        Escaped(&state),
        Escaped(&keys(provider)),
        grouped(calls),
        provider.waiting,
        provider.in_flight
    )?;
    for window in &provider.budget {
        let percent = (window.used * 100).checked_div(window.limit).unwrap_or(0).min(100);
        let class = if percent >= 100 { "warn" } else { "ok" };
        write!(
            page,
            "<div>{} of {} a {}, {} left{}</div><div class='bar {class}'><i style='width:{percent}%'></i></div>",
            grouped(window.used),
            grouped(window.limit),
            Escaped(window.window),
            grouped(window.remaining),
            window
                .runs_out_at
                .as_deref()
                .map_or_else(String::new, |at| format!(", at this rate until {}", Escaped(at)))
        )?;
    }
    if let Some(cost) = &provider.cost {
        let since = if cost.since == "month" { "this month" } else { "since the start" };
        write!(page, "<div>{} for {} units {since}</div>", cost.cost, grouped(cost.units))?;
    }
    for row in &provider.unasked {
        write!(
            page,
            "<div>{} not asked: {}, {}</div>",
            grouped(row.indicators),
            Escaped(row.reason),
            Escaped(row.role)
        )?;
    }
    page.push_str("</tr>");
    Ok(())
}

fn counts(page: &mut String, title: &str, counts: &std::collections::BTreeMap<&'static str, u64>) -> std::fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    write!(page, "<h2>{}</h2><table>", Escaped(title))?;
    for (name, count) in counts {
        write!(page, "<tr><td>{}<td class=n>{}</tr>", Escaped(name), grouped(*count))?;
    }
    page.push_str("</table>");
    Ok(())
}

fn memory(page: &mut String, what: &str, held: u64, bound: Option<u64>) -> std::fmt::Result {
    let bound = bound.map_or_else(String::new, mebibytes);
    write!(page, "<tr><td>{}<td class=n>{}<td class=n>{bound}</tr>", Escaped(what), mebibytes(held))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn seconds(value: Option<f64>) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |s| if s < 1.0 { format!("\u{2264} {} ms", s * 1e3) } else { format!("\u{2264} {s} s") },
    )
}

fn share(report: &StatusReport) -> String {
    let all: u64 = report.cache.values().sum();
    let known: u64 = ["hit", "negative", "stale"].iter().filter_map(|name| report.cache.get(name)).sum();
    if all == 0 { "-".to_owned() } else { format!("{:.1} %", known as f64 * 100.0 / all as f64) }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A number in groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_provider_says_what_its_plan_leaves_out() {
        let row = |not_in_plan: &[&'static str]| {
            let (state, not_in_plan) = ("ok".to_owned(), not_in_plan.to_vec());
            let mut page = String::new();
            provider_row(&mut page, &ProviderReport { provider: "shodan", state, not_in_plan, ..Default::default() })
                .unwrap();
            page
        };
        assert!(row(&[]).contains("<td class=ok>ok<td>"), "{}", row(&[]));
        let text = row(&["ipv4", "domain"]);
        assert!(text.contains("<td class=warn>ok, not in its plan: ipv4, domain<td>"), "{text}");
    }
}
