//! A server comes, counts and goes.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use crate::asked::{Kind, Which};
use crate::client::Client;
use crate::faults::{Fault, Faults};
use crate::server::{ACCESS_KEY, SECRET_KEY, Server};

#[test]
fn what_requests_write_is_on_the_disk_and_the_other_way_round() {
    let server = Server::start();
    let folder = server.bucket("music");
    std::fs::create_dir(folder.join("in")).unwrap();
    std::fs::write(folder.join("in/ä b+c.json"), "disk").unwrap();
    let client = Client::of(&server);
    assert_eq!(client.get("music", "in/ä b+c.json").unwrap(), b"disk");

    client.put("music", "out/.hidden", b"wire").unwrap();
    let objects = server.objects("music");
    let expected = [("in/ä b+c.json", "disk"), ("out/.hidden", "wire")];
    let expected = expected.map(|(key, text)| (key.to_owned(), text.as_bytes().to_vec()));
    assert_eq!(objects, expected.into());
}

#[test]
fn nothing_is_left_even_if_a_client_is_kept_waiting() {
    let server = Server::faulty(Faults::new().always(Which::any(), Fault::Silence));
    let folder = server.bucket("music");
    let address = server.address();
    let mut waiting = TcpStream::connect(address).unwrap();
    waiting.write_all(b"GET /music/x HTTP/1.1\r\n\r\n").unwrap();
    while server.faults() == 0 {
        std::thread::yield_now();
    }
    drop(server);
    assert!(!folder.parent().unwrap().exists());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_command_sees_this_server_only() {
    let server = Server::start();
    let mut command = Command::new("env");
    let output = server.surround(&mut command).output().unwrap().stdout;
    let output = String::from_utf8(output).unwrap();
    let mut said: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with("AWS_") || line.starts_with("HOME="))
        .collect();
    said.sort_unstable();
    let mut expected = server
        .environment()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>();
    expected.sort_unstable();
    assert_eq!(said, expected);
    assert!(output.contains(ACCESS_KEY) && output.contains(SECRET_KEY));
    assert!(!output.to_uppercase().contains("_PROXY="));
}

#[test]
fn requests_are_counted_by_what_they_ask_for() {
    let server = Server::start();
    server.bucket("music");
    let client = Client::of(&server);
    client.put("music", "x/one", b"1").unwrap();
    client.put("music", "x/two", b"2").unwrap();
    client.get("music", "x/one").unwrap();
    client.pages("music", "x/").unwrap();
    let head = client.s3.head_object().bucket("music").key("x/one");
    client.outcome(head.send()).unwrap();
    let id = client.begin("music", "x/three");
    let three = ("music", "x/three", id.as_str());
    let part = client.part(three, 1, vec![3]).unwrap();
    client.complete(three, vec![part]).unwrap();
    let id = client.begin("music", "x/four");
    let abort = client
        .s3
        .abort_multipart_upload()
        .bucket("music")
        .key("x/four");
    client.outcome(abort.upload_id(id).send()).unwrap();
    let uploads = client.s3.list_multipart_uploads().bucket("music");
    client.outcome(uploads.send()).unwrap();
    let delete = client.s3.delete_object().bucket("music").key("x/one");
    client.outcome(delete.send()).unwrap();

    for (kind, times) in [
        (Kind::Put, 2),
        (Kind::Get, 1),
        (Kind::List, 1),
        (Kind::Head, 1),
        (Kind::CreateUpload, 2),
        (Kind::UploadPart, 1),
        (Kind::CompleteUpload, 1),
        (Kind::AbortUpload, 1),
        (Kind::ListUploads, 1),
        (Kind::Delete, 1),
        (Kind::Other, 0),
    ] {
        assert_eq!(server.requests(&Which::kind(kind)), times, "{kind:?}");
    }
    assert_eq!(server.requests(&Which::any()), 12);
    assert_eq!(server.requests(&Which::any().of_key("one")), 4);
    assert_eq!((server.faults(), server.connections()), (0, 1));
}

#[test]
fn the_heads_of_requests_can_be_looked_at() {
    let server = Server::start();
    server.bucket("music");
    let client = Client::of(&server);
    let put = client.s3.put_object().bucket("music").key("x");
    client.outcome(put.if_none_match("*").send()).unwrap();
    client.get("music", "x").unwrap();
    let asked = server.asked(&Which::any());
    let conditions: Vec<_> = asked
        .iter()
        .map(|a| (a.kind, a.header("if-none-match")))
        .collect();
    assert_eq!(conditions, [(Kind::Put, Some("*")), (Kind::Get, None)]);
}
