//! The user's own lists of keywords, read with the configuration, or by themselves.

use std::{cell::RefCell, fs::File, io::Read, path::Path, sync::Arc};

use super::parse::{Parsed, Problem, Raw, list, quote, text_as};
use crate::extract::keywords::{Keywords, Reader};

/// The largest file.
const MOST_BYTES: u64 = 32 << 20;
/// Wrong lines of a file that are shown.
const SHOWN: usize = 10;

/// The keywords of a list of files, for the key `extract.keywords`.
pub(super) fn keywords(raw: Raw<'_>) -> Parsed<Arc<Keywords>> {
    const HELP: &str = "a keyword a line; lines that begin with # count for nothing";
    let reader = RefCell::new(Reader::default());
    let read = |path: &str| match file(Path::new(path), &mut reader.borrow_mut()) {
        Ok(()) => Ok(path.to_owned()),
        Err(messages) => Err(messages.into_iter().map(|message| Problem::new(message).help(HELP)).collect()),
    };
    list(|raw| text_as("the path of a file", "\"/etc/sidelight/tools.txt\"", read)(raw))(raw)?;
    Ok(Arc::new(reader.into_inner().finish()))
}

/// The keywords of files.
///
/// # Errors
/// What is wrong with them, a line for each mistake.
pub fn read_keywords<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<Keywords, String> {
    let mut reader = Reader::default();
    let wrong: Vec<String> = files.into_iter().filter_map(|path| file(path, &mut reader).err()).flatten().collect();
    if wrong.is_empty() { Ok(reader.finish()) } else { Err(wrong.join("\n")) }
}

fn file(path: &Path, reader: &mut Reader) -> Result<(), Vec<String>> {
    let shown = quote(&path.to_string_lossy());
    let cannot = |error: std::io::Error| vec![format!("cannot read the file {shown}: {}", error.kind())];
    let mut content = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut content).map_err(cannot)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        return Err(vec![format!("the file {shown} is larger than {MOST_BYTES} bytes")]);
    }
    reader.read(&content).map_err(|errors| {
        let mut wrong: Vec<String> = errors.iter().take(SHOWN).map(|error| format!("{shown}, {error}")).collect();
        if errors.len() > SHOWN {
            wrong.push(format!("{shown} has {} more wrong lines", errors.len() - SHOWN));
        }
        wrong
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is gone afterwards.
    struct Scrap(std::path::PathBuf);

    impl Scrap {
        fn new(name: &str, content: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("sidelight-keywords-{}-{name}", std::process::id()));
            std::fs::write(&path, content).unwrap();
            Self(path)
        }

        fn path(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for Scrap {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).unwrap();
        }
    }

    fn messages(text: &str) -> Vec<String> {
        match keywords(Raw::Text(text)) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.into_iter().map(|problem| problem.message).collect(),
        }
    }

    #[test]
    fn lists_add_up() {
        let one = Scrap::new("one", "\u{feff}# tools\r\n\r\nmimikatz\r\n  Cobalt Strike \r\n".as_bytes());
        let two = Scrap::new("two", b"MIMIKATZ\ncase-4711");
        let both = keywords(Raw::Text(&format!("{}, {}", one.path(), two.path())));
        assert_eq!(both.map(|list| list.len()).ok(), Some(3), "one of them is in both");
        assert_eq!(keywords(Raw::Text("")).map(|list| list.is_empty()).ok(), Some(true));
    }

    #[test]
    fn wrong_lines_are_named_with_their_file() {
        let bad = Scrap::new("bad", b"fine\nno\n# no\n!!!\n\xff\xfe\xfd\nfine too\n");
        let said = messages(bad.path());
        let ends = [
            "line 2: a keyword has at least 3 bytes",
            "line 4: a keyword holds a letter or a digit",
            "line 5: the line is no UTF-8 text",
        ];
        assert_eq!(said.len(), ends.len(), "{said:?}");
        for (said, end) in said.iter().zip(ends) {
            assert!(said.ends_with(end) && said.contains("-bad\""), "{said}");
        }
        let many = Scrap::new("many", "x\n".repeat(30).as_bytes());
        let said = messages(many.path());
        assert!(said.len() == SHOWN + 1 && said[SHOWN].ends_with("has 20 more wrong lines"), "{said:?}");
        assert!(messages("/nowhere/at/all")[0].starts_with("cannot read the file \"/nowhere/at/all\""));
    }
}
