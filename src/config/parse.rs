//! Typed readers: from what stands in the file or in a variable to a value, or to what is wrong with it.
//!
//! A reader is a function of [`Raw`]; those with parameters return one. The text of a variable is read by the same
//! reader as the value in the file.

use std::{
    fmt::Display,
    ops::{Range, RangeInclusive},
    str::FromStr,
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeInteger, DeValue},
};

use super::{context::kind_of, nearest::nearest, units};

/// What stands there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
    /// A value in the file.
    Toml(&'a Spanned<DeValue<'a>>),
    /// The text of a variable.
    Text(&'a str),
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// A part of the value, where it is not all of it.
    pub(super) span: Option<Range<usize>>,
}

/// A value or everything that is wrong with it.
pub(super) type Parsed<T> = Result<T, Vec<Problem>>;

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, span: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn one<T>(self) -> Parsed<T> {
        Err(vec![self])
    }
}

/// How a value of the user is quoted in a message.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

fn wrong_type(expected: &str, value: &DeValue<'_>) -> Problem {
    Problem::new(format!("expected {expected}, found {}", kind_of(value)))
}

/// A text, parsed by `parse`; `expected` and `example` are for messages on other types.
pub(super) fn text_as<T>(
    expected: &'static str,
    example: &'static str,
    parse: impl Fn(&str) -> Parsed<T>,
) -> impl Fn(Raw<'_>) -> Parsed<T> {
    move |raw| match raw {
        Raw::Text(text) => parse(text),
        Raw::Toml(value) => match value.get_ref() {
            DeValue::String(text) => parse(text),
            other @ (DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_)) => wrong_type(expected, other).help(format!("write it like {example}")).one(),
        },
    }
}

/// A text that is not empty and holds no control characters.
pub(super) fn text(raw: Raw<'_>) -> Parsed<String> {
    text_as("a text", "\"text\"", |text| match text {
        "" => Problem::new("must not be empty").one(),
        text if text.chars().any(char::is_control) => Problem::new("must not hold control characters").one(),
        text => Ok(text.to_owned()),
    })(raw)
}

/// A duration in a range.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(Raw<'_>) -> Parsed<Duration> {
    const EXPECTED: &str = "a duration in quotes with its unit";
    text_as(EXPECTED, "\"2s\", \"200ms\", \"1m30s\", \"24h\" or \"7d\"", move |text| {
        let value = units::duration(text).map_err(|error| {
            let message = format!("the duration {} {error}", quote(text));
            vec![Problem::new(message).help("write it like \"2s\", \"200ms\", \"1m30s\", \"24h\" or \"7d\"")]
        })?;
        if range.contains(&value) {
            return Ok(value);
        }
        let (least, most) = (units::show_duration(*range.start()), units::show_duration(*range.end()));
        Problem::new(format!("the duration {} is out of range", quote(text)))
            .help(format!("it may be \"{least}\" to \"{most}\""))
            .one()
    })
}

/// A size in bytes, at least `least`.
pub(super) fn size(least: u64) -> impl Fn(Raw<'_>) -> Parsed<u64> {
    text_as("a size in quotes with its unit", "\"64MiB\", \"512KiB\" or \"1GB\"", move |text| {
        let value = units::size(text).map_err(|error| {
            let message = format!("the size {} {error}", quote(text));
            vec![Problem::new(message).help("write it like \"64MiB\", \"512KiB\" or \"1GB\"")]
        })?;
        if value >= least {
            return Ok(value);
        }
        Problem::new(format!("the size {} is too small", quote(text))).help(format!("at least {least} bytes")).one()
    })
}

/// `true` or `false`.
pub(super) fn boolean(raw: Raw<'_>) -> Parsed<bool> {
    match raw {
        Raw::Text("true") => Ok(true),
        Raw::Text("false") => Ok(false),
        Raw::Text(text) => Problem::new(format!("expected true or false, found {}", quote(text))).one(),
        Raw::Toml(value) => match value.get_ref().as_bool() {
            Some(value) => Ok(value),
            None => wrong_type("true or false", value.get_ref()).help("without quotes: true or false").one(),
        },
    }
}

/// A whole number in a range.
pub(super) fn integer<T>(range: RangeInclusive<T>) -> impl Fn(Raw<'_>) -> Parsed<T>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    move |raw| {
        let (number, shown) = match raw {
            Raw::Text(text) => match text.trim().replace('_', "").parse::<i64>() {
                Ok(number) => (Some(number), text.to_owned()),
                Err(_) => return Problem::new(format!("expected a whole number, found {}", quote(text))).one(),
            },
            Raw::Toml(value) => match value.get_ref().as_integer() {
                Some(number) => (to_i64(number), number.to_string()),
                None => {
                    let help = format!("a number without quotes, {} to {}", range.start(), range.end());
                    return wrong_type("a whole number", value.get_ref()).help(help).one();
                }
            },
        };
        let value = number.and_then(|number| T::try_from(number).ok()).filter(|value| range.contains(value));
        value.ok_or_else(|| {
            let problem = Problem::new(format!("the number {} is out of range", shown.escape_debug()));
            vec![problem.help(format!("it may be {} to {}", range.start(), range.end()))]
        })
    }
}

