//! Quotes literals and names.

use crate::error::{Error, Result};

/// Quotes a string literal so that it has the same meaning whether or not backslashes escape. In Redshift they do: `'\''`
/// does not end a literal there.
///
/// # Errors
/// Returns an error if the text contains a backslash or a control character.
pub(crate) fn quote_literal(text: &str) -> Result<String> {
    if text.contains(|c: char| c == '\\' || c.is_control()) {
        return Err(Error::failed(format!("cannot quote '{text}' in SQL"))
            .with_reason("it contains a backslash or a control character")
            .with_hint("choose another name"));
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// Quotes any text as an expression that has the same meaning whether or not backslashes escape: a backslash is the result
/// of a function.
pub(crate) fn portable_literal(text: &str) -> String {
    let parts = text
        .split('\\')
        .map(|part| format!("'{}'", part.replace('\'', "''")));
    parts.collect::<Vec<_>>().join(" || CHR(92) || ")
}

/// Quotes the name of a column or of another object.
pub(crate) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_literals_are_rejected() {
        for text in ["\\'; DROP TABLE users --", "a\nb", "a\0"] {
            quote_literal(text).unwrap_err();
        }
        assert_eq!(quote_literal("'; --").unwrap(), "'''; --'");
    }

    #[test]
    fn quotes_in_names_are_doubled() {
        assert_eq!(quote_identifier("a \"b\""), "\"a \"\"b\"\"\"");
    }

    #[test]
    fn portable_literals_contain_no_backslash() {
        assert_eq!(portable_literal("it's"), "'it''s'");
        let expected = "'' || CHR(92) || '''; --'";
        assert_eq!(portable_literal("\\'; --"), expected);
    }
}
