//! Settings and SSO sessions of the profiles in the configuration files of the AWS command line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use testkit::cli::output::CommandOutput;
use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{RUN_ARGS, server_with_input, write_file};

/// The profiles of a company with SSO.
const SSO_CONFIG: &str = "
[profile dev]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = etl
[sso-session corp]
sso_start_url = https://corp.example.invalid/start
sso_region = eu-west-1
sso_registration_scopes = sso:account:access
[profile load]
role_arn = arn:aws:iam::123456789012:role/load
source_profile = dev
[profile circle]
role_arn = arn:aws:iam::123456789012:role/load
source_profile = other
[profile other]
role_arn = arn:aws:iam::123456789012:role/load
source_profile = circle
";

/// Returns a run with these configuration files in its home directory.
fn run_at_home(server: &S3Server, home: &Path, config: &str) -> Command {
    write_file(home, ".aws/config", config);
    let mut command = sparkify(server, &RUN_ARGS);
    command
        .env("HOME", home)
        .env_remove("AWS_CONFIG_FILE")
        .env_remove("AWS_SHARED_CREDENTIALS_FILE");
    command
}

/// Returns the run without the credentials of the environment.
fn without_keys(command: &mut Command) -> &mut Command {
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
}

#[test]
fn max_attempts_of_the_profile_apply() {
    let lists = RequestMatcher::operation(S3Operation::List);
    let busy = Fault::Error(S3ErrorResponse::slow_down());
    for (variable, profile, attempts) in [("", "near", 2), ("", "far", 4), ("3", "far", 3)] {
        let config = "[profile near]\nmax_attempts = 2\n[profile far]\nmax_attempts = 4\n";
        let server = server_with_input(FaultPlan::new().always(lists.clone(), busy.clone()));
        let home = tempfile::tempdir().unwrap();
        let mut command = run_at_home(&server, home.path(), config);
        command
            .env("AWS_PROFILE", profile)
            .env("AWS_MAX_ATTEMPTS", variable);
        let words = ["SlowDown", &format!("({attempts} attempts)")];
        CommandOutput::run(&mut command).assert_failure(4, &words);
        assert_eq!(server.request_count(&lists), attempts);
    }
}

