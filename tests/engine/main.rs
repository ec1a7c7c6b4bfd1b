//! The engine through its public surface, held against an independent computation of the same rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod codecs;
mod compare;
mod deliveries;
mod dictionary;
mod drive;
mod grammar;
mod harness;
mod ledger;
mod reference;
mod same;
mod streams;
mod tables;
mod texts;
