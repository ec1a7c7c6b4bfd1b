//! What goes wrong with S3, and the one line that says so.
//!
//! Every failure here is asked for with `--json`, so that both are looked at: what people read and what
//! machines do.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::asked::{Kind, Which};
use crate::faults::{Fault, Faults};
use crate::job::{Ended, sparkify};
use crate::music::{RUN, end, with, with_input, write};
use crate::reply::Reply;
use crate::server::{ACCESS_KEY, Server};

/// The run that is to fail.
fn run(server: &Server) -> Command {
    sparkify(server, &with(&RUN, &["--json"]))
}

/// A command fails by this code and with these words, in one line and in one JSON document.
#[track_caller]
fn fails(command: &mut Command, code: i32, words: &[&str]) {
    let ended = Ended::of(command).fails_by(code, words);
    let json = ended.json();
    assert_eq!(json["status"], "failed");
    let line = format!("sparkify: {}\n", json["error"].as_str().unwrap());
    assert_eq!(line, ended.stderr);
}

/// A run in which requests of this choice are refused. It asks for none of them twice.
#[track_caller]
fn refused(which: &Which, reply: Reply, words: &[&str]) {
    let server = with_input(Faults::new().always(which.clone(), Fault::Reply(reply)));
    fails(&mut run(&server), 1, words);
    assert_eq!(server.requests(which), 1, "{words:?}");
}

fn list() -> Which {
    Which::kind(Kind::List).of_key("songs")
}

fn get() -> Which {
    Which::kind(Kind::Get).of_key("logs/a.json")
}

fn put() -> Which {
    Which::kind(Kind::Put).of_key("/songs/part-00000.parquet")
}

const LISTED: &str = "cannot list s3://music/songs";
const GOT: &str = "cannot read s3://music/logs/a.json";
const WRITTEN: &str = "/songs/part-00000.parquet: ";

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let server = with_input(Faults::new());
    let arguments = [
        "run",
        "--songs=s3://no-such/songs",
        "--logs=s3://music/logs",
        "--out=s3://music/star",
        "--json",
    ];
    let words = [
        "cannot list s3://no-such/songs",
        "NoSuchBucket (HTTP 404)",
        "check the name of the bucket",
    ];
    fails(&mut sparkify(&server, &arguments), 1, &words);
    assert_eq!(server.requests(&Which::any()), 1);

    let arguments = [&RUN[..6], &["--out=s3://no-such/star", "--json"]].concat();
    let words = [
        "cannot read s3://no-such/star/latest.json",
        "NoSuchBucket",
        words[2],
    ];
    fails(&mut sparkify(&server, &arguments), 1, &words);

    let words = ["cannot list s3://no-such/", "NoSuchBucket", words[2]];
    end(&server, &["clean", "s3://no-such/star"]).fails(&words);
}

#[test]
fn what_is_not_allowed_says_which_permission_is_missing() {
    for (which, what, permission) in [
        (list(), LISTED, "s3:ListBucket"),
        (get(), GOT, "s3:GetObject"),
        (put(), WRITTEN, "s3:PutObject"),
    ] {
        let words = [
            what,
            "AccessDenied (HTTP 403)",
            "request 4442587FB7D0A2F9",
            &format!("the credentials need {permission} there"),
        ];
        refused(&which, Reply::access_denied(), &words);
    }
}

#[test]
fn a_run_that_may_not_write_latest_json_is_complete_and_says_where() {
    let words = [
        "cannot write s3://music/star/latest.json: AccessDenied",
        "s3:PutObject",
        "the run itself is complete in s3://music/star/2",
    ];
    let which = Which::kind(Kind::Put).of_key("latest.json");
    refused(&which, Reply::access_denied(), &words);
}

#[test]
fn a_run_that_may_not_read_latest_json_fails_before_it_reads_any_input() {
    let latest = Which::kind(Kind::Get).of_key("latest.json");
    let denied = Fault::Reply(Reply::access_denied());
    let server = with_input(Faults::new().always(latest, denied));
    let words = [
        "cannot read s3://music/star/latest.json: AccessDenied",
        "s3:GetObject and s3:ListBucket",
    ];
    Ended::of(&mut run(&server)).fails(&words);
    assert_eq!(server.requests(&Which::kind(Kind::Get)), 1);
    assert_eq!(server.objects("music").len(), 2, "the input");
}

