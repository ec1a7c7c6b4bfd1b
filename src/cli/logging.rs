//! Prints the events that the crate emits by `tracing` as lines on stderr.
//!
//! Events of libraries are not printed at any level. They can contain secrets: the AWS SDK logs signed requests at
//! the level trace, and the output of a credential process in a warning.

use std::env;
use std::fmt;
use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use super::args::logging::{LogArgs, LogFormat};
use super::console::{CONSOLE_TARGET, print_warning, set_format};
use super::json_log::JsonLog;
use super::stderr::eprint_line;

/// The variable that names what is logged, in the syntax of [`EnvFilter`].
const FILTER_VARIABLE: &str = "RUST_LOG";

/// The first component of the targets of this crate.
const OWN_TARGET: &str = env!("CARGO_CRATE_NAME");

/// Starts to print what the arguments and the environment select. A variable that is not valid, which may be meant for
/// another program, is ignored with a warning.
pub(super) fn start_logging(args: &LogArgs) {
    set_format(args.log_format);
    let own_events = filter_fn(is_own).with_max_level_hint(LevelFilter::TRACE);
    let (filter, warning) = match filter_of_variable() {
        Ok(Some(filter)) => (filter, None),
        Ok(None) => (filter_of_flags(args), None),
        Err(reason) => (
            filter_of_flags(args),
            Some(format!("{FILTER_VARIABLE} is ignored: {reason}")),
        ),
    };
    let messages = filter_fn(is_message).with_max_level_hint(LevelFilter::INFO);
    let layer = log_layer(args.log_format).with_filter(filter.and(own_events).or(messages));
    // A program that calls the command line may have a subscriber already, which then gets the events.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    if let Some(warning) = warning {
        print_warning(&warning);
    }
}

/// Returns the filter that the environment variable names, if it is set.
fn filter_of_variable() -> Result<Option<EnvFilter>, String> {
    let Some(value) = env::var_os(FILTER_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let directives = value
        .into_string()
        .map_err(|_| "it is not UTF-8".to_owned())?;
    let filter = EnvFilter::builder().parse(directives);
    filter.map(Some).map_err(|e| e.to_string())
}

fn filter_of_flags(args: &LogArgs) -> EnvFilter {
    let level = match args.verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    // The other filter lets only events of this crate pass.
    EnvFilter::default().add_directive(level.into())
}

/// Returns true for what this crate emits, and false for what libraries emit.
fn is_own(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target().strip_prefix(OWN_TARGET);
    target.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Returns true for a message of the command line and for the stages, which its line names.
fn is_message(metadata: &Metadata<'_>) -> bool {
    metadata.target() == CONSOLE_TARGET || metadata.is_span() && is_own(metadata)
}

fn log_layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(|| LogWriter)
            .compact()
            .with_target(false)
            .with_timer(TimeOfDay)
            .boxed(),
        LogFormat::Json => JsonLog.boxed(),
    }
}

/// The time of day in UTC, with milliseconds.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        write!(to, "{}", chrono::Utc::now().format("%H:%M:%S%.3fZ"))
    }
}

/// Prints an event, which is written by one call, as one line.
struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        // Names may come from outside. They must neither add lines nor control the terminal.
        let line = text.trim_end_matches('\n').replace(char::is_control, " ");
        eprint_line(&line);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
