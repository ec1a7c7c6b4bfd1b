//! Connects to the first server of a warehouse that can be reached and that `target_session_attrs` accepts.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use postgres::Client;
use secrecy::ExposeSecret;

use super::config::ConnectionConfig;
use super::connect_error::{explain_host_error, explain_timeout};
use super::explanation::Explanation;
use super::host_connection::{HostError, connect_host};
use super::hosts::HostConfig;
use super::notices::Notices;
use super::target_session::TargetSession;
use crate::error::{Error, Result};

/// Why a server is not used.
#[derive(Debug)]
enum ServerFailure {
    /// The server may be down, or is not acceptable: the next one is tried.
    Skipped(Explanation),
    /// The server answered that the settings are wrong. Like libpq, this ends the search.
    Refused(Error),
}

/// Connects and logs in to the first acceptable server, and collects its notices.
///
/// # Errors
/// Returns an error that says of each server why it is not used, or why the last one refused the login.
pub(super) fn connect(connection: &ConnectionConfig, notices: &Notices) -> Result<Client> {
    let mut hosts: Vec<&HostConfig> = connection.hosts.iter().collect();
    if connection.load_balance {
        fastrand::shuffle(&mut hosts);
    }
    let passes: &[TargetSession] = match connection.target_session {
        TargetSession::PreferStandby => &[TargetSession::Standby, TargetSession::Any],
        _ => std::slice::from_ref(&connection.target_session),
    };
    let mut skipped = Vec::new();
    for &target in passes {
        // The last pass visits the same servers again.
        skipped.clear();
        for host in &hosts {
            match connect_to(connection, host, target, notices) {
                Ok(client) => return Ok(client),
                Err(ServerFailure::Refused(error)) => return Err(error),
                Err(ServerFailure::Skipped(explanation)) => {
                    tracing::info!("cannot use {host}: {}", explanation.reason);
                    skipped.push((*host, explanation));
                }
            }
        }
    }
    Err(no_server(skipped).into_error(connection))
}

/// Combines why each of the servers is not used.
fn no_server(mut skipped: Vec<(&HostConfig, Explanation)>) -> Explanation {
    match skipped.len() {
        1 => skipped.remove(0).1,
        _ => {
            let reasons = skipped.iter();
            let reasons: Vec<String> = reasons
                .map(|(host, explanation)| format!("{host}: {}", explanation.reason))
                .collect();
            let hint = skipped
                .into_iter()
                .find_map(|(_, explanation)| explanation.hint);
            Explanation {
                reason: reasons.join(", "),
                hint,
            }
        }
    }
}

/// Connects to a server within the time limit, and checks that it is acceptable.
fn connect_to(
    connection: &ConnectionConfig,
    host: &HostConfig,
    target: TargetSession,
    notices: &Notices,
) -> std::result::Result<Client, ServerFailure> {
    let mut client = connect_within_timeout(connection, host, notices)?;
    match target.objection(&mut client) {
        Ok(None) => Ok(client),
        Ok(Some(objection)) => Err(ServerFailure::Skipped(Explanation::new(
            objection,
            "check target_session_attrs, and that the hosts include such a server",
        ))),
        Err(error) => Err(ServerFailure::Skipped(Explanation::without_hint(
            super::error::error_chain(&error),
        ))),
    }
}

/// Connects and logs in within `connect_timeout`.
///
/// The driver limits the time of the TCP connection only, and would wait forever for a server that accepts the
/// connection and does not answer. So a thread connects, and is abandoned when the time is up.
fn connect_within_timeout(
    connection: &ConnectionConfig,
    host: &HostConfig,
    notices: &Notices,
) -> std::result::Result<Client, ServerFailure> {
    let mut config = driver_config(connection, host);
    notices.collect_from(&mut config);
    let (tls, host_name) = (connection.tls.clone(), host.host.clone());
    let (sender, receiver) = mpsc::channel();
    let connecting = thread::Builder::new()
        .name("connect".to_owned())
        .spawn(move || {
            let client = connect_host(&config, &tls, &host_name);
            // If the receiver has timed out, this drops the client and closes the connection.
            drop(sender.send(client));
        });
    if let Err(error) = connecting {
        let error = Error::failed("cannot start a thread").with_source(error);
        return Err(ServerFailure::Refused(error));
    }
    let received = match connection.connect_timeout {
        Some(timeout) => receiver.recv_timeout(timeout),
        None => receiver.recv().map_err(RecvTimeoutError::from),
    };
    match received {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(host_failure(connection, host, error)),
        Err(RecvTimeoutError::Timeout) => Err(ServerFailure::Skipped(explain_timeout(connection))),
        Err(RecvTimeoutError::Disconnected) => Err(ServerFailure::Skipped(
            Explanation::without_hint("the connecting thread ended unexpectedly"),
        )),
    }
}

fn host_failure(
    connection: &ConnectionConfig,
    host: &HostConfig,
    error: HostError,
) -> ServerFailure {
    let is_skipped = connection.hosts.len() > 1 && error.permits_next_host();
    let error = match error.into_setup_error() {
        Ok(setup_error) => return ServerFailure::Refused(setup_error),
        Err(error) => error,
    };
    let explanation = explain_host_error(connection, host, &error);
    if is_skipped {
        return ServerFailure::Skipped(explanation);
    }
    let shown = match connection.hosts.len() {
        1 => explanation.into_error(connection),
        _ => explanation.into_error(format_args!("{connection} ({host})")),
    };
    ServerFailure::Refused(match error.into_source() {
        Some(source) => shown.caused_by(source),
        None => shown,
    })
}

fn driver_config(connection: &ConnectionConfig, host: &HostConfig) -> postgres::Config {
    let mut config = postgres::Config::new();
    match host.socket_dir() {
        Some(folder) => config.host_path(folder),
        None => config.host(&host.host),
    };
    if let Some(address) = host.address {
        config.hostaddr(address);
    }
    config
        .port(host.port)
        .dbname(&connection.database)
        .user(&connection.user)
        .application_name(&connection.application_name)
        .channel_binding(connection.channel_binding);
    connection.keepalives.configure(&mut config);
    if let Some(password) = &host.password {
        config.password(password.expose_secret());
    }
    if let Some(timeout) = connection.connect_timeout {
        config.connect_timeout(timeout);
    }
    if let Some(options) = &connection.options {
        config.options(options);
    }
    config
}
