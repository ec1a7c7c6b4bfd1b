//! Secrets are never printed: not on success, not on failure, and not with the most verbose output.

use std::fs;
use std::process::Command;

use tempfile::TempDir;
use testkit::cli::output::CommandOutput;
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::{ACCESS_KEY, S3Server, SECRET_KEY};

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{
    RUN_ARGS, concat_args, run_sparkify, server_with_input, write_file, write_input,
};

const TOKEN: &str = "PlantedToken0123456789abcdefghij";
const PASSWORD: &str = "PlantedPassword0123456789";
const OTHER_SECRET: &str = "PlantedElsewhere0123456789";

/// Strings that must not be printed. Of the secret key it is the part that no encoding changes.
const SECRETS: [&str; 4] = ["ThisSecretMustNeverBeSeen", TOKEN, PASSWORD, OTHER_SECRET];

/// Asserts that a text contains none of the secrets.
#[track_caller]
fn assert_no_secrets(text: &[u8], what: &str) {
    let text = String::from_utf8_lossy(text);
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what}: {text}");
    }
}

/// Runs a command with the most verbose output, and searches all of its output for secrets. Returns the output
/// without the log.
#[track_caller]
fn run_with_tracing(command: &mut Command) -> CommandOutput {
    let mut output = CommandOutput::run(enable_tracing(command));
    assert_no_secrets(output.stdout.as_bytes(), "stdout");
    assert_no_secrets(output.stderr.as_bytes(), "stderr");
    let lines = output.stderr.split_inclusive('\n');
    let (log, others): (Vec<&str>, Vec<&str>) = lines.partition(|line| is_log_line(line));
    // Wrong usage ends a command before it logs.
    let has_log = !log.is_empty() || output.code == Some(2);
    assert!(has_log, "nothing is logged: {output:?}");
    output.stderr = others.concat();
    output
}

fn is_log_line(line: &str) -> bool {
    let levels = [" ERROR ", " WARN ", " INFO ", " DEBUG ", " TRACE "];
    let time = line.split(' ').next().unwrap_or_default();
    time.ends_with('Z') && levels.iter().any(|level| line.contains(level))
}

fn enable_tracing(command: &mut Command) -> &mut Command {
    command
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .env("AWS_LOG_LEVEL", "trace")
}

/// Returns a command that signs with a session token.
fn command_with_token(server: &S3Server, arguments: &[&str]) -> Command {
    let mut command = sparkify(server, arguments);
    command.env("AWS_SESSION_TOKEN", TOKEN);
    command
}

fn commands() -> [Vec<&'static str>; 4] {
    [
        concat_args(&RUN_ARGS, &["-vv", "--json"]),
        [&["run", "--verbose", "--dry-run"], &RUN_ARGS[2..]].concat(),
        [&["run", "--verbose"], &RUN_ARGS[2..]].concat(),
        [
            "clean",
            "s3://music/dataset",
            "--verbose",
            "--json",
            "--yes",
        ]
        .to_vec(),
    ]
}

#[test]
fn successful_run_leaks_no_secret() {
    let server = server_with_input(FaultPlan::new());
    for arguments in commands() {
        let output = run_with_tracing(&mut command_with_token(&server, &arguments));
        assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
    }
    let requests = server.requests(&RequestMatcher::any());
    let token = |request: &testkit::s3_server::request::RecordedRequest| {
        request.header("x-amz-security-token") == Some(TOKEN)
    };
    assert!(
        requests.iter().all(token),
        "a request lacks the session token"
    );
    let objects = server.objects("music");
    assert!(objects.len() > 2 + 2 * 8);
    for (key, bytes) in objects {
        assert_no_secrets(&bytes, &key);
    }
}

#[test]
fn json_log_leaks_no_secret() {
    let server = server_with_input(FaultPlan::new());
    let arguments = concat_args(&RUN_ARGS, &["--log-format=json"]);
    let mut command = command_with_token(&server, &arguments);
    let output = CommandOutput::run(enable_tracing(&mut command));
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output
            .stderr
            .lines()
            .filter(|line| line.starts_with('{'))
            .count()
            > 5
    );
    assert_no_secrets(output.stderr.as_bytes(), "stderr");
}

#[test]
fn local_output_contains_no_secret() {
    let server = server_with_input(FaultPlan::new());
    let folder = TempDir::new().unwrap();
    let arguments = concat_args(&RUN_ARGS[..6], &["--out=dataset", "--verbose"]);
    let mut command = command_with_token(&server, &arguments);
    run_with_tracing(command.current_dir(folder.path())).assert_success();
    for key in testkit::dir_contents::list_files(folder.path()) {
        assert_no_secrets(&fs::read(folder.path().join(&key)).unwrap(), &key);
    }
}

