//! Values that are noted as a whole, because their field is made for such: paths of files, keys of the registry, user agents.

use crate::{extract::field::Class, model::NotedKind};

/// Bytes of a value, at most.
const LONGEST: usize = 1024;

/// Fields of the class of paths that hold parts of URLs.
const LINKS: [&str; 5] = ["url", "http", "uri", "cs_uri_stem", "request_uri"];

/// Fields whose value may be a path that begins at the root of a file system.
const ROOTED: [&str; 14] = [
    "path",
    "target_path",
    "executable",
    "exe",
    "image",
    "image_path",
    "filepath",
    "file_path",
    "folderpath",
    "targetfilename",
    "imageloaded",
    "working_directory",
    "currentdirectory",
    "processname",
];

/// Beginnings of the registry, and the short form of each.
const HIVES: [(&str, &str); 12] = [
    ("HKEY_LOCAL_MACHINE", "HKLM"),
    ("HKEY_CURRENT_USER", "HKCU"),
    ("HKEY_CLASSES_ROOT", "HKCR"),
    ("HKEY_USERS", "HKU"),
    ("HKEY_CURRENT_CONFIG", "HKCC"),
    (r"\REGISTRY\MACHINE", "HKLM"),
    (r"\REGISTRY\USER", "HKU"),
    ("HKLM", "HKLM"),
    ("HKCU", "HKCU"),
    ("HKCR", "HKCR"),
    ("HKU", "HKU"),
    ("HKCC", "HKCC"),
];

/// What the value of the field `name` is; writes its canonical form to `out`, which is cleared first. The value has no blanks around it.
pub(super) fn read(value: &str, name: &str, class: Class, out: &mut String) -> Option<NotedKind> {
    out.clear();
    if value.len() > LONGEST || value.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let mut segments = name.rsplit('.');
    let last = segments.next().unwrap_or_default();
    let parent = segments.next().unwrap_or_default();
    let among = |names: &[&str], segment: &str| names.iter().any(|name| segment.eq_ignore_ascii_case(name));
    match class {
        Class::Agent if last.eq_ignore_ascii_case("unparsed_version") => None,
        Class::Agent => {
            let sure = value.len() >= 4 && value.bytes().any(|byte| byte.is_ascii_alphabetic());
            out.push_str(value);
            sure.then_some(NotedKind::UserAgent)
        }
        Class::Path if among(&LINKS, parent) || among(&LINKS, last) => None,
        Class::Path => {
            if let Some((hive, rest)) = key(value) {
                out.push_str(hive);
                out.push_str(rest);
                return Some(NotedKind::RegistryKey);
            }
            out.push_str(value);
            let rooted = among(&ROOTED, last) && !parent.eq_ignore_ascii_case("registry");
            (is_of_windows(value) || (rooted && is_of_unix(value))).then_some(NotedKind::FilePath)
        }
        Class::Text
        | Class::Ip
        | Class::Host
        | Class::Machine
        | Class::Url
        | Class::Email
        | Class::Hash
        | Class::Command
        | Class::Name
        | Class::Version
        | Class::Id
        | Class::Nothing => None,
    }
}

/// The hive of a key, and what follows: with its backslash, without one at the end.
fn key(value: &str) -> Option<(&'static str, &str)> {
    let (hive, rest) = HIVES.into_iter().find_map(|(long, short)| {
        let head = value.get(..long.len()).filter(|head| head.eq_ignore_ascii_case(long))?;
        Some((short, &value[head.len()..]))
    })?;
    // PowerShell has drives of that name.
    let rest = rest.strip_prefix(':').unwrap_or(rest).trim_end_matches('\\');
    (rest.len() > 1 && rest.starts_with('\\')).then_some((hive, rest))
}

/// `C:\\…`, `\\\\server\\share\\…`, `\\Device\\…`, `\\??\\C:\\…`, `%SystemRoot%\\…`
fn is_of_windows(value: &str) -> bool {
    let bytes = value.as_bytes();
    // No name has these signs; a trace of calls has one between its paths.
    if bytes.iter().any(|byte| b"|*\"<>".contains(byte)) {
        return false;
    }
    let drive = matches!(bytes, [letter, b':', b'\\' | b'/', _, ..] if letter.is_ascii_alphabetic());
    let head = |lead: &str| value.get(..lead.len()).is_some_and(|head| head.eq_ignore_ascii_case(lead));
    let share = value
        .strip_prefix(r"\\")
        .is_some_and(|rest| rest.split_once('\\').is_some_and(|(server, path)| !server.is_empty() && !path.is_empty()));
    let variable = value.strip_prefix('%').and_then(|rest| rest.split_once(r"%\")).is_some_and(|(name, path)| {
        !path.is_empty()
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"()_".contains(&byte))
    });
    drive || share || variable || head(r"\Device\") || head(r"\SystemRoot\") || head(r"\??\")
}

fn is_of_unix(value: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_' || !byte.is_ascii();
    matches!(value.as_bytes(), [b'/', first, ..] if letter(*first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::field::Field;

    #[test]
    fn fields_make_whole_values_certain() {
        let rows = [
            ("registry.path", r"HKEY_LOCAL_MACHINE\Software\Acme\Run", Some(r"registry_key HKLM\Software\Acme\Run")),
            ("TargetObject", r"HKU\S-1-5-18\Run\", Some(r"registry_key HKU\S-1-5-18\Run")),
            ("ObjectName", r"\REGISTRY\MACHINE\SAM", Some(r"registry_key HKLM\SAM")),
            ("registry.key", r"hkcu:\Software\Acme", Some(r"registry_key HKCU\Software\Acme")),
            ("registry.path", "HKLM", None),
            ("registry.path", r"HKLMX\a", None),
            ("message", r"HKLM\Software", None),
            ("Image", r"C:\Windows\explorer.exe", Some(r"file_path C:\Windows\explorer.exe")),
            ("Image", "explorer.exe", None),
            ("CallTrace", r"C:\a.dll+1f|C:\b.dll+2e", None),
            ("file.path", r"\\srv1\docs\a.doc", Some(r"file_path \\srv1\docs\a.doc")),
            ("file.path", r"\Device\HarddiskVolume2\a.exe", Some(r"file_path \Device\HarddiskVolume2\a.exe")),
            ("file.path", r"%ProgramFiles(x86)%\a.exe", Some(r"file_path %ProgramFiles(x86)%\a.exe")),
            ("process.executable", "/usr/bin/bash", Some("file_path /usr/bin/bash")),
            ("process.executable", "//x", None),
            ("file.name", "/a", None),
            ("url.path", "/a/b", None),
            ("http.url", "/a/b", None),
            ("user_agent.original", "curl/8.5.0", Some("user_agent curl/8.5.0")),
            ("userAgent", "Mozilla/5.0 (X11)", Some("user_agent Mozilla/5.0 (X11)")),
            ("userAgent", "-", None),
            ("unparsed_version", "Mozilla/5.0", None),
            ("file.path", "C:\\a\nb", None),
        ];
        let mut out = String::from("x");
        for (name, value, expected) in rows {
            let found =
                read(value, name, Field::of(name).class, &mut out).map(|kind| format!("{} {out}", kind.as_str()));
            assert_eq!(found.as_deref(), expected, "{name}: {value}");
        }
        assert_eq!(read(&format!("/{}", "a".repeat(LONGEST)), "file.path", Class::Path, &mut out), None);
    }
}
