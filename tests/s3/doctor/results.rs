//! What the command prints, and what it leaves.

use std::thread::sleep;
use std::time::{Duration, Instant};

use testkit::aws_api::ApiFault;
use testkit::cli::mounts::{can_mount, mount_namespace_shell};
use testkit::cli::output::CommandOutput;
use testkit::cli::stopped_command::{STOP_SIGNALS, StopOutcome, stop_command};
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};

use super::fixture::{USER_ARN, doctor, identity_api, run};
use crate::support::commands::sparkify;
use crate::support::sample_bucket::{server_with_input, write_file};

#[test]
fn healthy_bucket_passes_all_checks() {
    let server = server_with_input(FaultPlan::new());
    let api = identity_api();
    let before = server.objects("music");
    let checks = run(&mut doctor(&server, &api));
    checks.assert_no_failure(&[]);
    let names = [
        "versions",
        "aws-configuration",
        "s3-endpoint",
        "clock",
        "aws-credentials",
        "buckets",
        "bucket-region",
        "songs-list",
        "songs-read",
        "logs-list",
        "logs-read",
        "out-write",
        "out-read",
        "out-etag",
        "out-conditional-put",
        "out-clean-up",
        "disk",
    ];
    assert_eq!(checks.with_status("ok"), names);
    let identity = checks.field("aws-credentials", "message");
    assert!(identity.contains(USER_ARN), "{identity}");
    assert_eq!(server.objects("music"), before);
    assert_eq!(server.unfinished_uploads("music"), Vec::<String>::new());
}

/// A server that is not AWS accepts credentials without telling whose they are.
#[test]
fn identity_at_a_custom_endpoint_is_unknown() {
    let server = server_with_input(FaultPlan::new());
    let api = identity_api();
    let checks = run(doctor(&server, &api).env_remove("AWS_ENDPOINT_URL_STS"));
    checks.assert_no_failure(&["aws-credentials"]);
    let message = checks.field("aws-credentials", "message");
    assert!(message.contains("is not AWS"), "{message}");
    assert_eq!(api.actions(), Vec::<String>::new());
    api.inject("GetCallerIdentity", ApiFault::Disconnect);
    let checks = run(doctor(&server, &api).env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"));
    checks.assert_no_failure(&["aws-credentials"]);
}

#[test]
fn results_are_lines_with_remedies() {
    let server = server_with_input(FaultPlan::new());
    let api = identity_api();
    let mut command = sparkify(
        &server,
        &[
            "doctor",
            "--logs",
            "s3://music/nothing",
            "--out",
            "s3://absent/dataset",
        ],
    );
    command.env("AWS_ENDPOINT_URL_STS", api.url());
    let output = CommandOutput::run(&mut command);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(1), ""),
        "{output:?}"
    );
    let lines = [
        "ok       s3-endpoint            http://127.0.0.1:",
        "failed   buckets                bucket absent does not exist\n",
        "\n                                -> check the bucket name, or create the bucket\n",
        "skipped  logs-list              it needs buckets, which failed\n",
        "skipped  out-clean-up           it needs buckets, which failed\n",
        " checks: 1 failed, ",
    ];
    for line in lines {
        assert!(
            output.stdout.contains(line),
            "no {line:?} in {}",
            output.stdout
        );
    }
    assert!(!output.stdout.contains('\x1b'), "{output:?}");
}

#[test]
fn jsonpaths_of_the_config_file_are_checked() {
    let server = server_with_input(FaultPlan::new());
    let api = identity_api();
    let folder = tempfile::TempDir::new().unwrap();
    let config = folder.path().join("dwh.cfg");
    std::fs::write(
        &config,
        "[S3]\nLOG_DATA = s3://music/logs\nLOG_JSONPATH = s3://music/paths.json\n",
    )
    .unwrap();
    let mut command = sparkify(&server, &["doctor", "--json", "--config"]);
    command.arg(&config).env("AWS_ENDPOINT_URL_STS", api.url());
    let checks = run(&mut command);
    checks.assert_no_failure(&[]);
    assert_eq!(checks.with_status("warning"), ["log-jsonpath"]);
    let remedy = checks.field("log-jsonpath", "remedy");
    assert!(
        remedy.contains("check --log-jsonpath, or LOG_JSONPATH"),
        "{remedy}"
    );
    assert_eq!(checks.field("logs-read", "status"), "ok");
    write_file(
        &server.bucket("music"),
        "paths.json",
        "{\"jsonpaths\": [\"$['ts']\"]}",
    );
    let checks = run(&mut command);
    assert_eq!(checks.with_status("warning"), ["log-jsonpath"]);
    let remedy = checks.field("log-jsonpath", "remedy");
    assert!(remedy.contains("with a path such as $['key']"), "{remedy}");
}

