//! Looks up the parameters of a service in `pg_service.conf` by the rules of libpq (PostgreSQL documentation, "The
//! Connection Service File").

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::home::home;
use super::parameter::Parameter;
use super::settings::{Setting, Settings, invalid};
use super::value_source::ValueSource;
use crate::error::{Error, Result};

/// The directories in which packages of PostgreSQL look for the file of the system, unless PGSYSCONFDIR names it.
const SYSTEM_DIRS: [&str; 3] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc"];

/// Returns the parameters of the service that a setting names: those in the file of the user, otherwise those in the file
/// of the system.
///
/// # Errors
/// Returns an error if no file has the service, or a line of it is invalid.
pub(super) fn load_service(
    service: &Setting,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Settings> {
    let env = |name: &str| env(name).filter(|value| !value.is_empty());
    let user_file = match env("PGSERVICEFILE").map(PathBuf::from) {
        Some(path) if !path.exists() => {
            return Err(Error::usage(format!("cannot read {}", path.display()))
                .with_reason("it does not exist")
                .with_hint("check PGSERVICEFILE"));
        }
        Some(path) => Some(path),
        None => home(env).map(|home| home.join(".pg_service.conf")),
    };
    let system_file = match env("PGSYSCONFDIR") {
        Some(dir) => Some(PathBuf::from(dir)),
        None => SYSTEM_DIRS
            .map(PathBuf::from)
            .into_iter()
            .find(|dir| has_service_file(dir)),
    };
    let system_file = system_file.map(|dir| dir.join("pg_service.conf"));
    let files: Vec<PathBuf> = user_file.into_iter().chain(system_file).collect();
    for path in &files {
        if let Some(settings) = service_in_file(path, service.text())? {
            return Ok(settings);
        }
    }
    let files: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let name = service.text();
    let source = &service.source;
    Err(Error::usage(format!(
        "cannot find service '{name}', which {source} names"
    ))
    .with_reason(format!("it is not in {}", files.join(" or "))))
}

fn has_service_file(dir: &Path) -> bool {
    dir.join("pg_service.conf").exists()
}

/// Returns the parameters of a service, or `None` if the file does not exist or does not have it.
fn service_in_file(path: &Path, service: &str) -> Result<Option<Settings>> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| {
            Error::usage(format!("cannot read {}", path.display()))
                .with_reason("it is not UTF-8 text")
        })?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("cannot read", path, e)),
    };
    let mut found: Option<Settings> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let is_service = section.split(']').next() == Some(service);
            found = is_service.then(Settings::default);
            continue;
        }
        if let Some(settings) = &mut found {
            let source = ValueSource::file_line(path, index + 1);
            set_line(settings, line, source)?;
        }
    }
    Ok(found)
}

/// Sets the parameter of a line. As in libpq, the first line of a parameter counts.
fn set_line(settings: &mut Settings, line: &str, source: ValueSource) -> Result<()> {
    if line.starts_with("ldap") {
        return Err(invalid(&source, "services in LDAP are not supported"));
    }
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err(invalid(&source, "the line has a control character"));
    }
    let (name, value) = line
        .split_once('=')
        .ok_or_else(|| invalid(&source, "the line has no ="))?;
    if name == "service" {
        return Err(invalid(&source, "a service cannot name another service"));
    }
    let mut parameter = Settings::default();
    parameter.set_named(name, value, source)?;
    *settings = std::mem::take(settings).or(parameter);
    Ok(())
}

/// Removes the parameter `service`, and fills absent parameters with those of the service that it names.
///
/// # Errors
/// Returns an error if the service cannot be loaded.
pub(super) fn resolve_service(
    mut settings: Settings,
    service: Option<Setting>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Settings> {
    settings.remove(Parameter::Service);
    match service {
        None => Ok(settings),
        Some(service) => Ok(settings.or(load_service(&service, env)?)),
    }
}
