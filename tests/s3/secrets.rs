//! What must not be told is not told: not in success, not in failure, not to who asks for every detail.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::asked::{Kind, Which};
use crate::faults::{Fault, Faults};
use crate::job::{Ended, sparkify};
use crate::music::{RUN, end, put_input, with, with_input, write};
use crate::reply::Reply;
use crate::server::{ACCESS_KEY, SECRET_KEY, Server};

const TOKEN: &str = "PlantedToken0123456789abcdefghij";
const PASSWORD: &str = "PlantedPassword0123456789";
const FOREIGN: &str = "PlantedElsewhere0123456789";

/// What nobody may see: of the secret that much as no encoding changes.
const SECRETS: [&str; 4] = ["ThisSecretMustNeverBeSeen", TOKEN, PASSWORD, FOREIGN];

/// Nothing of the secrets stands in a text.
#[track_caller]
fn is_clean(text: &[u8], what: &str) {
    let text = String::from_utf8_lossy(text);
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what}: {text}");
    }
}

/// Runs a command that is asked for every detail, and looks through all it says.
#[track_caller]
fn ended(command: &mut Command) -> Ended {
    let ended = Ended::of(talkative(command));
    is_clean(ended.stdout.as_bytes(), "stdout");
    is_clean(ended.stderr.as_bytes(), "stderr");
    ended
}

fn talkative(command: &mut Command) -> &mut Command {
    command
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .env("AWS_LOG_LEVEL", "trace")
}

/// A command that signs with a token.
fn with_token(server: &Server, arguments: &[&str]) -> Command {
    let mut command = sparkify(server, arguments);
    command.env("AWS_SESSION_TOKEN", TOKEN);
    command
}

fn commands() -> [Vec<&'static str>; 4] {
    [
        with(&RUN, &["--verbose", "--json"]),
        [&["run", "--verbose", "--dry-run"], &RUN[2..]].concat(),
        [&["run", "--verbose"], &RUN[2..]].concat(),
        ["clean", "s3://music/star", "--verbose", "--json", "--yes"].to_vec(),
    ]
}

#[test]
fn a_run_that_goes_well_tells_no_secret() {
    let server = with_input(Faults::new());
    for arguments in commands() {
        let ended = ended(&mut with_token(&server, &arguments));
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    }
    let asked = server.asked(&Which::any());
    let token = |asked: &crate::asked::Asked| asked.header("x-amz-security-token") == Some(TOKEN);
    assert!(asked.iter().all(token), "all are signed with it");
    let objects = server.objects("music");
    assert!(objects.len() > 2 + 2 * 8);
    for (key, bytes) in objects {
        is_clean(&bytes, &key);
    }
}

#[test]
fn a_local_output_holds_no_secret() {
    let server = with_input(Faults::new());
    let folder = TempDir::new().unwrap();
    let arguments = with(&RUN[..6], &["--out=star", "--verbose"]);
    let mut command = with_token(&server, &arguments);
    ended(command.current_dir(folder.path())).succeeds();
    for key in crate::disk::keys(folder.path()) {
        is_clean(&fs::read(folder.path().join(&key)).unwrap(), &key);
    }
}

#[test]
fn no_failure_of_a_request_tells_a_secret() {
    let reply = Fault::Reply;
    let expired = Reply::expired_token().field("Token-0", TOKEN);
    for (which, fault) in [
        (Which::any(), reply(Reply::access_denied())),
        (Which::any(), reply(Reply::wrong_signature(ACCESS_KEY))),
        (Which::any(), reply(expired)),
        (
            Which::any(),
            reply(Reply::permanent_redirect("music", "eu-west-3")),
        ),
        (Which::any(), reply(Reply::slow_down())),
        (Which::any(), reply(Reply::new(418, "", ""))),
        (Which::any(), Fault::Drop),
        (Which::any(), Fault::Cut),
        (Which::kind(Kind::Get), Fault::Cut),
        (Which::kind(Kind::Put), Fault::Drop),
    ] {
        let server = with_input(Faults::new().always(which, fault.clone()));
        let mut command = with_token(&server, &commands()[0]);
        let ended = ended(command.env("AWS_MAX_ATTEMPTS", "2"));
        assert_eq!(ended.code, Some(1), "{fault:?}: {ended:?}");
        for (key, bytes) in server.objects("music") {
            is_clean(&bytes, &key);
        }
    }
}

