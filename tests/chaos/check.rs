//! The checker: from what was seen to what held.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
};

use crate::{
    history::{Account, Expect, History, Output},
    quota::{Window, most},
};

/// One line of the report.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) invariant: &'static str,
    pub(crate) figures: String,
    pub(crate) violations: Vec<String>,
}

/// Judges a history.
pub(crate) fn check(history: &History, expect: &Expect) -> Vec<Row> {
    vec![
        nothing_lost(history),
        original_bytes(history),
        order(history),
        repeats(history, expect),
        readers_agree(history),
        time(history),
        late(history, expect),
        calls(history, expect),
        lost_units(history),
        memory(history, expect),
        assessments(history),
        commits(history),
        Row { invariant: "-- processes", figures: String::new(), violations: history.trouble.clone() },
    ]
}

/// The report as a table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let verdict = if row.violations.is_empty() { "holds" } else { "BROKEN" };
        writeln!(text, "  {:<22} {verdict:<7} {}", row.invariant, row.figures).unwrap();
        for violation in row.violations.iter().take(5) {
            writeln!(text, "      {violation}").unwrap();
        }
        if row.violations.len() > 5 {
            writeln!(text, "      … {} in all", row.violations.len()).unwrap();
        }
    }
    text
}

fn nothing_lost(history: &History) -> Row {
    let mut left = vec![false; history.input.len()];
    let mut violations = Vec::new();
    for output in &history.output {
        match left.get_mut(output.number) {
            Some(left) => *left = true,
            None => violations.push(format!("{output:?} was never sent")),
        }
    }
    let lost: Vec<usize> = (0..left.len()).filter(|n| !left[*n]).collect();
    violations.extend(lost.iter().map(|n| format!("event {n} is lost: {:?}", history.input[*n])));
    if history.dead_letters > 0 {
        violations.push(format!("{} dead letters", history.dead_letters));
    }
    let figures = format!("{} events, {} records out, {} lost", left.len(), history.output.len(), lost.len());
    Row { invariant: "I1 nothing lost", figures, violations }
}

fn original_bytes(history: &History) -> Row {
    let changed = history.output.iter().filter(|output| !output.intact);
    let violations: Vec<String> = changed.map(|output| format!("the bytes changed: {output:?}")).collect();
    Row { invariant: "I1 original bytes", figures: format!("{} changed", violations.len()), violations }
}

/// First occurrences of a key leave in the order in which they came. A key stays on one partition of the output.
fn order(history: &History) -> Row {
    let mut seen = BTreeSet::new();
    let mut last: HashMap<(&str, i32), usize> = HashMap::new();
    let mut home: HashMap<&str, i32> = HashMap::new();
    let mut violations = Vec::new();
    for output in sorted(&history.output) {
        let Some(key) = history.input.get(output.number).and_then(|input| input.key.as_deref()) else { continue };
        if !seen.insert(output.number) {
            continue;
        }
        if *home.entry(key).or_insert(output.partition) != output.partition {
            violations.push(format!("key {key} is on two partitions: {output:?}"));
        }
        let before = last.insert((key, output.partition), output.number);
        if let Some(before) = before.filter(|before| *before > output.number) {
            violations.push(format!("key {key}: {} left after {before}: {output:?}", output.number));
        }
    }
    Row { invariant: "I2 order of a key", figures: format!("{} keys", home.len()), violations }
}

fn sorted(outputs: &[Output]) -> Vec<&Output> {
    let mut sorted: Vec<&Output> = outputs.iter().collect();
    sorted.sort_by_key(|output| (output.partition, output.offset));
    sorted
}

/// Records that left more than once; each is put down to the last fault before it.
fn repeats(history: &History, expect: &Expect) -> Row {
    let mut arrived: Vec<&Output> = history.concurrent.iter().collect();
    arrived.sort_by_key(|output| output.at);
    let (mut seen, mut by_fault, mut violations) = (BTreeSet::new(), BTreeMap::<usize, usize>::new(), Vec::new());
    for output in arrived.into_iter().filter(|output| !seen.insert(output.number)) {
        let fault = history.faults.iter().rposition(|(at, _)| *at <= output.at);
        *by_fault.entry(fault.map_or(0, |place| place + 1)).or_default() += 1;
        if fault.is_none() {
            violations.push(format!("repeated before any fault: {output:?}"));
        } else if expect.once || expect.no_repeats {
            violations.push(format!("repeated: {output:?}"));
        }
    }
    let (total, worst) = (by_fault.values().sum::<usize>(), by_fault.values().max().copied().unwrap_or(0));
    let mut figures = format!("{total} in all after {} faults, at most {worst} after one", history.faults.len());
    if let (aimed @ 1.., met) = history.aimed {
        write!(figures, "; {met} of {aimed} kills aimed at a commit met one").unwrap();
    }
    Row { invariant: "-- repeats", figures, violations }
}

