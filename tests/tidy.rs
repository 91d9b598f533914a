//! The shape of the repository, as tests: which module may use which, which crate stays where, how long a file may be,
//! and what must not be in it.
//!
//! A new module takes one line in [`LAYERS`], a crate that is to stay in one place one line in [`CONFINED`].

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Modules from the bottom up: each may use those of the rows above its own in this table, and no others. Modules of one
/// row do not know each other.
const LAYERS: &[&[&str]] = &[
    // Words: no input, no output, no async.
    &["model"],
    // Pure.
    &["event"],
    &["extract"],
    &["gate"],
    &["feeds"],
    &["score"],
    &["annotate"],
    &["budget"],
    // Effects.
    &["telemetry"],
    &["cache", "provider", "state", "notify"],
    // Machine.
    &["enrich"],
    &["pipeline"],
    // Adapters.
    &["kafka", "stdio", "admin"],
    // Shell.
    &["config", "simulator"],
    &["app"],
    &["demo"],
    &["bench", "report"],
    &["cli"],
];

/// Rows that hold neither async nor input and output nor logging.
const PURE: std::ops::Range<usize> = 0..8;

/// Modules that only these may use, besides what the layers say.
const ONLY_FROM: &[(&str, &[&str])] = &[("simulator", &["demo", "bench", "cli"])];

/// Crates and the places below `src` that may name them.
const CONFINED: &[(&str, &[&str])] = &[
    ("rdkafka", &["kafka/"]),
    ("reqwest", &["provider/http.rs", "provider/transport.rs", "notify/"]),
    ("moka", &["cache/"]),
    ("governor", &["budget/"]),
    ("regex", &["extract/", "gate/", "feeds/"]),
    ("aho_corasick", &["extract/", "gate/", "feeds/"]),
    ("axum", &["admin/", "simulator/"]),
    ("toml", &["config/"]),
    ("redb", &["state/"]),
    ("anyhow", &["main.rs", "cli/"]),
    ("csv", &["cli/"]),
    ("glob", &["cli/"]),
    ("zstd", &["cli/"]),
    ("mimalloc", &["main.rs"]),
    ("libmimalloc_sys", &["main.rs"]),
    // The lint that a place with unsafe code has to switch off.
    ("unsafe_code", &["main.rs", "kafka/sink/produce.rs"]),
    ("clap", &["main.rs", "cli/"]),
];

/// What the words and the pure rows must not contain.
const IMPURE: &[&str] = &["tokio", "async", "await", "tracing"];

/// Longest file: lines of code before its tests, neither blank nor comment.
const LONGEST: usize = 500;

/// A tracked text file.
struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All text files that belong to the repository: what git tracks or would track; without git, what lies there.
fn files() -> Vec<File> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).split('\0').map(str::to_owned).collect::<Vec<_>>())
        .filter(|paths| paths.iter().any(|path| path == "Cargo.toml"));
    let mut paths = listed.unwrap_or_else(|| {
        let mut found = Vec::new();
        walk(&root(), &mut found);
        found
    });
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .filter_map(|path| {
            let text = String::from_utf8(fs::read(root().join(&path)).ok()?).ok()?;
            Some(File { path, text })
        })
        .collect()
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                walk(&path, found);
            }
        } else {
            found.push(path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/"));
        }
    }
}

/// Rust files of the product, with their path below `src` and their code: no comments, no tests.
fn sources() -> Vec<(String, String)> {
    files()
        .iter()
        .filter_map(|file| {
            let path = file.path.strip_prefix("src/")?;
            let tests = path.ends_with("/tests.rs") || path.contains("/tests/");
            (path.ends_with(".rs") && !tests).then(|| (path.to_owned(), code(&file.text)))
        })
        .collect()
}

/// The lines before the tests module.
fn before_tests(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        let next = pair[1].trim_start();
        pair[0].trim_start().starts_with("#[cfg(test)]") && (next.starts_with("mod ") || next.starts_with("pub"))
    });
    lines[..tests.unwrap_or(lines.len())].to_vec()
}

/// A file's code without comments and tests. A `//` inside of a text cuts the line as well, which loses no import.
fn code(text: &str) -> String {
    let strip = |line: &str| line.find("//").map_or(line, |at| &line[..at]).to_owned();
    before_tests(text).into_iter().map(strip).collect::<Vec<_>>().join("\n")
}

/// Whether a name stands in the code by itself.
fn names(code: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| !code[..at].ends_with(part) && !code[at + name.len()..].starts_with(part))
}

/// Whether the code names a crate in a path, an import or an attribute.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let free = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '.');
        let import = before.trim_end().ends_with("use") || before.trim_end().ends_with("extern crate");
        free && (after.starts_with("::") || import && after.starts_with([';', ' ']))
    })
}

