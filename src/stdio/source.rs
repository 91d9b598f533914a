//! Lines as records.

use std::{
    io::{self, BufRead},
    sync::Arc,
    time::Duration,
};

use crate::{
    model::{Body, Origin, Record},
    pipeline::{Assigned, Intake},
};

/// Longest line that is read whole, bytes; a longer one is an error, since cutting it would change it.
const LONGEST_LINE: usize = 64 << 20;

/// Lines handed over at a time.
const BATCH: usize = 256;

/// Why reading stopped early.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The input could not be read.
    #[error("line {line}: {source}")]
    Read {
        /// Number of the line, from 1.
        line: i64,
        /// What the system says.
        source: io::Error,
    },
    /// A line is longer than 64 MiB.
    #[error("line {0} is longer than 64 MiB")]
    TooLong(i64),
}

/// Hands every line of `input` to the pipeline, as partition 0 of the topic `stdin`.
///
/// # Errors
/// [`SourceError`]; the lines before it have been handed over.
pub fn feed(input: &mut dyn BufRead, intake: &mut dyn Intake) -> Result<u64, SourceError> {
    let topic: Arc<str> = "stdin".into();
    let metadata = String::new();
    intake.assigned(Assigned { topic: Arc::clone(&topic), partition: 0, epoch: 1, metadata, committed: None });
    let mut offset = 0i64;
    let mut ended = false;
    while !ended {
        while intake.paused_wanted() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            let line = read_line(input, offset + 1)?;
            let Some(line) = line else {
                ended = true;
                break;
            };
            let origin = Origin { topic: Arc::clone(&topic), partition: 0, offset };
            batch.push(Record { origin, body: Body::from(as_event(line)), timestamp: None, epoch: 1 });
            offset += 1;
        }
        if !batch.is_empty() {
            intake.records(batch);
        }
    }
    Ok(offset.unsigned_abs())
}

/// The next line without its end, and the bytes read for it.
fn read_line(input: &mut dyn BufRead, line: i64) -> Result<Option<Vec<u8>>, SourceError> {
    let mut bytes = Vec::new();
    let mut limited = io::Read::take(input, LONGEST_LINE as u64 + 1);
    let length = limited.read_until(b'\n', &mut bytes).map_err(|source| SourceError::Read { line, source })?;
    if length == 0 {
        return Ok(None);
    }
    if bytes.len() > LONGEST_LINE {
        return Err(SourceError::TooLong(line));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(Some(bytes))
}

/// A line as a JSON object.
fn as_event(line: Vec<u8>) -> Vec<u8> {
    let is_object = line.trim_ascii_start().first() == Some(&b'{')
        && serde_json::from_slice::<serde::de::IgnoredAny>(&line).is_ok();
    if is_object || line.is_empty() {
        return line;
    }
    let message = String::from_utf8_lossy(&line);
    serde_json::json!({ "message": message }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Commit;

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl Intake for Seen {
        fn records(&mut self, batch: Vec<Record>) {
            self.0.extend(
                batch
                    .into_iter()
                    .map(|record| String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned()),
            );
        }
        fn assigned(&mut self, _partition: Assigned) {}
        fn revoke(&mut self, _partitions: &[(Arc<str>, i32)], _lost: bool, _within: Duration) -> Vec<Commit> {
            Vec::new()
        }
        fn paused_wanted(&self) -> bool {
            false
        }
        fn committable(&mut self) -> Vec<Commit> {
            Vec::new()
        }
    }

    #[test]
    fn objects_stay_and_other_lines_are_wrapped() {
        let input = b"{\"a\":1}\r\nplain \"text\"\n\n{broken\n[1]\nlast".as_slice();
        let mut seen = Seen::default();
        let lines = feed(&mut io::BufReader::new(input), &mut seen).expect("readable");
        assert_eq!(lines, 6);
        assert_eq!(
            seen.0,
            [
                "{\"a\":1}",
                "{\"message\":\"plain \\\"text\\\"\"}",
                "",
                "{\"message\":\"{broken\"}",
                "{\"message\":\"[1]\"}",
                "{\"message\":\"last\"}"
            ]
        );
    }
}