#[test]
fn invalid_setting_names_file_and_profile() {
    let server = server_with_input(FaultPlan::new());
    let home = tempfile::tempdir().unwrap();
    let config = "[default]\nmax_attempts = many\n[profile ca]\nca_bundle = /nonexistent/ca.pem\n";
    let words = ["invalid max_attempts of profile 'default' in ~/.aws/config: 'many'"];
    let mut command = run_at_home(&server, home.path(), config);
    CommandOutput::run(&mut command).assert_failure(2, &words);
    let words = [
        "cannot read /nonexistent/ca.pem",
        "check ca_bundle of profile 'ca' in ~/.aws/config",
    ];
    CommandOutput::run(command.env("AWS_PROFILE", "ca")).assert_failure(1, &words);
    let file = home.path().join(".aws/config");
    let words = [
        words[0],
        &format!("check ca_bundle of profile 'ca' in {}", file.display()),
    ];
    CommandOutput::run(command.env("AWS_CONFIG_FILE", &file)).assert_failure(1, &words);
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn ca_bundle_of_the_profile_is_trusted_unless_the_environment_names_one() {
    let server = server_with_input(FaultPlan::new());
    let (tls, authority) = server.open_tls_port(&["localhost"]);
    let home = tempfile::tempdir().unwrap();
    write_file(home.path(), "ca.pem", &authority);
    let (_, other) = server.open_tls_port(&["localhost"]);
    write_file(home.path(), "other.pem", &other);
    let path = |name: &str| home.path().join(name).display().to_string();
    let config = format!("[default]\nca_bundle = {}\n", path("ca.pem"));
    let mut command = run_at_home(&server, home.path(), &config);
    command.env(
        "AWS_ENDPOINT_URL_S3",
        format!("https://localhost:{}", tls.port()),
    );
    CommandOutput::run(&mut command).assert_success();
    command.env("AWS_CA_BUNDLE", path("other.pem"));
    CommandOutput::run(&mut command).assert_failure(1, &["certificate"]);
}

#[test]
fn expired_sso_session_names_the_command_with_its_profile() {
    let server = server_with_input(FaultPlan::new());
    let home = tempfile::tempdir().unwrap();
    let not_logged_in = "unable to locate credentials: there is no SSO session";
    let expired = "the SSO token has expired";
    for reason in [not_logged_in, expired] {
        if reason == expired {
            write_expired_token(home.path());
        }
        for (profile, login) in [("dev", "dev"), ("load", "dev")] {
            let mut command = run_at_home(&server, home.path(), SSO_CONFIG);
            let command = without_keys(&mut command);
            let words = [reason, &format!("; run aws sso login --profile {login}\n")];
            CommandOutput::run(command.env("AWS_PROFILE", profile)).assert_failure(1, &words);
            let mut command = run_at_home(&server, home.path(), SSO_CONFIG);
            CommandOutput::run(command.args(["--profile", profile])).assert_failure(1, &words);
        }
    }
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

/// Writes the token of the session `corp`, as `aws sso login` does.
fn write_expired_token(home: &Path) {
    let json = r#"{"startUrl":"https://corp.example.invalid/start","region":"eu-west-1",
        "accessToken":"ThisTokenMustNeverBeSeen","expiresAt":"2020-01-01T00:00:00Z"}"#;
    // The SHA-1 digest of `corp`.
    write_file(
        home,
        ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
        json,
    );
}

#[test]
fn missing_web_identity_token_is_not_taken_for_a_missing_sso_session() {
    let server = server_with_input(FaultPlan::new());
    let home = tempfile::tempdir().unwrap();
    let config = format!(
        "{SSO_CONFIG}[profile web]\nrole_arn = arn:aws:iam::123456789012:role/load\n\
         web_identity_token_file = /nonexistent/token\nsource_profile = dev\nsso_session = corp\n"
    );
    let mut command = run_at_home(&server, home.path(), &config);
    let command = without_keys(&mut command).env("AWS_PROFILE", "web");
    let words = ["unable to locate credentials: No such file"];
    let output = CommandOutput::run(command).assert_failure(1, &words);
    assert!(!output.stderr.contains("aws sso login"), "{output:?}");
}

#[test]
fn variables_that_are_not_text_are_named() {
    let server = server_with_input(FaultPlan::new());
    let value = OsStr::from_bytes(b"5\xff");
    for name in ["AWS_MAX_ATTEMPTS", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"] {
        let mut command = sparkify(&server, &RUN_ARGS);
        let words = [format!(
            "invalid {name}: its value is not UTF-8 text; correct it"
        )];
        CommandOutput::run(command.env(name, value)).assert_failure(2, &[&words[0]]);
    }
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}

#[test]
fn profiles_that_refer_to_each_other_in_a_circle_are_an_error() {
    let server = server_with_input(FaultPlan::new());
    let home = tempfile::tempdir().unwrap();
    let mut command = run_at_home(&server, home.path(), SSO_CONFIG);
    let command = without_keys(&mut command).env("AWS_PROFILE", "circle");
    CommandOutput::run(command).assert_failure(1, &["cannot use S3: unable to locate credentials"]);
}

#[test]
fn expired_credentials_of_the_environment_do_not_name_an_sso_profile() {
    let expired = Fault::Error(S3ErrorResponse::expired_token());
    let server = server_with_input(FaultPlan::new().always(RequestMatcher::any(), expired));
    let home = tempfile::tempdir().unwrap();
    let mut command = run_at_home(&server, home.path(), SSO_CONFIG);
    let words = ["ExpiredToken", "refresh the credentials and run again"];
    CommandOutput::run(&mut command).assert_failure(1, &words);
    // The environment precedes the profile, so that a login would not help.
    CommandOutput::run(command.env("AWS_PROFILE", "dev")).assert_failure(1, &words);
}

#[test]
fn missing_credentials_are_explained_in_one_short_line() {
    let server = server_with_input(FaultPlan::new());
    let home = tempfile::tempdir().unwrap();
    let mut command = run_at_home(&server, home.path(), "[default]\nregion = us-east-1\n");
    let reason = "cannot use S3: unable to locate credentials: there are none in the environment, in the profile, \
                  or from a role of this container or instance; set AWS_ACCESS_KEY_ID";
    let output = CommandOutput::run(without_keys(&mut command)).assert_failure(1, &[reason]);
    assert!(output.stderr.len() < 400, "{output:?}");
}

#[test]
fn denied_request_is_not_advised_to_use_a_flag_that_it_has() {
    let denied = Fault::Error(S3ErrorResponse::access_denied());
    for (flag, words) in [
        (
            "--no-sign-request",
            "the bucket must allow s3:ListBucket to everyone; leave out --no-sign-request",
        ),
        ("--request-payer", "the credentials need s3:ListBucket\n"),
        (
            "--quiet",
            "; use --no-sign-request for a public bucket, --request-payer for",
        ),
    ] {
        let server =
            server_with_input(FaultPlan::new().always(RequestMatcher::any(), denied.clone()));
        let mut command = sparkify(&server, &RUN_ARGS);
        if flag != "--quiet" {
            command.arg(flag);
        }
        CommandOutput::run(&mut command).assert_failure(1, &["AccessDenied", words]);
    }
}
