//! Writes files without records: files whose names are not those of input, and empty input files.

use std::io;
use std::path::Path;

use crate::generate::file_writer::{ProgressMeter, create_dir, write_file};
use crate::generate::summary::InputSummary;

/// Files that are ignored because of their names: name, content, and extension in the report. Some of them contain a
/// record, which must be ignored too.
const IGNORED_FILES: &[(&str, &str, &str)] = &[
    (".DS_Store", "\u{0}\u{0}\u{0}\u{1}Bud1", "hidden"),
    ("._TRAAAAA.json", "{\"page\":\"NextSong\"}", "hidden"),
    (".part-00000.json.crc", "crc", "hidden"),
    ("_SUCCESS", "", "hidden"),
    ("_committed.json", "{}", "hidden"),
    ("README.txt", "Not JSON.\n", ".txt"),
    ("backup.json.bak", "{}", ".bak"),
    ("json", "{}", "no extension"),
    (
        "_temporary/0/part-00000.json.inprogress",
        "{\"page\"",
        "hidden",
    ),
];

/// Input files without a record: name and content.
const EMPTY_FILES: &[(&str, &str)] = &[
    ("zero.json", ""),
    ("zero-lines.jsonl", "\n \t\r\n\n"),
    ("zero-mark.ndjson", "\u{feff}"),
    ("zero/zero.ndjson", ""),
];

/// Writes all files without records into the directory of an input, and counts them.
pub(in crate::generate) fn write_files_without_records(
    root: &Path,
    summary: &mut InputSummary,
    meter: &mut ProgressMeter,
) -> io::Result<()> {
    create_dir(&root.join("_temporary/0"))?;
    create_dir(&root.join("zero"))?;
    for (name, text, extension) in IGNORED_FILES {
        write_file(&root.join(name), text.as_bytes(), meter)?;
        summary.ignored_objects += 1;
        *summary.ignored_extensions.entry(extension).or_default() += 1;
    }
    for (name, text) in EMPTY_FILES {
        summary.add_object(write_file(&root.join(name), text.as_bytes(), meter)?);
    }
    Ok(())
}
