//! Looks up passwords in `~/.pgpass` by the rules of libpq.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// The fields by which a password is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct PgpassKey<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// Returns the password of the first matching line in PGPASSFILE or `~/.pgpass`. Like libpq, this ignores a file that
/// others can access, and adds a warning.
pub(super) fn find_password(
    key: PgpassKey<'_>,
    env: impl Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) -> Option<SecretString> {
    let path = match env("PGPASSFILE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(&env("HOME")?).join(".pgpass"),
    };
    // Usually there is no such file.
    let file = fs::metadata(&path).ok()?;
    if !file.is_file() {
        warnings.push(format!(
            "ignoring password file {}: not a plain file",
            path.display()
        ));
        return None;
    }
    if is_group_or_world_accessible(&file) {
        warnings.push(format!(
            "ignoring password file {0}: it has group or world access; run chmod 600 {0}",
            path.display()
        ));
        return None;
    }
    match fs::read(&path) {
        Ok(bytes) => matching_password(&String::from_utf8_lossy(&bytes), key),
        Err(error) => {
            warnings.push(format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

/// Returns the password of the first matching line.
fn matching_password(text: &str, key: PgpassKey<'_>) -> Option<SecretString> {
    let port = key.port.to_string();
    // For a Unix socket in its default directory libpq looks up `localhost`.
    let host = match key.host {
        "/var/run/postgresql" | "/run/postgresql" | "/tmp" => "localhost",
        host => host,
    };
    let expected_fields = [host, &port, key.database, key.user];
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut rest = line;
            for expected in expected_fields {
                let (field, after) = split_field(rest);
                if rest.split_once(':').map(|(field, _)| field) != Some("*") && field != expected {
                    return None;
                }
                rest = after?;
            }
            let (password, _) = split_field(rest);
            (!password.is_empty()).then(|| SecretString::from(password))
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
