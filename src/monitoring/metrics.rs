//! Renders the metrics of a run in the text format of Prometheus, version 0.0.4.
//!
//! All metrics are gauges: each describes the newest run, and the next run replaces it. Every sample has the labels
//! `command` and `out`, so that the files of several jobs on one machine do not collide.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, Utc};

use super::run_end::RunEnd;
use crate::output::run_report::{EngineName, InputReport, RunReport, TableReport};
use crate::warehouse::load::LoadReport;

const LAST_SUCCESS: &str = "sparkify_last_success_timestamp_seconds";
const NEWEST_EVENT: &str = "sparkify_newest_event_timestamp_seconds";

/// The values of the previous file that a new one may keep.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct PreviousMetrics {
    /// When a command succeeded last, in seconds since 1970.
    last_success: Option<f64>,
    /// The time of the newest event, in seconds since 1970.
    newest_event: Option<f64>,
}

impl PreviousMetrics {
    /// Reads the values of an earlier end of the same job. Lines that are damaged have none.
    pub(super) fn parse(text: &str, end: &RunEnd<'_>) -> Self {
        let labels = job_labels(end);
        let value = |name: &str| {
            let series = format!("{name}{{{labels}}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&series))?;
            value.parse().ok().filter(|value: &f64| value.is_finite())
        };
        Self {
            last_success: value(LAST_SUCCESS),
            newest_event: value(NEWEST_EVENT),
        }
    }
}

/// Renders the metrics of a command. `adds_events` is whether its events were added to those that were there.
pub(super) fn render_metrics(
    end: &RunEnd<'_>,
    adds_events: bool,
    previous: PreviousMetrics,
) -> String {
    let mut metrics = Exposition {
        job_labels: job_labels(end),
        text: String::new(),
    };
    let now = seconds(end.finished_at);
    add_outcome(&mut metrics, end, previous);
    let newest_event = newest_event(end, adds_events, previous);
    metrics.single(
        NEWEST_EVENT,
        "Time of the newest event of all successful runs so far.",
        newest_event,
    );
    metrics.single(
        "sparkify_newest_event_lag_seconds",
        "Time from the newest event to the end of the last run, 0 if the event is in the future.",
        newest_event.map(|newest| round_to_milliseconds((now - newest).max(0.0))),
    );
    if let Some(report) = end.report {
        add_run(&mut metrics, report);
    }
    if let Some(load) = end.load {
        add_load(&mut metrics, load);
    }
    metrics.text
}

/// Returns the time of the newest event after this end. A run that failed changes nothing, and one that adds old events
/// to newer ones does not either.
fn newest_event(end: &RunEnd<'_>, adds_events: bool, previous: PreviousMetrics) -> Option<f64> {
    let newest = end.newest_event().map(seconds);
    // An event of the far future would hide for good that no others come.
    let now = seconds(Utc::now());
    let before = previous.newest_event.filter(|before| *before <= now);
    match (newest, before) {
        (Some(newest), Some(before)) if adds_events => Some(newest.max(before)),
        (newest, before) => newest.or(before),
    }
}

fn add_outcome(metrics: &mut Exposition, end: &RunEnd<'_>, previous: PreviousMetrics) {
    let engine = end.report.map(|report| match report.engine {
        EngineName::InProcess => "in-process",
        EngineName::Redshift => "redshift",
    });
    let version = env!("CARGO_PKG_VERSION");
    metrics.family(
        "sparkify_info",
        "Version of sparkify, and the engine that transformed the records; always 1.",
        [(
            vec![("version", version), ("engine", engine.unwrap_or(""))],
            1.0,
        )],
    );
    let now = seconds(end.finished_at);
    metrics.single(
        "sparkify_last_run_timestamp_seconds",
        "When the last run ended.",
        Some(now),
    );
    metrics.single(
        "sparkify_last_run_success",
        "Whether the last run succeeded: 1, or 0. A run that found nothing new did.",
        Some(f64::from(u8::from(end.is_success()))),
    );
    metrics.single(
        "sparkify_last_run_exit_code",
        "Exit code of the last run.",
        Some(f64::from(end.exit_code())),
    );
    let duration = (end.finished_at - end.started_at).as_seconds_f64();
    metrics.single(
        "sparkify_last_run_duration_seconds",
        "Duration of the last run, with its load.",
        Some(duration.max(0.0)),
    );
    metrics.single(
        LAST_SUCCESS,
        "When a run succeeded last. Later failures do not change it.",
        match end.is_success() {
            true => Some(now),
            false => previous.last_success,
        },
    );
}

fn add_run(metrics: &mut Exposition, report: &RunReport) {
    type Count = fn(&InputReport) -> u64;
    let (songs, logs) = (&report.songs, &report.logs.input);
    let kinds = [("songs", songs), ("logs", logs)];
    let by_kind = |label: &'static str, values: &[(&'static str, Count)]| {
        let samples = kinds.iter().flat_map(|(kind, input)| {
            let samples = values.iter();
            samples.map(move |(name, value)| {
                (vec![("kind", *kind), (label, *name)], value(input) as f64)
            })
        });
        samples.collect::<Vec<_>>()
    };
    let record =
        |kind, outcome, count: u64| (vec![("kind", kind), ("outcome", outcome)], count as f64);
    metrics.family(
        "sparkify_records",
        "Records that the last run read, by what became of them.",
        [
            record("songs", "kept", songs.records - songs.rejected),
            record("songs", "rejected", songs.rejected),
            record("logs", "kept", report.logs.kept),
            record("logs", "filtered", report.logs.filtered),
            record("logs", "duplicate", report.logs.duplicates),
            record("logs", "rejected", logs.rejected),
        ],
    );
    metrics.family(
        "sparkify_rejected_records",
        "Records that the last run rejected, by reason. Reasons without rejects are absent.",
        kinds.iter().flat_map(|(kind, input)| {
            let reasons = input.rejected_by_reason.iter();
            reasons.map(|(reason, count)| {
                (
                    vec![("kind", *kind), ("reason", reason.as_str())],
                    *count as f64,
                )
            })
        }),
    );
    metrics.family(
        "sparkify_objects",
        "Input objects of the last run. Unreadable ones are among those that were read.",
        by_kind(
            "state",
            &[
                ("read", |input| input.objects),
                ("already_loaded", |input| input.already_loaded_objects),
                ("ignored", |input| input.ignored_objects),
                ("unreadable", |input| input.unreadable_objects),
            ],
        ),
    );
    metrics.family(
        "sparkify_input_bytes",
        "Bytes that the last run read, as stored and after decompression.",
        by_kind(
            "form",
            &[
                ("stored", |input| input.bytes),
                ("decompressed", |input| input.decompressed_bytes),
            ],
        ),
    );
    metrics.family(
        "sparkify_stage_seconds",
        "Seconds of each stage of the last run, summed over its threads.",
        report
            .stages
            .iter()
            .map(|(stage, report)| (vec![("stage", stage.as_str())], report.seconds)),
    );
    metrics.single(
        "sparkify_build_seconds",
        "Duration of the last run until its dataset was complete, without its load.",
        Some(report.total.seconds),
    );
    metrics.single(
        "sparkify_peak_memory_bytes",
        "Peak resident memory of the process.",
        report.peak_memory_bytes.map(|bytes| bytes as f64),
    );
    add_tables(metrics, &report.tables);
}