#[test]
fn failed_requests_leak_no_secret() {
    let error = Fault::Error;
    let expired = S3ErrorResponse::expired_token().with_field("Token-0", TOKEN);
    for (matcher, fault) in [
        (
            RequestMatcher::any(),
            error(S3ErrorResponse::access_denied()),
        ),
        (
            RequestMatcher::any(),
            error(S3ErrorResponse::signature_mismatch(ACCESS_KEY)),
        ),
        (RequestMatcher::any(), error(expired)),
        (
            RequestMatcher::any(),
            error(S3ErrorResponse::permanent_redirect("music", "eu-west-3")),
        ),
        (RequestMatcher::any(), error(S3ErrorResponse::slow_down())),
        (
            RequestMatcher::any(),
            error(S3ErrorResponse::new(418, "", "")),
        ),
        (RequestMatcher::any(), Fault::Disconnect),
        (RequestMatcher::any(), Fault::Truncate),
        (RequestMatcher::operation(S3Operation::Get), Fault::Truncate),
        (
            RequestMatcher::operation(S3Operation::Put),
            Fault::Disconnect,
        ),
    ] {
        let server = server_with_input(FaultPlan::new().always(matcher, fault.clone()));
        let mut command = command_with_token(&server, &commands()[0]);
        let output = run_with_tracing(command.env("AWS_MAX_ATTEMPTS", "2"));
        assert!(matches!(output.code, Some(1 | 4)), "{fault:?}: {output:?}");
        for (key, bytes) in server.objects("music") {
            assert_no_secrets(&bytes, &key);
        }
    }
}

/// Returns URLs with a password, some of them malformed.
fn urls_with_password(server: &S3Server) -> Vec<String> {
    let at = server.address();
    vec![
        format!("http://etl:{PASSWORD}@{at}"),
        format!("http://{PASSWORD}@{at}"),
        format!("http://etl:{PASSWORD}@127.0.0.1:port"),
        format!("http://etl:{PASSWORD}@"),
        format!("http://etl:{PASSWORD} @{at}"),
        format!("http://etl:{PASSWORD}/@{at}"),
        format!("http://etl:{PASSWORD}#@{at}"),
        format!("http://{at}?{PASSWORD}"),
        format!("http://{at}#{PASSWORD}"),
        format!("http:/etl:{PASSWORD}@{at}"),
        format!("etl:{PASSWORD}@{at}"),
        format!("minio://etl:{PASSWORD}@{at}"),
        format!("http://etl:{PASSWORD}@no@{at}"),
    ]
}

