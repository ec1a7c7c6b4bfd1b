//! The S3 options of the command line and the environment, as the server sees their effect.

use std::process::Command;

use tempfile::TempDir;
use testkit::cli::command::with_clean_env;
use testkit::cli::output::CommandOutput;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::request::{RecordedRequest, RequestMatcher, S3Operation};
use testkit::s3_server::sdk_client::SdkClient;
use testkit::s3_server::server::{ACCESS_KEY, S3Server, SECRET_KEY};

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{
    RUN_ARGS, concat_args, run_sparkify, server_with_input, write_file, write_input,
};

/// Returns all requests for an operation, and asserts that there are some.
#[track_caller]
fn requests_of(server: &S3Server, kind: S3Operation) -> Vec<RecordedRequest> {
    let requests = server.requests(&RequestMatcher::operation(kind));
    assert!(!requests.is_empty(), "{kind:?}");
    requests
}

/// Returns the value of a header, which must be the same in all requests for an operation.
#[track_caller]
fn common_header(server: &S3Server, kind: S3Operation, name: &str) -> Option<String> {
    let requests = requests_of(server, kind);
    let first = requests[0].header(name);
    let same = requests.iter().all(|request| request.header(name) == first);
    assert!(same, "{name} of {requests:?}");
    first.map(str::to_owned)
}

/// Returns the regions and access keys with which the requests were signed.
fn signing_scopes(server: &S3Server) -> Vec<(String, String)> {
    let requests = server.requests(&RequestMatcher::any());
    let mut signed: Vec<_> = requests.iter().map(signing_scope).collect();
    signed.dedup();
    signed
}

fn signing_scope(request: &RecordedRequest) -> (String, String) {
    let authorization = request.header("authorization").unwrap();
    let (_, credential) = authorization.split_once("Credential=").unwrap();
    let mut parts = credential.split('/');
    let access_key = parts.next().unwrap();
    (parts.nth(1).unwrap().to_owned(), access_key.to_owned())
}

/// Returns a run with these limits of open files, as arguments of `ulimit`.
fn run_with_limit(server: &S3Server, limit: &str, requests: &str) -> CommandOutput {
    let script = format!("ulimit {limit}; exec \"$0\" \"$@\"");
    let run = sparkify(server, &concat_args(&RUN_ARGS, &["--requests", requests]));
    let mut command = with_clean_env(Command::new("bash"));
    command.args(["-c", &script]).arg(run.get_program());
    command.args(run.get_args()).envs(server.env_vars());
    CommandOutput::run(&mut command)
}

#[test]
fn connections_need_as_many_open_files() {
    let server = server_with_input(FaultPlan::new());
    let words = [
        "cannot use S3: this process may open only 100 files at once",
        "160 more are needed; lower --requests, or raise the limit",
    ];
    run_with_limit(&server, "-n 100", "64").assert_failure(1, &words);
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
    run_with_limit(&server, "-n 100", "30").assert_success();
    // The soft limit is raised.
    run_with_limit(&server, "-Sn 40", "64").assert_success();
}

/// Runs with more rejects than one PUT request takes.
fn run_with_large_output(more: &[&str]) -> S3Server {
    let server = server_with_input(FaultPlan::new());
    let reject = format!("{{\"ts\": nonsense, \"is\": \"{}\"}}\n", "x".repeat(60_000));
    let log = format!("{{}}\n{}", reject.repeat(160));
    write_file(&server.bucket("music"), "logs/b.json", log);
    let arguments = concat_args(&RUN_ARGS, &["--max-rejects=100%"]);
    run_sparkify(&server, &concat_args(&arguments, more)).assert_success();
    server
}

const WRITE_OPERATIONS: [S3Operation; 4] = [
    S3Operation::Put,
    S3Operation::CreateUpload,
    S3Operation::UploadPart,
    S3Operation::CompleteUpload,
];