fn add_tables(metrics: &mut Exposition, tables: &BTreeMap<String, TableReport>) {
    type Value = fn(&TableReport) -> u64;
    let families: [(&str, &str, Value); 3] = [
        (
            "sparkify_table_rows",
            "Rows that the last run wrote, by table.",
            |table| table.rows,
        ),
        (
            "sparkify_table_bytes",
            "Bytes of the Parquet files that the last run wrote, by table.",
            |table| table.bytes,
        ),
        (
            "sparkify_table_files",
            "Parquet files that the last run wrote, by table.",
            |table| table.files,
        ),
    ];
    for (name, help, value) in families {
        let samples = tables.iter();
        let samples =
            samples.map(|(table, report)| (vec![("table", table.as_str())], value(report) as f64));
        metrics.family(name, help, samples);
    }
}

fn add_load(metrics: &mut Exposition, load: &LoadReport) {
    let samples = load.tables.iter().flat_map(|(table, counts)| {
        let changes = [
            ("inserted", counts.added),
            ("updated", counts.changed),
            ("deleted", counts.removed),
        ];
        changes.map(|(change, rows)| (vec![("table", *table), ("change", change)], rows as f64))
    });
    metrics.family(
        "sparkify_load_rows",
        "Rows of the warehouse that the last load changed, by table.",
        samples,
    );
    metrics.single(
        "sparkify_load_duration_seconds",
        "Duration of the last load, all attempts of its transaction included.",
        Some(load.seconds),
    );
    metrics.single(
        "sparkify_load_attempts",
        "Attempts of the transaction of the last load.",
        Some(f64::from(load.attempts)),
    );
}

