//! The TLP marking of an event: `threat.indicator.marking.tlp`, `event.tlp`, `tlp`, tags such as `tlp:amber`, and what the text says.
//!
//! Almost no event holds the letters, so the payload is searched for them first, and only what stands around them is looked at. A key `…tlp` or a
//! tag of a JSON event states a marking; anything else mentions one, which can make it stricter and never laxer: text is written by anybody. A
//! stated marking that cannot be read counts as red.

use std::{ops::Range, sync::LazyLock};

use memchr::memmem::Finder;

use crate::model::{Marking, Tlp};

/// The last two letters, in the spellings that are met.
static LETTERS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| ["lp", "LP"].map(|word| Finder::new(word.as_bytes())));

/// Bytes between the letters and the marking, at most.
const GAP: usize = 10;
/// How far back the beginning of a list of tags is looked for, in bytes.
const LIST: usize = 1024;

/// The marking of a payload. `json`: it is a JSON object; `ours` are ranges that are not the event's own.
pub(super) fn of(payload: &[u8], json: bool, ours: &[Range<usize>]) -> Marking {
    let mut marking = Marking::default();
    let is_behind_t = |at: usize| at.checked_sub(1).is_some_and(|before| payload[before] | 0x20 == b't');
    if !LETTERS.iter().any(|letters| letters.find_iter(payload).any(is_behind_t)) {
        return marking;
    }
    for at in memchr::memchr2_iter(b't', b'T', payload) {
        let Some((head, rest)) = payload.split_at_checked(at) else { continue };
        let inside = head.last().is_some_and(u8::is_ascii_alphanumeric);
        if inside || !starts_with(rest, b"tlp") || ours.iter().any(|range| range.contains(&at)) {
            continue;
        }
        let rest = rest.get(3..).unwrap_or_default();
        match if json { stated(head, rest) } else { None } {
            Some(tlp) => marking.stated = marking.stated.max(Some(tlp)),
            None => marking.mentioned = marking.mentioned.max(mentioned(rest)),
        }
    }
    marking
}

/// The marking after `…tlp"` as the end of a key, or after `"tlp` as the start of a tag.
fn stated(head: &[u8], rest: &[u8]) -> Option<Tlp> {
    if let Some(value) = rest.strip_prefix(b"\"") {
        let value = value.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let value = value.strip_prefix(b"[").unwrap_or(value).trim_ascii_start();
        return match value.first()? {
            b'"' => text(value.get(1..)?),
            b'0'..=b'9' => Some(number(value)),
            _ => None,
        };
    }
    text(rest.strip_prefix(b":").filter(|_| is_tag(head))?.trim_ascii_start())
}

/// Whether a text that begins at the end of `head` is a tag: the value, or one of the list, of a key for tags.
fn is_tag(head: &[u8]) -> bool {
    let Some(head) = head.strip_suffix(b"\"").filter(|head| !head.ends_with(b"\\")) else { return false };
    let head = head.trim_ascii_end();
    if let Some(key) = head.strip_suffix(b":") {
        return is_key_for_tags(key);
    }
    let near = head.get(head.len().saturating_sub(LIST)..).unwrap_or_default();
    let Some(list) = memchr::memrchr(b'[', near) else { return false };
    let (before, among) = near.split_at(list);
    let flat = !among.iter().any(|byte| matches!(byte, b']' | b'{' | b'}'));
    flat && before.trim_ascii_end().strip_suffix(b":").is_some_and(is_key_for_tags)
}

fn is_key_for_tags(head: &[u8]) -> bool {
    let Some(head) = head.trim_ascii_end().strip_suffix(b"\"").filter(|head| !head.ends_with(b"\\")) else {
        return false;
    };
    [&b"tags"[..], b"tag", b"labels", b"marking", b"markings"].iter().any(|name| {
        let Some((before, end)) = head.len().checked_sub(name.len()).and_then(|at| head.split_at_checked(at)) else {
            return false;
        };
        end.eq_ignore_ascii_case(name) && before.last().is_some_and(|byte| matches!(byte, b'"' | b'.' | b'_'))
    })
}

/// A stated marking as text; `None` where it is empty.
fn text(value: &[u8]) -> Option<Tlp> {
    let value = value.trim_ascii_start();
    if value.first() == Some(&b'"') {
        return None;
    }
    let value = if starts_with(value, b"tlp:") { value.get(4..)?.trim_ascii_start() } else { value };
    Some(level(value).unwrap_or(Tlp::Red))
}

/// TheHive's numbers. Its versions disagree on 3, which is taken for the stricter.
fn number(value: &[u8]) -> Tlp {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match value.get(..digits) {
        Some(b"0") => Tlp::Clear,
        Some(b"1") => Tlp::Green,
        Some(b"2") => Tlp::Amber,
        _ => Tlp::Red,
    }
}

/// The marking that follows in a text, behind a sign or two.
fn mentioned(rest: &[u8]) -> Option<Tlp> {
    let gap = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\\' | b'"' | b'\'' | b':' | b'=' | b'[')).count();
    if gap == 0 || gap > GAP {
        return None;
    }
    level(rest.get(gap..)?)
}

