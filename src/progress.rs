//! Shows the progress of a command on stderr: a bar for each phase on a terminal, a line every ten seconds
//! elsewhere. Also prints warnings, so that they do not break a bar.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The time between two lines where stderr is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Prints a text on stderr, with one line end. Errors are ignored: `eprint!` would panic if stderr is closed.
pub fn eprint_line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end_matches('\n'));
}

/// Shows the progress and the warnings of a command.
#[derive(Debug)]
pub struct Progress {
    mode: ProgressMode,
    state: Mutex<ProgressState>,
}

#[derive(Debug, Default)]
struct ProgressState {
    phase: Option<ActivePhase>,
    /// The name before the names of the phases, if a command does several runs.
    prefix: Option<String>,
    /// The time of the next line.
    next_line_at: Option<Instant>,
    /// The warnings that were printed, to print each of them once.
    seen_warnings: HashSet<String>,
    /// The warnings of a silent progress, in order.
    collected_warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProgressMode {
    /// Prints nothing and collects the warnings.
    Silent,
    /// Prints warnings only.
    Quiet,
    Bars,
    Lines,
}

impl ProgressMode {
    fn hides_phases(self) -> bool {
        matches!(self, Self::Silent | Self::Quiet)
    }
}

#[derive(Debug)]
struct ActivePhase {
    name: String,
    total_bytes: u64,
    done_bytes: u64,
    started_at: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Returns a progress that prints nothing and collects the warnings for [`warnings`](Self::warnings).
    pub fn silent() -> Self {
        Self {
            mode: ProgressMode::Silent,
            state: Mutex::default(),
        }
    }

    /// Returns a progress that prints bars if stderr is a terminal and lines if not, or only warnings if
    /// `quiet` is set.
    pub fn stderr(quiet: bool) -> Self {
        let mode = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => ProgressMode::Quiet,
            (false, true) => ProgressMode::Bars,
            (false, false) => ProgressMode::Lines,
        };
        Self {
            mode,
            state: Mutex::default(),
        }
    }

    /// Sets the name that precedes the names of the following phases.
    pub fn set_prefix(&self, prefix: String) {
        self.lock().prefix = Some(prefix);
    }

    /// Begins a phase of `total` bytes, and ends the previous one.
    pub fn start_phase(&self, name: &str, total: u64) {
        self.finish_phase();
        if self.mode.hides_phases() {
            return;
        }
        let mut state = self.lock();
        let name = match &state.prefix {
            Some(prefix) => format!("{prefix}: {name}"),
            None => name.to_owned(),
        };
        let bar = (self.mode == ProgressMode::Bars).then(|| byte_bar(name.clone(), total));
        let now = Instant::now();
        state.next_line_at.get_or_insert(now + LINE_INTERVAL);
        state.phase = Some(ActivePhase {
            name,
            total_bytes: total,
            done_bytes: 0,
            started_at: now,
            bar,
        });
    }

    /// Begins a phase without a known size, which shows the elapsed time.
    pub fn start_spinner(&self, name: &str) {
        self.finish_phase();
        if self.mode != ProgressMode::Bars {
            return;
        }
        let template = "{prefix:8} {spinner} {elapsed}";
        let style = ProgressStyle::with_template(template);
        let target = ProgressDrawTarget::stderr_with_hz(10);
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
            .with_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        self.lock().phase = Some(ActivePhase {
            name: name.to_owned(),
            total_bytes: 0,
            done_bytes: 0,
            started_at: Instant::now(),
            bar: Some(bar),
        });
    }

    /// Adds bytes to those that the phase has processed.
    pub fn advance(&self, bytes: u64) {
        if self.mode.hides_phases() {
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
        } else if next_line_at.is_none_or(|line_at| Instant::now() >= line_at) {
            *next_line_at = Some(Instant::now() + LINE_INTERVAL);
            // A closed stderr must not stop the command.
            let _ = writeln!(std::io::stderr(), "{}", phase.format_line());
        }
    }

    /// Prints a warning on stderr, also in quiet mode. A repeated warning is printed once. A silent progress
    /// collects it instead.
    pub fn warn(&self, message: &str) {
        let line = format!(
            "sparkify: warning: {}",
            message.replace(char::is_control, " ")
        );
        let mut guard = self.lock();
        if !guard.seen_warnings.insert(message.to_owned()) {
            return;
        }
        if self.mode == ProgressMode::Silent {
            guard.collected_warnings.push(message.to_owned());
            return;
        }
        match guard.phase.as_ref().and_then(|phase| phase.bar.as_ref()) {
            Some(bar) => bar.println(line),
            // A closed stderr must not stop the command.
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }

    /// Returns the warnings that a [silent](Self::silent) progress collected, in order.
    pub fn warnings(&self) -> Vec<String> {
        self.lock().collected_warnings.clone()
    }

    /// Ends the current phase, if there is one.
    pub fn finish_phase(&self) {
        if let Some(ActivePhase { bar: Some(bar), .. }) = self.lock().phase.take() {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ProgressState> {
        // After a panic in another thread the worst result is a wrong bar.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
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

fn byte_bar(name: String, total: u64) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let template = "{prefix:8} {wide_bar} {decimal_bytes}/{decimal_total_bytes} \
         {decimal_bytes_per_sec} {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), target)
        .with_style(style)
        .with_prefix(name)
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
        };
        let line = phase.format_line();
        let start = "logs: 500.00 kB of 2.00 MB (25%), ";
        assert!(line.starts_with(start) && !line.contains("iB"), "{line}");
    }
}
