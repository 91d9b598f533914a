//! What a character that is not ASCII is to what stands beside it.
//!
//! A token ends at quotation marks, dashes, arrows, bullets, emoji and the punctuation of any script: no name may hold them (RFC 5892), and people write
//! them without a space around what they speak of. Letters are parts of names, and they bound an address or a hash as far as they are of its own script.
//! Scripts that are written without spaces bound nothing that is ASCII. Emoji as names (`☺.example.com`) are believed behind a scheme alone.

/// The character at `at`, which is a boundary of characters; a space at the end.
pub(super) fn letter_at(text: &str, at: usize) -> char {
    text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ')
}

/// The character before `at`; a space at the beginning.
pub(super) fn letter_before(text: &str, at: usize) -> char {
    text.get(..at).and_then(|head| head.chars().next_back()).unwrap_or(' ')
}

/// `bytes` without a mark of another script at their end: `version “`.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    if bytes.last().is_none_or(u8::is_ascii) {
        return bytes;
    }
    let tail = &bytes[bytes.len().saturating_sub(4)..];
    let lead = tail.iter().rposition(|byte| !matches!(byte, 0x80..=0xbf)).unwrap_or(0);
    let letter = std::str::from_utf8(&tail[lead..]).ok().and_then(|last| last.chars().next());
    if letter.is_some_and(is_mark) { &bytes[..bytes.len() - (tail.len() - lead)] } else { bytes }
}

/// Whether a character is none of a name: punctuation, a sign, an emoji, a space, a number in a circle.
pub(super) fn is_mark(letter: char) -> bool {
    match letter {
        '\0'..='\x7f' => !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_' | '.'),
        // Latin-1: all of it but the micro sign, until the letters begin.
        '\u{80}'..='\u{bf}' => letter != '\u{b5}',
        '\u{d7}' | '\u{f7}' => true,
        '\u{c0}'..='\u{2c1}' => false,
        // Punctuation, superscripts, currencies, signs made of letters, arrows, shapes, emoji, Braille.
        '\u{2000}'..='\u{2bff}' | '\u{2e00}'..='\u{2e7f}' => true,
        // Of CJK: its punctuation but for the marks of repetition and the closed zero, and what is in circles and squares.
        '\u{3000}'..='\u{3004}' | '\u{3008}'..='\u{3030}' | '\u{303d}'..='\u{303f}' | '\u{30a0}' | '\u{30fb}' => true,
        '\u{3200}'..='\u{33ff}' | '\u{4dc0}'..='\u{4dff}' => true,
        // Signs of private use, variants of a sign, forms of punctuation.
        '\u{e000}'..='\u{f8ff}' | '\u{fd3e}' | '\u{fd3f}' | '\u{fe00}'..='\u{fe1f}' | '\u{fe30}'..='\u{fe6f}' => true,
        '\u{ff00}'..='\u{ffef}' => !letter.is_alphanumeric(),
        '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{1f000}'..='\u{1faff}' | '\u{e0000}'.. => true,
        '\u{2c2}'..='\u{2df}' | '\u{37e}' | '\u{384}' | '\u{385}' | '\u{387}' | '\u{55a}'..='\u{55f}' => true,
        '\u{589}' | '\u{58a}' | '\u{5be}' | '\u{5c0}' | '\u{5c3}' | '\u{5c6}' | '\u{5f3}' | '\u{5f4}' => true,
        '\u{600}'..='\u{60f}' | '\u{61b}'..='\u{61f}' | '\u{66a}'..='\u{66d}' | '\u{6d4}' | '\u{964}' | '\u{965}' => {
            true
        }
        '\u{e3f}' | '\u{e4f}' | '\u{e5a}' | '\u{e5b}' | '\u{f01}'..='\u{f17}' | '\u{104a}'..='\u{104f}' => true,
        '\u{10fb}' | '\u{1360}'..='\u{1368}' | '\u{17d4}'..='\u{17db}' | '\u{1800}'..='\u{180a}' => true,
        _ => letter.is_whitespace() || letter.is_control(),
    }
}

/// Whether a character between two others is none of a name. The middle dot of Catalan stands between two `l`, that of Japanese between its letters.
pub(super) fn separates(previous: char, letter: char, next: char) -> bool {
    match letter {
        '\u{b7}' => !(matches!(previous, 'l' | 'L') && matches!(next, 'l' | 'L')),
        '\u{30fb}' => !(is_unspaced(previous) && is_unspaced(next)) || is_mark(previous) || is_mark(next),
        _ => is_mark(letter),
    }
}

