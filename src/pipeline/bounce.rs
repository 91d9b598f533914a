//! Records that were refused: what a shard sends in their place.

use crate::{
    model::Record,
    pipeline::{DeliveryFailure, Token, event::Content, shard::Shard},
};

impl Shard {
    /// The sink could not write a record that it had accepted.
    pub(super) fn bounced(&mut self, token: Token, failure: &DeliveryFailure) {
        let Some(record) = self.tracker.record(token) else { return };
        let times = self.tracker.bounce(token);
        self.otherwise(&record, token, times, &failure.to_string());
    }

    /// Sends a record in another form than the one that was refused, this many times.
    pub(super) fn otherwise(&mut self, record: &Record, token: Token, times: u8, why: &str) {
        let now = self.clock.monotonic();
        // The first time without the annotation, which may be what makes it too large; then to the dead letters.
        match times {
            1 => {
                let content = self.examine(record, now);
                if content == Content::Annotated {
                    self.writer.bare_and_late(record, token, &self.extraction, &self.known, self.clock.wall_ms());
                } else {
                    self.writer.dead_letter(record, token, why);
                }
            }
            2 => self.writer.dead_letter(record, token, why),
            _ => self.tracker.fail(&format!("a record can be written nowhere: {why}")),
        }
        self.meter.dead_letters(self.writer.take_dead_letters());
    }
}
