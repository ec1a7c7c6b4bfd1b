//! Start, counters and shutdown of the test server.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use testkit::cli::command::with_clean_env;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::sdk_client::SdkClient;
use testkit::s3_server::server::{ACCESS_KEY, S3Server, SECRET_KEY};

#[test]
fn objects_and_files_are_the_same() {
    let server = S3Server::start();
    let folder = server.bucket("music");
    std::fs::create_dir(folder.join("in")).unwrap();
    std::fs::write(folder.join("in/ä b+c.json"), "disk").unwrap();
    let client = SdkClient::new(&server);
    assert_eq!(client.get("music", "in/ä b+c.json").unwrap(), b"disk");

    client.put("music", "out/.hidden", b"wire").unwrap();
    let objects = server.objects("music");
    let expected = [("in/ä b+c.json", "disk"), ("out/.hidden", "wire")];
    let expected = expected.map(|(key, text)| (key.to_owned(), text.as_bytes().to_vec()));
    assert_eq!(objects, expected.into());
}

#[test]
fn dropped_server_leaves_nothing_despite_waiting_client() {
    let server = S3Server::with_faults(FaultPlan::new().always(RequestMatcher::any(), Fault::Hang));
    let folder = server.bucket("music");
    let address = server.address();
    let mut waiting = TcpStream::connect(address).unwrap();
    waiting.write_all(b"GET /music/x HTTP/1.1\r\n\r\n").unwrap();
    while server.fault_count() == 0 {
        std::thread::yield_now();
    }
    drop(server);
    assert!(!folder.parent().unwrap().exists());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn command_environment_points_only_to_this_server() {
    let server = S3Server::start();
    let mut command = with_clean_env(Command::new("env"));
    let output = command.envs(server.env_vars()).output().unwrap().stdout;
    let output = String::from_utf8(output).unwrap();
    let mut actual: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with("AWS_") || line.starts_with("HOME="))
        .collect();
    actual.sort_unstable();
    let mut expected = server
        .env_vars()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>();
    expected.sort_unstable();
    assert_eq!(actual, expected);
    assert!(output.contains(ACCESS_KEY) && output.contains(SECRET_KEY));
    assert!(!output.to_uppercase().contains("_PROXY="));
}

#[test]
fn requests_are_counted_by_operation() {
    let server = S3Server::start();
    server.bucket("music");
    let client = SdkClient::new(&server);
    client.put("music", "x/one", b"1").unwrap();
    client.put("music", "x/two", b"2").unwrap();
    client.get("music", "x/one").unwrap();
    client.list_pages("music", "x/").unwrap();
    let head = client.s3.head_object().bucket("music").key("x/one");
    client.execute(head.send()).unwrap();
    let id = client.create_upload("music", "x/three");
    let three = ("music", "x/three", id.as_str());
    let part = client.upload_part(three, 1, vec![3]).unwrap();
    client.complete_upload(three, vec![part]).unwrap();
    let id = client.create_upload("music", "x/four");
    let abort = client
        .s3
        .abort_multipart_upload()
        .bucket("music")
        .key("x/four");
    client.execute(abort.upload_id(id).send()).unwrap();
    let uploads = client.s3.list_multipart_uploads().bucket("music");
    client.execute(uploads.send()).unwrap();
    let delete = client.s3.delete_object().bucket("music").key("x/one");
    client.execute(delete.send()).unwrap();

    for (kind, times) in [
        (S3Operation::Put, 2),
        (S3Operation::Get, 1),
        (S3Operation::List, 1),
        (S3Operation::Head, 1),
        (S3Operation::CreateUpload, 2),
        (S3Operation::UploadPart, 1),
        (S3Operation::CompleteUpload, 1),
        (S3Operation::AbortUpload, 1),
        (S3Operation::ListUploads, 1),
        (S3Operation::Delete, 1),
        (S3Operation::Other, 0),
    ] {
        assert_eq!(
            server.request_count(&RequestMatcher::operation(kind)),
            times,
            "{kind:?}"
        );
    }
    assert_eq!(server.request_count(&RequestMatcher::any()), 12);
    assert_eq!(
        server.request_count(&RequestMatcher::any().with_key_suffix("one")),
        4
    );
    assert_eq!((server.fault_count(), server.connection_count()), (0, 1));
}

#[test]
fn request_headers_are_recorded() {
    let server = S3Server::start();
    server.bucket("music");
    let client = SdkClient::new(&server);
    let put = client.s3.put_object().bucket("music").key("x");
    client.execute(put.if_none_match("*").send()).unwrap();
    client.get("music", "x").unwrap();
    let requests = server.requests(&RequestMatcher::any());
    let conditions: Vec<_> = requests
        .iter()
        .map(|a| (a.operation, a.header("if-none-match")))
        .collect();
    assert_eq!(
        conditions,
        [(S3Operation::Put, Some("*")), (S3Operation::Get, None)]
    );
}
