//! A lexer for SQL as Redshift reads it: statements and tokens.

use super::protocol::SqlError;

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlTokenKind {
    /// A keyword or an unquoted name, in lower case.
    Word,
    /// A name in double quotes, without the quotes.
    QuotedName,
    /// The value of a literal in single quotes.
    StringLiteral,
    /// A number or a parameter.
    Number,
    /// Any other character, and `::`, `<=`, `>=`, `<>` and `!=`.
    Symbol,
}

/// A token and its position.
#[derive(Clone, Debug)]
pub struct SqlToken {
    pub kind: SqlTokenKind,
    pub text: String,
    pub start: usize,
    pub end: usize,
}

impl SqlToken {
    /// Returns whether the token is this keyword or symbol.
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, SqlTokenKind::Word | SqlTokenKind::Symbol) && self.text == text
    }
}

/// A statement.
#[derive(Clone, Debug)]
pub struct SqlStatement {
    pub sql: String,
    pub tokens: Vec<SqlToken>,
}

impl SqlStatement {
    /// Returns the first position at which these keywords and symbols occur in sequence.
    pub fn find_words(&self, words: &[&str]) -> Option<usize> {
        (0..self.tokens.len()).find(|&at| self.has_words_at(at, words))
    }

    /// Returns whether these keywords and symbols occur at this position.
    pub fn has_words_at(&self, at: usize, words: &[&str]) -> bool {
        let tokens = self.tokens.get(at..at + words.len());
        tokens.is_some_and(|tokens| tokens.iter().zip(words).all(|(token, word)| token.is(word)))
    }

    /// Returns whether the statement starts with these keywords and symbols.
    pub fn starts_with(&self, words: &[&str]) -> bool {
        self.has_words_at(0, words)
    }

    /// Returns a parser at the start of the statement.
    pub fn parser(&self) -> StatementParser<'_> {
        StatementParser {
            statement: self,
            position: 0,
        }
    }
}

/// Splits a text into statements. For PostgreSQL, a backslash is an ordinary character and dollar quotes are
/// recognized.
pub fn split_statements(sql: &str, is_redshift: bool) -> Result<Vec<SqlStatement>, SqlError> {
    let bytes = sql.as_bytes();
    let (mut statements, mut tokens, mut at) = (Vec::new(), Vec::<SqlToken>::new(), 0);
    let mut end = |tokens: &mut Vec<SqlToken>| {
        if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
            let (start, end) = (first.start, last.end);
            for token in tokens.iter_mut() {
                token.start -= start;
                token.end -= start;
            }
            statements.push(SqlStatement {
                sql: sql[start..end].to_owned(),
                tokens: std::mem::take(tokens),
            });
        }
    };
    while at < bytes.len() {
        let start = at;
        let rest = &sql[at..];
        let mut text = String::new();
        let kind = match bytes[at] {
            b if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b';' => {
                at += 1;
                end(&mut tokens);
                continue;
            }
            b'-' if rest.starts_with("--") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            b'/' if rest.starts_with("/*") => {
                at += comment_length(rest)?;
                continue;
            }
            b'\'' => {
                at += read_quoted(rest, '\'', is_redshift, &mut text)?;
                SqlTokenKind::StringLiteral
            }
            b'"' => {
                at += read_quoted(rest, '"', false, &mut text)?;
                SqlTokenKind::QuotedName
            }
            b'$' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                if is_redshift {
                    return Err(SqlError::syntax("$"));
                }
                let tag = rest[1..].find('$').map(|end| &rest[..end + 2]);
                let tag = tag.ok_or_else(|| SqlError::syntax("$"))?;
                let inner = &rest[tag.len()..];
                let length = inner.find(tag).ok_or_else(|| SqlError::syntax(tag))?;
                at += length + 2 * tag.len();
                text.push_str(&inner[..length]);
                SqlTokenKind::StringLiteral
            }
            b if b.is_ascii_digit() || b == b'$' => {
                let number = |c: char| !c.is_ascii_alphanumeric() && c != '.';
                at += 1 + rest[1..].find(number).unwrap_or(rest.len() - 1);
                SqlTokenKind::Number
            }
            b if b.is_ascii_alphabetic() || b == b'_' || b >= 128 => {
                let name = |c: char| !c.is_alphanumeric() && c != '_' && c != '$';
                at += rest.find(name).unwrap_or(rest.len());
                SqlTokenKind::Word
            }
            _ => {
                let two = ["::", "<=", ">=", "<>", "!="];
                at += match two.iter().any(|mark| rest.starts_with(mark)) {
                    true => 2,
                    false => 1,
                };
                SqlTokenKind::Symbol
            }
        };
        if !matches!(kind, SqlTokenKind::StringLiteral | SqlTokenKind::QuotedName) {
            text = sql[start..at].to_lowercase();
        }
        tokens.push(SqlToken {
            kind,
            text,
            start,
            end: at,
        });
    }
    end(&mut tokens);
    Ok(statements)
}

