//! `dwh.cfg`: the file in which people keep what they know of their cluster, its role and its bucket.
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
use std::path::{Path, PathBuf};

use configparser::ini::{Ini, IniDefault};

use super::secret::Secret;
use crate::error::{Error, Result};

/// What such a file says. What it leaves out or leaves empty is absent.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// The file itself.
    pub path: PathBuf,
    /// `HOST` of `[CLUSTER]`.
    pub host: Option<String>,
    /// `DB_PORT`.
    pub port: Option<u16>,
    /// `DB_NAME`.
    pub database: Option<String>,
    /// `DB_USER`.
    pub user: Option<String>,
    /// `DB_PASSWORD`.
    pub password: Option<Secret>,
    /// `ARN` of `[IAM_ROLE]`.
    pub iam_role: Option<String>,
    /// `LOG_DATA` of `[S3]`.
    pub log_data: Option<String>,
    /// `LOG_JSONPATH`, which only COPY of JSON needs.
    pub log_jsonpath: Option<String>,
    /// `SONG_DATA`.
    pub song_data: Option<String>,
}

impl ConfigFile {
    /// Reads a file. It is worth a warning if others can read a password in it.
    ///
    /// # Errors
    /// It cannot be read, or is no such file. What is wrong is named, but nothing that stands there.
    pub fn read(path: &Path, warnings: &mut Vec<String>) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| Error::io("cannot read", path, &e))?;
        let file = Self::parse(path, &text)?;
        if file.password.is_some() && is_world_readable(path) {
            warnings.push(format!(
                "everybody on this machine can read the password in {0}; chmod 600 {0}",
                path.display()
            ));
        }
        Ok(file)
    }

    /// Takes what such a file would hold.
    ///
    /// # Errors
    /// It is no such file.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let invalid = |why: String| {
            Error::failed(format!("cannot use {}", path.display()))
                .with_reason(why)
                .with_hint("it has sections as [CLUSTER] and lines as HOST = NAME")
        };
        let mut defaults = IniDefault::default();
        defaults.comment_symbols = vec!['#', ';'];
        // A password may hold any of them.
        defaults.enable_inline_comments = false;
        defaults.delimiters = vec!['=', ':'];
        let mut ini = Ini::new_from_defaults(defaults);
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // Its errors name the line and do not repeat it.
        ini.read(text.to_owned()).map_err(invalid)?;
        let value = |section: &str, key: &str| {
            let text = ini.get(section, key)?;
            let text = strip_quotes(&text);
            (!text.is_empty()).then(|| text.to_owned())
        };

        for section in ["CLUSTER", "IAM_ROLE", "S3"] {
            let lines = ini.get_map_ref().get(&section.to_lowercase());
            if lines.is_some_and(|lines| lines.values().any(Option::is_none)) {
                return Err(invalid(format!("a line of [{section}] has no =")));
            }
        }
        let port = match value("CLUSTER", "DB_PORT").map(|text| text.parse::<u16>()) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => {
                return Err(invalid(
                    "DB_PORT of [CLUSTER] is no port (1 to 65535)".into(),
                ));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            host: value("CLUSTER", "HOST"),
            port,
            database: value("CLUSTER", "DB_NAME"),
            user: value("CLUSTER", "DB_USER"),
            password: value("CLUSTER", "DB_PASSWORD").map(Secret::new),
            iam_role: value("IAM_ROLE", "ARN"),
            log_data: value("S3", "LOG_DATA"),
            log_jsonpath: value("S3", "LOG_JSONPATH"),
            song_data: value("S3", "SONG_DATA"),
        })
    }

    /// Whether it says anything about a cluster.
    pub fn has_cluster(&self) -> bool {
        self.host.is_some() || self.database.is_some() || self.user.is_some()
    }
}

/// A value without the quotes around it: in the wild they are there as often as not.
fn strip_quotes(text: &str) -> &str {
    let text = text.trim();
    ['\'', '"']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text)
}

#[cfg(unix)]
fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_all(_: &Path) -> bool {
    false
}