fn readers_agree(history: &History) -> Row {
    let of = |outputs: &[Output]| -> BTreeSet<(i32, i64, usize)> {
        outputs.iter().map(|output| (output.partition, output.offset, output.number)).collect()
    };
    let (concurrent, last) = (of(&history.concurrent), of(&history.output));
    let differing = concurrent.symmetric_difference(&last);
    let violations = differing.map(|place| format!("one of two readers saw (partition, offset, event) {place:?}"));
    let figures = format!("{} and {} records", history.concurrent.len(), history.output.len());
    Row { invariant: "-- two readers agree", figures, violations: violations.collect() }
}

/// Reported, not judged: faults stop the stream for as long as sessions last.
fn time(history: &History) -> Row {
    let mut first = vec![None; history.input.len()];
    let mut arrived: Vec<&Output> = history.concurrent.iter().collect();
    arrived.sort_by_key(|output| output.at);
    let mut pause: BTreeMap<i32, (u64, u64)> = BTreeMap::new();
    for output in arrived {
        let Some(slot @ None) = first.get_mut(output.number) else { continue };
        *slot = Some(output.at);
        let (last, longest) = pause.entry(history.input[output.number].partition).or_insert((output.at, 0));
        *longest = (*longest).max(output.at - *last);
        *last = output.at;
    }
    let mut took: Vec<u64> =
        first.iter().zip(&history.sent).filter_map(|(at, sent)| Some((*at)?.saturating_sub(*sent))).collect();
    took.sort_unstable();
    let at =
        |share: usize| took.get((took.len() * share / 100).min(took.len().saturating_sub(1))).copied().unwrap_or(0);
    let longest = pause.values().map(|(_, longest)| *longest).max().unwrap_or(0);
    let figures =
        format!("p50 {} ms, p99 {} ms, max {} ms; longest pause of a partition {longest} ms", at(50), at(99), at(100));
    Row { invariant: "I3 time (reported)", figures, violations: Vec::new() }
}

/// An event that left while an answer could still come gets a terminal late record, unless it left again with its answer.
fn late(history: &History, expect: &Expect) -> Row {
    let mut departures: BTreeMap<usize, Vec<&Output>> = BTreeMap::new();
    for output in sorted(&history.output) {
        departures.entry(output.number).or_default().push(output);
    }
    let mut got: HashMap<(i32, i64), usize> = HashMap::new();
    for late in history.late.iter().filter(|late| late.terminal) {
        *got.entry((late.partition, late.offset)).or_default() += 1;
    }
    let places: HashMap<(i32, i64), usize> =
        history.input.iter().enumerate().map(|(n, input)| ((input.partition, input.offset), n)).collect();
    let (mut owed, mut forgotten, mut settled, mut violations) = (0, 0, 0, Vec::new());
    for (number, left) in departures.iter().filter(|(_, left)| left.iter().any(|output| output.open)) {
        let Some(input) = history.input.get(*number) else { continue };
        owed += 1;
        if got.contains_key(&(input.partition, input.offset)) {
        } else if left.iter().any(|output| !output.open) {
            settled += 1;
        } else {
            forgotten += 1;
            let statuses: Vec<&str> = left.iter().map(|output| &*output.status).collect();
            let stands = if history.standing.contains(&(input.partition, input.offset)) { "stands" } else { "is gone" };
            violations.push(format!("event {number} left {statuses:?} and got no late record; what is owed {stands}"));
        }
    }
    for (place, count) in &got {
        if !places.contains_key(place) {
            violations.push(format!("a late record for {place:?}, where no event is"));
        } else if expect.once && *count > 1 {
            violations.push(format!("{count} late records for the event at {place:?}"));
        }
    }
    for place in history.standing.iter().filter(|place| got.contains_key(place)) {
        violations.push(format!("the event at {place:?} has its late record, and is still owed one"));
    }
    let more = got.values().filter(|count| **count > 1).count();
    let figures = format!(
        "{owed} owed, {} late records, {forgotten} forgotten, {settled} settled by a repeat, {more} paid more than once",
        history.late.len()
    );
    Row { invariant: "I4 late records", figures, violations }
}