/// Whether a character is one of a script that is written without spaces, so that it may be glued to what it speaks of.
pub(super) fn is_unspaced(letter: char) -> bool {
    letter >= '\u{2e80}' || matches!(letter, '\u{e00}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

/// Whether one of two characters that stand side by side is ASCII and the other of a script without spaces.
pub(super) fn is_glued(one: char, other: char) -> bool {
    (is_unspaced(one) && other.is_ascii_alphanumeric()) || (is_unspaced(other) && one.is_ascii_alphanumeric())
}

/// Whether an address or a hash does not begin or end beside this character: what is Latin, and digits of any script.
pub(super) fn bounds(letter: char) -> bool {
    match letter {
        '\0'..='\x7f' => letter.is_ascii_alphanumeric(),
        // Accents that stand by themselves belong to the letter before.
        '\u{300}'..='\u{36f}' => true,
        '\u{80}'..='\u{2c1}' | '\u{1d00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}' | '\u{a720}'..='\u{a7ff}' => {
            !is_mark(letter)
        }
        '\u{ff10}'..='\u{ff5a}' => letter.is_alphanumeric(),
        _ => letter.is_numeric() && !is_mark(letter),
    }
}

/// Whether it is of those pictures that some registries let stand in names.
pub(super) fn is_picture(letter: char) -> bool {
    matches!(letter, '\u{2600}'..='\u{27bf}' | '\u{fe0f}' | '\u{200d}' | '\u{1f000}'..='\u{1faff}')
}

/// Where the part of a word that begins at `start` ends, at `limit` at the latest: before a mark, and where ASCII and a script without spaces meet.
/// At a mark it is `start`.
pub(super) fn part_end(text: &str, start: usize, limit: usize) -> usize {
    let mut previous = letter_before(text, start);
    let mut letters = text.get(start..limit).unwrap_or_default().char_indices().peekable();
    while let Some((offset, letter)) = letters.next() {
        let at = start + offset;
        let next = letters.peek().map_or(' ', |&(_, next)| next);
        let word = letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        let ends = if letter.is_ascii() { !word } else { separates(previous, letter, next) };
        if ends || (at > start && is_glued(previous, letter)) {
            return at;
        }
        previous = letter;
    }
    limit
}

/// Whether the text before `start` ends in the word for a version in another script, with at most a colon and a space between.
pub(super) fn names_version(text: &str, start: usize) -> bool {
    const WORDS: [&str; 10] =
        ["版本", "版本号", "版本號", "バージョン", "버전", "версия", "версии", "версию", "версией", "έκδοση"];
    let head = text.get(..start).unwrap_or_default();
    let bare = head.trim_end_matches([' ', ':', '\u{ff1a}', '“', '「', '\u{ff08}']);
    head.len() - bare.len() <= 8
        && bare.as_bytes().last().is_some_and(|byte| !byte.is_ascii())
        && WORDS.into_iter().any(|word| bare.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_none_of_a_name() {
        let marks =
            "“”‘’«»„—–…•·→←、。，：（）【】「」《》✅🚨⚠\u{fe0f}①²³¹™©°\u{a0}\u{3000}\u{fffd}\u{e0b0}‹›€،۔।፡＂×÷";
        for letter in marks.chars() {
            assert!(is_mark(letter), "{letter}");
        }
        let letters = "azAZ09-_.üéßñøžạ\u{301}пЖёαΩשلहि\u{94d}ก\u{e48}漢々〆〇ひカー한ａ０";
        for letter in letters.chars() {
            assert!(!is_mark(letter), "{letter}");
        }
    }

    #[test]
    fn what_a_token_ends_at() {
        let rows = [
            ("quote", "evil.com”x", "evil.com"),
            ("CJK", "a.com被封", "a.com"),
            ("before ASCII", "地址a.com", "地址"),
            ("Thai", "พบa.com", "พบ"),
            ("name in CJK", "例え.jp", "例え.jp"),
            ("accents", "bücher.de…", "bücher.de"),
            ("Catalan", "col·legi.cat", "col·legi.cat"),
            ("bullet", "a·b", "a"),
            ("Japanese", "テスト・例え.jp", "テスト・例え.jp"),
            ("mark", "→a", ""),
            ("comma", "a,b", "a"),
            ("all", "a.b", "a.b"),
        ];
        for (name, text, expected) in rows {
            assert_eq!(&text[..part_end(text, 0, text.len())], expected, "{name}");
        }
    }

    #[test]
    fn what_bounds_an_address() {
        for letter in "xZ0éßž\u{301}１ａ٣".chars() {
            assert!(bounds(letter), "{letter}");
        }
        for letter in " ”被п한ขש🚨²_-.".chars() {
            assert!(!bounds(letter), "{letter}");
        }
    }

    #[test]
    fn versions_in_other_scripts() {
        for head in ["版本", "版本：", "バージョン ", "버전: ", "Версия 1, версии "] {
            assert!(names_version(head, head.len()), "{head}");
        }
        for head in ["", "地址", "版本 a ", "版本          "] {
            assert!(!names_version(head, head.len()), "{head}");
        }
    }
}