#[test]
fn a_bucket_elsewhere_says_where_it_is() {
    let told = "set --region eu-west-3 or AWS_REGION";
    let malformed = "AuthorizationHeaderMalformed (HTTP 400)";
    let message = "the region 'us-east-1' is wrong; expecting 'eu-west-3'";
    for (reply, words) in [
        (
            Reply::permanent_redirect("music", "eu-west-3"),
            [LISTED, "PermanentRedirect (HTTP 301)", told],
        ),
        (
            Reply::wrong_region("us-east-1", "eu-west-3"),
            [LISTED, malformed, told],
        ),
        // Here it stands nowhere but in the words.
        (
            Reply::new(400, "AuthorizationHeaderMalformed", message),
            [LISTED, malformed, told],
        ),
        (
            Reply::new(301, "PermanentRedirect", ""),
            [LISTED, "in another region", "set --region or AWS_REGION"],
        ),
    ] {
        refused(&list(), reply, &words);
    }
}

#[test]
fn credentials_that_are_refused_say_what_is_wrong_with_them() {
    let check =
        "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or --profile";
    for (reply, code, advice) in [
        (
            Reply::expired_token(),
            "ExpiredToken",
            "get new credentials",
        ),
        (
            Reply::invalid_access_key(ACCESS_KEY),
            "InvalidAccessKeyId",
            check,
        ),
        (
            Reply::wrong_signature(ACCESS_KEY),
            "SignatureDoesNotMatch",
            check,
        ),
        (
            Reply::wrong_clock(),
            "RequestTimeTooSkewed",
            "set the clock of this machine right",
        ),
    ] {
        refused(&list(), reply.clone(), &[LISTED, code, advice]);
        refused(&get(), reply, &[GOT, code, advice]);
    }
}

