//! The state of one reading: the document, the overrides, and everything that was found wrong so far.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{
    diagnostic::{Diagnostic, Place, Severity},
    environment::Environment,
    mask::Masks,
    nearest::nearest,
    source::Source,
};

/// What all overrides begin with.
const PREFIX: &str = "SIDELIGHT__";

/// The place of a value or a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// Nowhere in particular.
    File,
    /// Bytes of the file.
    Span(Range<usize>),
    /// An override.
    Variable(String),
}

/// What stands at the path of a table.
#[derive(Clone, Debug)]
pub(super) enum Found<'d> {
    /// A table, and its header or braces.
    Table(&'d DeTable<'d>, Range<usize>),
    /// Something else; an error was pushed.
    Other,
    /// Nothing.
    Nothing,
}

/// A mistake before it is rendered.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) severity: Severity,
    pub(super) at: At,
    pub(super) path: String,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// It follows from something that is missing; not said of a file whose syntax is broken.
    pub(super) from_absence: bool,
}

/// A key that nobody asked for.
#[derive(Debug)]
struct Unknown {
    table: String,
    name: String,
    span: Range<usize>,
    siblings: Vec<String>,
}

#[derive(Debug)]
struct Override {
    variable: String,
    /// `None` where the value is no UTF-8.
    value: Option<String>,
    used: bool,
}

/// The state of one reading.
pub(super) struct Context<'d> {
    root: &'d DeTable<'d>,
    environment: &'d dyn Environment,
    overrides: Vec<Override>,
    drafts: Vec<Draft>,
    unknown: Vec<Unknown>,
    known: Vec<String>,
    suggestions: Vec<String>,
    /// Paths of tables below a section.
    tables: Vec<String>,
    masks: Masks,
}

impl<'d> Context<'d> {
    pub(super) fn new(root: &'d DeTable<'d>, environment: &'d dyn Environment) -> Self {
        let mut names: Vec<String> = environment.names().into_iter().filter(|name| name.starts_with(PREFIX)).collect();
        names.sort();
        let overrides = names
            .into_iter()
            .map(|variable| {
                let value = environment.variable(&variable).and_then(|value| value.into_string().ok());
                Override { variable, value, used: false }
            })
            .collect();
        Self {
            root,
            environment,
            overrides,
            drafts: Vec::new(),
            unknown: Vec::new(),
            known: Vec::new(),
            suggestions: Vec::new(),
            tables: Vec::new(),
            masks: Masks::default(),
        }
    }

