//! Names the signals that stop a command.

use std::fmt;

/// A signal that asks the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT, which Ctrl-C in a terminal sends.
    Interrupt,
    /// SIGTERM, which service managers and schedulers send.
    Terminate,
}

impl StopSignal {
    /// Returns the exit code of a process that the signal stopped: 128 and the number of the signal.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}
