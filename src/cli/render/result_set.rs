//! Renders the result of a query as a table, CSV or JSON.

use serde::ser::{Serialize, SerializeMap, Serializer};
use unicode_width::UnicodeWidthStr;

use crate::warehouse::connect::session::ResultRow;
use crate::warehouse::query::{ResultColumn, ResultSet};

/// The separator of the columns of a table.
const COLUMN_GAP: &str = "  ";

/// Renders the result as a table. Numbers are aligned to the right, everything else to the left, and null is
/// empty.
pub(crate) fn format_table(result: &ResultSet) -> String {
    let names = result
        .columns
        .iter()
        .map(|column| sanitize_for_terminal(&column.name));
    let mut lines: Vec<Vec<String>> = vec![names.collect()];
    for row in &result.rows {
        let fields = row
            .iter()
            .map(|field| field.as_deref().map(sanitize_for_terminal));
        lines.push(fields.map(Option::unwrap_or_default).collect());
    }
    let width = |column: usize| {
        let fields = lines.iter().filter_map(|line| line.get(column));
        fields.map(|field| field.width()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..result.columns.len()).map(width).collect();

    let mut text = String::new();
    for line in &lines {
        let mut rendered = String::new();
        for ((field, column), width) in line.iter().zip(&result.columns).zip(&widths) {
            // The formatter would count every character as one column wide.
            let space = " ".repeat(width.saturating_sub(field.width()));
            let (left_pad, right_pad) = match column.is_number {
                true => (space.as_str(), ""),
                false => ("", space.as_str()),
            };
            for part in [left_pad, field, right_pad, COLUMN_GAP] {
                rendered.push_str(part);
            }
        }
        text.push_str(rendered.trim_end());
        text.push('\n');
    }
    if result.rows.is_empty() {
        text.push_str("(no rows)\n");
    }
    text
}

/// Replaces the characters that would move the cursor of a terminal, change its colours or reverse the
/// direction of text.
pub(crate) fn sanitize_for_terminal(text: &str) -> String {
    text.replace(
        |c: char| {
            c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        },
        "\u{fffd}",
    )
}

/// Renders the result as CSV by RFC 4180 with a header line. Null is an empty field, and an empty text is `""`.
pub(crate) fn format_csv(result: &ResultSet) -> String {
    let mut text = String::new();
    let names = result
        .columns
        .iter()
        .map(|column| Some(column.name.as_str()));
    push_csv_record(&mut text, names);
    for row in &result.rows {
        push_csv_record(&mut text, row.iter().map(Option::as_deref));
    }
    text
}

fn push_csv_record<'a>(to: &mut String, fields: impl Iterator<Item = Option<&'a str>>) {
    for (number, field) in fields.enumerate() {
        if number > 0 {
            to.push(',');
        }
        match field {
            None => {}
            Some(text) if text.is_empty() || text.contains([',', '"', '\r', '\n']) => {
                to.push('"');
                to.push_str(&text.replace('"', "\"\""));
                to.push('"');
            }
            Some(text) => to.push_str(text),
        }
    }
    to.push_str("\r\n");
}

/// Returns the rows as JSON objects whose keys are in the order of the columns.
pub(crate) fn json_rows(result: &ResultSet) -> Vec<impl Serialize> {
    let columns = &result.columns;
    let object = |row| JsonRow { columns, row };
    result.rows.iter().map(object).collect()
}

struct JsonRow<'a> {
    columns: &'a [ResultColumn],
    row: &'a ResultRow,
}

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.columns.len()))?;
        for (column, field) in self.columns.iter().zip(self.row) {
            let number = match field {
                Some(text) if column.is_number => serde_json::from_str::<serde_json::Number>(text),
                _ => {
                    object.serialize_entry(&column.name, field)?;
                    continue;
                }
            };
            match number {
                Ok(number) => object.serialize_entry(&column.name, &number)?,
                // JSON has no NaN.
                Err(_) => object.serialize_entry(&column.name, field)?,
            }
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result_set(rows: &[[Option<&str>; 2]]) -> ResultSet {
        let column = |name: &str, is_number| ResultColumn {
            name: name.to_owned(),
            is_number,
        };
        let row = |row: &[Option<&str>; 2]| row.iter().map(|f| f.map(str::to_owned)).collect();
        ResultSet {
            columns: vec![column("title", false), column("plays", true)],
            rows: rows.iter().map(row).collect(),
        }
    }

    #[test]
    fn table_columns_align_by_display_width() {
        let rows = [
            [Some("Déjà vu"), Some("12345678")],
            [Some("東京"), Some("9")],
            [None, None],
        ];
        assert_eq!(
            format_table(&result_set(&rows)),
            "title       plays\nDéjà vu  12345678\n東京            9\n\n"
        );
        assert_eq!(format_table(&result_set(&[])), "title  plays\n(no rows)\n");
    }

    #[test]
    fn table_replaces_terminal_control_characters() {
        let rows = [[Some("\x1b[31mred\u{9b}1m\r\n\u{202e}back\t"), Some("1")]];
        let text = format_table(&result_set(&rows));
        assert!(
            !text.replace('\n', "").contains(char::is_control),
            "{text:?}"
        );
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("\u{fffd}[31mred\u{fffd}1m\u{fffd}\u{fffd}\u{fffd}back\u{fffd}"));
    }

    #[test]
    fn csv_quotes_special_fields() {
        let rows = [
            [Some("a, \"b\"\nc"), Some("1")],
            [Some(""), Some("2")],
            [None, Some("3")],
            [Some(" d "), None],
        ];
        assert_eq!(
            format_csv(&result_set(&rows)),
            "title,plays\r\n\"a, \"\"b\"\"\nc\",1\r\n\"\",2\r\n,3\r\n d ,\r\n"
        );
    }

    #[test]
    fn json_has_numbers_and_nulls() {
        let rows = [
            [Some("1"), Some("-9223372036854775808")],
            [None, Some("33.3")],
            [Some("a\"\n"), Some("NaN")],
            [Some(""), None],
        ];
        assert_eq!(
            serde_json::to_string(&json_rows(&result_set(&rows))).unwrap(),
            "[{\"title\":\"1\",\"plays\":-9223372036854775808},{\"title\":null,\"plays\":33.3},\
             {\"title\":\"a\\\"\\n\",\"plays\":\"NaN\"},{\"title\":\"\",\"plays\":null}]"
        );
    }
}
