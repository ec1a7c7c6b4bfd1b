//! `--webhook`: a message after a failure, to a URL that is a secret.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::http_sink::{HttpSink, SinkAnswer};
use testkit::s3_server::forward_proxy::ForwardProxy;
use testkit::sample_data::{MALFORMED_RECORD, events};

/// The path of the webhook, which no output may show.
const SECRET_PATH: &str = "/services/T000/B000/ThisTokenOfTheWebhook?also=secret";

/// Returns a sandbox with logs of which a record is rejected.
fn sandbox_with_rejects() -> Sandbox {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/a.json", events(0..3) + MALFORMED_RECORD);
    sandbox
}

#[track_caller]
fn assert_no_secret(output: &CommandOutput) {
    for text in [&output.stdout, &output.stderr] {
        assert!(
            !text.contains("ThisToken") && !text.contains("also="),
            "{text}"
        );
    }
}

/// Runs with rejects that are too many, and with a webhook.
fn fail_with_webhook(sandbox: &Sandbox, url: &str) -> CommandOutput {
    let output = sandbox.run_with(&["-vv", "--max-rejects", "0", "--webhook", url]);
    assert_eq!(output.code, Some(3), "{output:?}");
    assert_no_secret(&output);
    output
}

#[test]
fn too_many_rejects_are_posted() {
    let sandbox = sandbox_with_rejects();
    let sink = HttpSink::start();
    let url = sink.url(SECRET_PATH);
    let output = sandbox.run_with(&["--json", "--max-rejects", "0", "--webhook", &url]);
    let output = output.assert_failure(3, &["1 of 4 log records"]);
    assert_no_secret(&output);
    let report = output.json();
    let [request] = sink.requests().try_into().unwrap();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", SECRET_PATH)
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(
        request
            .body
            .starts_with(r#"{"text":"sparkify run failed on "#),
        "{request:?}"
    );
    let message = request.json();
    let error = report["error"].as_str().unwrap();
    assert!(
        message["text"].as_str().unwrap().ends_with(error),
        "{message}"
    );
    for (key, expected) in [
        ("status", "too_many_rejects"),
        ("error", error),
        ("command", "run"),
        ("run", report["run"].as_str().unwrap()),
        ("sparkify_version", env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(message[key], expected, "{key}");
    }
    assert_eq!(message["exit_code"], 3);
    assert_eq!(
        message["rejected"],
        serde_json::json!({"songs": 0, "logs": 1})
    );
    assert!(
        message["out"].as_str().unwrap().ends_with("/dataset"),
        "{message}"
    );
    assert!(message["started_at"].as_str().unwrap() < message["finished_at"].as_str().unwrap());
    assert!(message["host"].is_string());
}

#[test]
fn failures_are_posted_and_successes_are_not() {
    let sandbox = Sandbox::with_input();
    let sink = HttpSink::start();
    let url = sink.url(SECRET_PATH);
    sandbox.run_with(&["--webhook", &url]).assert_success();
    sandbox
        .run_with(&["--dry-run", "--webhook", &url])
        .assert_success();
    assert!(sink.requests().is_empty());
    for (arguments, status) in [
        (
            &[
                "run",
                "--songs",
                "<!channel>",
                "--logs",
                "logs",
                "--out",
                "new",
            ][..],
            1,
        ),
        (
            &[
                "run",
                "--songs",
                "songs",
                "--logs",
                "logs",
                "--out",
                "new",
                "--full-refresh",
            ],
            2,
        ),
        (&["replay", "--from", "nothing", "--out", "new"], 1),
        (
            &[
                "load",
                "--from",
                "nothing",
                "--warehouse",
                "postgres://etl@127.0.0.1:1/music",
            ],
            1,
        ),
    ] {
        let before = sink.requests().len();
        let output = sandbox.exec(&[arguments, &["--webhook", &url]].concat());
        assert_eq!(output.code, Some(status), "{output:?}");
        assert_no_secret(&output);
        let requests = sink.requests();
        assert_eq!(requests.len(), before + 1, "{arguments:?}");
        let message = requests[before].json();
        assert_eq!(message["status"], "failed");
        assert_eq!(
            (&message["run"], &message["rejected"]),
            (&().into(), &().into())
        );
        assert_eq!(message["command"], arguments[0]);
        let line = format!("sparkify: {}", message["error"].as_str().unwrap());
        assert_eq!(output.stderr.lines().last(), Some(line.as_str()));
        // Nobody is called by the name of a file.
        assert!(
            !message["text"].as_str().unwrap().contains("<!"),
            "{message}"
        );
    }
}

#[test]
fn the_environment_can_name_the_webhook() {
    let sandbox = sandbox_with_rejects();
    let (sink, other) = (HttpSink::start(), HttpSink::start());
    let arguments = [
        "run",
        "-q",
        "--songs",
        "songs",
        "--logs",
        "logs",
        "--out",
        "dataset",
        "--max-rejects",
        "0",
    ];
    let mut command = sandbox.command(&arguments);
    let output = CommandOutput::run(command.env("SPARKIFY_WEBHOOK", sink.url(SECRET_PATH)));
    output.assert_failure(3, &["log records"]);
    assert_eq!(sink.requests().len(), 1);
    // The flag takes precedence.
    let url = other.url(SECRET_PATH);
    let mut command = sandbox.command(&[&arguments[..], &["--webhook", &url]].concat());
    CommandOutput::run(command.env("SPARKIFY_WEBHOOK", sink.url(SECRET_PATH)));
    assert_eq!((sink.requests().len(), other.requests().len()), (1, 1));
    for url in ["ThisToken", "ftp://h/ThisToken", "https://ThisToken@h/"] {
        let mut command = sandbox.command(&arguments);
        let output = CommandOutput::run(command.env("SPARKIFY_WEBHOOK", url));
        assert_no_secret(&output);
        output.assert_failure(2, &["cannot use SPARKIFY_WEBHOOK: "]);
        let output = sandbox.run_with(&["--webhook", url]);
        assert_no_secret(&output);
        output.assert_failure(2, &["cannot use --webhook: "]);
    }
}

#[test]
fn transient_failures_are_retried_twice() {
    use SinkAnswer::{Disconnect, Status};
    let sandbox = sandbox_with_rejects();
    for (answers, requests, warning) in [
        (vec![Status(503), Status(429)], 3, None),
        (vec![Disconnect], 2, None),
        (
            vec![Status(500), Status(502), Status(503)],
            3,
            Some("HTTP status 503"),
        ),
        (vec![Status(404)], 1, Some("HTTP status 404")),
        (vec![Status(403)], 1, Some("HTTP status 403")),
    ] {
        let sink = HttpSink::with_answers(answers.clone());
        let output = fail_with_webhook(&sandbox, &sink.url(SECRET_PATH));
        assert_eq!(sink.requests().len(), requests, "{answers:?}");
        let host = sink.url("");
        let expected = warning
            .map(|reason| format!("cannot post the failure to the webhook at {host}: {reason}"));
        assert_eq!(
            output.warnings(),
            expected.iter().collect::<Vec<_>>(),
            "{answers:?}"
        );
    }
}

#[test]
fn redirects_are_not_followed() {
    let sandbox = sandbox_with_rejects();
    let other = HttpSink::start();
    let sink = HttpSink::with_answers([SinkAnswer::Redirect(other.url("/elsewhere"))]);
    let output = fail_with_webhook(&sandbox, &sink.url(SECRET_PATH));
    assert!(
        output.warnings()[0].ends_with("HTTP status 307"),
        "{output:?}"
    );
    assert!(other.requests().is_empty());
}

#[test]
fn a_webhook_that_does_not_answer_is_given_up() {
    let sandbox = sandbox_with_rejects();
    let sink = HttpSink::with_answers([
        SinkAnswer::Silence,
        SinkAnswer::Silence,
        SinkAnswer::Silence,
    ]);
    let began = Instant::now();
    let output = fail_with_webhook(&sandbox, &sink.url(SECRET_PATH));
    let took = began.elapsed();
    assert!(
        output.warnings()[0].contains("no answer within "),
        "{output:?}"
    );
    // The load of the machine adds a few seconds.
    assert!((9..20).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn an_unreachable_webhook_is_a_warning() {
    let sandbox = sandbox_with_rejects();
    // The port was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let began = Instant::now();
    let output = fail_with_webhook(&sandbox, &format!("http://127.0.0.1:{port}{SECRET_PATH}"));
    let warning = output.warnings().concat();
    assert!(
        warning.contains(&format!("http://127.0.0.1:{port}: Connection refused")),
        "{warning}"
    );
    let output = fail_with_webhook(&sandbox, &format!("https://host.invalid{SECRET_PATH}"));
    let warning = output.warnings().concat();
    assert!(
        warning.contains("the webhook at https://host.invalid: "),
        "{warning}"
    );
    assert!(began.elapsed() < Duration::from_secs(40));
}

#[test]
fn messages_go_through_the_proxy() {
    let sandbox = sandbox_with_rejects();
    let sink = HttpSink::start();
    let proxy = ForwardProxy::start(sink.address());
    let arguments = [
        "run",
        "-q",
        "--songs",
        "songs",
        "--logs",
        "logs",
        "--out",
        "dataset",
        "--max-rejects",
        "0",
        "--webhook",
        "http://hooks.example.invalid/x",
    ];
    let mut command = sandbox.command(&arguments);
    let output = CommandOutput::run(command.env("HTTP_PROXY", proxy.url()));
    output.assert_failure(3, &["log records"]);
    assert_eq!(sink.requests().len(), 1);
    let mut command = sandbox.command(&arguments);
    let output = CommandOutput::run(
        command
            .env("HTTP_PROXY", "nonsense://")
            .env("NO_PROXY", "*"),
    );
    assert!(
        output.warnings()[0].contains("invalid HTTP_PROXY"),
        "{output:?}"
    );
}

#[test]
fn certificates_are_checked() {
    let sandbox = sandbox_with_rejects();
    let (sink, authority) = HttpSink::with_tls();
    sandbox.write("ca.pem", authority);
    let url = sink.url(SECRET_PATH);
    let run = [
        "run",
        "-q",
        "--songs",
        "songs",
        "--logs",
        "logs",
        "--out",
        "dataset",
        "--max-rejects",
        "0",
    ];
    let mut command = sandbox.command(&[&run[..], &["--webhook", &url]].concat());
    let output = CommandOutput::run(&mut command);
    assert_no_secret(&output);
    assert!(
        output.warnings().concat().contains("certificate"),
        "{output:?}"
    );
    assert!(sink.requests().is_empty());
    let output = CommandOutput::run(command.env("SSL_CERT_FILE", sandbox.path("ca.pem")));
    output.assert_failure(3, &["log records"]);
    assert_eq!(sink.requests().len(), 1);
}
