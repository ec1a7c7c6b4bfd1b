//! ALTER TABLE of Redshift, translated into that of PostgreSQL.

use super::ddl::{ParseResult, parse_column};
use super::lexer::SqlStatement;
use super::protocol::SqlError;

/// Translates `ALTER TABLE t ADD [COLUMN] …`, which adds one column, or returns `None` for another ALTER TABLE that
/// Redshift has.
pub fn translate_add_column(statement: &SqlStatement) -> ParseResult<Option<String>> {
    let mut parser = statement.parser();
    parser.expect(&["alter", "table"])?;
    let name = parser.qualified_name()?;
    if parser.accept(&["alter"]) {
        parser.accept(&["column"]);
        parser.name()?;
        // There is no SET or DROP of a default or of NOT NULL.
        return match parser.accept_one_of(&["type", "encode"]) {
            Some(_) => Ok(None),
            None => Err(parser.unexpected_token()),
        };
    }
    if !parser.accept(&["add"]) {
        return Ok(None);
    }
    for words in [&["constraint"][..], &["primary"], &["foreign"], &["unique"]] {
        if parser.accept(words) {
            return Err(SqlError::unsupported(
                "the simulator does not support adding keys to tables",
            ));
        }
    }
    parser.accept(&["column"]);
    let column = parse_column(
        &mut parser,
        &mut Vec::new(),
        &mut Vec::new(),
        &mut Vec::new(),
    )?;
    parser.expect_end()?;
    if column.sql.ends_with(" NOT NULL") && !column.sql.contains(" DEFAULT ") {
        return Err(SqlError::unsupported(
            "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression",
        ));
    }
    Ok(Some(format!(
        "ALTER TABLE {name} ADD COLUMN {}",
        column.sql
    )))
}
