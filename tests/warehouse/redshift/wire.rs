//! The PostgreSQL protocol, version 3: messages and what is in the few that are made here.

use std::io::{self, Read, Write};

/// A message: its letter, and what follows its length.
#[derive(Clone, Debug)]
pub struct Message {
    pub tag: u8,
    pub body: Vec<u8>,
}

impl Message {
    /// A message of texts, each with its end.
    pub fn of(tag: u8, texts: &[&str]) -> Self {
        let mut body = Vec::new();
        for text in texts {
            put(&mut body, text);
        }
        Self { tag, body }
    }

    /// A message of bytes.
    pub fn raw(tag: u8, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { tag, body }
    }

    /// What a client may send next: `I`dle, in a `T`ransaction, in one that has failed (`E`).
    pub fn ready(status: u8) -> Self {
        Self::raw(b'Z', [status])
    }

    /// A statement is done.
    pub fn complete(tag: &str) -> Self {
        Self::of(b'C', &[tag])
    }

    /// Something that is said beside the answer.
    pub fn notice(severity: &str, code: &str, message: &str) -> Self {
        fields(b'N', severity, &Refusal::new(code, message))
    }

    /// Reads one that has a letter.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut tag = [0];
        from.read_exact(&mut tag)?;
        let body = read_body(from)?;
        Ok(Self { tag: tag[0], body })
    }

    /// Adds it to what is to be sent.
    pub fn put(&self, to: &mut Vec<u8>) {
        to.push(self.tag);
        to.extend(length(&self.body));
        to.extend(&self.body);
    }

    /// Sends it.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(self.body.len() + 5);
        self.put(&mut bytes);
        to.write_all(&bytes)
    }

    /// The texts that it begins with.
    pub fn texts<const N: usize>(&self) -> [String; N] {
        let mut texts = self.body.split(|byte| *byte == 0);
        [(); N].map(|()| String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned())
    }

    /// The columns of a row.
    pub fn row(&self) -> Vec<Option<String>> {
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
pub struct Refusal {
    pub code: Box<str>,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<Box<str>>,
    /// The constraint that was violated.
    pub constraint: Option<Box<str>>,
    /// All that PostgreSQL said, where it is PostgreSQL's.
    whole: Option<Box<[u8]>>,
}

impl Refusal {
    /// An error of a SQLSTATE.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            detail: None,
            hint: None,
            constraint: None,
            whole: None,
        }
    }

    /// What SQL has and Redshift has not.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new("0A000", message)
    }

    /// What is no SQL to Redshift.
    pub fn syntax(near: &str) -> Self {
        Self::new("42601", format!("syntax error at or near \"{near}\""))
    }

    /// With more about it.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With advice.
    pub fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The message that says it.
    pub fn message(&self) -> Message {
        match &self.whole {
            Some(body) => Message::raw(b'E', body.to_vec()),
            None => fields(b'E', "ERROR", self),
        }
    }

    /// The same before the connection is closed.
    pub fn fatal(&self) -> Message {
        fields(b'E', "FATAL", self)
    }

    /// Reads it from a message.
    pub fn of(message: &Message) -> Self {
        let mut refusal = Self::new("", "");
        for field in message.body.split(|byte| *byte == 0) {
            let Some((letter, value)) = field.split_first() else {
                break;
            };
            let value = String::from_utf8_lossy(value).into_owned();
            match letter {
                b'C' => refusal.code = value.into(),
                b'M' => refusal.message = value,
                b'D' => refusal.detail = Some(value),
                b'H' => refusal.hint = Some(value.into()),
                b'n' => refusal.constraint = Some(value.into()),
                _ => {}
            }
        }
        refusal.whole = Some(message.body.clone().into());
        refusal
    }
}

/// Why something was not done.
#[derive(Debug)]
pub enum Trouble {
    /// The statement fails; the session goes on.
    Refused(Refusal),
    /// A connection is gone, and with it the session.
    Gone,
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Trouble {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// What may be refused, or may find a connection gone.
pub type Done<T> = Result<T, Trouble>;

fn fields(tag: u8, severity: &str, refusal: &Refusal) -> Message {
    let mut body = Vec::new();
    let mut field = |letter: u8, value: Option<&str>| {
        if let Some(value) = value {
            body.push(letter);
            put(&mut body, value);
        }
    };
    field(b'S', Some(severity));
    field(b'C', Some(&refusal.code));
    field(b'M', Some(&refusal.message));
    field(b'D', refusal.detail.as_deref());
    field(b'H', refusal.hint.as_deref());
    field(b'n', refusal.constraint.as_deref());
    body.push(0);
    Message { tag, body }
}

fn put(body: &mut Vec<u8>, text: &str) {
    body.extend(text.as_bytes());
    body.push(0);
}

fn length(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).unwrap().to_be_bytes()
}

/// Reads what follows the letter: also the first message of a connection, which has none.
pub fn read_body(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length).checked_sub(4);
    let length = length.ok_or(io::ErrorKind::InvalidData)?;
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Ok(body)
}

/// The first message of a client: version 3.0 and its parameters.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        put(&mut body, name);
        put(&mut body, value);
    }
    body.push(0);
    let mut bytes = length(&body).to_vec();
    bytes.extend(body);
    bytes
}
