//! `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`: requests go through a real proxy. The host names do not exist, so that
//! nothing else can reach the server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use testkit::cli::output::CommandOutput;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::forward_proxy::{ForwardProxy, PROXY_PASSWORD, PROXY_USER};
use testkit::s3_server::request::RequestMatcher;
use testkit::s3_server::server::{ACCESS_KEY, S3Server, SECRET_KEY};

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{RUN_ARGS, concat_args, server_with_input, write_file};

const HTTP_ENDPOINT: &str = "http://s3.example.invalid:9000";
const HTTPS_ENDPOINT: &str = "https://s3.example.invalid";

/// Returns a run with this endpoint and this proxy.
fn run_command(server: &S3Server, endpoint: &str, proxy: (&str, &str)) -> Command {
    let mut command = sparkify(server, &RUN_ARGS);
    command.env("AWS_ENDPOINT_URL_S3", endpoint);
    command.env(proxy.0, proxy.1);
    command
}

/// Asserts that no output shows the password of the proxy.
#[track_caller]
fn assert_no_password(output: &CommandOutput) {
    for text in [&output.stdout, &output.stderr] {
        assert!(!text.contains("ThisPasswordOfTheProxy"), "{text}");
    }
}

#[test]
fn http_requests_go_through_the_proxy() {
    for variable in ["HTTP_PROXY", "http_proxy"] {
        let server = server_with_input(FaultPlan::new());
        let proxy = ForwardProxy::start(server.address());
        let url = proxy.url();
        // Other tools accept an address without a scheme too.
        let address = url.strip_prefix("http://").unwrap();
        for value in [url.as_str(), address] {
            let mut command = run_command(&server, HTTP_ENDPOINT, (variable, value));
            CommandOutput::run(&mut command).assert_success();
        }
        let connections = proxy.connections();
        assert!(!connections.is_empty());
        for connection in connections {
            let is_expected = connection
                .target
                .starts_with("http://s3.example.invalid:9000/music");
            assert!(is_expected, "{connection:?}");
        }
    }
}

#[test]
fn variable_in_lower_case_takes_precedence() {
    let server = server_with_input(FaultPlan::new());
    let proxy = ForwardProxy::start(server.address());
    let mut command = run_command(&server, HTTP_ENDPOINT, ("HTTP_PROXY", "nonsense://"));
    CommandOutput::run(command.env("http_proxy", proxy.url())).assert_success();
    let mut command = run_command(&server, &server.endpoint(), ("HTTP_PROXY", "nonsense://"));
    CommandOutput::run(command.env("http_proxy", "")).assert_success();
}

#[test]
fn https_requests_go_through_a_tunnel() {
    let server = server_with_input(FaultPlan::new());
    let (tls, authority) = server.open_tls_port(&["s3.example.invalid"]);
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "ca.pem", &authority);
    let bundle = folder.path().join("ca.pem");
    let proxy = ForwardProxy::with_password(tls);
    let url = proxy.url_with_password();
    let mut command = run_command(&server, HTTPS_ENDPOINT, ("HTTPS_PROXY", &url));
    command.args(["-vv"]).env("RUST_LOG", "trace");
    let output = CommandOutput::run(command.env("AWS_CA_BUNDLE", &bundle));
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_no_password(&output);
    for connection in proxy.connections() {
        assert_eq!(
            (connection.method.as_str(), connection.target.as_str()),
            ("CONNECT", "s3.example.invalid:443")
        );
    }
    // What is for the proxy is not passed on to S3.
    let requests = server.requests(&RequestMatcher::any());
    assert!(!requests.is_empty());
    assert!(
        requests
            .iter()
            .all(|request| request.header("proxy-authorization").is_none())
    );

    // The certificate is checked inside of the tunnel.
    let mut command = run_command(&server, HTTPS_ENDPOINT, ("HTTPS_PROXY", &url));
    CommandOutput::run(&mut command).assert_failure(1, &["certificate"]);
}

#[test]
fn password_of_the_proxy_is_sent_with_http_requests() {
    let server = server_with_input(FaultPlan::new());
    let proxy = ForwardProxy::with_password(server.address());
    let url = proxy.url_with_password();
    let mut command = run_command(&server, HTTP_ENDPOINT, ("HTTP_PROXY", &url));
    CommandOutput::run(&mut command).assert_success();
}

