//! The provider simulator: answers as the real services do, without their keys, quotas or knowledge.
//!
//! One port serves every provider, each under its own paths (`/api/v3/…`, `/api/v2/check`) and under a prefix with its
//! name (`/virustotal/api/v3/…`). Keys are checked with each service's own errors, quotas are kept exactly and refused
//! in each service's own way, and every fault that a client must survive can be switched on while it runs. What it says
//! on an indicator follows from the indicator alone ([`truth()`]), so that a test can compute what must come out. Every call
//! is logged; the log says whether a quota was exceeded and whether anything was asked twice.
//!
//! Besides the services there is a control face under `/_sim`: `GET log` (NDJSON), `GET stats`, `GET truth?kind=&value=`,
//! `GET`/`POST`/`DELETE faults`, `POST reset`. It has no authentication: bind to loopback.
//!
//! Adding a service: one file with a [`face::Face`], and its line in `face::FACES`; one that lives outside of this crate comes with [`SimulatorConfig::faces`].

mod abuseipdb;
mod body;
mod circl_pdns;
mod config;
mod control;
pub mod face;
mod fault;
mod greynoise;
mod hashlookup;
mod internetdb;
mod log;
mod malwarebazaar;
mod misp;
mod otx;
mod otx_pdns;
mod passivetotal;
mod plan;
mod quota;
mod render;
mod safebrowsing;
mod safebrowsing_v5;
mod server;
mod shodan;
mod threatfox;
mod truth;
mod urlhaus;
mod urlscan;
mod virustotal;

pub use config::{ServiceConfig, SimulatorConfig};
pub use fault::{Fault, FaultRule, Faults};
pub use log::{Entry, ServiceStats, Stats};
pub use server::{Handle, Simulator};
pub use truth::{Class, Truth, Truths, truth};