fn to_i64(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

/// A number in a range, whole or not.
pub(super) fn number(range: RangeInclusive<f64>) -> impl Fn(Raw<'_>) -> Parsed<f64> {
    move |raw| {
        let shown = match raw {
            Raw::Text(text) => text.trim().to_owned(),
            Raw::Toml(value) => match value.get_ref() {
                DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
                DeValue::Float(number) => number.as_str().to_owned(),
                other @ (DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_)) => {
                    let help = format!("a number without quotes, {} to {}", range.start(), range.end());
                    return wrong_type("a number", other).help(help).one();
                }
            },
        };
        match shown.replace('_', "").parse::<f64>() {
            Ok(value) if range.contains(&value) => Ok(value),
            Ok(_) => Problem::new(format!("the number {} is out of range", shown.escape_debug()))
                .help(format!("it may be {} to {}", range.start(), range.end()))
                .one(),
            Err(_) => Problem::new(format!("expected a number, found {}", quote(&shown))).one(),
        }
    }
}

/// One of several words; `refused` are words that are understood and not supported, with the reason.
pub(super) fn choice<T: Copy>(
    words: &'static [(&'static str, T)],
    refused: &'static [(&'static str, &'static str)],
) -> impl Fn(Raw<'_>) -> Parsed<T> {
    let one_of = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    move |raw| {
        let one_of = one_of.as_str();
        text_as("a word in quotes", "\"word\"", |text| {
            if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
                return Ok(*value);
            }
            if let Some((_, reason)) = refused.iter().find(|(word, _)| *word == text) {
                let problem = Problem::new(format!("{} is not supported yet", quote(text)));
                return problem.help(format!("{reason}; supported: {one_of}")).one();
            }
            let near = nearest(text, words.iter().map(|(word, _)| *word));
            let help = match near {
                Some(near) => format!("did you mean \"{near}\"? It is one of {one_of}"),
                None => format!("it is one of {one_of}"),
            };
            Problem::new(format!("{} is not known here", quote(text))).help(help).one()
        })(raw)
        .map_err(|problems| problems.into_iter().map(|problem| with_choices(problem, one_of)).collect())
    }
}

fn with_choices(mut problem: Problem, one_of: &str) -> Problem {
    if problem.message.starts_with("expected a word") {
        problem.help = Some(format!("it is one of {one_of}"));
    }
    problem
}

/// A list whose items are read by `item`; in a variable separated by commas. No item may stand twice.
pub(super) fn list<T: PartialEq>(item: impl Fn(Raw<'_>) -> Parsed<T>) -> impl Fn(Raw<'_>) -> Parsed<Vec<T>> {
    move |raw| {
        let mut values = Vec::new();
        let mut problems = Vec::new();
        let mut add = |parsed: Parsed<T>, span: Option<Range<usize>>| match parsed {
            Ok(value) if values.contains(&value) => {
                problems.push(Problem { span, ..Problem::new("stands here twice").help("remove one") });
            }
            Ok(value) => values.push(value),
            Err(found) => problems.extend(
                found
                    .into_iter()
                    .map(|problem| Problem { span: problem.span.clone().or_else(|| span.clone()), ..problem }),
            ),
        };
        match raw {
            Raw::Text(text) if text.trim().is_empty() => {}
            Raw::Text(text) => text.split(',').for_each(|part| add(item(Raw::Text(part.trim())), None)),
            Raw::Toml(value) => match value.get_ref().as_array() {
                Some(items) => items.iter().for_each(|value| add(item(Raw::Toml(value)), Some(value.span()))),
                None => {
                    return wrong_type("a list", value.get_ref()).help("write it in brackets: [\"…\", \"…\"]").one();
                }
            },
        }
        if problems.is_empty() { Ok(values) } else { Err(problems) }
    }
}

/// A list as [`list`] reads it, with at least one item.
pub(super) fn some_list<T: PartialEq>(
    what: &'static str,
    item: impl Fn(Raw<'_>) -> Parsed<T>,
) -> impl Fn(Raw<'_>) -> Parsed<Vec<T>> {
    let list = list(item);
    move |raw| match list(raw)? {
        values if values.is_empty() => Problem::new(format!("names no {what}")).help("name at least one").one(),
        values => Ok(values),
    }
}

/// A text with a grammar of its own.
pub(super) fn from_str<T>(what: &'static str, example: &'static str) -> impl Fn(Raw<'_>) -> Parsed<T>
where
    T: FromStr<Err: Display>,
{
    text_as(what, example, move |text| {
        text.parse().map_err(|error| vec![Problem::new(format!("{} is not {what}: {error}", quote(text)))]).map_err(
            |problems: Vec<Problem>| {
                problems.into_iter().map(|problem| problem.help(format!("write it like {example}"))).collect()
            },
        )
    })
}
