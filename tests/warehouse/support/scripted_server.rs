//! Servers that do no more than a test needs: they take one connection and say what they are told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// A server on a port of its own, which answers each connection in this way.
pub fn serve_connections(handle: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // It ends with the process.
    thread::spawn(move || {
        for connection in listener.incoming() {
            handle(connection.unwrap());
        }
    });
    port
}

/// A server that reads what the client begins with and says this.
pub fn serve_response(response: Vec<u8>) -> u16 {
    serve_connections(move |mut connection| {
        read_untagged_message(&mut connection);
        let _ = connection.write_all(&response);
        // What the client says before it goes.
        let _ = connection.read_to_end(&mut Vec::new());
    })
}

/// What a client says first: its length, and so many bytes more. Later messages have a letter in front.
pub fn read_untagged_message(connection: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    connection.read_exact(&mut length).unwrap();
    let mut rest = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    connection.read_exact(&mut rest).unwrap();
    rest
}

/// A message of a server.
pub fn backend_message(letter: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[letter], &length.to_be_bytes()[..], body].concat()
}

/// The message that something is refused.
pub fn error_response(code: &str, text: &str) -> Vec<u8> {
    backend_message(b'E', format!("SFATAL\0C{code}\0M{text}\0\0").as_bytes())
}