/// The checks of folders need no S3.
#[test]
fn folders_are_checked_without_s3() {
    let server = server_with_input(FaultPlan::new());
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    write_file(folder.path(), "logs/a.json", "{}");
    let mut command = sparkify(&server, &["doctor", "--json", "--logs"]);
    command.args([&path("logs"), "--out", &path("new/dataset")]);
    let checks = run(&mut command);
    checks.assert_no_failure(&[]);
    assert_eq!(
        checks.with_status("ok"),
        ["versions", "logs-list", "logs-read", "out-write", "disk"]
    );
    assert!(!folder.path().join("new").exists());
    let mut command = sparkify(&server, &["doctor", "--json", "--logs"]);
    command.args([&path("logs"), "--out", &path("logs/a.json")]);
    run(&mut command).assert_only_failure("file", "out-write", "choose another --out");
    let mut command = sparkify(&server, &["doctor", "--json", "--logs"]);
    command.args([&path("logs")]).env("TMPDIR", path("absent"));
    run(&mut command).assert_only_failure("TMPDIR", "disk", "set TMPDIR");
}

#[test]
fn nothing_to_check_is_wrong_usage() {
    let server = server_with_input(FaultPlan::new());
    CommandOutput::run(&mut sparkify(&server, &["doctor"]))
        .assert_failure(2, &["nothing to check is named; give --config"]);
    let unused = ["doctor", "--logs", "logs", "--region", "us-west-2"];
    CommandOutput::run(&mut sparkify(&server, &unused))
        .assert_failure(2, &["--region has no effect"]);
}

/// The requests take so long that the signals meet the time in which the probe exists.
#[test]
fn signal_leaves_nothing_in_the_bucket() {
    let is_probe = |operation| RequestMatcher::operation(operation).with_key_suffix("/probe");
    let slow = FaultPlan::new()
        .always(
            is_probe(S3Operation::Get),
            Fault::Delay(Duration::from_millis(300)),
        )
        .always(
            is_probe(S3Operation::Put),
            Fault::Delay(Duration::from_millis(100)),
        );
    let server = server_with_input(slow);
    let api = identity_api();
    let before = server.objects("music");
    let mut stopped = 0;
    for signal in STOP_SIGNALS {
        for delay in [0, 50, 150, 300] {
            let seen = server.request_count(&is_probe(S3Operation::Put));
            let wait = || {
                let deadline = Instant::now() + Duration::from_secs(20);
                while server.request_count(&is_probe(S3Operation::Put)) == seen
                    && Instant::now() < deadline
                {
                    sleep(Duration::from_millis(5));
                }
                sleep(Duration::from_millis(delay));
            };
            let mut command = doctor(&server, &api);
            let (outcome, output) = stop_command(&mut command, signal, wait);
            if outcome == StopOutcome::Stopped {
                stopped += 1;
                let outcome = "not all checks were made";
                assert!(output.stderr.contains(outcome), "{output:?}");
                // A write that the server was executing when the client gave up may come after the removal.
                if delay >= 150 {
                    assert!(server.objects("music") == before, "{output:?}");
                }
            }
            let left = server.bucket("music").join("dataset");
            let _ = std::fs::remove_dir_all(left);
        }
    }
    assert!(stopped >= 4, "{stopped}");
}

/// A disk with less room than a run needs is a fault. Without the right to mount one, the test has nothing to check.
#[test]
fn full_disk_is_named() {
    let folder = tempfile::TempDir::new().unwrap();
    if !can_mount(folder.path()) {
        return;
    }
    write_file(folder.path(), "logs/a.json", "{}");
    let script = "mount -t tmpfs -o size=64k tmpfs disk && exec \"$0\" \"$@\"";
    let arguments = ["doctor", "--json", "--logs", "logs", "--out", "disk/out"];
    let mut command = mount_namespace_shell(folder.path(), script, &arguments);
    run(&mut command).assert_only_failure("full", "disk", "free some space");
}
