//! Posts a message when a run or a load has failed.

use std::time::{Duration, Instant};

use chrono::SecondsFormat;
use serde::Serialize;

use super::http::{HttpTarget, PostFailure};
use super::run_end::{RunEnd, RunStatus};
use crate::interrupt;
use crate::observer::Observer;
use crate::retry::RetryPolicy;

/// The longest time for all attempts.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time for one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

const RETRIES: RetryPolicy = RetryPolicy {
    max_attempts: 3,
    initial_delay: Duration::from_millis(500),
    max_delay: Duration::from_secs(1),
};

/// Posts messages to a server that shows them to people.
#[derive(Debug)]
pub(super) struct Webhook {
    target: HttpTarget,
}

/// The document that is posted. `text` comes first: Slack, Mattermost and what imitates them show it, and ignore the rest.
#[derive(Debug, Serialize)]
struct FailureMessage<'a> {
    text: String,
    status: &'static str,
    exit_code: u8,
    error: String,
    command: &'static str,
    run: Option<&'a str>,
    host: String,
    started_at: String,
    finished_at: String,
    out: String,
    rejected: Option<RejectedCounts>,
    sparkify_version: &'static str,
}

#[derive(Debug, Serialize)]
struct RejectedCounts {
    songs: u64,
    logs: u64,
}

impl Webhook {
    /// Creates a webhook that posts to a server.
    pub(super) fn new(target: HttpTarget) -> Self {
        Self { target }
    }

    /// Posts a message if the command failed. If a signal stopped it, somebody knows already.
    pub(super) fn send_failure(&self, end: &RunEnd<'_>, observer: &dyn Observer) {
        if !matches!(end.status(), RunStatus::Failed | RunStatus::TooManyRejects) {
            return;
        }
        let Some(message) = FailureMessage::new(end) else {
            return;
        };
        let sent = match serde_json::to_string(&message) {
            Ok(body) => self.post_with_retries(&body).map_err(|f| f.reason),
            Err(error) => Err(error.to_string()),
        };
        match sent {
            Ok(()) => tracing::info!(webhook = %self.target, "posted the failure"),
            Err(reason) => observer.warn(&format!(
                "cannot post the failure to the webhook at {}: {reason}",
                self.target
            )),
        }
    }

    fn post_with_retries(&self, body: &str) -> Result<(), PostFailure> {
        let deadline = Instant::now() + TOTAL_TIMEOUT;
        let mut attempt = 1;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Err(failure) = self.target.post_json(body, left.min(ATTEMPT_TIMEOUT)) else {
                return Ok(());
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let delay = RETRIES.delay_after(attempt).filter(|delay| *delay < left);
            match delay.filter(|_| failure.is_transient()) {
                Some(delay) if interrupt::sleep(delay).is_ok() => {}
                _ => return Err(failure),
            }
            attempt += 1;
        }
    }
}

impl PostFailure {
    /// Returns true if the same request may succeed later.
    fn is_transient(&self) -> bool {
        matches!(self.status, None | Some(429 | 500..))
    }
}

impl<'a> FailureMessage<'a> {
    /// Returns the message about a command that failed.
    fn new(end: &RunEnd<'a>) -> Option<Self> {
        let error = end.error?.to_string();
        let host = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
        let command = end.command.name();
        let text = format!("sparkify {command} failed on {host}: {error}");
        let iso_8601 =
            |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        Some(Self {
            text: escape_markup(&text),
            status: end.status().name(),
            exit_code: end.exit_code(),
            error,
            command,
            run: end.run,
            host,
            started_at: iso_8601(end.started_at),
            finished_at: iso_8601(end.finished_at),
            out: end.out.to_string(),
            rejected: end.report.map(|report| RejectedCounts {
                songs: report.songs.rejected,
                logs: report.logs.input.rejected,
            }),
            sparkify_version: env!("CARGO_PKG_VERSION"),
        })
    }
}

/// Escapes what Slack and Mattermost take for a link or a mention. Names of files may contain anything.
fn escape_markup(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
