//! What a report says, and how it reads: like the Rust compiler's.

use std::{fmt, ops::Range};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but this is probably not what was meant.
    Warning,
}

/// A line of the file, ready to be shown: secrets masked, control characters replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line, cut where it is very long.
    pub text: String,
    /// Which characters of `text` are meant.
    pub carets: Range<usize>,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole, or something that is missing in it.
    File,
    /// A part of the file.
    Line(Snippet),
    /// An environment variable of that name.
    Variable(String),
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the user named it.
    pub file: String,
    /// Where it is.
    pub place: Place,
    /// Dotted path of the key; empty where no key is concerned.
    pub path: String,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}: {}", self.message)?;
        let margin = match &self.place {
            Place::Line(snippet) => " ".repeat(snippet.line.to_string().len()),
            Place::File | Place::Variable(_) => " ".to_owned(),
        };
        match &self.place {
            Place::File => writeln!(f, "{margin}--> {}", self.file)?,
            Place::Variable(name) => writeln!(f, "{margin}--> environment variable {name}")?,
            Place::Line(Snippet { line, column, text, carets }) => {
                writeln!(f, "{margin}--> {}:{line}:{column}", self.file)?;
                writeln!(f, "{margin} |")?;
                writeln!(f, "{line} | {text}")?;
                writeln!(f, "{margin} | {}{}", " ".repeat(carets.start), "^".repeat(carets.len().max(1)))?;
            }
        }
        if !self.path.is_empty() {
            writeln!(f, "{margin} = path: {}", self.path)?;
        }
        if let Some(help) = &self.help {
            writeln!(f, "{margin} = help: {help}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: String,
    diagnostics: Vec<Diagnostic>,
}

impl ConfigErrors {
    /// `diagnostics` holds at least one error; warnings may be among them.
    pub(super) fn new(file: &str, diagnostics: Vec<Diagnostic>) -> Self {
        Self { file: file.to_owned(), diagnostics }
    }

    /// The number of errors, warnings not counted.
    pub fn count(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }

    /// Errors, and the warnings between them.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.diagnostics {
            writeln!(f, "{diagnostic}")?;
        }
        match self.count() {
            1 => write!(f, "{}: 1 error", self.file),
            count => write!(f, "{}: {count} errors", self.file),
        }
    }
}

impl std::error::Error for ConfigErrors {}
