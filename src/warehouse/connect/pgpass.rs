//! Looks up passwords in `~/.pgpass` by the rules of libpq.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::value_source::ValueSource;

/// The fields by which a password is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct PgpassKey<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// The lines of a password file.
#[derive(Debug, Default)]
pub(super) struct PasswordFile {
    path: PathBuf,
    text: SecretString,
}

impl PasswordFile {
    /// Reads the file that `passfile` names, otherwise `~/.pgpass`. Usually there is no such file. Like libpq, this
    /// ignores a file that others can access, and adds a warning.
    pub(super) fn read(
        passfile: Option<String>,
        env: impl Fn(&str) -> Option<String>,
        warnings: &mut Vec<String>,
    ) -> Self {
        let path = match (passfile, env("HOME")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(home)) => Path::new(&home).join(".pgpass"),
            (None, None) => return Self::default(),
        };
        let Ok(file) = fs::metadata(&path) else {
            return Self::default();
        };
        let ignored = match () {
            () if !file.is_file() => Some("not a plain file".to_owned()),
            () if is_group_or_world_accessible(&file) => Some(format!(
                "it has group or world access; run chmod 600 {}",
                path.display()
            )),
            () => None,
        };
        if let Some(reason) = ignored {
            warnings.push(format!(
                "ignoring password file {}: {reason}",
                path.display()
            ));
            return Self::default();
        }
        match fs::read(&path) {
            Ok(bytes) => Self {
                path,
                text: SecretString::from(String::from_utf8_lossy(&bytes).into_owned()),
            },
            Err(error) => {
                warnings.push(format!("cannot read {}: {error}", path.display()));
                Self::default()
            }
        }
    }

    /// Returns the password of the first matching line, and where it is.
    pub(super) fn find_password(&self, key: PgpassKey<'_>) -> Option<(SecretString, ValueSource)> {
        let (password, line) = matching_password(self.text.expose_secret(), key)?;
        Some((password, ValueSource::file_line(&self.path, line)))
    }
}

/// Returns the password of the first matching line, and the number of the line.
fn matching_password(text: &str, key: PgpassKey<'_>) -> Option<(SecretString, usize)> {
    let port = key.port.to_string();
    // For a Unix socket in its default directory libpq looks up `localhost`.
    let host = match key.host {
        "/var/run/postgresql" | "/run/postgresql" | "/tmp" => "localhost",
        host => host,
    };
    let expected_fields = [host, &port, key.database, key.user];
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('#'))
        .find_map(|(index, line)| {
            let mut rest = line;
            for expected in expected_fields {
                let (field, after) = split_field(rest);
                if rest.split_once(':').map(|(field, _)| field) != Some("*") && field != expected {
                    return None;
                }
                rest = after?;
            }
            let (password, _) = split_field(rest);
            (!password.is_empty()).then(|| (SecretString::from(password), index + 1))
        })
}

/// Splits at the next `:` that is not escaped by a backslash. Returns the unescaped field, and the text after the `:`.
fn split_field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            ':' => return (field, text.get(at + 1..)),
            '\\' => field.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => field.push(character),
        }
    }
    (field, None)
}

#[cfg(unix)]
fn is_group_or_world_accessible(file: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_group_or_world_accessible(_: &fs::Metadata) -> bool {
    false
}
