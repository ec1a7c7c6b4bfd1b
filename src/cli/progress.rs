//! Shows the progress of a command on stderr: a bar for each phase on a terminal, a line every ten seconds
//! elsewhere. Also prints warnings and the summary of a run.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::{is_json, print_info, print_run_summary, print_warning};
use super::json_log::set_run;
use super::stderr::{clear_bar, show_bar};
use crate::observer::Observer;
use crate::output::run_report::RunReport;
use crate::storage::Location;

/// The time between two lines where stderr is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows the progress and the warnings of a command.
#[derive(Debug)]
pub(super) struct TerminalProgress {
    mode: ProgressMode,
    state: Mutex<ProgressState>,
}

#[derive(Debug, Default)]
struct ProgressState {
    phase: Option<ActivePhase>,
    /// The time of the next line.
    next_line_at: Option<Instant>,
    /// The warnings that were printed, to print each of them once.
    seen_warnings: HashSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProgressMode {
    /// Prints warnings only.
    Quiet,
    Bars,
    Lines,
}

#[derive(Debug)]
struct ActivePhase {
    name: String,
    total_bytes: u64,
    done_bytes: u64,
    started_at: Instant,
    bar: Option<ProgressBar>,
    /// Prints lines about a phase without a known size, until it is dropped.
    _ticker: Option<PhaseTicker>,
}

/// A thread that prints every ten seconds how long a phase has been running. It ends when this is dropped.
#[derive(Debug)]
struct PhaseTicker {
    _alive: Sender<()>,
}

impl PhaseTicker {
    fn start(name: String, interval: Duration) -> Self {
        let (alive, ended) = mpsc::channel();
        let started_at = Instant::now();
        let ticker = move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let seconds = started_at.elapsed().as_secs_f64();
                print_info(&format!("{name}: running for {seconds:.0} s"));
            }
        };
        // Without the thread there are only no lines.
        drop(std::thread::Builder::new().spawn(ticker));
        Self { _alive: alive }
    }
}

impl TerminalProgress {
    /// Returns a progress that prints bars if stderr is a terminal and lines if not, or only warnings if
    /// `quiet` is set.
    pub(super) fn new(quiet: bool) -> Self {
        let has_bars = std::io::stderr().is_terminal() && !is_json();
        let mode = match (quiet, has_bars) {
            (true, _) => ProgressMode::Quiet,
            (false, true) => ProgressMode::Bars,
            (false, false) => ProgressMode::Lines,
        };
        Self {
            mode,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ProgressState> {
        // After a panic in another thread the worst result is a wrong bar.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for TerminalProgress {
    fn start_phase(&self, name: &str, total_bytes: Option<u64>) {
        self.finish_phase();
        let bar = match (self.mode, total_bytes) {
            (ProgressMode::Quiet, _) => return,
            (ProgressMode::Lines, _) => None,
            (ProgressMode::Bars, Some(total_bytes)) => Some(byte_bar(name, total_bytes)),
            (ProgressMode::Bars, None) => Some(spinner(name)),
        };
        if let Some(bar) = &bar {
            show_bar(bar.clone());
        }
        let ticker = match (self.mode, total_bytes) {
            (ProgressMode::Lines, None) => Some(PhaseTicker::start(name.to_owned(), LINE_INTERVAL)),
            _ => None,
        };
        let now = Instant::now();
        let mut state = self.lock();
        state.next_line_at.get_or_insert(now + LINE_INTERVAL);
        state.phase = Some(ActivePhase {
            name: name.to_owned(),
            total_bytes: total_bytes.unwrap_or(0),
            done_bytes: 0,
            started_at: now,
            bar,
            _ticker: ticker,
        });
    }

    fn advance(&self, bytes: u64) {
        if self.mode == ProgressMode::Quiet {
            return;
        }
        let mut guard = self.lock();
        let ProgressState {
            phase: Some(phase),
            next_line_at,
            ..
        } = &mut *guard
        else {
            return;
        };
        // Bytes that are read twice count once.
        let bytes = bytes.min(phase.total_bytes.saturating_sub(phase.done_bytes));
        phase.done_bytes += bytes;
        if let Some(bar) = &phase.bar {
            bar.inc(bytes);
        } else if phase.total_bytes > 0
            && next_line_at.is_none_or(|line_at| Instant::now() >= line_at)
        {
            *next_line_at = Some(Instant::now() + LINE_INTERVAL);
            print_info(&phase.format_line());
        }
    }

    fn finish_phase(&self) {
        self.lock().phase = None;
        clear_bar();
    }

    fn run_started(&self, run: &str) {
        set_run(run);
    }

    fn dataset_published(&self, report: &RunReport, location: &Location) {
        if self.mode != ProgressMode::Quiet {
            print_run_summary(report, location);
        }
    }

    /// Prints a warning, also in quiet mode. A repeated warning is printed once.
    fn warn(&self, message: &str) {
        if self.lock().seen_warnings.insert(message.to_owned()) {
            print_warning(message);
        }
    }
}

impl ActivePhase {
    fn format_line(&self) -> String {
        let seconds = self.started_at.elapsed().as_secs_f64();
        let rate = self.done_bytes as f64 / seconds.max(1e-9);
        let rate_text = DecimalBytes(rate as u64);
        let done = DecimalBytes(self.done_bytes);
        let seconds_left = self.total_bytes.saturating_sub(self.done_bytes) as f64 / rate.max(1.0);
        let percent = 100 * self.done_bytes / self.total_bytes.max(1);
        let total = DecimalBytes(self.total_bytes);
        format!(
            "{}: {done} of {total} ({percent}%), {rate_text}/s, {seconds_left:.0} s left",
            self.name
        )
    }
}

fn byte_bar(name: &str, total_bytes: u64) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let template = "{prefix:8} {wide_bar} {decimal_bytes}/{decimal_total_bytes} \
         {decimal_bytes_per_sec} {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total_bytes), target)
        .with_style(style)
        .with_prefix(name.to_owned())
}

/// Returns a bar for a phase without a known size, which shows the elapsed time.
fn spinner(name: &str) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let template = "{prefix:8} {spinner} {elapsed}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::with_draw_target(None, target)
        .with_style(style)
        .with_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_sizes_in_decimal_units() {
        let phase = ActivePhase {
            name: "logs".to_owned(),
            total_bytes: 2_000_000,
            done_bytes: 500_000,
            started_at: Instant::now(),
            bar: None,
            _ticker: None,
        };
        let line = phase.format_line();
        let start = "logs: 500.00 kB of 2.00 MB (25%), ";
        assert!(line.starts_with(start) && !line.contains("iB"), "{line}");
    }
}
