//! Reads `dwh.cfg`, the INI file with the settings of a Redshift cluster, its IAM role and its S3 data.
//!
//! ```text
//! [CLUSTER]
//! HOST = analytics.abc123.us-west-2.redshift.amazonaws.com
//! DB_NAME = dev
//! DB_USER = loader
//! DB_PASSWORD = '…'
//! DB_PORT = 5439
//! [IAM_ROLE]
//! ARN = arn:aws:iam::123456789012:role/reader
//! [S3]
//! LOG_DATA = 's3://bucket/log_data'
//! SONG_DATA = 's3://bucket/song_data'
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::hosts::parse_port;
use super::ini::{self, Ini, IniEntry};
use super::parameter::{Parameter, similar_name};
use super::settings::{Setting, Settings};
use super::value_source::ValueSource;
use crate::error::{Error, Result};

/// The keys of each section that this program uses.
const SECTIONS: [(&str, &[&str]); 3] = [
    (
        "CLUSTER",
        &[
            "HOST",
            "DB_NAME",
            "DB_USER",
            "DB_PASSWORD",
            "DB_PORT",
            "PASSWORD_SECRET",
            "IAM_LOGIN",
            "CLUSTER_ID",
            "WORKGROUP",
        ],
    ),
    ("IAM_ROLE", &["ARN"]),
    ("S3", &["LOG_DATA", "LOG_JSONPATH", "SONG_DATA"]),
];

/// Sections for the scripts that create a cluster, which are in many of these files. This program does not use them.
const OTHER_SECTIONS: [&str; 2] = ["AWS", "DWH"];

/// A value in a config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue<T = String> {
    /// The value.
    pub value: T,
    /// Number of its line, from 1.
    pub line: usize,
}

/// The settings in a config file. A missing or empty setting is `None`.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// Path of the file.
    pub path: PathBuf,
    /// The host in `HOST` of `[CLUSTER]`.
    pub host: Option<ConfigValue>,
    /// `DB_PORT`, or the port in `HOST`.
    pub port: Option<ConfigValue<u16>>,
    /// `DB_NAME`, or the database in `HOST`.
    pub database: Option<ConfigValue>,
    /// `DB_USER`.
    pub user: Option<ConfigValue>,
    /// `DB_PASSWORD`.
    pub password: Option<ConfigValue<SecretString>>,
    /// `PASSWORD_SECRET`, the ARN of a secret with the password.
    pub password_secret: Option<ConfigValue>,
    /// `IAM_LOGIN`: whether Redshift returns user and password for the AWS credentials.
    pub iam_login: Option<ConfigValue>,
    /// `CLUSTER_ID`, the cluster of a login by IAM.
    pub cluster_id: Option<ConfigValue>,
    /// `WORKGROUP`, the workgroup of a login by IAM.
    pub workgroup: Option<ConfigValue>,
    /// `ARN` of `[IAM_ROLE]`.
    pub iam_role: Option<ConfigValue>,
    /// `LOG_DATA` of `[S3]`.
    pub log_data: Option<ConfigValue>,
    /// `LOG_JSONPATH`, which only a COPY of JSON needs.
    pub log_jsonpath: Option<ConfigValue>,
    /// `SONG_DATA`.
    pub song_data: Option<ConfigValue>,
}

