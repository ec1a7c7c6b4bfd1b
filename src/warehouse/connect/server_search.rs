//! Connects to the first server of a warehouse that can be reached and that `target_session_attrs` accepts.

use secrecy::ExposeSecret;

use super::config::ConnectionConfig;
use super::connect_error::{explain_host_error, explain_timeout};
use super::error::{ErrorClass, StatementError, error_chain, fatal};
use super::explanation::Explanation;
use super::host_connection::{ConnectionMethods, EncryptedClient, HostError, lookup};
use super::hosts::HostConfig;
use super::login_error_class::login_error_class;
use super::new_login::with_new_login;
use super::notices::Notices;
use super::target_session::TargetSession;
use super::time_limit::run_within;

/// Why a server is not used.
#[derive(Debug)]
enum ServerFailure {
    /// The server may be down, or is not acceptable: the next one is tried. The class says whether it may be used later.
    Skipped(Explanation, ErrorClass),
    /// The server answered that the settings are wrong. Like libpq, this ends the search.
    Refused(StatementError),
}

/// Connects and logs in to the first acceptable server, and collects its notices.
///
/// # Errors
/// Returns an error that says of each server why it is not used, or why the last one refused the login.
pub(super) fn connect(
    connection: &ConnectionConfig,
    notices: &Notices,
) -> Result<EncryptedClient, StatementError> {
    let with_login = with_new_login(connection)?;
    let connection = with_login.as_ref().unwrap_or(connection);
    let mut hosts: Vec<&HostConfig> = connection.hosts.iter().collect();
    if connection.load_balance {
        fastrand::shuffle(&mut hosts);
    }
    let passes: &[TargetSession] = match connection.target_session {
        TargetSession::PreferStandby => &[TargetSession::Standby, TargetSession::Any],
        _ => std::slice::from_ref(&connection.target_session),
    };
    let (mut skipped, mut classes) = (Vec::new(), Vec::new());
    for &target in passes {
        // The last pass visits the same servers again.
        skipped.clear();
        classes.clear();
        for host in &hosts {
            match connect_to(connection, host, target, notices) {
                Ok(client) => return Ok(client),
                Err(ServerFailure::Refused(error)) => return Err(error),
                Err(ServerFailure::Skipped(explanation, class)) => {
                    tracing::info!("cannot use {host}: {}", explanation.reason);
                    skipped.push((*host, explanation));
                    classes.push(class);
                }
            }
        }
    }
    Err(StatementError {
        class: class_of_search(&classes),
        error: no_server(skipped).into_error(connection),
    })
}

/// Returns the class of a search: one server that may be used later is enough.
fn class_of_search(classes: &[ErrorClass]) -> ErrorClass {
    let more_temporary_first = [ErrorClass::ConnectionLost, ErrorClass::UnknownHost];
    let class = more_temporary_first
        .into_iter()
        .find(|class| classes.contains(class));
    class.unwrap_or(ErrorClass::Fatal)
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

/// Connects to a server, and checks that it is acceptable.
fn connect_to(
    connection: &ConnectionConfig,
    host: &HostConfig,
    target: TargetSession,
    notices: &Notices,
) -> Result<EncryptedClient, ServerFailure> {
    let (mut client, tls) = connect_to_any_address(connection, host, notices)?;
    match target.rejection_reason(&mut client) {
        Ok(None) => Ok((client, tls)),
        // After a failover it may be the other way round.
        Ok(Some(reason)) => Err(ServerFailure::Skipped(
            Explanation::new(
                reason,
                "check target_session_attrs, and that the hosts include such a server",
            ),
            ErrorClass::ConnectionLost,
        )),
        Err(error) => Err(ServerFailure::Skipped(
            Explanation::without_hint(error_chain(&error)),
            login_error_class(&error, host.socket_dir()),
        )),
    }
}

/// Connects and logs in to a server. The addresses of its name are tried until one accepts the connection. Like libpq, each
/// has the time of `connect_timeout`.
fn connect_to_any_address(
    connection: &ConnectionConfig,
    host: &HostConfig,
    notices: &Notices,
) -> Result<EncryptedClient, ServerFailure> {
    let mut config = driver_config(connection, host);
    notices.collect_from(&mut config);
    let timeout = connection.connect_timeout;
    let timed_out =
        || ServerFailure::Skipped(explain_timeout(connection), ErrorClass::ConnectionLost);
    let failure = |error| host_failure(connection, host, error);
    let refused = |error| ServerFailure::Refused(fatal(error));
    let methods = ConnectionMethods::load(connection, host).map_err(refused)?;
    let name = host.host.clone();
    let configs = match (host.socket_dir(), host.address) {
        (None, None) => {
            let port = host.port;
            let found = run_within(timeout, move || lookup(&name, port)).map_err(refused)?;
            let mut addresses = found.ok_or_else(timed_out)?.map_err(failure)?;
            if connection.load_balance {
                fastrand::shuffle(&mut addresses);
            }
            let with_address = |address| {
                let mut config = config.clone();
                config.hostaddr(address);
                config
            };
            addresses.into_iter().map(with_address).collect()
        }
        _ => vec![config],
    };
    let mut last_failure = None;
    for config in configs {
        let methods = methods.clone();
        match run_within(timeout, move || methods.connect(&config)).map_err(refused)? {
            None => last_failure = Some(timed_out()),
            Some(Ok(client)) => return Ok(client),
            Some(Err(error)) if error.permits_next_address() => last_failure = Some(failure(error)),
            Some(Err(error)) => return Err(failure(error)),
        }
    }
    Err(last_failure.unwrap_or_else(timed_out))
}

fn host_failure(
    connection: &ConnectionConfig,
    host: &HostConfig,
    error: HostError,
) -> ServerFailure {
    let is_skipped = connection.hosts.len() > 1 && error.permits_next_host();
    let explanation = explain_host_error(connection, host, &error);
    if is_skipped {
        return ServerFailure::Skipped(explanation, error.class(host));
    }
    let shown = match connection.hosts.len() {
        1 => explanation.into_error(connection),
        _ => explanation.into_error(format_args!("{connection} ({host})")),
    };
    ServerFailure::Refused(StatementError {
        class: error.class(host),
        error: error.cause(shown),
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