#[test]
fn request_payer_is_sent_with_every_request() {
    let server = run_with_large_output(&["--request-payer"]);
    let dead = "20181101T000000000Z-01234567";
    let part = format!("dataset/{dead}/songs/part-00000.parquet");
    write_file(&server.bucket("music"), &part, "");
    SdkClient::new(&server).create_upload("music", &format!("dataset/{dead}/b"));
    let folder = server.bucket("music").join("dataset").join(dead);
    server.backdate(&folder, std::time::Duration::from_secs(48 * 3600));
    let own = RequestMatcher::operation(S3Operation::CreateUpload).with_key_suffix("/b");
    run_sparkify(
        &server,
        &["clean", "s3://music/dataset", "--yes", "--request-payer"],
    )
    .assert_success();
    for request in server.requests(&RequestMatcher::any()) {
        if !own.matches(&request) {
            assert_eq!(
                request.header("x-amz-request-payer"),
                Some("requester"),
                "{request:?}"
            );
        }
    }
    for kind in [
        S3Operation::List,
        S3Operation::Get,
        S3Operation::ListUploads,
        S3Operation::Delete,
        S3Operation::AbortUpload,
    ] {
        requests_of(&server, kind);
    }
    for kind in WRITE_OPERATIONS {
        requests_of(&server, kind);
    }

    let server = server_with_input(FaultPlan::new());
    run_sparkify(&server, &RUN_ARGS).assert_success();
    let payers = server.requests(&RequestMatcher::any());
    assert!(
        payers
            .iter()
            .all(|request| request.header("x-amz-request-payer").is_none())
    );
}

#[test]
fn no_sign_request_sends_unsigned_requests() {
    let server = S3Server::anonymous(FaultPlan::new());
    write_input(&server.bucket("music"));
    run_sparkify(&server, &concat_args(&RUN_ARGS, &["--no-sign-request"])).assert_success();
    let requests = server.requests(&RequestMatcher::any());
    for name in ["authorization", "x-amz-security-token"] {
        assert!(
            requests
                .iter()
                .all(|request| request.header(name).is_none()),
            "{name}"
        );
    }
    // Credentials are not loaded either.
    let mut command = sparkify(&server, &concat_args(&RUN_ARGS, &["--no-sign-request"]));
    command.env_remove("AWS_ACCESS_KEY_ID");
    CommandOutput::run(command.env("AWS_PROFILE", "nobody")).assert_success();
    run_sparkify(&server, &RUN_ARGS).assert_failure(1, &["cannot list s3://music/songs"]);
}

#[test]
fn encryption_headers_are_sent_only_when_creating_objects() {
    let sse = "x-amz-server-side-encryption";
    let key = "x-amz-server-side-encryption-aws-kms-key-id";
    let flags = ["--sse=aws:kms", "--sse-kms-key-id=alias/music"];
    let server = run_with_large_output(&flags);
    for kind in [S3Operation::Put, S3Operation::CreateUpload] {
        assert_eq!(
            common_header(&server, kind, sse).as_deref(),
            Some("aws:kms")
        );
        assert_eq!(
            common_header(&server, kind, key).as_deref(),
            Some("alias/music")
        );
    }
    // S3 rejects this header for other operations.
    for kind in [
        S3Operation::List,
        S3Operation::Get,
        S3Operation::UploadPart,
        S3Operation::CompleteUpload,
    ] {
        assert_eq!(common_header(&server, kind, sse), None);
        assert_eq!(common_header(&server, kind, key), None);
    }

    let server = server_with_input(FaultPlan::new());
    run_sparkify(&server, &RUN_ARGS).assert_success();
    assert_eq!(
        common_header(&server, S3Operation::Put, sse),
        None,
        "the default of the bucket must apply"
    );
    let server = server_with_input(FaultPlan::new());
    run_sparkify(&server, &concat_args(&RUN_ARGS, &["--sse=AES256"])).assert_success();
    assert_eq!(
        common_header(&server, S3Operation::Put, sse).as_deref(),
        Some("AES256")
    );
    assert_eq!(common_header(&server, S3Operation::Put, key), None);
}

#[test]
fn input_reads_use_if_match_of_listed_etag() {
    let server = server_with_input(FaultPlan::new());
    // More bytes than one read request fetches.
    write_file(&server.bucket("music"), "logs/b.json", " ".repeat(9 << 20));
    let listed = SdkClient::new(&server).list_pages("music", "").unwrap();
    let listed = listed[0].contents().to_vec();
    run_sparkify(&server, &RUN_ARGS).assert_success();
    for (object, requests) in listed.iter().zip([1, 3, 1]) {
        let key = object.key().unwrap();
        let gets =
            server.requests(&RequestMatcher::operation(S3Operation::Get).with_key_suffix(key));
        assert_eq!(gets.len(), requests, "{key}");
        for get in gets {
            assert_eq!(get.header("if-match"), object.e_tag());
        }
    }
}

