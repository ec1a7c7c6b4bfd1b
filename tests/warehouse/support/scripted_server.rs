//! Minimal servers that send scripted responses.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Starts a server on a free port, which handles each connection with `handle`.
pub fn serve_connections(handle: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // The thread ends with the process.
    thread::spawn(move || {
        for connection in listener.incoming() {
            handle(connection.unwrap());
        }
    });
    port
}

/// Starts a server that reads the startup message and sends this response.
pub fn serve_response(response: Vec<u8>) -> u16 {
    serve_connections(move |mut connection| {
        read_untagged_message(&mut connection);
        let _ = connection.write_all(&response);
        // Read what the client sends before it closes the connection.
        let _ = connection.read_to_end(&mut Vec::new());
    })
}

/// Reads the startup message: its length and its body. Later messages have a tag in front.
pub fn read_untagged_message(connection: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    connection.read_exact(&mut length).unwrap();
    let mut rest = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    connection.read_exact(&mut rest).unwrap();
    rest
}

/// Encodes a message of a server.
pub fn backend_message(letter: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[letter], &length.to_be_bytes()[..], body].concat()
}

/// Encodes an ErrorResponse.
pub fn error_response(code: &str, text: &str) -> Vec<u8> {
    backend_message(b'E', format!("SFATAL\0C{code}\0M{text}\0\0").as_bytes())
}
