//! Helpers of the integration tests.

pub(crate) mod broker;
pub(crate) mod e2e;
pub(crate) mod e2e_events;
pub(crate) mod e2e_json;
pub(crate) mod e2e_score;
pub(crate) mod e2e_wire;
pub(crate) mod formulas;
pub(crate) mod kafka;
pub(crate) mod kafka_echo;
