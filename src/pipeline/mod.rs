//! Runs the pipeline: connects the stages and distributes their work over threads. Only this module starts
//! worker threads.
//!
//! `list objects -> plan splits -> read -> decode -> build the star schema -> encode Parquet -> publish`
//!
//! Songs come first, because the events are joined with them. A worker turns a split into its own Parquet part
//! and keeps small states (users, ids, times). When all splits are done, the dimensions are built from these
//! states.

mod boundary_tracker;
mod dimensions;
mod dry_run;
mod duplicate_ids;
mod duplicate_removal;
mod edited_rejects;
mod executed_by;
mod input_source;
mod input_survey;
mod input_warnings;
mod instrumented_runs;
mod listed_input;
mod listing;
mod logs;
mod peak_rss;
mod raw_input;
mod readability;
mod reject_collector;
mod reject_limit;
mod reject_texts;
mod replay;
mod reported_run;
mod run;
mod run_context;
mod run_failure;
mod run_input;
mod sniffing;
mod songplay_encoder;
mod songs;
mod source_counter;
mod source_objects;
mod source_unknown_keys;
mod split_parts;
mod split_processing;
mod split_reader;
mod split_rewriter;
mod split_slots;
mod split_stats;
mod thread_pool;
mod timings;
mod winning_deliveries;
mod wrapper_record_hint;

pub(crate) use dry_run::plan_run;
pub use dry_run::{InputPlan, RunPlan, SplitPlan};
pub(crate) use input_source::record_schema;
pub(crate) use input_survey::InputSurvey;
pub(crate) use input_warnings::{first_names, warn_if_no_records};
pub(crate) use instrumented_runs::{TimedParse, TimedRun, measure_parse, measure_run};
pub use raw_input::{RawInput, list_raw_input};
pub(crate) use raw_input::{redshift_input, unusable_engine};
pub(crate) use reject_limit::{
    LOAD_WITHOUT_EVENTS, allow_no_events, ensure_any_readable, ensure_within_limit,
    no_events_finding,
};
pub(crate) use reported_run::ReportedRun;
pub(crate) use run::{nothing_new_report, run};
pub use run_failure::RunFailure;
pub(crate) use run_failure::{input_failure, keep_failed_output};
pub(crate) use timings::PhaseTiming;
