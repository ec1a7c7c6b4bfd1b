//! Decides whether a session is one that `target_session_attrs` asks for.

use std::str::FromStr;

use postgres::{Client, SimpleQueryMessage};

/// The servers that are acceptable, as `target_session_attrs` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetSession {
    /// Any server.
    Any,
    /// A server whose sessions can write.
    ReadWrite,
    /// A server whose sessions cannot write.
    ReadOnly,
    /// A server that is not in recovery.
    Primary,
    /// A server in recovery.
    Standby,
    /// A server in recovery, otherwise any.
    PreferStandby,
}

impl FromStr for TargetSession {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "any" => Self::Any,
            "read-write" => Self::ReadWrite,
            "read-only" => Self::ReadOnly,
            "primary" => Self::Primary,
            "standby" => Self::Standby,
            "prefer-standby" => Self::PreferStandby,
            _ => {
                return Err(
                    "must be any, read-write, read-only, primary, standby or prefer-standby"
                        .to_owned(),
                );
            }
        })
    }
}

impl TargetSession {
    /// Returns what is wrong with a session, or `None` if it is acceptable.
    pub(super) fn rejection_reason(
        self,
        client: &mut Client,
    ) -> Result<Option<&'static str>, postgres::Error> {
        let mut is_on = |sql: &str| {
            let messages = client.simple_query(sql)?;
            let row = messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            });
            Ok(matches!(row, Some("on" | "t")))
        };
        let (is_acceptable, reason) = match self {
            Self::Any => (true, ""),
            Self::ReadWrite => (!is_on(READ_ONLY)?, "its sessions are read-only"),
            Self::ReadOnly => (is_on(READ_ONLY)?, "its sessions can write"),
            Self::Primary => (!is_on(IN_RECOVERY)?, "it is a standby"),
            Self::Standby | Self::PreferStandby => (is_on(IN_RECOVERY)?, "it is not a standby"),
        };
        Ok((!is_acceptable).then_some(reason))
    }
}

const READ_ONLY: &str = "SHOW transaction_read_only";
const IN_RECOVERY: &str = "SELECT pg_is_in_recovery()";
