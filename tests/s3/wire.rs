//! What really goes over the wire.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::server::Server;

/// How long a server must say nothing to be called silent.
const SILENCE: Duration = Duration::from_millis(150);

/// How long it may take to say what is waited for, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server said.
#[derive(Debug)]
pub struct Heard {
    /// Status line and headers, in small letters.
    pub head: String,
    pub body: Vec<u8>,
    pub end: Ending,
}

/// Why there was nothing more to hear.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// The answer was complete.
    Complete,
    /// The connection was closed.
    Closed,
    /// It stayed open, and nothing came.
    Silent,
}

impl Heard {
    /// The length that the body should have.
    pub fn length(&self) -> usize {
        let line = self.header("content-length").unwrap();
        line.parse().unwrap()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines();
        let mut headers = lines.filter_map(|line| line.split_once(": "));
        headers
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }
}

/// Sends a request and listens to the end of the answer, or of the connection.
pub fn ask(server: &Server, method: &str, target: &str, body: &[u8]) -> Heard {
    ask_until(server, method, target, body, usize::MAX)
}

/// The same, but once so many bytes have come, head and all, the server may fall silent.
pub fn ask_until(server: &Server, method: &str, target: &str, body: &[u8], wanted: usize) -> Heard {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let patience = if wanted == 0 { SILENCE } else { PATIENCE };
    stream.set_write_timeout(Some(patience)).unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
        server.address(),
        body.len()
    );
    // Who does not take the body still may answer.
    let sent = stream.write_all(head.as_bytes());
    let _ = sent.and_then(|()| stream.write_all(body));
    listen(&mut stream, wanted)
}

fn listen(stream: &mut TcpStream, wanted: usize) -> Heard {
    let mut bytes = Vec::new();
    let mut heard = Heard {
        head: String::new(),
        body: Vec::new(),
        end: Ending::Complete,
    };
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            heard.head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            heard.body = bytes[end + 4..].to_vec();
            if heard.body.len() == heard.length() {
                return heard;
            }
        }
        let enough = bytes.len() >= wanted;
        let patience = if enough { SILENCE } else { PATIENCE };
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut some = [0; 65536];
        match stream.read(&mut some) {
            Ok(0) => heard.end = Ending::Closed,
            Ok(length) => {
                bytes.extend_from_slice(&some[..length]);
                continue;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => heard.end = Ending::Silent,
            Err(_) => heard.end = Ending::Closed,
        }
        return heard;
    }
}
