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
use std::path::{Path, PathBuf};

use configparser::ini::{Ini, IniDefault};
use secrecy::SecretString;

use crate::error::{Error, Result};

/// The settings in a config file. A missing or empty setting is `None`.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// Path of the file.
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
    pub password: Option<SecretString>,
    /// `ARN` of `[IAM_ROLE]`.
    pub iam_role: Option<String>,
    /// `LOG_DATA` of `[S3]`.
    pub log_data: Option<String>,
    /// `LOG_JSONPATH`, which only a COPY of JSON needs.
    pub log_jsonpath: Option<String>,
    /// `SONG_DATA`.
    pub song_data: Option<String>,
}

impl ConfigFile {
    /// Reads a file, and adds a warning if every user of the machine can read a password in it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or parsed. The error never repeats the content of the file.
    pub fn read(path: &Path, warnings: &mut Vec<String>) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| Error::io("cannot read", path, e))?;
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
    /// Returns an error if the text is not an INI file, or a setting is invalid.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let invalid = |why: String| {
            Error::failed(format!("cannot parse {}", path.display()))
                .with_reason(why)
                .with_hint("expected sections such as [CLUSTER] and lines such as HOST = NAME")
        };
        let mut defaults = IniDefault::default();
        defaults.comment_symbols = vec!['#', ';'];
        // A password may contain a comment symbol.
        defaults.enable_inline_comments = false;
        defaults.delimiters = vec!['=', ':'];
        let mut ini = Ini::new_from_defaults(defaults);
        let without_bom = text.strip_prefix('\u{feff}').unwrap_or(text);
        // The errors of the parser name the line and do not repeat it.
        ini.read(without_bom.to_owned()).map_err(invalid)?;
        let value = |section: &str, key: &str| {
            let quoted = ini.get(section, key)?;
            let unquoted = strip_quotes(&quoted);
            (!unquoted.is_empty()).then(|| unquoted.to_owned())
        };

        for section in ["CLUSTER", "IAM_ROLE", "S3"] {
            let lines = ini.get_map_ref().get(&section.to_lowercase());
            if lines.is_some_and(|lines| lines.values().any(Option::is_none)) {
                return Err(invalid(format!("a line in [{section}] has no =")));
            }
        }
        let port = match value("CLUSTER", "DB_PORT").map(|text| text.parse::<u16>()) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => {
                return Err(invalid(
                    "DB_PORT in [CLUSTER] is not a number from 1 to 65535".into(),
                ));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            host: value("CLUSTER", "HOST"),
            port,
            database: value("CLUSTER", "DB_NAME"),
            user: value("CLUSTER", "DB_USER"),
            password: value("CLUSTER", "DB_PASSWORD").map(SecretString::from),
            iam_role: value("IAM_ROLE", "ARN"),
            log_data: value("S3", "LOG_DATA"),
            log_jsonpath: value("S3", "LOG_JSONPATH"),
            song_data: value("S3", "SONG_DATA"),
        })
    }

    /// Returns true if the file has the host, database or user of a cluster.
    pub fn has_cluster(&self) -> bool {
        self.host.is_some() || self.database.is_some() || self.user.is_some()
    }
}

/// Returns a value without the quotes around it. Existing files are written with and without them.
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
fn is_world_readable(_: &Path) -> bool {
    false
}
