//! SQL as Redshift reads it: statements and their tokens.

use super::protocol::SqlError;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or a name, in small letters.
    Word,
    /// A name in double quotes, without them.
    QuotedName,
    /// What a literal in single quotes stands for.
    StringLiteral,
    /// A number or a parameter.
    Number,
    /// Anything else, by character but for `::`, `<=`, `>=`, `<>` and `!=`.
    Symbol,
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub struct Token {
    pub kind: TokenKind,
    pub text: String,
    pub start: usize,
    pub end: usize,
}

impl Token {
    /// Whether it is this keyword or mark.
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::Symbol) && self.text == text
    }
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Statement {
    pub sql: String,
    pub tokens: Vec<Token>,
}

impl Statement {
    /// Where these keywords and marks stand one after the other, if anywhere.
    pub fn find_words(&self, words: &[&str]) -> Option<usize> {
        (0..self.tokens.len()).find(|&at| self.has_words_at(at, words))
    }

    /// Whether they stand there.
    pub fn has_words_at(&self, at: usize, words: &[&str]) -> bool {
        let tokens = self.tokens.get(at..at + words.len());
        tokens.is_some_and(|tokens| tokens.iter().zip(words).all(|(token, word)| token.is(word)))
    }

    /// Whether it begins so.
    pub fn starts_with(&self, words: &[&str]) -> bool {
        self.has_words_at(0, words)
    }

    /// To be read from the start.
    pub fn parser(&self) -> Parser<'_> {
        Parser {
            statement: self,
            position: 0,
        }
    }
}

/// The statements of a text. To PostgreSQL a backslash is a character, and dollars quote.
pub fn split_statements(sql: &str, is_redshift: bool) -> Result<Vec<Statement>, SqlError> {
    let bytes = sql.as_bytes();
    let (mut statements, mut tokens, mut at) = (Vec::new(), Vec::<Token>::new(), 0);
    let mut end = |tokens: &mut Vec<Token>| {
        if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
            let (start, end) = (first.start, last.end);
            for token in tokens.iter_mut() {
                token.start -= start;
                token.end -= start;
            }
            statements.push(Statement {
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
                TokenKind::StringLiteral
            }
            b'"' => {
                at += read_quoted(rest, '"', false, &mut text)?;
                TokenKind::QuotedName
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
                TokenKind::StringLiteral
            }
            b if b.is_ascii_digit() || b == b'$' => {
                let number = |c: char| !c.is_ascii_alphanumeric() && c != '.';
                at += 1 + rest[1..].find(number).unwrap_or(rest.len() - 1);
                TokenKind::Number
            }
            b if b.is_ascii_alphabetic() || b == b'_' || b >= 128 => {
                let name = |c: char| !c.is_alphanumeric() && c != '_' && c != '$';
                at += rest.find(name).unwrap_or(rest.len());
                TokenKind::Word
            }
            _ => {
                let two = ["::", "<=", ">=", "<>", "!="];
                at += match two.iter().any(|mark| rest.starts_with(mark)) {
                    true => 2,
                    false => 1,
                };
                TokenKind::Symbol
            }
        };
        if !matches!(kind, TokenKind::StringLiteral | TokenKind::QuotedName) {
            text = sql[start..at].to_lowercase();
        }
        tokens.push(Token {
            kind,
            text,
            start,
            end: at,
        });
    }
    end(&mut tokens);
    Ok(statements)
}

/// The length of a comment, which may hold others.
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

/// The length of what is quoted, and what it stands for.
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

/// Reads a statement token by token.
pub struct Parser<'a> {
    statement: &'a Statement,
    position: usize,
}

impl<'a> Parser<'a> {
    /// The next token.
    pub fn peek(&self) -> Option<&'a Token> {
        self.statement.tokens.get(self.position)
    }

    /// The next token, taken; none is an error.
    pub fn next(&mut self) -> Result<&'a Token, SqlError> {
        let token = self.peek();
        let token = token.ok_or_else(|| SqlError::new("42601", "syntax error at end of input"))?;
        self.position += 1;
        Ok(token)
    }

    /// Whether these words are next. Takes them if so.
    pub fn accept(&mut self, words: &[&str]) -> bool {
        let is_next = self.statement.has_words_at(self.position, words);
        self.position += if is_next { words.len() } else { 0 };
        is_next
    }

    /// The first of these that is next, taken.
    pub fn accept_one_of(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.accept(&[word]))
    }

    /// These words must be next.
    pub fn expect(&mut self, words: &[&str]) -> Result<(), SqlError> {
        match self.accept(words) {
            true => Ok(()),
            false => Err(self.unexpected_token()),
        }
    }

    /// Whatever is next is wrong.
    pub fn unexpected_token(&self) -> SqlError {
        match self.peek() {
            Some(token) => SqlError::syntax(&self.statement.sql[token.start..token.end]),
            None => SqlError::new("42601", "syntax error at end of input"),
        }
    }

    /// Nothing may be next.
    pub fn expect_end(&self) -> Result<(), SqlError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected_token()),
        }
    }

    /// A name without a schema.
    pub fn name(&mut self) -> Result<String, SqlError> {
        match self.peek().map(|token| token.kind) {
            Some(TokenKind::Word | TokenKind::QuotedName) => Ok(self.next()?.text.clone()),
            _ => Err(self.unexpected_token()),
        }
    }

    /// A name, also one with a schema, as it is written.
    pub fn qualified_name(&mut self) -> Result<String, SqlError> {
        let start = self.peek().map_or(0, |token| token.start);
        self.name()?;
        while self.accept(&["."]) {
            self.name()?;
        }
        Ok(self.text_since(start).to_owned())
    }

    /// Names in parentheses.
    pub fn name_list(&mut self) -> Result<Vec<String>, SqlError> {
        self.expect(&["("])?;
        let mut names = vec![self.name()?];
        while self.accept(&[","]) {
            names.push(self.name()?);
        }
        self.expect(&[")"])?;
        Ok(names)
    }

    /// A literal in single quotes.
    pub fn string_literal(&mut self) -> Result<String, SqlError> {
        match self.peek() {
            Some(token) if token.kind == TokenKind::StringLiteral => Ok(self.next()?.text.clone()),
            _ => Err(self.unexpected_token()),
        }
    }

    /// A whole number.
    pub fn integer(&mut self) -> Result<i64, SqlError> {
        let found = self.peek().and_then(|token| token.text.parse().ok());
        let number = found.ok_or_else(|| self.unexpected_token())?;
        self.position += 1;
        Ok(number)
    }

    /// Where the next token begins.
    pub fn offset(&self) -> usize {
        self.peek()
            .map_or(self.statement.sql.len(), |token| token.start)
    }

    /// What was read since then, as it is written.
    pub fn text_since(&self, start: usize) -> &'a str {
        let end = match self.position.checked_sub(1) {
            Some(last) => self.statement.tokens[last].end,
            None => start,
        };
        &self.statement.sql[start.min(end)..end]
    }

    /// Skips one token, or all of what is in parentheses.
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