/// Returns the length of a comment, which may contain nested comments.
fn comment_length(rest: &str) -> Result<usize, SqlError> {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let two = rest.as_bytes().get(at..at + 2).unwrap_or_default();
        match two {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return Ok(at);
        }
    }
    Err(SqlError::new("42601", "unterminated /* comment"))
}

/// Returns the length of a quoted string and its value.
fn read_quoted(
    rest: &str,
    quote: char,
    escapes: bool,
    text: &mut String,
) -> Result<usize, SqlError> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        if char == '\\' && escapes {
            match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, other)) => text.push(other),
                None => break,
            }
        } else if char != quote {
            text.push(char);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok(at + 1);
        }
    }
    Err(SqlError::new("42601", "unterminated quoted string"))
}

/// Parses a statement token by token.
pub struct StatementParser<'a> {
    statement: &'a SqlStatement,
    position: usize,
}

impl<'a> StatementParser<'a> {
    /// Returns the next token without consuming it.
    pub fn peek(&self) -> Option<&'a SqlToken> {
        self.statement.tokens.get(self.position)
    }

    /// Consumes the next token; the end of the statement is an error.
    pub fn next(&mut self) -> Result<&'a SqlToken, SqlError> {
        let token = self.peek();
        let token = token.ok_or_else(|| SqlError::new("42601", "syntax error at end of input"))?;
        self.position += 1;
        Ok(token)
    }

    /// Consumes these words if they are next, and returns whether they were.
    pub fn accept(&mut self, words: &[&str]) -> bool {
        let is_next = self.statement.has_words_at(self.position, words);
        self.position += if is_next { words.len() } else { 0 };
        is_next
    }

    /// Consumes the first of these words that is next.
    pub fn accept_one_of(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.accept(&[word]))
    }

    /// Consumes these words, which must be next.
    pub fn expect(&mut self, words: &[&str]) -> Result<(), SqlError> {
        match self.accept(words) {
            true => Ok(()),
            false => Err(self.unexpected_token()),
        }
    }

    /// Returns a syntax error at the next token.
    pub fn unexpected_token(&self) -> SqlError {
        match self.peek() {
            Some(token) => SqlError::syntax(&self.statement.sql[token.start..token.end]),
            None => SqlError::new("42601", "syntax error at end of input"),
        }
    }

    /// Checks that the statement ends here.
    pub fn expect_end(&self) -> Result<(), SqlError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected_token()),
        }
    }

    /// Parses a name without a schema.
    pub fn name(&mut self) -> Result<String, SqlError> {
        match self.peek().map(|token| token.kind) {
            Some(SqlTokenKind::Word | SqlTokenKind::QuotedName) => Ok(self.next()?.text.clone()),
            _ => Err(self.unexpected_token()),
        }
    }

    /// Parses a name with or without a schema, and returns it as written.
    pub fn qualified_name(&mut self) -> Result<String, SqlError> {
        let start = self.peek().map_or(0, |token| token.start);
        self.name()?;
        while self.accept(&["."]) {
            self.name()?;
        }
        Ok(self.text_since(start).to_owned())
    }

    /// Parses names in parentheses.
    pub fn name_list(&mut self) -> Result<Vec<String>, SqlError> {
        self.expect(&["("])?;
        let mut names = vec![self.name()?];
        while self.accept(&[","]) {
            names.push(self.name()?);
        }
        self.expect(&[")"])?;
        Ok(names)
    }

    /// Parses a literal in single quotes.
    pub fn string_literal(&mut self) -> Result<String, SqlError> {
        match self.peek() {
            Some(token) if token.kind == SqlTokenKind::StringLiteral => {
                Ok(self.next()?.text.clone())
            }
            _ => Err(self.unexpected_token()),
        }
    }

    /// Parses an integer.
    pub fn integer(&mut self) -> Result<i64, SqlError> {
        let number = |token: &SqlToken| match token.kind {
            SqlTokenKind::Number => token.text.parse().ok(),
            _ => None,
        };
        let found = self.peek().and_then(number);
        let number = found.ok_or_else(|| self.unexpected_token())?;
        self.position += 1;
        Ok(number)
    }

    /// Returns the byte offset of the next token.
    pub fn offset(&self) -> usize {
        self.peek()
            .map_or(self.statement.sql.len(), |token| token.start)
    }

    /// Returns the text since `start` as written.
    pub fn text_since(&self, start: usize) -> &'a str {
        let end = match self.position.checked_sub(1) {
            Some(last) => self.statement.tokens[last].end,
            None => start,
        };
        &self.statement.sql[start.min(end)..end]
    }

    /// Skips one token, or a whole group in parentheses.
    pub fn skip_group(&mut self) -> Result<(), SqlError> {
        let mut depth = 0;
        loop {
            let token = self.next()?;
            depth += i32::from(token.is("(")) - i32::from(token.is(")"));
            if depth <= 0 {
                return Ok(());
            }
        }
    }
}
