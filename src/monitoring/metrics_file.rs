//! Writes the file of metrics in one step, so that a collector never reads half of it.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::metrics::{PreviousMetrics, render_metrics};
use super::run_end::RunEnd;
use crate::error::{Error, Result};
use crate::observer::Observer;

/// The largest part of a previous file that is read. A file of metrics has about 10 KiB.
const MAX_PREVIOUS_BYTES: u64 = 1 << 20;

/// A file that metrics are written to.
#[derive(Debug)]
pub(super) struct MetricsFile {
    path: PathBuf,
}

impl MetricsFile {
    /// Checks that the file can be written, without changing it.
    ///
    /// # Errors
    /// Returns an error if its folder does not exist or cannot be written, or if something else has its name.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let file = Self { path };
        if let Ok(metadata) = fs::metadata(&file.path)
            && !metadata.is_file()
        {
            return Err(file.unusable("it is not a regular file", "name another file"));
        }
        if !file.folder().is_dir() {
            let hint = format!("create {}, or name another file", file.folder().display());
            return Err(file.unusable("its folder does not exist", &hint));
        }
        match file.create_temporary() {
            Ok(_) => Ok(file),
            Err(error) => {
                let hint = format!(
                    "make {} writable, or name another file",
                    file.folder().display()
                );
                Err(file.unusable(
                    &format!("cannot create a file beside it: {}", error.kind()),
                    &hint,
                ))
            }
        }
    }

    fn unusable(&self, reason: &str, hint: &str) -> Error {
        Error::usage(format!("cannot write metrics to {}", self.path.display()))
            .with_reason(reason)
            .with_hint(hint)
    }

    /// Writes the metrics of a command. Values that outlive a failed run are taken from the previous file. A file that
    /// cannot be written is a warning: the data are safe, and the alert for stale metrics will fire.
    pub(super) fn write(&self, end: &RunEnd<'_>, adds_events: bool, observer: &dyn Observer) {
        // A missing or damaged file has no values.
        let previous = self.read_previous().unwrap_or_default();
        let previous = PreviousMetrics::parse(&previous, end);
        let text = render_metrics(end, adds_events, previous);
        match self.replace(&text) {
            Ok(()) => tracing::info!(file = %self.path.display(), "wrote the metrics"),
            Err(error) => observer.warn(&format!(
                "cannot write metrics to {}: {error}",
                self.path.display()
            )),
        }
    }

    fn read_previous(&self) -> io::Result<String> {
        let mut bytes = Vec::new();
        let file = File::open(&self.path)?;
        file.take(MAX_PREVIOUS_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let mut file = self.create_temporary()?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        File::open(self.folder())?.sync_all()
    }

    /// Creates a file beside the final one that is removed unless it is renamed. Its name does not end in `.prom`, so that
    /// no collector reads it, and everybody may read it whom the umask permits.
    fn create_temporary(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new()
            .prefix(".sparkify-metrics-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(self.folder())
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }
}
