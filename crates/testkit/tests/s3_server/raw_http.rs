//! HTTP requests over a plain socket, to see the exact bytes of a response.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testkit::s3_server::server::S3Server;

/// The time without data after which a response counts as stalled.
const SILENCE_TIMEOUT: Duration = Duration::from_millis(150);

/// The timeout for expected data, chosen for a machine under load.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The response of a server, which may be incomplete.
#[derive(Debug)]
pub struct RawResponse {
    /// Status line and headers in lower case.
    pub head: String,
    pub body: Vec<u8>,
    pub end: ObservedEnd,
}

/// How the reading of a response ended.
#[derive(Debug, PartialEq, Eq)]
pub enum ObservedEnd {
    /// The response was complete.
    Complete,
    /// The server closed the connection.
    Closed,
    /// The connection stayed open, but no more data came.
    Stalled,
}

impl RawResponse {
    /// Returns the length of the body that the head states.
    pub fn content_length(&self) -> usize {
        let line = self.header("content-length").unwrap();
        line.parse().unwrap()
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines();
        let mut headers = lines.filter_map(|line| line.split_once(": "));
        headers
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }
}

/// Sends a request, and reads until the response or the connection ends.
pub fn send_request(server: &S3Server, method: &str, target: &str, body: &[u8]) -> RawResponse {
    send_request_until(server, method, target, body, usize::MAX)
}

/// Sends a request, and reads until the response or the connection ends, or until no more data comes after
/// `min_bytes` bytes of head and body.
pub fn send_request_until(
    server: &S3Server,
    method: &str,
    target: &str,
    body: &[u8],
    min_bytes: usize,
) -> RawResponse {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let timeout = if min_bytes == 0 {
        SILENCE_TIMEOUT
    } else {
        RESPONSE_TIMEOUT
    };
    stream.set_write_timeout(Some(timeout)).unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
        server.address(),
        body.len()
    );
    // A server that does not read the body may respond all the same.
    let sent = stream.write_all(head.as_bytes());
    let _ = sent.and_then(|()| stream.write_all(body));
    read_response(&mut stream, min_bytes)
}

fn read_response(stream: &mut TcpStream, min_bytes: usize) -> RawResponse {
    let mut bytes = Vec::new();
    let mut response = RawResponse {
        head: String::new(),
        body: Vec::new(),
        end: ObservedEnd::Complete,
    };
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            response.head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            response.body = bytes[end + 4..].to_vec();
            if response.body.len() == response.content_length() {
                return response;
            }
        }
        let has_min_bytes = bytes.len() >= min_bytes;
        let timeout = if has_min_bytes {
            SILENCE_TIMEOUT
        } else {
            RESPONSE_TIMEOUT
        };
        stream.set_read_timeout(Some(timeout)).unwrap();
        let mut buffer = [0; 65536];
        match stream.read(&mut buffer) {
            Ok(0) => response.end = ObservedEnd::Closed,
            Ok(length) => {
                bytes.extend_from_slice(&buffer[..length]);
                continue;
            }
            Err(error) => match error.kind() {
                // A machine that suspends its processes interrupts every read that has a timeout.
                ErrorKind::Interrupted => continue,
                ErrorKind::WouldBlock => response.end = ObservedEnd::Stalled,
                ErrorKind::ConnectionReset => response.end = ObservedEnd::Closed,
                _ => panic!("cannot read the response: {error}"),
            },
        }
        return response;
    }
}
