//! The PostgreSQL protocol, version 3: messages, and the contents of those that the simulator creates.

use std::io::{self, Read, Write};

/// A message: its tag, and the body after its length.
#[derive(Clone, Debug)]
pub struct PgMessage {
    pub tag: u8,
    pub body: Vec<u8>,
}

impl PgMessage {
    /// Creates a message of NUL-terminated texts.
    pub fn from_texts(tag: u8, texts: &[&str]) -> Self {
        let mut body = Vec::new();
        for text in texts {
            put_cstr(&mut body, text);
        }
        Self { tag, body }
    }

    /// Creates a message of bytes.
    pub fn from_bytes(tag: u8, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { tag, body }
    }

    /// Returns ReadyForQuery with the transaction status: `I`dle, in a `T`ransaction, or in a failed one
    /// (`E`).
    pub fn ready_for_query(status: u8) -> Self {
        Self::from_bytes(b'Z', [status])
    }

    /// Returns CommandComplete.
    pub fn command_complete(tag: &str) -> Self {
        Self::from_texts(b'C', &[tag])
    }

    /// Returns a NoticeResponse.
    pub fn notice(severity: &str, code: &str, message: &str) -> Self {
        error_message(b'N', severity, &SqlError::new(code, message))
    }

    /// Reads a message that has a tag.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut tag = [0];
        from.read_exact(&mut tag)?;
        let body = read_body(from)?;
        Ok(Self { tag: tag[0], body })
    }

    /// Appends the message to a buffer.
    pub fn append_to(&self, to: &mut Vec<u8>) {
        to.push(self.tag);
        to.extend(length_prefix(&self.body));
        to.extend(&self.body);
    }

    /// Sends the message.
    pub fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(self.body.len() + 5);
        self.append_to(&mut bytes);
        to.write_all(&bytes)
    }

    /// Returns the texts at the start of the body.
    pub fn texts<const N: usize>(&self) -> [String; N] {
        let mut texts = self.body.split(|byte| *byte == 0);
        [(); N].map(|()| String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned())
    }

    /// Returns the columns of a DataRow.
    pub fn row_values(&self) -> Vec<Option<String>> {
        let mut rest = &self.body[2..];
        let mut row = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            let (value, after) = after.split_at(length.unwrap_or(0));
            row.push(length.map(|_| String::from_utf8_lossy(value).into_owned()));
            rest = after;
        }
        row
    }
}

/// An error as it is sent to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    pub code: Box<str>,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<Box<str>>,
    /// The constraint that was violated.
    pub constraint: Option<Box<str>>,
    /// The complete body of an error that came from PostgreSQL.
    raw_body: Option<Box<[u8]>>,
}

impl SqlError {
    /// Creates an error with this SQLSTATE.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            detail: None,
            hint: None,
            constraint: None,
            raw_body: None,
        }
    }

    /// Creates the error for a feature that Redshift does not support.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new("0A000", message)
    }

    /// Creates a syntax error.
    pub fn syntax(near: &str) -> Self {
        Self::new("42601", format!("syntax error at or near \"{near}\""))
    }

    /// Adds a detail.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a hint.
    pub fn with_hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the ErrorResponse.
    pub fn to_message(&self) -> PgMessage {
        match &self.raw_body {
            Some(body) => PgMessage::from_bytes(b'E', body.to_vec()),
            None => error_message(b'E', "ERROR", self),
        }
    }

    /// Returns the ErrorResponse with severity FATAL, after which the connection is closed.
    pub fn to_fatal_message(&self) -> PgMessage {
        error_message(b'E', "FATAL", self)
    }

    /// Parses an ErrorResponse.
    pub fn from_message(message: &PgMessage) -> Self {
        let mut error = Self::new("", "");
        for field in message.body.split(|byte| *byte == 0) {
            let Some((letter, value)) = field.split_first() else {
                break;
            };
            let value = String::from_utf8_lossy(value).into_owned();
            match letter {
                b'C' => error.code = value.into(),
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value.into()),
                b'n' => error.constraint = Some(value.into()),
                _ => {}
            }
        }
        error.raw_body = Some(message.body.clone().into());
        error
    }
}

/// The reason for which a session could not continue normally.
#[derive(Debug)]
pub enum SessionError {
    /// The statement fails; the session continues.
    Sql(SqlError),
    /// A connection was closed, and the session ends with it.
    ConnectionClosed,
}

impl From<SqlError> for SessionError {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<io::Error> for SessionError {
    fn from(_: io::Error) -> Self {
        Self::ConnectionClosed
    }
}

/// The result of an operation that may be rejected or may lose its connection.
pub type SessionResult<T> = Result<T, SessionError>;

fn error_message(tag: u8, severity: &str, error: &SqlError) -> PgMessage {
    let mut body = Vec::new();
    let mut field = |letter: u8, value: Option<&str>| {
        if let Some(value) = value {
            body.push(letter);
            put_cstr(&mut body, value);
        }
    };
    field(b'S', Some(severity));
    field(b'C', Some(&error.code));
    field(b'M', Some(&error.message));
    field(b'D', error.detail.as_deref());
    field(b'H', error.hint.as_deref());
    field(b'n', error.constraint.as_deref());
    body.push(0);
    PgMessage { tag, body }
}

fn put_cstr(body: &mut Vec<u8>, text: &str) {
    body.extend(text.as_bytes());
    body.push(0);
}

fn length_prefix(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).unwrap().to_be_bytes()
}

/// Reads the body after the tag; the first message of a connection consists of a body only.
pub fn read_body(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length).checked_sub(4);
    let length = length.ok_or(io::ErrorKind::InvalidData)?;
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Ok(body)
}

/// Returns the startup message for version 3.0 with these parameters.
pub fn startup_message(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        put_cstr(&mut body, name);
        put_cstr(&mut body, value);
    }
    body.push(0);
    let mut bytes = length_prefix(&body).to_vec();
    bytes.extend(body);
    bytes
}
