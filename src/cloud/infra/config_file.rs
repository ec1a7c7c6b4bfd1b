//! Writes `dwh.cfg`, by which the other commands find the warehouse. It has no password: the password stays in Secrets Manager.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// What is at the path of a config file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExistingConfig {
    Absent,
    /// The file has exactly the content that would be written.
    Same,
    /// An earlier `up` wrote the file for the same stack. It may have been edited.
    OfStack,
    /// Somebody else wrote the file.
    Other,
}

/// Returns the first line of the file for a stack.
pub(super) fn header(stack: &str, region: &str) -> String {
    format!("# Written by `sparkify infra up` for stack {stack} in {region}.")
}

/// Returns the content of the file.
pub(super) fn render(
    header: &str,
    outputs: &BTreeMap<String, String>,
    secret_arn: Option<&str>,
) -> String {
    let output = |name: &str| outputs.get(name).map(String::as_str);
    let sections = [
        (
            "CLUSTER",
            vec![
                ("HOST", output("Host")),
                ("DB_NAME", output("DatabaseName")),
                ("DB_USER", output("AdminUser")),
                ("DB_PORT", output("Port")),
                ("PASSWORD_SECRET", secret_arn),
            ],
        ),
        ("IAM_ROLE", vec![("ARN", output("RoleArn"))]),
        (
            "S3",
            vec![
                ("LOG_DATA", output("LogData")),
                ("LOG_JSONPATH", output("LogJsonPath")),
                ("SONG_DATA", output("SongData")),
            ],
        ),
    ];
    let mut text = format!("{header}\n");
    text.push_str("# The password is in AWS Secrets Manager, and nowhere else.\n");
    for (section, keys) in sections {
        let keys = keys.into_iter();
        let keys: Vec<_> = keys
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        if keys.is_empty() {
            continue;
        }
        text.push_str(&format!("[{section}]\n"));
        for (key, value) in keys {
            // A percent sign begins an interpolation of Python's configparser.
            text.push_str(&format!("{key} = {}\n", value.replace('%', "%%")));
        }
    }
    text
}

/// Returns what is at `path`, compared with the content that would be written, if it is known.
///
/// # Errors
/// Returns an error if the file cannot be read.
pub(super) fn existing(path: &Path, header: &str, content: Option<&str>) -> Result<ExistingConfig> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(ExistingConfig::Absent),
        Err(e) => return Err(Error::io("cannot read", path, e)),
    };
    Ok(match () {
        () if content.is_some_and(|content| content.as_bytes() == bytes) => ExistingConfig::Same,
        () if bytes.starts_with(format!("{header}\n").as_bytes()) => ExistingConfig::OfStack,
        () => ExistingConfig::Other,
    })
}

/// Writes the file in one step, so that nobody reads half of it.
///
/// # Errors
/// Returns an error if it cannot be written.
pub(super) fn write(path: &Path, content: &str) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let write = || {
        let mut file = tempfile::Builder::new()
            .prefix(".sparkify-config-")
            .suffix(".tmp")
            .tempfile_in(folder)?;
        file.write_all(content.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|e| Error::io("cannot write", path, e))
}

/// Returns an error if a file cannot be created in the folder of `path`.
///
/// # Errors
/// Returns an error if the folder is missing or not writable.
pub(super) fn ensure_writable(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let probe = tempfile::tempfile_in(folder);
    probe
        .map(drop)
        .map_err(|e| Error::io("cannot write", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_what_a_load_needs_and_no_password() {
        let outputs = [
            ("Host", "h.example.com"),
            ("Port", "5439"),
            ("DatabaseName", "sparkify"),
            ("AdminUser", "sparkify_admin"),
            ("RoleArn", "arn:aws:iam::1:role/r"),
            ("LogData", "s3://b/100%"),
        ];
        let outputs = outputs.into_iter();
        let outputs = outputs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let outputs = outputs.collect();
        let text = render(&header("s", "us-west-2"), &outputs, Some("arn:secret"));
        assert_eq!(
            text,
            "# Written by `sparkify infra up` for stack s in us-west-2.\n\
             # The password is in AWS Secrets Manager, and nowhere else.\n\
             [CLUSTER]\nHOST = h.example.com\nDB_NAME = sparkify\nDB_USER = sparkify_admin\nDB_PORT = 5439\n\
             PASSWORD_SECRET = arn:secret\n[IAM_ROLE]\nARN = arn:aws:iam::1:role/r\n[S3]\nLOG_DATA = s3://b/100%%\n"
        );
    }

    #[test]
    fn file_of_somebody_else_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dwh.cfg");
        let header = header("s", "us-west-2");
        let state = |content| existing(&path, &header, content).unwrap();
        assert_eq!(state(None), ExistingConfig::Absent);
        let content = format!("{header}\n[CLUSTER]\n");
        write(&path, &content).unwrap();
        assert_eq!(state(Some(&content)), ExistingConfig::Same);
        assert_eq!(state(None), ExistingConfig::OfStack);
        fs::write(&path, "[CLUSTER]\nHOST = other\n").unwrap();
        assert_eq!(state(Some(&content)), ExistingConfig::Other);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
