//! One table of the file: typed reading of its keys, and the end of it, which reports the keys that nobody asked for.

use std::ops::Range;

use toml::de::DeTable;

use super::{
    context::{At, Context, Found},
    parse::{Parsed, Problem, Raw},
};

/// A value and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Setting<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody set it.
    Default,
    /// Somebody did, here.
    Set(At),
    /// Somebody tried; the value is a placeholder, and rules that concern it are not checked.
    Bad,
}

impl<T> Setting<T> {
    /// The place to point at in a mistake that concerns several settings; `None` where this one is bad already.
    pub(super) fn place(&self) -> Option<At> {
        match &self.origin {
            Origin::Default => Some(At::File),
            Origin::Set(at) => Some(at.clone()),
            Origin::Bad => None,
        }
    }

    /// Whether somebody set it, well or badly.
    pub(super) fn is_set(&self) -> bool {
        self.origin != Origin::Default
    }
}

/// One table of the file.
pub(super) struct Section<'c, 'd> {
    pub(super) context: &'c mut Context<'d>,
    pub(super) path: String,
    header: Option<Range<usize>>,
    pub(super) table: Option<&'d DeTable<'d>>,
    /// Something that is no table stands in its place; what is missing in it need not be said.
    broken: bool,
    asked: Vec<String>,
}

impl<'c, 'd> Section<'c, 'd> {
    /// The table at a dotted path, empty where the file has none.
    pub(super) fn open(context: &'c mut Context<'d>, path: &str) -> Self {
        let (table, header, broken) = match context.table(path) {
            Found::Table(table, header) => (Some(table), Some(header), false),
            Found::Other => (None, None, true),
            Found::Nothing => (None, None, false),
        };
        Self { context, path: path.to_owned(), header, table, broken, asked: Vec::new() }
    }

    /// The dotted path of a key.
    pub(super) fn path_of(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Where the table begins.
    pub(super) fn at(&self) -> At {
        self.header.clone().map_or(At::File, At::Span)
    }

    /// Marks a key as known without reading it.
    pub(super) fn ask(&mut self, key: &str) {
        self.asked.push(key.to_owned());
    }

    /// A key with a default.
    pub(super) fn read<T>(&mut self, key: &str, default: T, parse: impl Fn(Raw<'_>) -> Parsed<T>) -> Setting<T> {
        let path = self.path_of(key);
        self.ask(key);
        self.context.know(&path);
        let (at, parsed) = if let Some((variable, text)) = self.context.take_override(&path) {
            (At::Variable(variable), parse(Raw::Text(&text)))
        } else if let Some(value) = self.table.and_then(|table| table.get(key)) {
            (At::Span(value.span()), parse(Raw::Toml(value)))
        } else {
            return Setting { value: default, origin: Origin::Default };
        };
        match parsed {
            Ok(value) => Setting { value, origin: Origin::Set(at) },
            Err(problems) => {
                for Problem { message, help, span } in problems {
                    let at = span.map_or_else(|| at.clone(), At::Span);
                    self.context.error(at, &path, message, help);
                }
                Setting { value: default, origin: Origin::Bad }
            }
        }
    }

    /// A key without a default; `example` is a line that would set it.
    pub(super) fn required<T>(
        &mut self,
        key: &str,
        placeholder: T,
        example: &str,
        parse: impl Fn(Raw<'_>) -> Parsed<T>,
    ) -> Setting<T> {
        let mut setting = self.read(key, placeholder, parse);
        if !setting.is_set() {
            self.missing(key, example);
            setting.origin = Origin::Bad;
        }
        setting
    }

    /// Reports a missing key.
    pub(super) fn missing(&mut self, key: &str, example: &str) {
        if self.broken {
            return;
        }
        let section = &self.path;
        let help = match self.header {
            Some(_) => format!("add `{example}`"),
            None => format!("add `{example}` under `[{section}]`"),
        };
        let (at, path) = (self.at(), self.path_of(key));
        self.context.absent(at, &path, format!("`{path}` is missing"), Some(help));
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref();
            if !self.asked.iter().any(|asked| asked == name.as_ref()) {
                self.context.unknown(&self.path, name, key.span(), self.asked.clone());
            }
        }
    }
}
