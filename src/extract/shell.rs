//! Where a URL ends in the command lines and injections in which it is fetched, of shells that are asked to do more than that.

/// Bytes of a name of a file or a parameter that are looked at.
const MOST: usize = 64;

/// Whether a URL ends before `rest`, behind `tail`, its path so far and its `query`, if it has one; what stands there belongs to a shell.
pub(super) fn ends(tail: &[u8], query: bool, rest: &[u8]) -> bool {
    match rest {
        // Some queries have an empty parameter.
        [b'&', b'&', after @ ..] => !(query && names_parameter(after)),
        [b';', after @ ..] => is_command(after) || (!query && ends_in_file(tail) && !has_value(after)),
        [b'$', after @ ..] => {
            let name = after.strip_prefix(b"{").unwrap_or(after);
            name.get(..3).is_some_and(|name| name.eq_ignore_ascii_case(b"ifs"))
        }
        [b'%', b'3', b'b' | b'B', after @ ..] | [b'%', b'7', b'c' | b'C', after @ ..] => is_command(after),
        [b'%', b'2', b'6', b'%', b'2', b'6', after @ ..] => is_command(after),
        _ => false,
    }
}

/// Whether a parameter of a query and its value follow.
fn names_parameter(rest: &[u8]) -> bool {
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']');
    let length = rest.iter().take(MOST).take_while(part).count();
    length > 0 && rest.get(length) == Some(&b'=')
}

/// Whether a path ends in the name of a file.
fn ends_in_file(tail: &[u8]) -> bool {
    let extension = tail.iter().rev().take(6).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = &tail[..tail.len() - extension];
    matches!(extension, 1..=5) && name.ends_with(b".") && name.len() > 1 && name[name.len() - 2] != b'/'
}

/// Whether a parameter of a path follows, as in `;jsessionid=1`, up to the next segment.
fn has_value(rest: &[u8]) -> bool {
    rest.iter().take(MOST).take_while(|byte| **byte != b'/').any(|byte| *byte == b'=')
}

/// Whether a command follows, behind blanks that may be encoded, and at most a path to it.
fn is_command(rest: &[u8]) -> bool {
    let mut rest = rest;
    for _ in 0..4 {
        let blank = [&b"+"[..], b"%20", b"%09", b"./", b"/bin/", b"/usr/bin/"]
            .into_iter()
            .find(|blank| rest.starts_with(blank));
        rest = blank.map_or(rest, |blank| &rest[blank.len()..]);
    }
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let length = rest.iter().take(16).take_while(part).count();
    let behind = rest.get(length).copied().unwrap_or(b' ');
    names_command(&rest[..length]) && !matches!(behind, b'=' | b'/') && behind.is_ascii()
}

/// Whether a word is the name of a program that is met where something is fetched.
#[rustfmt::skip]
pub(super) fn names_command(word: &[u8]) -> bool {
    matches!(
        word,
        b"sh" | b"bash" | b"dash" | b"ash" | b"zsh" | b"ksh" | b"busybox" | b"chmod" | b"chown" | b"wget" | b"curl" | b"fetch" | b"lynx"
        | b"tftp" | b"ftpget" | b"nc" | b"ncat" | b"netcat" | b"rm" | b"mv" | b"cp" | b"cat" | b"cd" | b"ls" | b"ps" | b"id" | b"echo"
        | b"printf" | b"python" | b"python2" | b"python3" | b"perl" | b"php" | b"ruby" | b"sudo" | b"su" | b"nohup" | b"kill" | b"killall"
        | b"pkill" | b"sleep" | b"mkdir" | b"touch" | b"tar" | b"unzip" | b"gunzip" | b"base64" | b"uname" | b"whoami" | b"exit"
        | b"crontab" | b"systemctl" | b"powershell" | b"powershell.exe" | b"cmd" | b"cmd.exe" | b"certutil" | b"certutil.exe" | b"rundll32"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_shell() {
        let rows = [
            ("command", "/a", ";sh a", true),
            ("command at the end", "/a", ";sh", true),
            ("encoded blanks", "/a", ";+chmod+777+a", true),
            ("path to a command", "/a", ";/bin/sh", true),
            ("behind a file", "/a.sh", ";x", true),
            ("session", "/a.do", ";jsessionid=1F", false),
            ("parameter of a path", "/a", ";v1", false),
            ("parameter that is named like a command", "/a", ";id=1", false),
            ("parameters of a query", "/a.do?b=1", ";c", false),
            ("both", "/a", "&&sh a", true),
            ("no command", "/p.exe", "&&p.exe", true),
            ("empty parameter", "/a?b=1", "&&c=2", false),
            ("one ampersand", "/a", "&b", false),
            ("separator of fields", "/a", "${IFS}-O", true),
            ("another variable", "/a", "${x}", false),
            ("encoded semicolon", "/a.sh", "%3Bsh%20a.sh", true),
            ("encoded bar", "/a", "%7Cbash", true),
            ("encoded ampersands", "/a", "%26%26sh", true),
            ("encoded text", "/a", "%3Bx", false),
            ("nothing", "/a", "", false),
        ];
        for (name, tail, rest, expected) in rows {
            assert_eq!(ends(tail.as_bytes(), tail.contains('?'), rest.as_bytes()), expected, "{name}");
        }
    }
}