    pub(super) fn environment(&self) -> &'d dyn Environment {
        self.environment
    }

    pub(super) fn root(&self) -> &'d DeTable<'d> {
        self.root
    }

    pub(super) fn push(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    pub(super) fn error(&mut self, at: At, path: &str, message: impl Into<String>, help: Option<String>) {
        let (path, message) = (path.to_owned(), message.into());
        self.push(Draft { severity: Severity::Error, at, path, message, help, from_absence: false });
    }

    pub(super) fn absent(&mut self, at: At, path: &str, message: impl Into<String>, help: Option<String>) {
        let (path, message) = (path.to_owned(), message.into());
        self.push(Draft { severity: Severity::Error, at, path, message, help, from_absence: true });
    }

    pub(super) fn warn(&mut self, at: At, path: &str, message: impl Into<String>, help: Option<String>) {
        let (path, message) = (path.to_owned(), message.into());
        self.push(Draft { severity: Severity::Warning, at, path, message, help, from_absence: true });
    }

    pub(super) fn know(&mut self, path: &str) {
        self.known.push(path.to_owned());
    }

    pub(super) fn mask(&mut self, span: Range<usize>) {
        self.masks.add(span);
    }

    pub(super) fn unknown(&mut self, table: &str, name: &str, span: Range<usize>, siblings: Vec<String>) {
        self.unknown.push(Unknown { table: table.to_owned(), name: name.to_owned(), span, siblings });
    }

    /// The override of a path, if there is one: the variable's name and value. An error is pushed for one that is no UTF-8.
    pub(super) fn take_override(&mut self, path: &str) -> Option<(String, String)> {
        let variable = variable_of(path);
        let value = self.take_variable(&variable, path)?;
        Some((variable, value))
    }

    /// As [`take_override`](Self::take_override), by the variable's name.
    pub(super) fn take_variable(&mut self, variable: &str, path: &str) -> Option<String> {
        let found = self.overrides.iter_mut().find(|candidate| candidate.variable == variable)?;
        found.used = true;
        let value = found.value.clone();
        if value.is_none() {
            self.error(At::Variable(variable.to_owned()), path, "the value is no UTF-8 text", None);
        }
        value
    }

    /// Names a table below a section, for those who write it without the section.
    pub(super) fn know_table(&mut self, path: String) {
        self.tables.push(path);
    }

    /// Names a variable that would have been an override, to be suggested.
    pub(super) fn suggest(&mut self, variable: String) {
        self.suggestions.push(variable);
    }

    /// Whether any override lies under this table.
    pub(super) fn overrides_under(&self, path: &str) -> bool {
        let prefix = format!("{}__", variable_of(path));
        self.overrides.iter().any(|candidate| candidate.variable.starts_with(&prefix))
    }

    /// The table at a dotted path. An error is pushed, once, where something else stands there.
    pub(super) fn table(&mut self, path: &str) -> Found<'d> {
        let mut found = Found::Table(self.root, 0..0);
        let mut walked = String::new();
        for name in path.split('.') {
            let Found::Table(table, _) = found else { break };
            let Some(value) = table.get(name) else { return Found::Nothing };
            if !walked.is_empty() {
                walked.push('.');
            }
            walked.push_str(name);
            found = match value.get_ref() {
                DeValue::Table(inner) => Found::Table(inner, value.span()),
                other @ (DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)) => {
                    self.no_table(&walked, value.span(), other);
                    Found::Other
                }
            };
        }
        found
    }

    fn no_table(&mut self, path: &str, span: Range<usize>, value: &DeValue<'_>) {
        let at = At::Span(span);
        if !self.drafts.iter().any(|draft| draft.at == at && draft.path == path) {
            let message = format!("`{path}` has to be a table, not {}", kind_of(value));
            self.error(at, path, message, Some(format!("write `[{path}]` on a line of its own, with its keys below")));
        }
    }

    /// All paths that were asked for.
    pub(super) fn into_known(self) -> Vec<String> {
        self.known
    }

    /// Says what is left to say and renders everything in the order of the file.
    pub(super) fn finish(mut self, source: Source<'_>, syntax: &[toml::de::Error]) -> Vec<Diagnostic> {
        self.say_unknown();
        self.say_unused();
        if self.drafts.is_empty() && syntax.is_empty() {
            return Vec::new();
        }
        self.masks.add_document(self.root, source, &self.known);
        if !syntax.is_empty() {
            self.masks.add_unreadable(source, &self.known);
        }
        let lines: Vec<&str> =
            syntax.iter().filter_map(toml::de::Error::span).map(|span| source.line_at(span.start).2).collect();
        // After a broken header nobody knows to which table the following lines belong.
        let header_broken = lines.iter().any(|line| line.trim_start().starts_with('['));
        let broken: Vec<usize> =
            syntax.iter().filter_map(toml::de::Error::span).map(|span| source.line_at(span.start).0).collect();
        let mut drafts = std::mem::take(&mut self.drafts);
        drafts.retain(|draft| {
            let on_broken_line = match &draft.at {
                At::Span(span) => broken.contains(&source.line_at(span.start).0),
                At::File | At::Variable(_) => false,
            };
            let in_file = !matches!(draft.at, At::Variable(_));
            broken.is_empty() || !(draft.from_absence || on_broken_line || (header_broken && in_file))
        });
        drafts.extend(syntax.iter().map(|error| Draft {
            severity: Severity::Error,
            at: error.span().map_or(At::File, At::Span),
            path: String::new(),
            message: format!("not valid TOML: {}", error.message().replace('\n', " ")),
            help: None,
            from_absence: false,
        }));
        // Who has errors to mend wants to read of nothing else.
        if drafts.iter().any(|draft| draft.severity == Severity::Error) {
            drafts.retain(|draft| draft.severity == Severity::Error);
        }
        drafts.sort_by_key(|draft| match &draft.at {
            At::Span(span) => (1, span.start),
            At::File => (0, 0),
            At::Variable(_) => (2, 0),
        });
        drafts.dedup_by(|a, b| a.at == b.at && a.path == b.path && a.message == b.message);
        drafts.into_iter().map(|draft| render(draft, source, &self.masks)).collect()
    }

    fn say_unknown(&mut self) {
        for Unknown { table, name, span, siblings } in std::mem::take(&mut self.unknown) {
            let path = if table.is_empty() { name.clone() } else { format!("{table}.{name}") };
            let what = if table.is_empty() { "section" } else { "key" };
            let elsewhere = || self.known.iter().find(|known| known.rsplit('.').next() == Some(&name));
            let table_elsewhere = || self.tables.iter().find(|table| table.rsplit('.').next() == Some(&name));
            let help = if let Some(near) = nearest(&name, siblings.iter().map(String::as_str)) {
                format!("did you mean `{near}`?")
            } else if let Some(path) = table_elsewhere() {
                format!("write `[{path}]`")
            } else if let Some((section, _)) = elsewhere().and_then(|known| known.rsplit_once('.')) {
                format!("`{name}` is a key of [{section}]")
            } else if table.is_empty() {
                format!("the sections are {}", siblings.join(", "))
            } else {
                format!("the keys of [{table}] are {}", siblings.join(", "))
            };
            self.error(At::Span(span), &path, format!("unknown {what} `{}`", name.escape_debug()), Some(help));
        }
    }

    fn say_unused(&mut self) {
        let mut names: Vec<String> = self.known.iter().map(|path| variable_of(path)).collect();
        names.append(&mut self.suggestions);
        let unused: Vec<String> = self.overrides.iter().filter(|o| !o.used).map(|o| o.variable.clone()).collect();
        for variable in unused {
            let help = match nearest(&variable, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => {
                    "an override is named after its key: SIDELIGHT__DELIVERY__DEADLINE is delivery.deadline".to_owned()
                }
            };
            self.error(At::Variable(variable.clone()), "", format!("{variable} names no key"), Some(help));
        }
    }
}

/// The variable that overrides a path. Dots inside the last name (librdkafka's properties) become single underscores.
pub(super) fn variable_of(path: &str) -> String {
    const PROPERTIES: &str = "kafka.properties.";
    match path.strip_prefix(PROPERTIES) {
        Some(name) => format!("{PREFIX}KAFKA__PROPERTIES__{}", name.replace('.', "_").to_uppercase()),
        None => format!("{PREFIX}{}", path.replace('.', "__").to_uppercase()),
    }
}

/// What a value is, with its article.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn render(draft: Draft, source: Source<'_>, masks: &Masks) -> Diagnostic {
    let place = match draft.at {
        At::File => Place::File,
        At::Span(span) => Place::Line(source.snippet(&span, masks)),
        At::Variable(name) => Place::Variable(name),
    };
    Diagnostic {
        severity: draft.severity,
        file: source.name.to_owned(),
        place,
        path: draft.path,
        message: draft.message,
        help: draft.help,
    }
}
