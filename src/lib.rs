//! Sidelight: threat-intelligence annotation beside a SIEM's Kafka pipeline.
//!
//! Events come in, the indicators in them are found, new ones are scored at providers within their quotas, and every event goes on, annotated.
//! The library exists for the program `sidelight`, its tests and benches; its interface is not a stable one.
//!
//! # Layers
//!
//! A module uses only modules of rows above its own; those of one row do not know each other. `tests/tidy.rs` holds the same table and enforces it.
//!
//! | layer | modules |
//! |---|---|
//! | words | [`model`] |
//! | pure, each below the next | [`event`], [`extract`], [`gate`], [`score`], [`annotate`], [`budget`] |
//! | effects | [`telemetry`], then [`cache`], [`provider`] and [`state`] |
//! | machine | [`enrich`], then [`pipeline`] |
//! | adapters | [`kafka`], [`stdio`], [`admin`] |
//! | shell | [`config`] and [`simulator`], then [`app`], [`demo`], [`bench`](mod@bench), [`cli`] |
//!
//! The way of an event, threads, bounds, invariants and decisions are told in `ARCHITECTURE.md`.

pub mod admin;
pub mod annotate;
pub mod app;
pub mod bench;
pub mod budget;
pub mod cache;
pub mod cli;
pub mod config;
pub mod demo;
pub mod enrich;
pub mod event;
pub mod extract;
pub mod gate;
pub mod kafka;
pub mod model;
pub mod pipeline;
pub mod provider;
pub mod score;
pub mod simulator;
pub mod state;
pub mod stdio;
pub mod telemetry;
