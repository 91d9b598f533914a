//! The checker checked: a right history passes, and each wrong one is found where it belongs.

use crate::{
    check::check,
    history::{Account, Call, Commit, Expect, History, Input, Late, Output},
    quota::windows,
};

const EVENTS: usize = 40;

fn output(n: usize) -> Output {
    let status = if n == 7 { "pending" } else { "complete" };
    let (partition, offset) = (i32::try_from(n % 2).unwrap(), i64::try_from(n / 2).unwrap());
    Output { number: n, partition, offset, status: status.to_owned(), open: n == 7, intact: true, at: 100 + n as u64 }
}

fn account(used: u64, calls: u64) -> Account {
    Account { provider: "virustotal".to_owned(), window: "day", used, calls }
}

fn right() -> History {
    let place = |n: usize| (i32::try_from(n % 2).unwrap(), i64::try_from(n / 2).unwrap());
    let input = |n: usize| Input { partition: place(n).0, offset: place(n).1, key: Some(format!("k{}", n % 4)) };
    let call = |n: usize| {
        let ms = n as u64 * 7_000;
        Call { provider: "virustotal".to_owned(), indicator: format!("45.1.1.{n}"), ms, wall_ms: ms }
    };
    History {
        input: (0..EVENTS).map(input).collect(),
        output: (0..EVENTS).map(output).collect(),
        concurrent: (0..EVENTS).map(output).collect(),
        late: vec![Late { partition: 1, offset: 3, terminal: true }],
        calls: (0..20).map(call).collect(),
        accounts: vec![account(20, 20)],
        commits: vec![
            Commit { committed: vec![5, 4], output_ends: vec![5, 6] },
            Commit { committed: vec![20, 20], output_ends: vec![20, 20] },
        ],
        sent: vec![0; EVENTS],
        faults: vec![(110, "Terminate replica-1".to_owned())],
        resident: [("replica-1".to_owned(), 50 << 20)].into(),
        ..History::default()
    }
}

fn expect() -> Expect {
    let quotas = [("virustotal".to_owned(), windows("9/min, 20/day").unwrap())].into();
    Expect { once: true, no_repeats: true, quotas, resident: 100 << 20, private: vec!["10.".to_owned()] }
}

fn broken(history: &History, expect: &Expect) -> Vec<&'static str> {
    check(history, expect).into_iter().filter(|row| !row.violations.is_empty()).map(|row| row.invariant).collect()
}

type Change = fn(&mut History);

fn both(history: &mut History, change: impl Fn(&mut Vec<Output>)) {
    change(&mut history.output);
    change(&mut history.concurrent);
}

const WRONG: &[(&str, &str, Change)] = &[
    ("a lost record", "I1 nothing lost", |h| both(h, |o| o.retain(|o| o.number != 12))),
    ("a dead letter", "I1 nothing lost", |h| h.dead_letters = 1),
    ("changed bytes", "I1 original bytes", |h| h.output[3].intact = false),
    ("a reordered pair", "I2 order of a key", |h| both(h, |o| (o[8].number, o[12].number) = (12, 8))),
    ("a key on two partitions", "I2 order of a key", |h| h.output[8].partition = 1),
    ("a duplicate", "-- repeats", |h| both(h, |o| o.push(Output { offset: 20, at: 900, ..output(0) }))),
    ("a record only one reader saw", "-- two readers agree", |h| h.concurrent.truncate(EVENTS - 1)),
    ("a missing late record", "I4 late records", |h| h.late.clear()),
    ("a late record that is not terminal", "I4 late records", |h| h.late[0].terminal = false),
    ("a debt that was paid and stands", "I4 late records", |h| h.standing = [(1, 3)].into()),
    ("two late records", "I4 late records", |h| h.late.push(h.late[0].clone())),
    ("a late record of nothing", "I4 late records", |h| h.late.push(Late { offset: 99, ..h.late[0].clone() })),
    ("calls over the budget", "I5 I7 calls", |h| h.calls[9].ms = h.calls[0].ms + 1),
    ("calls over the budget of a day", "I5 I7 calls", |h| {
        h.calls.push(Call { ms: 200_000, wall_ms: 200_000, ..h.calls[0].clone() });
    }),
    ("an account that forgets", "I5 units lost", |h| h.accounts[0].used = 19),
    ("units lost in an orderly end", "I5 units lost", |h| h.accounts[0].used = 21),
    ("a private address", "I5 I7 calls", |h| h.calls[0].indicator = "10.1.2.3".to_owned()),
    ("a secret in a log", "I5 I7 calls", |h| h.leaks.push("replica-1.log".to_owned())),
    ("memory over its bound", "I6 memory", |h| *h.resident.get_mut("replica-1").unwrap() = 1 << 30),
    ("contradicting assessments", "I8 same assessment", |h| h.contradictions.push("45.1.1.1".to_owned())),
    ("a commit that goes back", "I9 commits", |h| h.commits[1].committed[0] = 4),
    ("a commit before the record", "I9 commits", |h| h.commits[0].output_ends[0] = 4),
];

/// Every wrong history is found, and nothing else is called wrong with it.
pub(crate) fn wrong_histories_are_found() {
    assert_eq!(broken(&right(), &expect()), [""; 0], "{:?}", check(&right(), &expect()));
    for (name, invariant, change) in WRONG {
        let mut history = right();
        change(&mut history);
        let found = broken(&history, &expect());
        assert!(found.contains(invariant), "{name}: found {found:?}");
        assert!(found.len() <= 2, "{name}: found {found:?}");
    }
}

/// At least once: repeats after a fault and repeated late records are counted, not called wrong; a repeat before any fault is.
pub(crate) fn at_least_once_may_repeat_after_a_fault() {
    let expect = Expect { once: false, no_repeats: false, ..expect() };
    let mut history = right();
    both(&mut history, |o| o.push(Output { offset: 20, at: 900, ..output(0) }));
    history.late.push(history.late[0].clone());
    assert_eq!(broken(&history, &expect), [""; 0]);
    let mut settled = right();
    settled.late.clear();
    both(&mut settled, |o| {
        o.push(Output { offset: 20, at: 900, status: "complete".to_owned(), open: false, ..output(7) });
    });
    assert_eq!(broken(&settled, &expect), [""; 0], "it left again with its answer");
    history.faults.clear();
    assert_eq!(broken(&history, &expect), ["-- repeats"]);
}

/// What kills cost is reported, not judged.
pub(crate) fn lost_units_are_counted() {
    let mut history = right();
    history.accounts = vec![account(25, 20)];
    history.faults = [1, 2].map(|at| (at, "Kill replica-1".to_owned())).into();
    let expect = Expect { once: false, no_repeats: false, ..expect() };
    let rows = check(&history, &expect);
    let row = rows.iter().find(|row| row.invariant == "I5 units lost").unwrap();
    assert!(row.violations.is_empty() && row.figures.contains("5 lost, 2.50 a kill"), "{row:?}");
}

/// A record without a key may be repeated on another partition; that it was written once before the commit is enough.
pub(crate) fn a_repeat_elsewhere_is_no_early_commit() {
    let expect = Expect { once: false, no_repeats: false, ..expect() };
    let mut history = right();
    history.input[1].key = None;
    both(&mut history, |o| o.push(Output { partition: 0, offset: 20, at: 900, ..output(1) }));
    assert_eq!(broken(&history, &expect), [""; 0]);
}
