//! Writes files through a buffer and reports the progress.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes that are buffered before they are written. The progress callback is called every four times as many.
const FLUSH_BYTES: u64 = 1 << 20;

/// Counts written bytes and events, and calls the progress callback every few megabytes.
pub(super) struct ProgressMeter<'a> {
    callback: &'a mut dyn FnMut(u64, u64),
    bytes: u64,
    next_report: u64,
    /// Events written so far, for the callback.
    pub events: u64,
}

impl<'a> ProgressMeter<'a> {
    pub(super) fn new(report: &'a mut dyn FnMut(u64, u64)) -> Self {
        Self {
            callback: report,
            bytes: 0,
            next_report: FLUSH_BYTES,
            events: 0,
        }
    }

    fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.bytes >= self.next_report {
            self.next_report = self.bytes + 4 * FLUSH_BYTES;
            (self.callback)(self.bytes, self.events);
        }
    }

    /// Calls the callback with the final numbers.
    pub(super) fn finish(self) {
        (self.callback)(self.bytes, self.events);
    }
}

/// A file that is written sequentially: append to `buffer`, and call `flush_if_full` now and then.
pub(super) struct OutputFile {
    path: PathBuf,
    file: File,
    /// Bytes that are not written yet.
    pub buffer: Vec<u8>,
    bytes: u64,
}

impl OutputFile {
    /// Creates a new file. `buffer` is reused without its content.
    pub(super) fn create(path: PathBuf, mut buffer: Vec<u8>) -> io::Result<Self> {
        buffer.clear();
        let file = File::create_new(&path).map_err(with_path(&path))?;
        Ok(Self {
            path,
            file,
            buffer,
            bytes: 0,
        })
    }

    /// Writes the buffer to the file if it is large enough.
    pub(super) fn flush_if_full(&mut self, meter: &mut ProgressMeter) -> io::Result<()> {
        if self.buffer.len() as u64 >= FLUSH_BYTES {
            self.flush(meter)
        } else {
            Ok(())
        }
    }

    /// Writes the rest of the buffer. Returns the size of the file in bytes, and the buffer for the next file.
    pub(super) fn finish(mut self, meter: &mut ProgressMeter) -> io::Result<(u64, Vec<u8>)> {
        self.flush(meter)?;
        Ok((self.bytes, self.buffer))
    }

    fn flush(&mut self, meter: &mut ProgressMeter) -> io::Result<()> {
        self.file
            .write_all(&self.buffer)
            .map_err(with_path(&self.path))?;
        self.bytes += self.buffer.len() as u64;
        meter.add(self.buffer.len() as u64);
        self.buffer.clear();
        Ok(())
    }
}

/// Creates a new file with the given content, and returns its size in bytes.
pub(super) fn write_file(path: &Path, text: &[u8], meter: &mut ProgressMeter) -> io::Result<u64> {
    let mut file = File::create_new(path).map_err(with_path(path))?;
    file.write_all(text).map_err(with_path(path))?;
    meter.add(text.len() as u64);
    Ok(text.len() as u64)
}

/// Creates a directory and its parents.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path).map_err(with_path(path))
}

/// Creates the directory `path`, or checks that it is empty if it exists.
pub(super) fn ensure_empty_dir(path: &Path) -> io::Result<()> {
    let occupied = |what| {
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{}: {what}", path.display()),
        ))
    };
    match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => occupied("the folder is not empty; choose a new or empty folder"),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => occupied("not a folder"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_dir(path),
        Err(error) => Err(with_path(path)(error)),
    }
}

/// Adds the path to the message of an error.
fn with_path(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