/// The modules of the crate that a file imports or names.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut expecting) = (1, true);
            for (index, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' => expecting |= depth == 1,
                    c if expecting && depth == 1 && c.is_alphabetic() => {
                        found.push(word(&group[index..]));
                        expecting = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.push(word(rest));
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn row(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// The module that a file below `src` belongs to; `None` for the roots of the crate.
fn module(path: &str) -> Option<&str> {
    let first = path.split('/').next()?.trim_end_matches(".rs");
    (first != "lib" && first != "main").then_some(first)
}

/// Fails with all findings at once.
fn expect_none(what: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{what}:\n  {}", findings.join("\n  "));
}

#[test]
fn modules_use_only_the_layers_below_them() {
    let mut findings = Vec::new();
    for (path, code) in sources() {
        let Some(own) = module(&path) else { continue };
        let Some(own_row) = row(own) else {
            findings.push(format!("src/{path}: module '{own}' has no line in LAYERS"));
            continue;
        };
        for used in imports(&code).iter().filter(|used| *used != own) {
            let allowed_from = ONLY_FROM.iter().find(|(module, _)| module == used).map(|(_, from)| *from);
            match row(used) {
                // An item at the root of the crate, or a macro.
                None if used.starts_with(char::is_uppercase) => {}
                None => findings.push(format!("src/{path}: uses '{used}', which has no line in LAYERS")),
                Some(row) if row >= own_row => findings.push(format!("src/{path}: '{own}' must not use '{used}'")),
                Some(_) if allowed_from.is_some_and(|from| !from.contains(&own)) => {
                    findings.push(format!("src/{path}: '{used}' is not for '{own}'"));
                }
                Some(_) => {}
            }
        }
    }
    expect_none("a module uses one that it must not know", findings);
}

#[test]
fn crates_stay_where_they_belong() {
    let mut findings = Vec::new();
    for (path, code) in sources() {
        for (name, places) in CONFINED {
            if names_crate(&code, name) && !places.iter().any(|place| path.starts_with(place)) {
                findings.push(format!("src/{path}: names {name}, which belongs to {}", places.join(", ")));
            }
        }
    }
    expect_none("a crate is used outside of its place", findings);
}

#[test]
fn words_and_pure_modules_have_no_effects() {
    let mut findings = Vec::new();
    for (path, code) in sources() {
        if module(&path).and_then(row).is_some_and(|row| PURE.contains(&row)) {
            let found = IMPURE.iter().filter(|name| names(&code, name));
            findings.extend(found.map(|name| format!("src/{path}: {name}")));
        }
    }
    expect_none("a pure module is not", findings);
}

#[test]
fn no_file_is_too_long() {
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".rs")) {
        let lines = code(&file.text).lines().filter(|line| !line.trim().is_empty()).count();
        if lines > LONGEST {
            findings.push(format!("{}: {lines}", file.path));
        }
    }
    expect_none("a file has too many lines of code before its tests", findings);
}

#[test]
fn every_file_says_what_it_is_for() {
    let rust = files().into_iter().filter(|file| file.path.ends_with(".rs"));
    let silent = rust.filter(|file| !file.text.starts_with("//! ")).map(|file| file.path);
    expect_none("a file does not begin with its documentation", silent.collect());
}

#[test]
fn paths_are_absolute() {
    let climbing = concat!("super::", "super");
    let found = files().into_iter().filter(|file| file.path.ends_with(".rs") && file.text.contains(climbing));
    expect_none("a path climbs more than one module", found.map(|file| file.path).collect());
}

#[test]
fn nothing_is_left_to_do_or_switched_off() {
    let words = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[ig", "nore"), concat!("FIX", "ME")];
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".rs")) {
        findings.extend(
            words.iter().filter(|word| file.text.contains(**word)).map(|word| format!("{}: {word}", file.path)),
        );
    }
    expect_none("unfinished", findings);
}

#[test]
fn files_speak_of_the_product_only() {
    let words = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("brief", ".md"),
        concat!("clau", "de"),
        concat!("anthro", "pic"),
        concat!("chat", "gpt"),
        concat!("copi", "lot"),
        concat!("sub", "agent"),
    ];
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.path != "Cargo.lock") {
        for (number, line) in file.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let found = words.iter().filter(|word| {
                let word = word.to_lowercase();
                // A path of a machine begins there; `https://host/home/` and `docs/work/` are none.
                lower.match_indices(&word).any(|(at, _)| {
                    !word.starts_with('/')
                        || !lower[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c))
                })
            });
            findings.extend(found.map(|word| format!("{}:{}: {word}", file.path, number + 1)));
        }
    }
    expect_none("something that is not of the product", findings);
}

#[test]
fn these_checks_see_what_they_should() {
    assert!(sources().len() > 10, "the sources are found");
    let grouped =
        "use crate::{\n    gate::{Gate, List},\n    model::Record, event,\n};\nfn f() { crate::score::assess() }";
    assert_eq!(imports(grouped), ["gate", "model", "event", "score"]);
    let text = "use crate::model; // crate::admin\n/// [`crate::admin`]\n#[cfg(test)]\nmod tests { use crate::cli; }";
    assert_eq!(imports(&code(text)), ["model"]);
    for (name, code, expected) in [
        ("import", "use regex::Regex;", true),
        ("path", "let x: moka::Cache = y;", true),
        ("whole", "use axum;", true),
        ("field", "self.regex.find(x)", false),
        ("other crate", "use my_regex::X;", false),
        ("module of that name", "use crate::regex::X;", false),
    ] {
        let found = ["regex", "moka", "axum"].iter().any(|krate| names_crate(code, krate));
        assert_eq!(found, expected, "{name}");
    }
    assert!(names("async fn f() {}", "async") && !names("asynchronous", "async") && !names("my_async", "async"));
    assert!(
        row("model") < row("cli")
            && PURE.contains(&row("budget").unwrap())
            && !PURE.contains(&row("telemetry").unwrap())
    );
}