#[test]
fn latest_json_is_written_conditionally() {
    let server = server_with_input(FaultPlan::new());
    run_sparkify(&server, &RUN_ARGS).assert_success();
    run_sparkify(&server, &RUN_ARGS).assert_success();
    let puts = server
        .requests(&RequestMatcher::operation(S3Operation::Put).with_key_suffix("latest.json"));
    let conditions = |name| puts.iter().map(|put| put.header(name).is_some()).collect();
    let conditions: [Vec<bool>; 2] = ["if-none-match", "if-match"].map(conditions);
    assert_eq!(conditions, [[true, false], [false, true]]);
}

/// AWS configuration files, and the environment variables that name them.
struct AwsConfigFiles(TempDir);

impl AwsConfigFiles {
    fn new(config: &str, credentials: &str) -> Self {
        let folder = TempDir::new().unwrap();
        write_file(folder.path(), "config", config);
        write_file(folder.path(), "credentials", credentials);
        Self(folder)
    }

    fn set_env<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("AWS_CONFIG_FILE", self.0.path().join("config"))
            .env(
                "AWS_SHARED_CREDENTIALS_FILE",
                self.0.path().join("credentials"),
            )
    }
}

#[test]
fn region_precedence() {
    let config = "[default]\nregion = eu-north-1\n[profile far]\nregion = sa-east-1\n";
    let files = AwsConfigFiles::new(config, "");
    for (flags, variables, region) in [
        (&[][..], &[][..], "eu-north-1"),
        (&[], &[("AWS_PROFILE", "far")], "sa-east-1"),
        (&["--profile=far"], &[], "sa-east-1"),
        (&[], &[("AWS_DEFAULT_REGION", "eu-west-2")], "eu-west-2"),
        (
            &[],
            &[
                ("AWS_REGION", "eu-west-1"),
                ("AWS_DEFAULT_REGION", "eu-west-2"),
            ],
            "eu-west-1",
        ),
        (
            &["--region=eu-west-3"],
            &[("AWS_REGION", "eu-west-1")],
            "eu-west-3",
        ),
        (&[], &[("AWS_REGION", "")], "eu-north-1"),
    ] {
        let server = server_with_input(FaultPlan::new());
        let mut command = sparkify(&server, &concat_args(&RUN_ARGS, &["--dry-run"]));
        files
            .set_env(&mut command)
            .args(flags)
            .env_remove("AWS_REGION");
        if flags == ["--profile=far"] {
            // A profile that a flag names provides its own credentials too.
            let files = AwsConfigFiles::new(config, &credentials_file("far", ACCESS_KEY));
            files.set_env(&mut command);
            CommandOutput::run(&mut command).assert_success();
        } else {
            CommandOutput::run(command.envs(variables.iter().copied())).assert_success();
        }
        let expected = (region.to_owned(), ACCESS_KEY.to_owned());
        assert_eq!(
            signing_scopes(&server),
            [expected],
            "{flags:?} {variables:?}"
        );
    }
    // S3-compatible servers mostly have no regions.
    let server = server_with_input(FaultPlan::new());
    let mut command = sparkify(&server, &concat_args(&RUN_ARGS, &["--dry-run"]));
    CommandOutput::run(command.env_remove("AWS_REGION")).assert_success();
    assert_eq!(signing_scopes(&server)[0].0, "us-east-1");
}

fn credentials_file(profile: &str, access_key: &str) -> String {
    format!("[{profile}]\naws_access_key_id = {access_key}\naws_secret_access_key = {SECRET_KEY}\n")
}