/// Addresses with a password, some of them with a slip of the pen too.
fn addresses(server: &Server) -> Vec<String> {
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
fn an_address_with_a_password_is_refused_and_not_shown() {
    let server = with_input(Faults::new());
    for url in addresses(&server) {
        for variable in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"] {
            let mut command = sparkify(&server, &commands()[0]);
            command
                .env_remove("AWS_ENDPOINT_URL_S3")
                .env(variable, &url);
            ended(&mut command).fails_by(2, &["cannot use S3", variable]);
        }
        for arguments in [&RUN[..], &["clean", "s3://music/star"]] {
            let arguments = with(arguments, &["--endpoint-url", &url]);
            ended(&mut sparkify(&server, &arguments)).fails_by(2, &["--endpoint-url"]);
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
    let mut command = configured(&server, &folder, &config, &credentials);
    let words = [
        "credentials do not belong into",
        "endpoint_url of the profile",
    ];
    ended(command.env_remove("AWS_ENDPOINT_URL_S3")).fails_by(2, &words);
    assert_eq!(server.requests(&Which::any()), 0);
}

#[test]
fn a_token_that_cannot_be_sent_is_not_shown() {
    let server = with_input(Faults::new());
    let mut command = sparkify(&server, &commands()[0]);
    let ended = ended(command.env("AWS_SESSION_TOKEN", format!("{TOKEN}\u{7f}{TOKEN}")));
    assert_eq!(ended.code, Some(1));
    ended.fails_in_its_last_line();
}

#[test]
fn no_flag_takes_a_secret() {
    let server = Server::start();
    for command in ["run", "clean"] {
        let help = end(&server, &[command, "--help"])
            .succeeds()
            .stdout
            .to_lowercase();
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
                "whoever lists processes would see it: {word}"
            );
        }
    }
}

/// A command whose surroundings name a configuration and a credentials file, and nothing else.
fn configured(server: &Server, folder: &TempDir, config: &str, credentials: &str) -> Command {
    write(folder.path(), "config", config);
    write(folder.path(), "credentials", credentials);
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
fn a_profile_keeps_its_secret() {
    let server = with_input(Faults::new());
    let folder = TempDir::new().unwrap();
    let keys = |access_key: &str, secret: &str| {
        format!(
            "[default]\naws_access_key_id = {access_key}\naws_secret_access_key{secret}\n\
             aws_session_token = {TOKEN}\n"
        )
    };
    let right = keys(ACCESS_KEY, &format!(" = {SECRET_KEY}"));
    ended(&mut configured(&server, &folder, "", &right)).succeeds();
    for (key, bytes) in server.objects("music") {
        is_clean(&bytes, &key);
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
        let ended = ended(&mut configured(&server, &folder, "", &credentials));
        assert_eq!(ended.code, Some(1), "{credentials}: {ended:?}");
        ended.fails_in_its_last_line();
    }
}

impl Ended {
    /// What it said last is why it failed.
    #[track_caller]
    fn fails_in_its_last_line(&self) {
        let last = self.stderr.lines().last().unwrap();
        assert!(last.starts_with("sparkify: cannot "), "{self:?}");
    }
}

/// What a process prints as credentials.
fn printed(secret: &str) -> String {
    format!(
        r#"{{"Version": 1, "AccessKeyId": "{ACCESS_KEY}", "SecretAccessKey": "{secret}", "SessionToken": "{TOKEN}"}}"#
    )
}

#[test]
fn a_process_keeps_the_secret_that_it_prints() {
    let server = with_input(Faults::new());
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("script");
    let config = format!("[default]\ncredential_process = sh {}\n", script.display());
    let run = |text: &str| {
        fs::write(&script, text).unwrap();
        ended(&mut configured(&server, &folder, &config, ""))
    };
    let print = |text: &str| format!("echo '{FOREIGN}' >&2\ncat <<'END'\n{text}\nEND\n");
    run(&print(&printed(SECRET_KEY))).succeeds();
    for (key, bytes) in server.objects("music") {
        is_clean(&bytes, &key);
    }
    let whole = printed(SECRET_KEY);
    for (script, words) in [
        (
            print(&printed(&format!("{SECRET_KEY}x"))),
            "SignatureDoesNotMatch",
        ),
        // Of what it says in failing nothing can be told from a secret.
        (format!("echo '{FOREIGN}' >&2\nexit 3\n"), "exit status: 3"),
        (format!("echo '{whole}'\nexit 1\n"), "exit status: 1"),
        (
            format!("kill -9 $$\necho '{FOREIGN}' >&2\n"),
            "exited with code",
        ),
        (print(FOREIGN), "cannot use S3: no credentials"),
        (
            print(&whole[..whole.len() - 2]),
            "cannot use S3: no credentials",
        ),
        (
            print(&whole.replace("1,", "2,")),
            "cannot use S3: no credentials",
        ),
        (
            print(&whole.replace("SecretAccessKey", "Secret")),
            "SecretAccessKey",
        ),
        (
            print(&whole.replace("SessionToken", "Expiration")),
            "cannot use S3: no credentials",
        ),
        (format!("printf '{FOREIGN}\\377'\n"), "UTF-8"),
    ] {
        let ended = run(&script);
        ended.fails_in_its_last_line();
        assert!(ended.stderr.contains(words), "no {words:?} in {ended:?}");
    }
}

#[test]
fn the_token_of_a_container_is_not_told() {
    let server = with_input(Faults::new());
    put_input(&server.bucket("music"));
    let folder = TempDir::new().unwrap();
    let mut command = configured(&server, &folder, "", "");
    let url = format!("{}/credentials", server.endpoint());
    command
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN);
    let ended = ended(&mut command).fails(&["cannot use S3: no credentials"]);
    assert!(
        server.requests(&Which::any()) > 0,
        "it was asked: {ended:?}"
    );
}
