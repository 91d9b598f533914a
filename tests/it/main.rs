//! Integration tests: the product's parts against each other over real sockets on loopback, and against a real broker.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod config;
mod e2e_api;
mod e2e_bad_input;
mod e2e_batches;
mod e2e_cli;
mod e2e_crash;
mod e2e_enrich;
mod e2e_exactly_once;
mod e2e_fleet;
mod e2e_gate;
mod e2e_groups;
mod e2e_keys;
mod e2e_keywords;
mod e2e_late;
mod e2e_local;
mod e2e_outage;
mod e2e_providers;
mod e2e_reload;
mod e2e_replay;
mod e2e_rights;
mod e2e_secrets;
mod e2e_service;
mod e2e_shared_key;
mod e2e_shortage;
mod e2e_state;
mod e2e_stream;
mod e2e_topics;
mod e2e_zombie;
mod kafka_mock;
mod kafka_real;
mod kafka_state;
mod provider_bodies;
mod provider_contract;
mod provider_fixtures;
mod provider_support;
mod provider_tls;
mod provider_toy;
mod provider_toy_face;
mod provider_toy_stream;
mod provider_wire;
mod simulator;
mod support;
