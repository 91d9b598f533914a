//! The ledger: single rules by example, the whole by simulation.

mod rules;
mod simulation;
mod world;