/// Metrics as text.
struct Exposition {
    /// The labels that all samples begin with.
    job_labels: String,
    text: String,
}

impl Exposition {
    /// Adds a metric without labels of its own, if it has a value.
    fn single(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.family(name, help, value.map(|value| (Vec::new(), value)));
    }

    /// Adds a metric with a sample for each combination of labels. Without samples there is no metric.
    fn family<'s>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'s str, &'s str)>, f64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} gauge"));
        for (labels, value) in samples {
            let labels: String = labels
                .into_iter()
                .map(|(label, value)| format!(",{}", label_pair(label, value)))
                .collect();
            let job_labels = self.job_labels.clone();
            self.push(format_args!("{name}{{{job_labels}{labels}}} {value}"));
        }
    }

    fn push(&mut self, lines: std::fmt::Arguments<'_>) {
        // A `String` takes everything that is written to it.
        let _ = writeln!(self.text, "{lines}");
    }
}

/// Returns the labels that all samples of a job have.
fn job_labels(end: &RunEnd<'_>) -> String {
    let command = label_pair("command", end.command.name());
    format!("{command},{}", label_pair("out", &end.out.to_string()))
}

fn label_pair(label: &str, value: &str) -> String {
    let value = value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n");
    format!("{label}=\"{value}\"")
}

/// Rounds what a difference of two times has below a millisecond.
fn round_to_milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Returns a time in seconds since 1970, to the millisecond.
fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::monitoring::monitored_job::MonitoredCommand;
    use crate::storage::Location;

    fn end<'a>(out: &'a Location, error: Option<&'a Error>, finished_at: i64) -> RunEnd<'a> {
        let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        RunEnd {
            command: MonitoredCommand::Run,
            out,
            started_at: time(finished_at - 2),
            finished_at: time(finished_at),
            run: None,
            error,
            report: None,
            loaded_run: None,
            load: None,
        }
    }

    #[test]
    fn labels_are_escaped() {
        let out = Location::Local("a\\b\"c\nd".into());
        let text = render_metrics(&end(&out, None, 1000), false, PreviousMetrics::default());
        let line = r#"sparkify_last_run_success{command="run",out="a\\b\"c\nd"} 1"#;
        assert!(text.lines().any(|found| found == line), "{text}");
    }

    #[test]
    fn last_success_survives_failures_of_the_same_job_only() {
        let out = Location::Local("/out".into());
        let other = Location::Local("/other".into());
        let error = Error::failed("cannot read songs");
        let first = render_metrics(&end(&out, None, 1000), false, PreviousMetrics::default());
        let failed = end(&out, Some(&error), 2000);
        let second = render_metrics(&failed, false, PreviousMetrics::parse(&first, &failed));
        let third = end(&out, Some(&error), 3000);
        let previous = PreviousMetrics::parse(&second, &third);
        assert_eq!(previous.last_success, Some(1000.0));
        let previous = PreviousMetrics::parse(&second, &end(&other, None, 3000));
        assert_eq!(previous, PreviousMetrics::default());
    }

    #[test]
    fn damaged_files_have_no_values() {
        let out = Location::Local("/out".into());
        let end = end(&out, None, 1000);
        let series = format!("{LAST_SUCCESS}{{{}}}", job_labels(&end));
        for text in [
            String::new(),
            "\u{fffd}\0".to_owned(),
            series.clone(),
            format!("{series} NaN"),
            format!("{series} 1e999"),
            format!("{series} 12x\n{NEWEST_EVENT}"),
        ] {
            assert_eq!(
                PreviousMetrics::parse(&text, &end),
                PreviousMetrics::default()
            );
        }
    }

    #[test]
    fn events_in_the_future_have_no_negative_lag() {
        let out = Location::Local("/out".into());
        let previous = PreviousMetrics {
            last_success: None,
            newest_event: Some(5000.0),
        };
        let text = render_metrics(&end(&out, None, 1000), true, previous);
        let lag = r#"sparkify_newest_event_lag_seconds{command="run",out="/out"} 0"#;
        assert!(text.lines().any(|line| line == lag), "{text}");
    }
}