/// The marking that a text begins with.
fn level(text: &[u8]) -> Option<Tlp> {
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (word, rest) = text.split_at_checked(letters)?;
    let tlp = Tlp::parse(std::str::from_utf8(word).ok()?)?;
    let strict = rest
        .strip_prefix(b"+")
        .or_else(|| rest.split_first().filter(|(sign, _)| b"-_ ".contains(sign)).map(|(_, rest)| rest));
    let is_strict = tlp == Tlp::Amber && strict.is_some_and(|rest| starts_with(rest, b"strict"));
    Some(if is_strict { Tlp::AmberStrict } else { tlp })
}

fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_tags_state_and_text_mentions() {
        use Tlp::{Amber, AmberStrict, Clear, Green, Red};
        let rows: [(&str, Option<Tlp>, Option<Tlp>); 36] = [
            (r#"{"threat":{"indicator":{"marking":{"tlp":"AMBER"}}}}"#, Some(Amber), None),
            (r#"{"threat.indicator.marking.tlp":"RED"}"#, Some(Red), None),
            (r#"{"event":{"tlp" : "green"}}"#, Some(Green), None),
            (r#"{"tlp":"TLP:CLEAR"}"#, Some(Clear), Some(Clear)),
            (r#"{"tlp":["white"]}"#, Some(Clear), None),
            (r#"{"tlp":"amber+strict"}"#, Some(AmberStrict), None),
            (r#"{"TLP":"AMBER STRICT"}"#, Some(AmberStrict), None),
            (r#"{"tlp":"amber-strict"}"#, Some(AmberStrict), None),
            (r#"{"tags":["x","tlp:amber"]}"#, Some(Amber), None),
            (r#"{"event":{"tags" : [ "a" , "tlp:clear" ]}}"#, Some(Clear), None),
            (r#"{"event.tags":"TLP:GREEN","labels":["tlp:amber"]}"#, Some(Amber), None),
            (r#"{"Tag":[{"name":"tlp:green"},{"name":"TLP:RED"}]}"#, None, Some(Red)),
            // What a stranger can put into an event.
            (r#"{"user_agent":"tlp:clear","user":{"name":"tlp:clear"}}"#, None, Some(Clear)),
            (r#"{"args":["x","tlp:clear"]}"#, None, Some(Clear)),
            (r#"{"args":["\"tags\":[","tlp:clear"]}"#, None, Some(Clear)),
            (r#"{"tags":[],"x":"tlp:clear"}"#, None, Some(Clear)),
            (r#"{"tlp":"purple"}"#, Some(Red), None),
            (r#"{"tags":["tlp:ex:chr"]}"#, Some(Red), None),
            (r#"{"tlp":"\u0061mber"}"#, Some(Red), None),
            (r#"{"tlp":0}"#, Some(Clear), None),
            (r#"{"tlp":2}"#, Some(Amber), None),
            (r#"{"tlp":3}"#, Some(Red), None),
            (r#"{"tlp":21}"#, Some(Red), None),
            (r#"{"tlp":null}"#, None, None),
            (r#"{"tlp":""}"#, None, None),
            (r#"{"a":"tlp","b":"clear"}"#, None, None),
            (r#"{"a":"outlp:red","tlpx":"red","xtlp":"red"}"#, None, None),
            (r#"{"message":"see TLP:CLEAR"}"#, None, Some(Clear)),
            (r#"{"message":"{\"tlp\":\"clear\"}"}"#, None, Some(Clear)),
            (r#"{"message":"\"tlp:clear\" tlp=red"}"#, None, Some(Red)),
            (r#"{"tlp":"green","message":"TLP:AMBER"}"#, Some(Green), Some(Amber)),
            ("Jan  1 00:00:00 host app: tlp=amber x", None, Some(Amber)),
            ("CEF:0|a|b|c|d|e|5|tlp=RED", None, Some(Red)),
            ("<5>1 \"tlp\":\"clear\"", None, Some(Clear)),
            ("tlp", None, None),
            ("tlp:", None, None),
        ];
        for (payload, stated, mentioned) in rows {
            let found = of(payload.as_bytes(), payload.starts_with('{'), &[]);
            assert_eq!(found, Marking { stated, mentioned }, "{payload}");
        }
    }

    #[test]
    fn what_is_not_the_event_s_own_says_nothing() {
        let payload = br#"{"a":1,"sidelight":{"misp_tlp":"red"}}"#;
        assert_eq!(of(payload, true, std::slice::from_ref(&(6..37))), Marking::default());
        assert_eq!(of(payload, true, &[]).stated, Some(Tlp::Red));
    }

    #[test]
    fn text_makes_stricter_and_never_laxer() {
        let marking = |stated, mentioned| Marking { stated, mentioned };
        assert_eq!(marking(None, Some(Tlp::Clear)).or(Tlp::Amber), Tlp::Amber);
        assert_eq!(marking(None, Some(Tlp::Red)).or(Tlp::Amber), Tlp::Red);
        assert_eq!(marking(Some(Tlp::Clear), None).or(Tlp::Amber), Tlp::Clear);
        assert_eq!(marking(Some(Tlp::Clear), Some(Tlp::Green)).or(Tlp::Red), Tlp::Green);
    }
}
