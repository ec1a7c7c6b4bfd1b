//! Renders a status as one line, which begins with `OK` or `STALE` as checks of other programs do.

use std::time::Duration;

use super::numbers::format_count;
use crate::jobs::{HistorySource, StaleReason, StatusJob, StatusReport};

/// Renders a status.
pub(crate) fn status_line(job: &StatusJob, report: &StatusReport) -> String {
    let word = match report.stale.is_empty() {
        true => "OK",
        false => "STALE",
    };
    let mut parts = vec![newest_success(job, report)];
    if report.newest.is_some() {
        parts.push(newest_event(job, report));
    }
    if let Some(rejected) = report
        .newest
        .as_ref()
        .and_then(|newest| newest.rejected_records)
    {
        let noun = if rejected == 1 { "record" } else { "records" };
        parts.push(format!("{} {noun} rejected", format_count(rejected)));
    }
    if let Some(failed) = &report.failed_since {
        let at = failed.started_at.as_deref().map(format_time);
        parts.push(match at {
            Some(at) => format!("a run that began {at} failed"),
            None => "a later run failed".to_owned(),
        });
    }
    // Names of places may come from outside.
    let line = parts.join("; ").replace(char::is_control, " ");
    format!("{word}: {line}\n")
}

fn newest_success(job: &StatusJob, report: &StatusReport) -> String {
    let Some(newest) = &report.newest else {
        return match &job.source {
            HistorySource::Warehouse(connection) => format!("no loads in {connection}"),
            HistorySource::Output { out, .. } => format!("no complete runs in {out}"),
        };
    };
    let verb = match job.source {
        HistorySource::Warehouse(_) => "loaded",
        HistorySource::Output { .. } => "run began",
    };
    let age = newest.age_seconds.map_or_else(
        || "unknown time".to_owned(),
        |seconds| format!("{} ago", format_duration(seconds)),
    );
    let limit = exceeded_limit(report, StaleReason::TooOld, job.max_age);
    format!("{verb} {} ({age}{limit})", format_time(&newest.at))
}

fn newest_event(job: &StatusJob, report: &StatusReport) -> String {
    let (Some(event), Some(seconds)) = (&report.newest_event, report.lag_seconds) else {
        return "no events".to_owned();
    };
    let at = format_time(event);
    if report.is_event_in_future {
        return format!("newest event {at} (in the future: check the clocks)");
    }
    let age = format_duration(seconds);
    let limit = exceeded_limit(report, StaleReason::EventTooOld, job.max_lag);
    format!("newest event {at} ({age} ago{limit})")
}

/// Returns the limit if it is the reason why the data are stale.
fn exceeded_limit(report: &StatusReport, reason: StaleReason, limit: Option<Duration>) -> String {
    match limit.filter(|_| report.stale.contains(&reason)) {
        Some(limit) => format!(", more than {}", format_duration(limit.as_secs())),
        None => String::new(),
    }
}

/// Formats a time in ISO 8601, to the second.
fn format_time(iso: &str) -> String {
    let time = iso.get(..19).unwrap_or(iso).replacen('T', " ", 1);
    format!("{time} UTC")
}

/// Formats a duration by its two largest units, as the flags accept it.
fn format_duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let [large, small] = match seconds {
        86400.. => [format!("{days}d"), format!("{}h", hours % 24)],
        3600.. => [format!("{hours}h"), format!("{}m", minutes % 60)],
        60.. => [format!("{minutes}m"), format!("{}s", seconds % 60)],
        _ => return format!("{seconds}s"),
    };
    match small.starts_with("0") {
        true => large,
        false => format!("{large} {small}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{FailedSince, NewestSuccess};
    use crate::storage::Location;
    use crate::storage::s3::S3Options;

    fn job() -> StatusJob {
        StatusJob {
            source: HistorySource::Output {
                out: Location::Local("out".into()),
                s3: S3Options::default(),
            },
            max_age: Some(Duration::from_secs(26 * 3600)),
            max_lag: None,
        }
    }

    fn report() -> StatusReport {
        StatusReport {
            newest: Some(NewestSuccess {
                run: "R".to_owned(),
                at: "2026-11-30T03:00:12.123Z".to_owned(),
                age_seconds: Some(4 * 3600 + 12 * 60 + 59),
                rejected_records: Some(1),
            }),
            newest_event: Some("2026-11-29T23:59:58.796Z".to_owned()),
            lag_seconds: Some(26 * 3600 + 59),
            is_event_in_future: false,
            failed_since: None,
            stale: Vec::new(),
        }
    }

    #[test]
    fn a_status_is_one_line() {
        assert_eq!(
            status_line(&job(), &report()),
            "OK: run began 2026-11-30 03:00:12 UTC (4h 12m ago); \
             newest event 2026-11-29 23:59:58 UTC (1d 2h ago); 1 record rejected\n"
        );
    }

    #[test]
    fn a_stale_status_says_what_is_too_old() {
        let report = StatusReport {
            stale: vec![StaleReason::TooOld],
            is_event_in_future: true,
            failed_since: Some(FailedSince {
                run: "F".to_owned(),
                started_at: Some("2026-11-30T04:00:00.000Z".to_owned()),
            }),
            ..report()
        };
        let line = status_line(&job(), &report);
        assert_eq!(
            line,
            "STALE: run began 2026-11-30 03:00:12 UTC (4h 12m ago, more than 1d 2h); \
             newest event 2026-11-29 23:59:58 UTC (in the future: check the clocks); 1 record rejected; \
             a run that began 2026-11-30 04:00:00 UTC failed\n"
        );
    }

    #[test]
    fn durations_have_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m 59s"),
            (3600, "1h"),
            (93_599, "1d 1h"),
            (86_400 * 2892, "2892d"),
        ] {
            assert_eq!(format_duration(seconds), expected);
        }
    }

    #[test]
    fn a_status_of_nothing_says_where() {
        let report = StatusReport {
            newest: None,
            newest_event: None,
            lag_seconds: None,
            stale: vec![StaleReason::NoSuccess],
            ..report()
        };
        let line = status_line(&job(), &report);
        assert_eq!(line, "STALE: no complete runs in out\n");
    }
}