#[test]
fn endpoint_with_password_is_rejected_and_not_shown() {
    let server = server_with_input(FaultPlan::new());
    for url in urls_with_password(&server) {
        for variable in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"] {
            let mut command = sparkify(&server, &commands()[0]);
            command
                .env_remove("AWS_ENDPOINT_URL_S3")
                .env(variable, &url);
            run_with_tracing(&mut command).assert_failure(2, &["cannot use S3", variable]);
        }
        for arguments in [&RUN_ARGS[..], &["clean", "s3://music/dataset"]] {
            let arguments = concat_args(arguments, &["--endpoint-url", &url]);
            run_with_tracing(&mut sparkify(&server, &arguments))
                .assert_failure(2, &["--endpoint-url"]);
        }
    }
    let folder = TempDir::new().unwrap();
    let credentials = format!(
        "[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    );
    let config = format!(
        "[default]\nendpoint_url = http://etl:{PASSWORD}@{}\n",
        server.address()
    );
    let mut command = command_with_config_files(&server, &folder, &config, &credentials);
    let words = [
        "the endpoint URL contains credentials",
        "endpoint_url of the profile",
    ];
    run_with_tracing(command.env_remove("AWS_ENDPOINT_URL_S3")).assert_failure(2, &words);
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn invalid_token_is_not_shown() {
    let server = server_with_input(FaultPlan::new());
    let mut command = sparkify(&server, &commands()[0]);
    let output =
        run_with_tracing(command.env("AWS_SESSION_TOKEN", format!("{TOKEN}\u{7f}{TOKEN}")));
    assert_eq!(output.code, Some(1));
    assert_last_line_is_error(&output);
}

#[test]
fn no_flag_accepts_a_secret() {
    let server = S3Server::start();
    for command in ["run", "clean"] {
        let help = run_sparkify(&server, &[command, "--help"])
            .assert_success()
            .stdout
            .to_lowercase()
            // Its value is the name of a secret.
            .replace("--password-secret", "");
        assert!(help.contains("--profile"));
        for word in [
            "--secret",
            "--access-key",
            "--session-token",
            "--password",
            "--token",
        ] {
            assert!(
                !help.contains(word),
                "arguments are visible in the process list: {word}"
            );
        }
    }
}

/// Returns a command whose environment names a config and a credentials file, and nothing else.
fn command_with_config_files(
    server: &S3Server,
    folder: &TempDir,
    config: &str,
    credentials: &str,
) -> Command {
    write_file(folder.path(), "config", config);
    write_file(folder.path(), "credentials", credentials);
    let mut command = sparkify(server, &commands()[0]);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_CONFIG_FILE", folder.path().join("config"))
        .env(
            "AWS_SHARED_CREDENTIALS_FILE",
            folder.path().join("credentials"),
        );
    command
}

#[test]
fn profile_credentials_are_not_leaked() {
    let server = server_with_input(FaultPlan::new());
    let folder = TempDir::new().unwrap();
    let keys = |access_key: &str, secret: &str| {
        format!(
            "[default]\naws_access_key_id = {access_key}\naws_secret_access_key{secret}\n\
             aws_session_token = {TOKEN}\n"
        )
    };
    let right = keys(ACCESS_KEY, &format!(" = {SECRET_KEY}"));
    run_with_tracing(&mut command_with_config_files(&server, &folder, "", &right)).assert_success();
    for (key, bytes) in server.objects("music") {
        assert_no_secrets(&bytes, &key);
    }
    for credentials in [
        keys("AKIAOTHER", &format!(" = {SECRET_KEY}")),
        keys(ACCESS_KEY, &format!(" = {SECRET_KEY}x")),
        keys(ACCESS_KEY, &format!(" {SECRET_KEY}")),
        keys(ACCESS_KEY, &format!("\n{SECRET_KEY}")),
        keys("", &format!(" = {SECRET_KEY}")),
        format!("[default]\naws_secret_access_key = {SECRET_KEY}\n"),
        format!("[{SECRET_KEY}\n"),
        format!("[default]\n = {SECRET_KEY}\n"),
        format!("aws_secret_access_key = {SECRET_KEY}\n"),
    ] {
        let output = run_with_tracing(&mut command_with_config_files(
            &server,
            &folder,
            "",
            &credentials,
        ));
        assert_eq!(output.code, Some(1), "{credentials}: {output:?}");
        assert_last_line_is_error(&output);
    }
}

/// Asserts that the last line on stderr is the error.
#[track_caller]
fn assert_last_line_is_error(output: &CommandOutput) {
    let last = output.stderr.lines().last().unwrap();
    assert!(last.starts_with("sparkify: cannot "), "{output:?}");
}

/// Returns the output of a credential process.
fn credential_process_output(secret: &str) -> String {
    format!(
        r#"{{"Version": 1, "AccessKeyId": "{ACCESS_KEY}", "SecretAccessKey": "{secret}", "SessionToken": "{TOKEN}"}}"#
    )
}

#[test]
fn credential_process_output_is_not_leaked() {
    let server = server_with_input(FaultPlan::new());
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("script");
    let config = format!("[default]\ncredential_process = sh {}\n", script.display());
    let run = |text: &str| {
        fs::write(&script, text).unwrap();
        run_with_tracing(&mut command_with_config_files(
            &server, &folder, &config, "",
        ))
    };
    let print = |text: &str| format!("echo '{OTHER_SECRET}' >&2\ncat <<'END'\n{text}\nEND\n");
    run(&print(&credential_process_output(SECRET_KEY))).assert_success();
    for (key, bytes) in server.objects("music") {
        assert_no_secrets(&bytes, &key);
    }
    let whole = credential_process_output(SECRET_KEY);
    for (script, words) in [
        (
            print(&credential_process_output(&format!("{SECRET_KEY}x"))),
            "SignatureDoesNotMatch",
        ),
        // In the output of a failing process, a secret cannot be told from other text.
        (
            format!("echo '{OTHER_SECRET}' >&2\nexit 3\n"),
            "exit status: 3",
        ),
        (format!("echo '{whole}'\nexit 1\n"), "exit status: 1"),
        (
            format!("kill -9 $$\necho '{OTHER_SECRET}' >&2\n"),
            "exited with code",
        ),
        (
            print(OTHER_SECRET),
            "cannot use S3: unable to locate credentials",
        ),
        (
            print(&whole[..whole.len() - 2]),
            "cannot use S3: unable to locate credentials",
        ),
        (
            print(&whole.replace("1,", "2,")),
            "cannot use S3: unable to locate credentials",
        ),
        (
            print(&whole.replace("SecretAccessKey", "Secret")),
            "SecretAccessKey",
        ),
        (
            print(&whole.replace("SessionToken", "Expiration")),
            "cannot use S3: unable to locate credentials",
        ),
        (format!("printf '{OTHER_SECRET}\\377'\n"), "UTF-8"),
    ] {
        let output = run(&script);
        assert_last_line_is_error(&output);
        assert!(output.stderr.contains(words), "no {words:?} in {output:?}");
    }
}

#[test]
fn container_token_is_not_leaked() {
    let server = server_with_input(FaultPlan::new());
    write_input(&server.bucket("music"));
    let folder = TempDir::new().unwrap();
    let mut command = command_with_config_files(&server, &folder, "", "");
    let url = format!("{}/credentials", server.endpoint());
    command
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN);
    let output = run_with_tracing(&mut command)
        .assert_failure(1, &["cannot use S3: unable to locate credentials"]);
    assert!(
        server.request_count(&RequestMatcher::any()) > 0,
        "the endpoint received no request: {output:?}"
    );
}
