//! Renders the saved queries of `sql/analytics`, which the binary contains and psql can run too.
//!
//! Rendering needs no connection. A parameter is a name after a colon, as in psql: `:'name'` is replaced by a quoted
//! literal, `:name` by unquoted SQL.

use super::literal::quote_literal;
use crate::error::{Error, Result};

/// Values for the parameters of a template.
#[derive(Debug, Default, Clone)]
pub(crate) struct SqlParams(Vec<(String, String)>);

impl SqlParams {
    /// Adds a value that is inserted unquoted, for `:name`.
    pub(crate) fn with_raw(mut self, name: &str, sql: &str) -> Self {
        self.0.push((name.to_owned(), sql.to_owned()));
        self
    }

    /// Adds a value that is inserted as a quoted literal, for `:'name'`.
    ///
    /// # Errors
    /// Returns an error if [`quote_literal`] cannot quote the value.
    pub(crate) fn with_literal(mut self, name: &str, text: &str) -> Result<Self> {
        self.0.push((format!("'{name}'"), quote_literal(text)?));
        Ok(self)
    }

    fn get(&self, name: &str) -> Option<&str> {
        let entry = self.0.iter().find(|(key, _)| key == name);
        entry.map(|(_, value)| value.as_str())
    }
}

/// Splits a script into its statements, each without the comments before it and the semicolon after it.
pub(crate) fn split_statements(script: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(token) = TemplateToken::lex_at(script, at) {
        let end = at + token.len;
        match token.kind {
            // White space and comments before a statement are not part of it.
            TemplateTokenKind::Trivia if start == at => start = end,
            TemplateTokenKind::Semicolon => {
                statements.push(&script[start..at]);
                start = end;
            }
            _ => {}
        }
        at = end;
    }
    let rest = &script[start..];
    if !rest.is_empty() {
        statements.push(rest);
    }
    statements
}

/// Replaces the parameters of a statement by their values.
///
/// # Errors
/// Returns an error if a parameter has no value.
pub(crate) fn render(statement: &str, params: &SqlParams) -> Result<String> {
    let mut rendered = String::with_capacity(statement.len());
    let mut at = 0;
    while let Some(token) = TemplateToken::lex_at(statement, at) {
        let text = &statement[at..at + token.len];
        at += token.len;
        match token.kind {
            TemplateTokenKind::Param => {
                let name = text.trim_start_matches(':');
                rendered.push_str(params.get(name).ok_or_else(|| {
                    Error::failed("invalid SQL template")
                        .with_reason(format!("parameter {name} has no value"))
                })?);
            }
            _ => rendered.push_str(text),
        }
    }
    Ok(rendered)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TemplateTokenKind {
    /// White space or a comment.
    Trivia,
    Semicolon,
    /// A colon and the name after it.
    Param,
    /// Anything else.
    Other,
}

#[derive(Debug, Clone, Copy)]
struct TemplateToken {
    kind: TemplateTokenKind,
    /// Length in bytes, at least 1.
    len: usize,
}

impl TemplateToken {
    /// Returns the token at a byte offset of a script, or `None` at its end.
    fn lex_at(script: &str, offset: usize) -> Option<Self> {
        let rest = &script[offset..];
        let first = rest.chars().next()?;
        let len_through = |end: &str, from: usize| {
            let index = rest[from..].find(end);
            index.map_or(rest.len(), |index| from + index + end.len())
        };
        let identifier = |from: usize| {
            let name = &rest[from..];
            name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(name.len())
        };
        let (kind, len) = match first {
            c if c.is_whitespace() => (TemplateTokenKind::Trivia, c.len_utf8()),
            '-' if rest.starts_with("--") => (TemplateTokenKind::Trivia, len_through("\n", 0)),
            ';' => (TemplateTokenKind::Semicolon, 1),
            // A doubled quote is lexed as the end of one literal and the start of the next, which has the same effect.
            '\'' => (TemplateTokenKind::Other, len_through("'", 1)),
            '"' => (TemplateTokenKind::Other, len_through("\"", 1)),
            '$' if rest.starts_with("$$") => (TemplateTokenKind::Other, len_through("$$", 2)),
            ':' if rest.starts_with("::") => (TemplateTokenKind::Other, 2),
            ':' if rest.starts_with(":'") => (TemplateTokenKind::Param, len_through("'", 2)),
            ':' if identifier(1) > 0 => (TemplateTokenKind::Param, 1 + identifier(1)),
            c => (TemplateTokenKind::Other, c.len_utf8()),
        };
        Some(Self { kind, len })
    }
}

#[cfg(test)]
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
        let params = SqlParams::default().with_literal("run", "it's").unwrap();
        let params = params.with_raw("iam_role", "default");
        let sql = render("COPY :'run' IAM_ROLE :iam_role ':run' x::regclass", &params);
        assert_eq!(
            sql.unwrap(),
            "COPY 'it''s' IAM_ROLE default ':run' x::regclass"
        );
        render("SELECT :'other'", &params).unwrap_err();
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn offset_beyond_the_script_fails_loudly() {
        let _ = TemplateToken::lex_at("SELECT 1", 9);
    }
}
