//! Looks up passwords in `~/.pgpass` by the rules of libpq.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::home::home;
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
        let is_named = passfile.is_some();
        let path = match (passfile, home(env)) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(home)) => home.join(".pgpass"),
            (None, None) => return Self::default(),
        };
        let file = match fs::metadata(&path) {
            Ok(file) => file,
            Err(error) => {
                if is_named {
                    warnings.push(format!("cannot read {}: {error}", path.display()));
                }
                return Self::default();
            }
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
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                warnings.push(format!("cannot read {}: {error}", path.display()));
                return Self::default();
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Self {
                path,
                text: SecretString::from(text),
            },
            Err(_) => {
                warnings.push(format!(
                    "ignoring password file {}: it is not UTF-8 text",
                    path.display()
                ));
                Self::default()
            }
        }
    }

    /// Returns the password of the first matching line, and where it is. A line without a password means that there is
    /// none for this server.
    pub(super) fn find_password(&self, key: PgpassKey<'_>) -> Option<(SecretString, ValueSource)> {
        let text = self.text.expose_secret();
        let mut found = matching_line(text, key);
        if found.is_none() && key.host.starts_with('/') {
            // For a Unix socket in its default directory, which not all builds share, libpq looks up `localhost`.
            let host = "localhost";
            found = matching_line(text, PgpassKey { host, ..key });
        }
        let (password, line) = found.filter(|(password, _)| !password.is_empty())?;
        let source = ValueSource::file_line(&self.path, line);
        Some((SecretString::from(password), source))
    }
}

/// Returns the password of the first matching line, and the number of the line.
fn matching_line(text: &str, key: PgpassKey<'_>) -> Option<(String, usize)> {
    let port = key.port.to_string();
    let expected_fields = [key.host, &port, key.database, key.user];
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
            Some((password, index + 1))
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

fn is_group_or_world_accessible(file: &fs::Metadata) -> bool {
    file.permissions().mode() & 0o077 != 0
}