fn calls(history: &History, expect: &Expect) -> Row {
    let mut by_provider: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    let mut violations = Vec::new();
    for call in &history.calls {
        by_provider.entry(&call.provider).or_default().push((call.ms, call.wall_ms));
        if expect.private.iter().any(|private| call.indicator.starts_with(private.as_str())) {
            violations.push(format!("I7: a private value reached a provider: {call:?}"));
        }
    }
    violations.extend(history.leaks.iter().cloned());
    let mut figures = String::new();
    for (provider, times) in by_provider {
        write!(figures, "{provider} {} calls", times.len()).unwrap();
        for window in expect.quotas.get(provider).into_iter().flatten() {
            let (most, Window { name, limit, .. }) = (most(window, &times), window);
            if most > *limit {
                violations.push(format!("{provider}: {most} calls in a {name}, allowed are {limit}"));
            }
            write!(figures, ", at most {most}/{limit} in a {name}").unwrap();
        }
        figures += "; ";
    }
    Row { invariant: "I5 I7 calls", figures, violations }
}

/// Units that count as spent although the provider never saw the call: what a killed replica had leased. More calls than units would be an account that forgets.
fn lost_units(history: &History) -> Row {
    let of = |part: &str| history.faults.iter().filter(|(_, what)| what.starts_with(part)).count();
    let (kills, moves) = (of("Kill"), of("Join") + of("Leave"));
    let is_orderly = of("Join") + of("Leave") + of("Terminate") == history.faults.len();
    let (mut figures, mut violations) = (format!("{kills} kills, {moves} replicas came or went"), Vec::new());
    for Account { provider, window, used, calls } in &history.accounts {
        let Some(lost) = used.checked_sub(*calls) else {
            violations.push(format!("{provider}: {calls} calls, of which the account knows {used}"));
            continue;
        };
        if lost > 0 && is_orderly {
            violations.push(format!("{provider}: {lost} units lost although every end was an orderly one"));
        }
        let each = lost as f64 / kills.max(1) as f64;
        write!(figures, "; {provider} {used} units of the {window} for {calls} calls, {lost} lost, {each:.2} a kill")
            .unwrap();
    }
    Row { invariant: "I5 units lost", figures, violations }
}

fn memory(history: &History, expect: &Expect) -> Row {
    let over = history.resident.iter().filter(|(_, bytes)| **bytes > expect.resident);
    let violations =
        over.map(|(name, bytes)| format!("{name}: {bytes} bytes, allowed are {}", expect.resident)).collect();
    let each: Vec<String> =
        history.resident.iter().map(|(name, bytes)| format!("{name} {} MiB", bytes >> 20)).collect();
    Row { invariant: "I6 memory", figures: each.join(", "), violations }
}

fn assessments(history: &History) -> Row {
    let figures = format!("{} contradictions", history.contradictions.len());
    Row { invariant: "I8 same assessment", figures, violations: history.contradictions.clone() }
}

/// Commits only grow, and whatever lies below one had left when it was seen.
fn commits(history: &History) -> Row {
    // Where each event stands in the output. One without a key may be repeated on another partition.
    let mut places: Vec<Vec<(usize, i64)>> = vec![Vec::new(); history.input.len()];
    for output in &history.output {
        if let Some(places) = places.get_mut(output.number) {
            places.push((usize::try_from(output.partition).unwrap_or(usize::MAX), output.offset));
        }
    }
    let mut by_place: BTreeMap<(usize, i64), usize> = BTreeMap::new();
    for (number, input) in history.input.iter().enumerate() {
        by_place.insert((usize::try_from(input.partition).unwrap_or(0), input.offset), number);
    }
    let mut violations = Vec::new();
    let mut before: Vec<i64> = Vec::new();
    let mut seen: Vec<i64> = Vec::new();
    for commit in &history.commits {
        before.resize(commit.committed.len(), 0);
        seen.resize(commit.committed.len(), 0);
        for (partition, committed) in commit.committed.iter().enumerate() {
            if *committed < before[partition] {
                violations.push(format!("partition {partition}: {committed} committed after {}", before[partition]));
            }
            before[partition] = *committed;
            // Each offset is judged at the first commit that covers it.
            for offset in seen[partition]..*committed {
                let Some(number) = by_place.get(&(partition, offset)) else { continue };
                let before_end = |(to, at): &(usize, i64)| commit.output_ends.get(*to).is_some_and(|end| at < end);
                let written = places[*number].iter().any(before_end);
                if !written {
                    violations
                        .push(format!("partition {partition}: {committed} committed, event {number} had not left"));
                }
            }
            seen[partition] = seen[partition].max(*committed);
        }
    }
    Row { invariant: "I9 commits", figures: format!("{} looked at", history.commits.len()), violations }
}
