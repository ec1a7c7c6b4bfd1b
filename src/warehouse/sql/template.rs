//! Scripts: the SQL of `sql/redshift` and `sql/postgres`, which the binary carries and people can run by hand.
//!
//! Pure text: what is sent to a warehouse, in order, before anything is connected. Names after a colon
//! stand for values, as in psql: `:'name'` for a quoted literal, `:name` for SQL as it stands.

use crate::error::{Error, Result};
use crate::warehouse::dialect::Dialect;

/// The scripts for one kind of warehouse.
#[derive(Debug, Clone, Copy)]
pub struct SqlTemplates {
    /// Creates the tables that are not there.
    pub create: &'static str,
    /// Drops them all.
    pub drop: &'static str,
    /// Begins a load: transaction, lock, staging tables.
    pub stage: &'static str,
    /// Empties the star, in the transaction of a load.
    pub refresh: &'static str,
    /// Fills the staging tables.
    pub copy: &'static str,
    /// Merges them into the star, and commits.
    pub merge: &'static str,
    /// Counts rows that are not as they were merged, before the commit.
    pub verify: &'static str,
}

macro_rules! scripts {
    ($folder:literal) => {
        SqlTemplates {
            create: include_str!(concat!("../../../sql/", $folder, "/create.sql")),
            drop: include_str!(concat!("../../../sql/", $folder, "/drop.sql")),
            stage: include_str!(concat!("../../../sql/", $folder, "/stage.sql")),
            refresh: include_str!(concat!("../../../sql/", $folder, "/refresh.sql")),
            copy: include_str!(concat!("../../../sql/", $folder, "/copy.sql")),
            merge: include_str!(concat!("../../../sql/", $folder, "/merge.sql")),
            verify: include_str!(concat!("../../../sql/", $folder, "/verify.sql")),
        }
    };
}

impl SqlTemplates {
    /// The scripts for a warehouse.
    pub fn for_dialect(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Redshift => scripts!("redshift"),
            Dialect::Postgres => scripts!("postgres"),
        }
    }
}

/// Values for the names in a script.
#[derive(Debug, Default, Clone)]
pub struct SqlParams(Vec<(String, String)>);

impl SqlParams {
    /// Adds a value that stands as it is.
    pub fn with_raw(mut self, name: &str, sql: &str) -> Self {
        self.0.push((name.to_owned(), sql.to_owned()));
        self
    }

    /// Adds a value that stands as a literal.
    ///
    /// # Errors
    /// It cannot be a literal: see [`literal`].
    pub fn with_literal(mut self, name: &str, text: &str) -> Result<Self> {
        self.0.push((format!("'{name}'"), quote_literal(text)?));
        Ok(self)
    }

    fn get(&self, name: &str) -> Option<&str> {
        let entry = self.0.iter().find(|(known, _)| known == name);
        entry.map(|(_, value)| value.as_str())
    }
}

/// A string literal that means the same whether or not backslashes escape, which in Redshift they do
/// (`'\''` ends nothing there).
///
/// # Errors
/// The text holds a backslash or a control character.
pub fn quote_literal(text: &str) -> Result<String> {
    if text.contains(|c: char| c == '\\' || c.is_control()) {
        return Err(Error::failed(format!("cannot write '{text}' in SQL"))
            .with_reason("it holds a backslash or a control character")
            .with_hint("choose another name"));
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// The statements of a script in order, each without the comments before it and the semicolon behind it.
pub fn split_statements(script: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(token) = Token::lex_at(script, at) {
        let end = at + token.len;
        match token.kind {
            // Between statements nothing counts.
            TokenKind::Trivia if start == at => start = end,
            TokenKind::Semicolon => {
                statements.push(script.get(start..at).unwrap_or_default());
                start = end;
            }
            _ => {}
        }
        at = end;
    }
    let rest = script.get(start..).unwrap_or_default();
    if !rest.is_empty() {
        statements.push(rest);
    }
    statements
}

/// A statement with its values in place.
///
/// # Errors
/// It names a value that is not there.
pub fn render(statement: &str, params: &SqlParams) -> Result<String> {
    let mut rendered = String::with_capacity(statement.len());
    let mut at = 0;
    while let Some(token) = Token::lex_at(statement, at) {
        let text = statement.get(at..at + token.len).unwrap_or_default();
        at += token.len;
        match token.kind {
            TokenKind::Param => {
                let name = text.trim_start_matches(':');
                rendered.push_str(params.get(name).ok_or_else(|| {
                    Error::failed("cannot run a script").with_reason(format!("{name} has no value"))
                })?);
            }
            _ => rendered.push_str(text),
        }
    }
    Ok(rendered)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    /// White space or a comment.
    Trivia,
    Semicolon,
    /// A colon and what it names.
    Param,
    /// Anything else.
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: TokenKind,
    /// Its bytes, at least 1.
    len: usize,
}

impl Token {
    /// The token that begins at a byte of a script; none at its end.
    fn lex_at(script: &str, offset: usize) -> Option<Self> {
        let rest = script.get(offset..)?;
        let first = rest.chars().next()?;
        let until = |end: &str, from: usize| {
            let found = rest.get(from..).and_then(|r| r.find(end));
            found.map_or(rest.len(), |found| from + found + end.len())
        };
        let identifier = |from: usize| {
            let name = rest.get(from..).unwrap_or_default();
            name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(name.len())
        };
        let (kind, len) = match first {
            c if c.is_whitespace() => (TokenKind::Trivia, c.len_utf8()),
            '-' if rest.starts_with("--") => (TokenKind::Trivia, until("\n", 0)),
            ';' => (TokenKind::Semicolon, 1),
            // A doubled quote ends one literal and begins the next, which comes to the same.
            '\'' => (TokenKind::Other, until("'", 1)),
            '"' => (TokenKind::Other, until("\"", 1)),
            '$' if rest.starts_with("$$") => (TokenKind::Other, until("$$", 2)),
            ':' if rest.starts_with("::") => (TokenKind::Other, 2),
            ':' if rest.starts_with(":'") => (TokenKind::Param, until("'", 2)),
            ':' if identifier(1) > 0 => (TokenKind::Param, 1 + identifier(1)),
            c => (TokenKind::Other, c.len_utf8()),
        };
        Some(Self { kind, len })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quoted_semicolons_do_not_split_statements() {
        let script =
            "-- a; comment\nSELECT ';' AS \"a;b\"; -- more;\n\nDO $$ BEGIN x; END $$;\nSELECT 1";
        let expected = ["SELECT ';' AS \"a;b\"", "DO $$ BEGIN x; END $$", "SELECT 1"];
        assert_eq!(split_statements(script), expected);
        assert_eq!(split_statements(" -- nothing\n"), [""; 0]);
    }

    #[test]
    fn params_are_replaced_and_casts_are_kept() {
        let values = SqlParams::default().with_literal("run", "it's").unwrap();
        let values = values.with_raw("iam_role", "default");
        let filled = render("COPY :'run' IAM_ROLE :iam_role ':run' x::regclass", &values);
        assert_eq!(
            filled.unwrap(),
            "COPY 'it''s' IAM_ROLE default ':run' x::regclass"
        );
        render("SELECT :'other'", &values).unwrap_err();
    }

    #[test]
    fn unsafe_literals_are_rejected() {
        for text in ["\\'; DROP TABLE users --", "a\nb", "a\0"] {
            quote_literal(text).unwrap_err();
        }
        assert_eq!(quote_literal("'; --").unwrap(), "'''; --'");
    }
}