#[test]
fn a_wrong_secret_is_found_by_the_server_itself() {
    let server = with_input(Faults::new());
    let words = [LISTED, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"];
    fails(
        run(&server).env("AWS_SECRET_ACCESS_KEY", "guessed"),
        1,
        &words,
    );
    assert_eq!(server.requests(&Which::any()), 1);
}

#[test]
fn an_object_that_cannot_be_had_says_why() {
    let key = "arn:aws:kms:eu-west-3:";
    for (which, reply, words) in [
        (
            get(),
            Reply::new(404, "NoSuchKey", "The specified key does not exist."),
            [
                GOT,
                "NoSuchKey (HTTP 404)",
                "run again when nothing deletes",
            ],
        ),
        (
            get(),
            Reply::kms_disabled("eu-west-3"),
            [key, "KMS.DisabledException", "check the key and its policy"],
        ),
        (
            get(),
            Reply::kms_denied("eu-west-3"),
            [key, "kms:Decrypt", "check the key and its policy"],
        ),
        (
            put(),
            Reply::new(400, "KMS.NotFoundException", "Key does not exist"),
            [WRITTEN, "KMS.NotFoundException", "--sse-kms-key-id"],
        ),
        (
            get(),
            Reply::archived(),
            [GOT, "InvalidObjectState", "restore it from its archive"],
        ),
    ] {
        refused(&which, reply, &words);
    }
}

#[test]
fn an_object_that_vanishes_after_it_was_listed_is_named() {
    let vanish = |buckets: &Path| std::fs::remove_file(buckets.join("music/logs/a.json")).unwrap();
    let server = with_input(Faults::new().at(1, get(), vanish));
    fails(&mut run(&server), 1, &[GOT, "NoSuchKey"]);
    assert_eq!(server.requests(&get()), 1);
}

#[test]
fn what_may_pass_is_tried_again_as_often_as_is_said() {
    let busy = "lower --requests, or run again later";
    let unreachable = "can be reached";
    for (which, fault, words) in [
        (
            list(),
            Fault::Reply(Reply::slow_down()),
            [LISTED, "SlowDown (HTTP 503)", busy],
        ),
        (
            get(),
            Fault::Reply(Reply::slow_down()),
            [GOT, "SlowDown", busy],
        ),
        (
            put(),
            Fault::Reply(Reply::slow_down()),
            [WRITTEN, "SlowDown", busy],
        ),
        (
            get(),
            Fault::Reply(Reply::internal_error()),
            [GOT, "InternalError (HTTP 500)", "try again"],
        ),
        (
            put(),
            Fault::Reply(Reply::request_timeout()),
            [WRITTEN, "RequestTimeout", "timeout period"],
        ),
        (get(), Fault::Drop, [GOT, "check that http://", unreachable]),
        (get(), Fault::Cut, [GOT, "check that http://", unreachable]),
    ] {
        let server = with_input(Faults::new().always(which.clone(), fault));
        let command = &mut run(&server);
        let words = [&words[..], &["(2 tries)"]].concat();
        fails(command.env("AWS_MAX_ATTEMPTS", "2"), 1, &words);
        assert_eq!(server.requests(&which), 2, "{words:?}");
    }
}

#[test]
fn what_passes_is_not_worth_a_word() {
    let once = |faults: Faults, kind, key, reply| {
        faults.first(1, Which::kind(kind).of_key(key), Fault::Reply(reply))
    };
    let faults = once(Faults::new(), Kind::List, "songs", Reply::slow_down());
    let faults = once(faults, Kind::List, "logs/", Reply::internal_error());
    let faults = once(faults, Kind::Get, "songs/a.json", Reply::slow_down());
    let faults = once(faults, Kind::Get, "logs/a.json", Reply::internal_error());
    let faults = once(faults, Kind::Put, "_report.json", Reply::request_timeout());
    let faults = once(faults, Kind::Put, "latest.json", Reply::slow_down());
    let server = with_input(faults);
    Ended::of(&mut run(&server)).succeeds();
    assert_eq!(server.faults(), 6);
}

#[test]
fn an_answer_about_the_latest_run_that_breaks_is_asked_for_again() {
    let latest = Which::kind(Kind::Get).of_key("latest.json");
    for text in [Some(r#"{"run": "none", "report": "none"}"#), None] {
        let server = with_input(Faults::new().first(1, latest.clone(), Fault::Cut));
        if let Some(text) = text {
            write(&server.bucket("music"), "star/latest.json", text);
        }
        Ended::of(&mut run(&server)).succeeds();
        assert_eq!(
            (server.requests(&latest), server.faults()),
            // As the run begins, once more because of the fault, and as it is published.
            (3, 1),
            "{text:?}"
        );
    }
}

#[test]
fn every_try_is_told_to_who_asks() {
    let server = with_input(Faults::new().always(get(), Fault::Reply(Reply::slow_down())));
    let mut command = sparkify(&server, &with(&RUN, &["--verbose"]));
    let ended = Ended::of(command.env("AWS_MAX_ATTEMPTS", "3"));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for (line, begin, end) in [
        (lines[0], "sparkify: try 1: cannot read", " s"),
        (lines[1], "sparkify: try 2: cannot read", " s"),
        (lines[2], "sparkify: try 3: cannot read", ": given up"),
        (lines[3], "sparkify: cannot read", "later"),
    ] {
        assert!(line.starts_with(begin) && line.ends_with(end), "{line:?}");
    }
    assert!(lines[0].contains(": again in 0."), "{lines:?}");
}

#[test]
fn an_address_where_nobody_listens_is_named() {
    let server = with_input(Faults::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    // No label of a name is longer than 63 letters, so nobody is asked about this one.
    let nowhere = format!("http://{}:9000", "a".repeat(64));
    let tries = "(3 tries)";
    for (url, words) in [(&closed, "refused"), (&nowhere, "failed to lookup")] {
        let words = [LISTED, words, tries, &format!("check that {url} can be")];
        fails(run(&server).env("AWS_ENDPOINT_URL_S3", url), 1, &words);
        // It is the address that was used that is named.
        fails(run(&server).args(["--endpoint-url", url]), 1, &words);
    }
    assert_eq!(server.requests(&Which::any()), 0);
}

#[test]
fn a_run_without_credentials_says_so_at_once() {
    let server = with_input(Faults::new());
    let began = Instant::now();
    let words = [
        "cannot use S3: no credentials",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile",
        "--no-sign-request",
    ];
    let mut command = run(&server);
    command.env_remove("AWS_ACCESS_KEY_ID");
    fails(command.env_remove("AWS_SECRET_ACCESS_KEY"), 1, &words);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(server.requests(&Which::any()), 0);
}

#[test]
fn surroundings_that_make_no_sense_are_found_before_anything_is_asked() {
    let server = with_input(Faults::new());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        write(folder.path(), name, text);
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let text = file("text.pem", "no certificate at all\n");
    let broken = file("broken.pem", &pem("AAAA"));
    let garbled = file("garbled.pem", &pem("&&&&"));
    let absent = folder.path().join("absent.pem");
    let absent = absent.to_str().unwrap();
    let bundle = "check AWS_CA_BUNDLE";
    for (name, value, code, words) in [
        ("AWS_MAX_ATTEMPTS", "x", 2, ["AWS_MAX_ATTEMPTS", "'x'"]),
        ("AWS_MAX_ATTEMPTS", "0", 2, ["AWS_MAX_ATTEMPTS", "'0'"]),
        ("AWS_MAX_ATTEMPTS", "-1", 2, ["AWS_MAX_ATTEMPTS", "'-1'"]),
        ("AWS_CA_BUNDLE", absent, 1, ["No such file", bundle]),
        ("AWS_CA_BUNDLE", &text, 1, ["text.pem", bundle]),
        ("AWS_CA_BUNDLE", &broken, 1, ["broken.pem", bundle]),
        ("AWS_CA_BUNDLE", &garbled, 1, ["garbled.pem", bundle]),
    ] {
        fails(run(&server).env(name, value), code, &words);
    }
    // What is not ours to judge is no reason to fail.
    let mut command = run(&server);
    Ended::of(command.env("AWS_RETRY_MODE", "nonsense")).succeeds();
}

fn pem(base64: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

#[test]
fn a_profile_that_is_not_there_is_named() {
    let server = with_input(Faults::new());
    let words = ["cannot use S3", "nobody", "--profile"];
    let mut command = run(&server);
    command.env_remove("AWS_ACCESS_KEY_ID");
    fails(command.env("AWS_PROFILE", "nobody"), 1, &words);
    // A profile that is asked for by a flag is meant, whatever the environment holds.
    fails(run(&server).args(["--profile", "nobody"]), 1, &words);
    assert_eq!(server.requests(&Which::any()), 0);
}

#[test]
fn a_region_that_nobody_names_is_asked_for() {
    let server = with_input(Faults::new());
    let words = ["cannot use S3: no region", "set --region or AWS_REGION"];
    let mut command = run(&server);
    command.env_remove("AWS_ENDPOINT_URL_S3");
    fails(command.env_remove("AWS_REGION"), 1, &words);
    fails(command.env("AWS_REGION", ""), 1, &words);
}

#[test]
fn a_prefix_without_input_is_an_error() {
    let server = with_input(Faults::new());
    let bucket = server.bucket("music");
    write(&bucket, "readme/README.txt", "no input");
    write(&bucket, "hidden/_old/a.json", "{}");
    server.mark("music", "console/");
    for (logs, words) in [
        (
            "s3://music/absent",
            ["no logs in s3://music/absent", "check --logs"],
        ),
        (
            "s3://music/log",
            ["no logs in s3://music/log: ", "check --logs"],
        ),
        (
            "s3://music/console/",
            ["no logs in s3://music/console/", "check --logs"],
        ),
        (
            "s3://music/readme",
            ["no logs in s3://music/readme", "ignored: 1"],
        ),
        (
            "s3://music/hidden/",
            ["no logs in s3://music/hidden/", "ignored: 1"],
        ),
    ] {
        let arguments = ["run", "--songs=s3://music/songs", "--logs", logs];
        let arguments = with(&arguments, &["--out=s3://music/star", "--json"]);
        fails(&mut sparkify(&server, &arguments), 1, &words);
    }
    assert_eq!(server.requests(&Which::kind(Kind::Put)), 0);
}

#[test]
fn what_cannot_stand_in_a_header_is_refused_before_anything_is_sent() {
    let server = with_input(Faults::new());
    for (name, value, code, words) in [
        (
            "AWS_ACCESS_KEY_ID",
            "AKIA\r",
            1,
            "the access key id has a line break",
        ),
        (
            "AWS_SESSION_TOKEN",
            "to\nken",
            1,
            "the session token has a line break",
        ),
        ("AWS_REGION", "us-east-1\n", 2, "is no region"),
    ] {
        fails(run(&server).env(name, value), code, &[words]);
    }
    assert_eq!(server.requests(&Which::any()), 0);
}
