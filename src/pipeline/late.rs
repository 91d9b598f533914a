//! The value of a late record: which event, and its annotation.

use crate::pipeline::event::Reference;

/// Writes `{"event":{…},"sidelight":…}`; `annotation` appends the object.
pub(super) fn write(reference: &Reference, out: &mut Vec<u8>, annotation: impl FnOnce(&mut Vec<u8>)) {
    let origin = &reference.origin;
    out.extend_from_slice(br#"{"event":{"topic":"#);
    json_string(&origin.topic, out);
    out.extend_from_slice(br#","partition":"#);
    out.extend_from_slice(itoa::Buffer::new().format(origin.partition).as_bytes());
    out.extend_from_slice(br#","offset":"#);
    out.extend_from_slice(itoa::Buffer::new().format(origin.offset).as_bytes());
    if let Some(timestamp) = reference.timestamp {
        out.extend_from_slice(br#","timestamp":"#);
        out.extend_from_slice(itoa::Buffer::new().format(timestamp).as_bytes());
    }
    if let Some(id) = &reference.id {
        out.extend_from_slice(br#","id":"#);
        out.extend_from_slice(id);
    }
    out.extend_from_slice(br#"},"sidelight":"#);
    annotation(out);
    out.push(b'}');
}

fn json_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string to a vector cannot fail.
    if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"\"\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Origin;

    #[test]
    fn names_the_event_and_keeps_its_id_token() {
        let mut reference = Reference {
            origin: Origin { topic: "siem.events".into(), partition: 3, offset: 42 },
            key: None,
            timestamp: Some(1_700_000_000_123),
            id: Some(Box::from(&br#""evt-1""#[..])),
        };
        let mut out = Vec::new();
        write(&reference, &mut out, |out| out.extend_from_slice(b"{\"schema\":1}"));
        assert_eq!(
            String::from_utf8_lossy(&out),
            r#"{"event":{"topic":"siem.events","partition":3,"offset":42,"timestamp":1700000000123,"id":"evt-1"},"sidelight":{"schema":1}}"#
        );
        reference.id = None;
        reference.timestamp = None;
        out.clear();
        write(&reference, &mut out, |out| out.extend_from_slice(b"{}"));
        assert_eq!(
            String::from_utf8_lossy(&out),
            r#"{"event":{"topic":"siem.events","partition":3,"offset":42},"sidelight":{}}"#
        );
    }
}