impl ConfigFile {
    /// Reads a file, and adds a warning if every user of the machine can read a password in it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or parsed. The error never repeats the content of the file.
    pub fn read(path: &Path, warnings: &mut Vec<String>) -> Result<Self> {
        let bytes = fs::read(path).map_err(|e| Error::io("cannot read", path, e))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| parse_error(path).with_reason("the file is not UTF-8 text"))?;
        let file = Self::parse(path, &text)?;
        if file.password.is_some() && is_world_readable(path) {
            warnings.push(format!(
                "the password in {0} is readable by every user of this machine; run chmod 600 {0}",
                path.display()
            ));
        }
        Ok(file)
    }

    /// Parses the content of a file.
    ///
    /// # Errors
    /// Returns an error that names the line if the text is not an INI file, has an unknown section or key, or a setting
    /// is invalid.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let invalid = |line: usize, reason: &str| {
            parse_error(path).with_reason(format!("line {line}: {reason}"))
        };
        let Ini { sections, entries } = ini::parse(text).map_err(|e| invalid(e.line, &e.reason))?;
        for (section, line) in sections {
            if let Err(expected) = check_section(&section) {
                return Err(invalid(line, "unknown section").with_hint(expected));
            }
        }
        let mut file = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        let mut host = None;
        for entry in entries {
            let line = entry.line;
            if let Err(expected) = check_key(&entry) {
                return Err(invalid(line, "unknown key").with_hint(expected));
            }
            if entry.value.is_empty() {
                continue;
            }
            let value = entry.value;
            let text = |value| Some(ConfigValue { value, line });
            match (entry.section.as_str(), entry.key.as_str()) {
                ("CLUSTER", "HOST") => host = text(value),
                ("CLUSTER", "DB_NAME") => file.database = text(value),
                ("CLUSTER", "DB_USER") => file.user = text(value),
                ("CLUSTER", "DB_PASSWORD") => {
                    let value = SecretString::from(value);
                    file.password = Some(ConfigValue { value, line });
                }
                ("CLUSTER", "DB_PORT") => {
                    let value = parse_port(&value);
                    let value = value.ok_or_else(|| {
                        invalid(line, "DB_PORT in [CLUSTER] is not a number from 1 to 65535")
                    })?;
                    file.port = Some(ConfigValue { value, line });
                }
                ("CLUSTER", "PASSWORD_SECRET") => file.password_secret = text(value),
                ("CLUSTER", "IAM_LOGIN") => file.iam_login = text(value),
                ("CLUSTER", "CLUSTER_ID") => file.cluster_id = text(value),
                ("CLUSTER", "WORKGROUP") => file.workgroup = text(value),
                ("IAM_ROLE", _) => file.iam_role = text(value),
                ("S3", "LOG_DATA") => file.log_data = text(value),
                ("S3", "LOG_JSONPATH") => file.log_jsonpath = text(value),
                ("S3", "SONG_DATA") => file.song_data = text(value),
                _ => {}
            }
        }
        if let (Some(_), Some(secret)) = (&file.password, &file.password_secret) {
            return Err(
                invalid(secret.line, "DB_PASSWORD and PASSWORD_SECRET are set")
                    .with_hint("keep one of them"),
            );
        }
        if let Some(host) = host {
            let line = host.line;
            file.set_host(host)
                .map_err(|reason| invalid(line, &reason))?;
        }
        Ok(file)
    }

    /// Sets the host, and port and database from an endpoint such as `HOST:5439/dev`, which the AWS console shows.
    fn set_host(&mut self, endpoint: ConfigValue) -> std::result::Result<(), String> {
        let ConfigValue { value, line } = endpoint;
        if value.contains('@') || value.contains("://") {
            // The value is not shown, because it may contain a password.
            return Err(
                "HOST is not the name of a host; set user and password as DB_USER and DB_PASSWORD"
                    .to_owned(),
            );
        }
        let (authority, database) = value.split_once('/').unwrap_or((&value, ""));
        let (host, port) = match authority.split_once(':') {
            // A second colon makes it an IPv6 address.
            Some((host, port)) if !port.contains(':') => (host, port),
            _ => (authority, ""),
        };
        if !port.is_empty() {
            let value =
                parse_port(port).ok_or("the port in HOST is not a number from 1 to 65535")?;
            let port = self.port.get_or_insert(ConfigValue { value, line });
            if port.value != value {
                return Err(format!(
                    "HOST and DB_PORT in line {} have different ports",
                    port.line
                ));
            }
        }
        if !database.is_empty() {
            let value = database.to_owned();
            let in_host = ConfigValue { value, line };
            let set = self.database.get_or_insert_with(|| in_host.clone());
            if set.value != in_host.value {
                return Err(format!(
                    "HOST and DB_NAME in line {} have different databases",
                    set.line
                ));
            }
        }
        if !host.is_empty() {
            let value = host.to_owned();
            self.host = Some(ConfigValue { value, line });
        }
        Ok(())
    }

    /// Returns true if the file has the host, database or user of a cluster.
    pub fn has_cluster(&self) -> bool {
        self.host.is_some() || self.database.is_some() || self.user.is_some()
    }

    /// Returns where a value of the file is.
    pub(crate) fn source<T>(&self, value: &ConfigValue<T>) -> ValueSource {
        ValueSource::file_line(&self.path, value.line)
    }

    /// Returns the settings of the cluster as connection parameters.
    pub(super) fn connection_settings(&self) -> Settings {
        let port = self.port.as_ref().map(|port| ConfigValue {
            value: port.value.to_string(),
            line: port.line,
        });
        let texts = [
            (Parameter::Host, "HOST", self.host.as_ref()),
            (Parameter::Port, "DB_PORT", port.as_ref()),
            (Parameter::Database, "DB_NAME", self.database.as_ref()),
            (Parameter::User, "DB_USER", self.user.as_ref()),
            (
                Parameter::PasswordSecret,
                "PASSWORD_SECRET",
                self.password_secret.as_ref(),
            ),
            (Parameter::IamLogin, "IAM_LOGIN", self.iam_login.as_ref()),
            (Parameter::Cluster, "CLUSTER_ID", self.cluster_id.as_ref()),
            (Parameter::Workgroup, "WORKGROUP", self.workgroup.as_ref()),
        ];
        let mut settings = Settings::default();
        for (parameter, name, value) in texts {
            if let Some(value) = value {
                let setting = Setting::new(name, &value.value, self.source(value));
                settings.set(parameter, setting);
            }
        }
        if let Some(password) = &self.password {
            let text = password.value.expose_secret();
            let setting = Setting::new("DB_PASSWORD", text, self.source(password));
            settings.set(Parameter::Password, setting);
        }
        settings
    }
}

fn parse_error(path: &Path) -> Error {
    Error::usage(format!("cannot parse {}", path.display()))
        .with_hint("expected sections such as [CLUSTER] and lines such as HOST = NAME")
}

/// Checks that a section is known. Otherwise returns what is expected, without the name itself, because a stray line may be
/// a secret.
fn check_section(name: &str) -> std::result::Result<(), String> {
    let known = SECTIONS.iter().map(|&(section, _)| section);
    if known
        .clone()
        .chain(OTHER_SECTIONS)
        .any(|section| section == name)
    {
        return Ok(());
    }
    Err(match similar_name(name, known) {
        Some(similar) => format!("did you mean [{similar}]?"),
        None => "expected [CLUSTER], [IAM_ROLE] or [S3]".to_owned(),
    })
}

/// Checks that a key of a section is known. Otherwise returns what is expected.
fn check_key(entry: &IniEntry) -> std::result::Result<(), String> {
    let section = SECTIONS.iter().find(|(name, _)| *name == entry.section);
    match section {
        Some((section, keys)) if !keys.contains(&entry.key.as_str()) => {
            Err(match similar_name(&entry.key, keys.iter().copied()) {
                Some(similar) => format!("did you mean {similar}?"),
                None => format!("[{section}] has {}", keys.join(", ")),
            })
        }
        _ => Ok(()),
    }
}

fn is_world_readable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}
