//! Decides how a connection detects that its server is lost.

use std::str::FromStr;
use std::time::Duration;

use super::parameter::Parameter;
use super::settings::Settings;
use crate::error::Result;

/// TCP keepalives, and the time after which unacknowledged data closes the connection. What is zero is left to the
/// driver and the system: keepalives after two hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether keepalives are sent.
    pub enabled: bool,
    /// Time without data before the first keepalive.
    pub idle: Duration,
    /// Time between keepalives that are not answered.
    pub interval: Duration,
    /// Number of keepalives without an answer after which the connection is lost.
    pub count: u32,
    /// Maximum time that sent data may stay unacknowledged.
    pub user_timeout: Duration,
}

impl Keepalives {
    /// No packets flow while a COPY runs, for an hour perhaps. Keepalives prevent firewalls from dropping the idle
    /// connection, and detect a lost server within minutes. A `user_timeout` would replace their number on Linux.
    const DEFAULT: Self = Self {
        enabled: true,
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(10),
        count: 6,
        user_timeout: Duration::ZERO,
    };

    /// Returns the parameters of libpq, or the defaults of this program.
    ///
    /// # Errors
    /// Returns an error if a parameter is not a number.
    pub(super) fn resolve(settings: &Settings) -> Result<Self> {
        let number = |parameter| settings.parse::<Number>(parameter);
        let seconds = |parameter| -> Result<Option<Duration>> {
            let number = number(parameter)?;
            Ok(number.map(|Number(seconds)| Duration::from_secs(seconds.into())))
        };
        let Self {
            enabled,
            idle,
            interval,
            count,
            user_timeout,
        } = Self::DEFAULT;
        let milliseconds = number(Parameter::TcpUserTimeout)?;
        Ok(Self {
            enabled: number(Parameter::Keepalives)?.map_or(enabled, |Number(on)| on != 0),
            idle: seconds(Parameter::KeepalivesIdle)?.unwrap_or(idle),
            interval: seconds(Parameter::KeepalivesInterval)?.unwrap_or(interval),
            count: number(Parameter::KeepalivesCount)?.map_or(count, |Number(count)| count),
            user_timeout: milliseconds
                .map_or(user_timeout, |Number(ms)| Duration::from_millis(ms.into())),
        })
    }

    /// Sets the options of the socket.
    pub(super) fn configure(&self, config: &mut postgres::Config) {
        config.keepalives(self.enabled);
        if !self.idle.is_zero() {
            config.keepalives_idle(self.idle);
        }
        if !self.interval.is_zero() {
            config.keepalives_interval(self.interval);
        }
        if self.count > 0 {
            config.keepalives_retries(self.count);
        }
        if !self.user_timeout.is_zero() {
            config.tcp_user_timeout(self.user_timeout);
        }
    }
}

/// A number that is not negative. Like libpq, this maps negative values to 0.
struct Number(u32);

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.trim().parse::<i32>() {
            Ok(number) => Ok(Self(u32::try_from(number).unwrap_or(0))),
            Err(_) => Err("is not a number".to_owned()),
        }
    }
}
