//! The engine through its public surface, held against an independent computation of the same rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod codecs;
mod compare;
mod content;
mod deliveries;
mod dictionary;
mod drive;
mod field_cases;
mod grammar;
mod harness;
mod ledger;
mod places;
mod reference;
mod replaced;
mod same;
mod streams;
mod tables;
mod texts;