#[test]
fn refused_password_is_reported_without_it() {
    let server = server_with_input(FaultPlan::new());
    let proxy = ForwardProxy::with_password(server.address());
    let address = proxy.url().replace("http://", "");
    let wrong = format!(
        "http://{}:{PROXY_PASSWORD}x@{address}",
        PROXY_USER.replace('@', "%40")
    );
    let wrong = wrong.replace("Seen/1", "Seen%2F1");
    for (endpoint, variable) in [
        (HTTP_ENDPOINT, "HTTP_PROXY"),
        (HTTPS_ENDPOINT, "HTTPS_PROXY"),
    ] {
        for url in [&wrong, &proxy.url()] {
            let mut command = run_command(&server, endpoint, (variable, url));
            let hint =
                format!("check user and password of the proxy http://{address} ({variable})");
            let words = ["cannot list s3://music/songs", "HTTP 407", hint.as_str()];
            let output = CommandOutput::run(&mut command).assert_failure(1, &words);
            assert_no_password(&output);
        }
    }
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn unreachable_proxy_is_named() {
    let server = server_with_input(FaultPlan::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://etl:ThisPasswordOfTheProxy@{address}");
    for (endpoint, variable) in [
        (HTTP_ENDPOINT, "HTTP_PROXY"),
        (HTTPS_ENDPOINT, "HTTPS_PROXY"),
    ] {
        let mut command = run_command(&server, endpoint, (variable, &url));
        let proxy = format!("the proxy http://{address} ({variable}) is reachable");
        let words = ["refused", proxy.as_str(), endpoint, "NO_PROXY"];
        let output = CommandOutput::run(&mut command).assert_failure(4, &words);
        assert_no_password(&output);
    }
}

#[test]
fn hosts_of_no_proxy_are_reached_without_the_proxy() {
    let server = server_with_input(FaultPlan::new());
    let proxy = ForwardProxy::start(server.address());
    let url = proxy.url();
    for list in ["s3.example.invalid", "localhost,.example.invalid", "*"] {
        for variable in ["NO_PROXY", "no_proxy"] {
            let mut command = run_command(&server, HTTP_ENDPOINT, ("HTTP_PROXY", &url));
            let output = CommandOutput::run(command.env(variable, list));
            // Without the proxy nothing knows the host.
            output.assert_failure(4, &["failed to lookup", "check that http://s3.example"]);
        }
    }
    // This machine is never reached through a proxy.
    let mut command = run_command(&server, &server.endpoint(), ("HTTP_PROXY", &url));
    CommandOutput::run(&mut command).assert_success();
    assert_eq!(proxy.connections(), []);
}

#[test]
fn invalid_proxy_is_a_usage_error_without_its_value() {
    let server = server_with_input(FaultPlan::new());
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "https_proxy"] {
        for value in [
            "socks5://etl:ThisPasswordOfTheProxy@proxy.example:1080",
            "http://etl:ThisPasswordOfTheProxy@",
            "http://etl:ThisPasswordOfTheProxy@proxy.example:99999",
            "http://etl:ThisPasswordOfTheProxy@[proxy.example",
            "://ThisPasswordOfTheProxy",
        ] {
            let words = [
                format!("sparkify: invalid {variable}: expected the URL of an HTTP proxy"),
                "such as http://proxy.example:3128".to_owned(),
            ];
            let mut command = run_command(&server, HTTP_ENDPOINT, (variable, value));
            let words = [words[0].as_str(), words[1].as_str()];
            let output = CommandOutput::run(&mut command).assert_failure(2, &words);
            assert_no_password(&output);
        }
    }
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn credentials_of_the_container_are_not_asked_for_through_the_proxy() {
    let server = server_with_input(FaultPlan::new());
    let proxy = ForwardProxy::start(server.address());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = format!("http://{}/credentials", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            answer_with_credentials(stream);
        }
    });
    let mut command = sparkify(&server, &concat_args(&RUN_ARGS, &["--dry-run"]));
    command
        .env("AWS_ENDPOINT_URL_S3", HTTP_ENDPOINT)
        .env("HTTP_PROXY", proxy.url())
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &service)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    CommandOutput::run(&mut command).assert_success();
    let connections = proxy.connections();
    let to_service = |target: &str| target.contains("credentials");
    assert!(!connections.is_empty());
    assert!(
        !connections
            .iter()
            .any(|connection| to_service(&connection.target))
    );
}

/// Answers one request with the credentials of the server.
fn answer_with_credentials(mut stream: TcpStream) {
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).unwrap() > 0);
    let json = format!(
        r#"{{"AccessKeyId":"{ACCESS_KEY}","SecretAccessKey":"{SECRET_KEY}","Token":"","Expiration":"2099-01-01T00:00:00Z"}}"#
    );
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    let response = format!("{head}\r\nContent-Length: {}\r\n\r\n{json}", json.len());
    stream.write_all(response.as_bytes()).unwrap();
}
