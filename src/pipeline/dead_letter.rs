//! Headers of dead letters, as Kafka Connect writes them, so that its tools read ours.

use crate::model::Record;

/// Connect's error headers for a record that cannot be written. Connect never replaces one that is there already; neither do we.
pub(super) fn headers(record: &Record, why: &str) -> [(&'static str, String); 9] {
    let origin = &record.origin;
    [
        ("__connect.errors.topic", origin.topic.to_string()),
        ("__connect.errors.partition", origin.partition.to_string()),
        ("__connect.errors.offset", origin.offset.to_string()),
        ("__connect.errors.connector.name", "sidelight".to_owned()),
        ("__connect.errors.task.id", "0".to_owned()),
        ("__connect.errors.stage", "TASK_PUT".to_owned()),
        ("__connect.errors.class.name", "sidelight::pipeline".to_owned()),
        ("__connect.errors.exception.class.name", class_of(why).to_owned()),
        ("__connect.errors.exception.message", why.to_owned()),
    ]
}

/// The name that a Java program would see for the same refusal.
fn class_of(why: &str) -> &'static str {
    if why.contains("too large") {
        "org.apache.kafka.common.errors.RecordTooLargeException"
    } else {
        "org.apache.kafka.common.errors.InvalidRecordException"
    }
}
