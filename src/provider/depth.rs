//! How deep a JSON text is nested, before a parser has to find out.

/// Levels of arrays and objects in an answer, at most. The deepest real answers (VirusTotal's files) have about ten.
pub(crate) const MAX_DEPTH: usize = 64;

/// Whether arrays and objects are nested deeper than `most`. What is no JSON is for the parser to refuse.
pub(crate) fn is_deeper(text: &[u8], most: usize) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_outside_of_texts() {
        for (text, deeper) in [
            ("[[1]]", false),
            ("[[[1]]]", true),
            ("[{\"a\":1},[2],{}]", false),
            ("[\"[[[[\"]", false),
            ("[\"\\\"[[[[\",1]", false),
            ("[\"\\\\\",[[1]]]", true),
            ("]]]][[", false),
            ("", false),
        ] {
            assert_eq!(is_deeper(text.as_bytes(), 2), deeper, "{text}");
        }
    }
}