#[test]
fn credentials_precedence() {
    let files = [
        credentials_file("default", "AKIADEFAULT"),
        credentials_file("near", "AKIANEAR"),
        credentials_file("far", ACCESS_KEY),
    ];
    let files = AwsConfigFiles::new("", &files.concat());
    let environment = [("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")];
    for (flags, variables, access_key) in [
        (&["--profile=far"][..], &environment[..], ACCESS_KEY),
        (&["--profile=far"], &[("AWS_PROFILE", "near")], ACCESS_KEY),
        (&[], &[("AWS_PROFILE", "far")], ACCESS_KEY),
        (&[], &[("AWS_PROFILE", "near")], "AKIANEAR"),
        (&[], &environment, "AKIAENVIRONMENT"),
        (
            &[],
            &[("AWS_PROFILE", "far"), environment[0]],
            "AKIAENVIRONMENT",
        ),
        (&[], &[], "AKIADEFAULT"),
    ] {
        let server = server_with_input(FaultPlan::new());
        let mut command = sparkify(&server, &concat_args(&RUN_ARGS, &["--dry-run"]));
        command.env_remove("AWS_ACCESS_KEY_ID").args(flags);
        files.set_env(&mut command).envs(variables.iter().copied());
        let output = CommandOutput::run(&mut command);
        // The server accepts only one of the access keys.
        assert_eq!(
            output.code == Some(0),
            access_key == ACCESS_KEY,
            "{output:?}"
        );
        assert_eq!(
            signing_scopes(&server)[0].1,
            access_key,
            "{flags:?} {variables:?}"
        );
    }
}

#[test]
fn endpoint_precedence() {
    let servers: Vec<S3Server> = (0..5)
        .map(|_| server_with_input(FaultPlan::new()))
        .collect();
    let [flag, service, all, profile_s3, profile] =
        [0, 1, 2, 3, 4].map(|at| servers[at].endpoint());
    let one = format!("[default]\nendpoint_url = {profile}\n");
    let two = "services = near\n[services near]\ns3 =\n  endpoint_url = ";
    let files = [
        AwsConfigFiles::new("", ""),
        AwsConfigFiles::new(&one, ""),
        AwsConfigFiles::new(&format!("{one}{two}{profile_s3}\n"), ""),
    ];
    let flag = ["--endpoint-url", &flag];
    let service = ("AWS_ENDPOINT_URL_S3", service.as_str());
    let all = ("AWS_ENDPOINT_URL", all.as_str());
    for (at, flags, variables, files) in [
        (0, &flag[..], &[service, all][..], &files[2]),
        (1, &[], &[service, all], &files[2]),
        (2, &[], &[all], &files[0]),
        (3, &[], &[], &files[2]),
        (4, &[], &[], &files[1]),
    ] {
        let counts = || {
            servers
                .iter()
                .map(|server| server.request_count(&RequestMatcher::any()))
        };
        let before: Vec<usize> = counts().collect();
        let mut command = sparkify(&servers[1], &concat_args(&RUN_ARGS, &["--dry-run"]));
        command.env_remove("AWS_ENDPOINT_URL_S3").args(flags);
        files.set_env(&mut command).envs(variables.iter().copied());
        CommandOutput::run(&mut command).assert_success();
        let request_counts: Vec<usize> = counts()
            .zip(before)
            .map(|(now, before)| now - before)
            .collect();
        for (other, count) in request_counts.iter().enumerate() {
            assert_eq!(*count > 0, other == at, "{at}: {request_counts:?}");
        }
    }
}

#[test]
fn custom_endpoint_uses_path_style() {
    let server = server_with_input(FaultPlan::new());
    let url = format!("http://localhost:{}", server.address().port());
    let mut command = sparkify(&server, &RUN_ARGS);
    CommandOutput::run(command.env("AWS_ENDPOINT_URL_S3", &url)).assert_success();
    for kind in [S3Operation::List, S3Operation::Get, S3Operation::Put] {
        let host = common_header(&server, kind, "host").unwrap();
        assert_eq!(format!("http://{host}"), url);
        assert!(
            requests_of(&server, kind)
                .iter()
                .all(|request| request.bucket == "music")
        );
    }
}

#[test]
fn invalid_flags_are_usage_errors() {
    let server = server_with_input(FaultPlan::new());
    for (arguments, words) in [
        (&["--requests=0"][..], "--requests"),
        (&["--requests=1025"], "--requests"),
        (&["--read-timeout=0"], "from 0.1 to 3600"),
        (&["--read-timeout=never"], "from 0.1 to 3600"),
        (&["--sse=DES"], "aws:kms"),
        (&["--sse-kms-key-id=alias/music"], "--sse"),
        (
            &["--endpoint-url=minio.example:9000"],
            "invalid endpoint URL",
        ),
        (
            &["--endpoint-url=ftp://minio.example"],
            "invalid endpoint URL",
        ),
        (&["--endpoint-url="], "invalid endpoint URL"),
    ] {
        let output = run_sparkify(&server, &concat_args(&RUN_ARGS, arguments));
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
        assert!(output.stderr.contains(words), "no {words:?} in {output:?}");
    }
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}
