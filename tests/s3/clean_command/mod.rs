//! `sparkify clean`: which runs are removed, which are kept, and what the command prints about both.

mod concurrency;
mod fixture;
mod local;
mod removal;
mod selection;
