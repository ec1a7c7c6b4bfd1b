//! Limits the attempts of an operation, and spaces them by exponential backoff with jitter.
//!
//! Requests to S3 and transactions in a warehouse are retried by the same rule. They differ in their numbers only.

use std::time::Duration;

use crate::error::Error;

/// How often an operation is attempted, and how long to wait between two attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The maximum number of attempts.
    pub max_attempts: u32,
    /// The longest delay after the first attempt. It doubles with each attempt.
    pub initial_delay: Duration,
    /// The longest delay after any attempt.
    pub max_delay: Duration,
}

impl RetryPolicy {
    /// Returns how long to wait after a failed attempt, or `None` if it was the last. The first attempt is number 1.
    ///
    /// The delay is a random one between half of the longest delay and all of it, so that operations that failed
    /// together are not retried together.
    pub fn delay_after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(16);
        let longest = self
            .initial_delay
            .saturating_mul(1 << doublings)
            .min(self.max_delay);
        Some(longest.mul_f64(0.5 + 0.5 * fastrand::f64()))
    }
}

/// Logs that an attempt failed, and whether the operation is retried after a delay.
pub(crate) fn log_failed_attempt(attempt: u32, error: &Error, delay: Option<Duration>) {
    match delay {
        Some(delay) => {
            let seconds = delay.as_secs_f64();
            tracing::info!("attempt {attempt} failed: {error}: retrying in {seconds:.1} s");
        }
        None => tracing::info!("attempt {attempt} failed: {error}: giving up"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: 40,
        initial_delay: Duration::from_millis(100),
        max_delay: Duration::from_secs(20),
    };

    #[test]
    fn delays_double_up_to_the_limit() {
        for (attempt, longest_ms) in [
            (1, 100),
            (2, 200),
            (3, 400),
            (8, 12_800),
            (9, 20_000),
            (39, 20_000),
        ] {
            let longest = Duration::from_millis(longest_ms);
            for _ in 0..100 {
                let delay = POLICY.delay_after(attempt);
                assert!(
                    delay.is_some_and(|d| d >= longest / 2 && d <= longest),
                    "{attempt}: {delay:?}"
                );
            }
        }
    }

    #[test]
    fn delays_differ() {
        let delays: Vec<_> = (0..10).map(|_| POLICY.delay_after(9)).collect();
        assert!(delays.iter().any(|delay| *delay != delays[0]), "{delays:?}");
    }

    #[test]
    fn last_attempt_is_not_retried() {
        let once = RetryPolicy {
            max_attempts: 1,
            ..POLICY
        };
        assert_eq!(once.delay_after(1), None);
        assert_eq!(POLICY.delay_after(40), None);
        assert!(POLICY.delay_after(39).is_some());
    }

    #[test]
    fn events_say_what_happens_next() {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        let error = Error::failed("cannot read s3://b/k");
        tracing::subscriber::with_default(subscriber, || {
            log_failed_attempt(1, &error, Some(Duration::from_millis(240)));
            log_failed_attempt(2, &error, None);
        });
        let text = log.text();
        for expected in [
            "INFO sparkify::retry: attempt 1 failed: cannot read s3://b/k: retrying in 0.2 s",
            "INFO sparkify::retry: attempt 2 failed: cannot read s3://b/k: giving up",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }

    /// Collects the lines of a subscriber.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
        }
    }

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Log {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }
}
