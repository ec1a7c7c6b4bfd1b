//! Prints lines on stderr above the progress bar, if one is on the screen.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::ProgressBar;

/// The bar on the last line of the terminal. It is global because stderr is.
static BAR_ON_SCREEN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Prints a text with one line end. A bar on the screen moves below it. Errors are ignored: a closed stderr must
/// not stop the command, and `eprint!` would panic.
pub(super) fn eprint_line(text: &str) {
    let line = format!("{}\n", text.trim_end_matches('\n'));
    let write = || {
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    };
    match &*lock_bar() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Makes `bar` the one on the screen. There must be no other.
pub(super) fn show_bar(bar: ProgressBar) {
    *lock_bar() = Some(bar);
}

/// Removes the bar from the screen, if there is one.
pub(super) fn clear_bar() {
    if let Some(bar) = lock_bar().take() {
        bar.finish_and_clear();
    }
}

fn lock_bar() -> MutexGuard<'static, Option<ProgressBar>> {
    // After a panic in another thread the worst result is a wrong bar.
    BAR_ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}
