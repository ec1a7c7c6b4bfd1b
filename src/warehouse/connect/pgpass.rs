//! `~/.pgpass`: the passwords that PostgreSQL's own tools look up, by its rules.

use std::fs;
use std::path::{Path, PathBuf};

use super::secret::Secret;

/// Which password is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct PgpassKey<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// The password of the first line that fits, from PGPASSFILE or `~/.pgpass`. Like PostgreSQL's tools
/// this takes no file that others can read, and warns.
pub(super) fn find_password(
    key: PgpassKey<'_>,
    env: impl Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) -> Option<Secret> {
    let path = match env("PGPASSFILE") {
        Some(path) => PathBuf::from(path),
        None => Path::new(&env("HOME")?).join(".pgpass"),
    };
    // None there is the usual case.
    let file = fs::metadata(&path).ok()?;
    if !file.is_file() {
        warnings.push(format!("{} is no plain file, and ignored", path.display()));
        return None;
    }
    if is_group_or_world_accessible(&file) {
        warnings.push(format!(
            "{0} is ignored, as others can read the passwords in it; chmod 600 {0}",
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

/// The password of the first line that fits.
fn matching_password(text: &str, key: PgpassKey<'_>) -> Option<Secret> {
    let port = key.port.to_string();
    // On a socket in its usual folder PostgreSQL's tools look for `localhost`.
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
            (!password.is_empty()).then(|| Secret::new(password))
        })
}

/// What stands before the next `:` that no backslash escapes, and what behind it.
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
fn is_open_to_others(_: &fs::Metadata) -> bool {
    false
}
