//! Describes the errors of a COPY for the load error views.

use super::target_column::TargetColumn;

/// An error of a load, as the load error views show it.
#[derive(Debug, Default)]
pub struct LoadErrorRecord {
    pub file: String,
    pub line: usize,
    pub column: Option<TargetColumn>,
    pub code: u32,
    pub message: String,
    /// The text of the record.
    pub raw_line: String,
    /// The text of the value.
    pub value: Option<String>,
}

/// The errors of one COPY.
pub struct CopyErrors {
    pub query_id: u64,
    /// The process of the session.
    pub process: i32,
    /// The oid of the table, or 0 if it is not known.
    pub table_id: u32,
    pub records: Vec<LoadErrorRecord>,
}

/// The errors of a COPY that the views do not show yet.
pub struct LaggingErrors {
    pub errors: CopyErrors,
    /// The number of queries of the views that still do not show the errors.
    pub remaining_queries: usize,
}

/// The number of characters of a record or a value that the views show.
const SHOWN_CHARS: usize = 1024;

impl CopyErrors {
    /// Returns the rows of `redshift.load_errors` in the text format of COPY. `first_id` is the identifier of the
    /// first row, `time` the time of all.
    pub fn copy_text(&self, first_id: u64, time: &str) -> String {
        let mut text = String::new();
        for (error, id) in self.records.iter().zip(first_id..) {
            let column = error.column.as_ref();
            let name = column.map_or("", |column| &column.name);
            let ty = column.map_or("", TargetColumn::short_type);
            let length = column.map_or(String::new(), TargetColumn::max_bytes_text);
            let (process, query, table) = (self.process, self.query_id, self.table_id);
            text += &format!("{id}\t{process}\t{query}\t{time}\t{table}\t");
            text += &format!("{}\t{}\t", escape(&error.file), error.line);
            text += &format!("{}\t{ty}\t{length}\t", escape(name));
            text += &format!("{}\t{}\t", error.code, escape(&error.message));
            let value = error.value.as_deref().unwrap_or_default();
            text += &format!("{}\t{}\n", escape(&error.raw_line), escape(value));
        }
        text
    }
}

/// Returns a text as STL_LOAD_ERRORS shows it: cut, with a period for each multi-byte character.
pub fn shown_text(text: &str) -> String {
    let chars = text.chars().take(SHOWN_CHARS);
    chars
        .map(|char| if char.is_ascii() { char } else { '.' })
        .collect()
}

/// Escapes a text for the text format of COPY.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '\\' => escaped += "\\\\",
            '\t' => escaped += "\\t",
            '\n' => escaped += "\\n",
            '\r' => escaped += "\\r",
            // PostgreSQL cannot store it.
            '\0' => escaped.push('?'),
            _ => escaped.push(char),
        }
    }
    escaped
}
