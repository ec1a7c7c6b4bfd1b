//! Waits for something on AWS that takes minutes, by asking again and again.

use std::time::Duration;

use crate::error::Result;
use crate::interrupt;

/// The first delay, which is short because the work can be done already.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The longest delay. More requests would be throttled, and show nothing new.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// The delays between the requests.
#[derive(Debug)]
pub(super) struct PollDelays {
    next: Duration,
}

impl PollDelays {
    /// Begins with the first delay.
    pub(super) fn new() -> Self {
        Self { next: FIRST_DELAY }
    }

    /// Waits until the next request.
    ///
    /// # Errors
    /// Returns an error as soon as the work is to stop.
    pub(super) fn wait(&mut self) -> Result<()> {
        let delay = self.next;
        self.next = delay.mul_f64(1.5).min(MAX_DELAY);
        interrupt::sleep(delay)
    }
}
