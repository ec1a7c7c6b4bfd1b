//! What users say about S3, as the server sees it.

use std::process::Command;

use tempfile::TempDir;

use crate::asked::{Asked, Kind, Which};
use crate::client::Client;
use crate::faults::Faults;
use crate::job::{Ended, sparkify};
use crate::music::{RUN, end, put_input, with, with_input, write};
use crate::server::{ACCESS_KEY, SECRET_KEY, Server};

/// All requests of a kind; there must be some.
#[track_caller]
fn asked(server: &Server, kind: Kind) -> Vec<Asked> {
    let asked = server.asked(&Which::kind(kind));
    assert!(!asked.is_empty(), "{kind:?}");
    asked
}

/// The values of a header in all requests of a kind, which must be the same.
#[track_caller]
fn header(server: &Server, kind: Kind, name: &str) -> Option<String> {
    let asked = asked(server, kind);
    let first = asked[0].header(name);
    let same = asked.iter().all(|asked| asked.header(name) == first);
    assert!(same, "{name} of {asked:?}");
    first.map(str::to_owned)
}

/// The regions and access keys that all requests were signed with.
fn signed(server: &Server) -> Vec<(String, String)> {
    let asked = server.asked(&Which::any());
    let mut signed: Vec<_> = asked.iter().map(scope).collect();
    signed.dedup();
    signed
}

fn scope(asked: &Asked) -> (String, String) {
    let authorization = asked.header("authorization").unwrap();
    let (_, credential) = authorization.split_once("Credential=").unwrap();
    let mut parts = credential.split('/');
    let access_key = parts.next().unwrap();
    (parts.nth(1).unwrap().to_owned(), access_key.to_owned())
}

/// A run whose rejects are more than one request takes.
fn run_of_large_output(more: &[&str]) -> Server {
    let server = with_input(Faults::new());
    let reject = format!("{{\"ts\": nonsense, \"is\": \"{}\"}}\n", "x".repeat(60_000));
    let log = format!("{{}}\n{}", reject.repeat(160));
    write(&server.bucket("music"), "logs/b.json", log);
    let arguments = with(&RUN, &["--max-rejects=100%"]);
    end(&server, &with(&arguments, more)).succeeds();
    server
}

const WRITES: [Kind; 4] = [
    Kind::Put,
    Kind::CreateUpload,
    Kind::UploadPart,
    Kind::CompleteUpload,
];

#[test]
fn who_pays_is_said_in_every_request() {
    let server = run_of_large_output(&["--request-payer"]);
    let dead = "20181101T000000000Z-01234567";
    let part = format!("star/{dead}/songs/part-00000.parquet");
    write(&server.bucket("music"), &part, "");
    Client::of(&server).begin("music", &format!("star/{dead}/b"));
    let folder = server.bucket("music").join("star").join(dead);
    server.age(&folder, std::time::Duration::from_secs(48 * 3600));
    let own = Which::kind(Kind::CreateUpload).of_key("/b");
    end(
        &server,
        &["clean", "s3://music/star", "--yes", "--request-payer"],
    )
    .succeeds();
    for asked in server.asked(&Which::any()) {
        if !own.has(&asked) {
            assert_eq!(
                asked.header("x-amz-request-payer"),
                Some("requester"),
                "{asked:?}"
            );
        }
    }
    for kind in [
        Kind::List,
        Kind::Get,
        Kind::ListUploads,
        Kind::Delete,
        Kind::AbortUpload,
    ] {
        asked(&server, kind);
    }
    for kind in WRITES {
        asked(&server, kind);
    }

    let server = with_input(Faults::new());
    end(&server, &RUN).succeeds();
    let payers = server.asked(&Which::any());
    assert!(
        payers
            .iter()
            .all(|asked| asked.header("x-amz-request-payer").is_none())
    );
}

#[test]
fn nothing_is_signed_if_that_is_not_wanted() {
    let server = Server::public(Faults::new());
    put_input(&server.bucket("music"));
    end(&server, &with(&RUN, &["--no-sign-request"])).succeeds();
    let asked = server.asked(&Which::any());
    for name in ["authorization", "x-amz-security-token"] {
        assert!(
            asked.iter().all(|asked| asked.header(name).is_none()),
            "{name}"
        );
    }
    // Nor are credentials looked for.
    let mut command = sparkify(&server, &with(&RUN, &["--no-sign-request"]));
    command.env_remove("AWS_ACCESS_KEY_ID");
    Ended::of(command.env("AWS_PROFILE", "nobody")).succeeds();
    end(&server, &RUN).fails(&["cannot list s3://music/songs"]);
}

#[test]
fn encryption_is_asked_for_where_objects_begin() {
    let sse = "x-amz-server-side-encryption";
    let key = "x-amz-server-side-encryption-aws-kms-key-id";
    let flags = ["--sse=aws:kms", "--sse-kms-key-id=alias/music"];
    let server = run_of_large_output(&flags);
    for kind in [Kind::Put, Kind::CreateUpload] {
        assert_eq!(header(&server, kind, sse).as_deref(), Some("aws:kms"));
        assert_eq!(header(&server, kind, key).as_deref(), Some("alias/music"));
    }
    // S3 refuses them elsewhere.
    for kind in [
        Kind::List,
        Kind::Get,
        Kind::UploadPart,
        Kind::CompleteUpload,
    ] {
        assert_eq!(header(&server, kind, sse), None);
        assert_eq!(header(&server, kind, key), None);
    }

    let server = with_input(Faults::new());
    end(&server, &RUN).succeeds();
    assert_eq!(header(&server, Kind::Put, sse), None, "that of the bucket");
    let server = with_input(Faults::new());
    end(&server, &with(&RUN, &["--sse=AES256"])).succeeds();
    assert_eq!(header(&server, Kind::Put, sse).as_deref(), Some("AES256"));
    assert_eq!(header(&server, Kind::Put, key), None);
}

#[test]
fn every_read_of_input_names_the_version_that_was_listed() {
    let server = with_input(Faults::new());
    // More than one piece.
    write(&server.bucket("music"), "logs/b.json", " ".repeat(9 << 20));
    let listed = Client::of(&server).pages("music", "").unwrap();
    let listed = listed[0].contents().to_vec();
    end(&server, &RUN).succeeds();
    for (object, pieces) in listed.iter().zip([1, 3, 1]) {
        let key = object.key().unwrap();
        let gets = server.asked(&Which::kind(Kind::Get).of_key(key));
        assert_eq!(gets.len(), pieces, "{key}");
        for get in gets {
            assert_eq!(get.header("if-match"), object.e_tag());
        }
    }
}

#[test]
fn an_object_is_written_unless_another_was_first() {
    let server = with_input(Faults::new());
    end(&server, &RUN).succeeds();
    end(&server, &RUN).succeeds();
    let puts = server.asked(&Which::kind(Kind::Put).of_key("latest.json"));
    let conditions = |name| puts.iter().map(|put| put.header(name).is_some()).collect();
    let conditions: [Vec<bool>; 2] = ["if-none-match", "if-match"].map(conditions);
    assert_eq!(conditions, [[true, false], [false, true]]);
}

/// Configuration files, and the surroundings that name them.
struct Files(TempDir);

impl Files {
    fn new(config: &str, credentials: &str) -> Self {
        let folder = TempDir::new().unwrap();
        write(folder.path(), "config", config);
        write(folder.path(), "credentials", credentials);
        Self(folder)
    }

    fn surround<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("AWS_CONFIG_FILE", self.0.path().join("config"))
            .env(
                "AWS_SHARED_CREDENTIALS_FILE",
                self.0.path().join("credentials"),
            )
    }
}

#[test]
fn the_region_is_the_one_that_is_said_nearest() {
    let config = "[default]\nregion = eu-north-1\n[profile far]\nregion = sa-east-1\n";
    let files = Files::new(config, "");
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
        let server = with_input(Faults::new());
        let mut command = sparkify(&server, &with(&RUN, &["--dry-run"]));
        files
            .surround(&mut command)
            .args(flags)
            .env_remove("AWS_REGION");
        if flags == ["--profile=far"] {
            // A profile that is named by a flag brings its own credentials too.
            let files = Files::new(config, &credentials("far", ACCESS_KEY));
            files.surround(&mut command);
            Ended::of(&mut command).succeeds();
        } else {
            Ended::of(command.envs(variables.iter().copied())).succeeds();
        }
        let expected = (region.to_owned(), ACCESS_KEY.to_owned());
        assert_eq!(signed(&server), [expected], "{flags:?} {variables:?}");
    }
    // A server that is not Amazon's mostly has no regions.
    let server = with_input(Faults::new());
    let mut command = sparkify(&server, &with(&RUN, &["--dry-run"]));
    Ended::of(command.env_remove("AWS_REGION")).succeeds();
    assert_eq!(signed(&server)[0].0, "us-east-1");
}

fn credentials(profile: &str, access_key: &str) -> String {
    format!("[{profile}]\naws_access_key_id = {access_key}\naws_secret_access_key = {SECRET_KEY}\n")
}

#[test]
fn credentials_are_those_that_are_said_nearest() {
    let files = [
        credentials("default", "AKIADEFAULT"),
        credentials("near", "AKIANEAR"),
        credentials("far", ACCESS_KEY),
    ];
    let files = Files::new("", &files.concat());
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
        let server = with_input(Faults::new());
        let mut command = sparkify(&server, &with(&RUN, &["--dry-run"]));
        command.env_remove("AWS_ACCESS_KEY_ID").args(flags);
        files.surround(&mut command).envs(variables.iter().copied());
        let ended = Ended::of(&mut command);
        // The server knows one of them.
        assert_eq!(ended.code == Some(0), access_key == ACCESS_KEY, "{ended:?}");
        assert_eq!(signed(&server)[0].1, access_key, "{flags:?} {variables:?}");
    }
}

#[test]
fn the_server_is_the_one_that_is_said_nearest() {
    let servers: Vec<Server> = (0..5).map(|_| with_input(Faults::new())).collect();
    let [flag, service, all, profile_s3, profile] =
        [0, 1, 2, 3, 4].map(|at| servers[at].endpoint());
    let one = format!("[default]\nendpoint_url = {profile}\n");
    let two = "services = near\n[services near]\ns3 =\n  endpoint_url = ";
    let files = [
        Files::new("", ""),
        Files::new(&one, ""),
        Files::new(&format!("{one}{two}{profile_s3}\n"), ""),
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
        let counts = || servers.iter().map(|server| server.requests(&Which::any()));
        let before: Vec<usize> = counts().collect();
        let mut command = sparkify(&servers[1], &with(&RUN, &["--dry-run"]));
        command.env_remove("AWS_ENDPOINT_URL_S3").args(flags);
        files.surround(&mut command).envs(variables.iter().copied());
        Ended::of(&mut command).succeeds();
        let asked: Vec<usize> = counts()
            .zip(before)
            .map(|(now, before)| now - before)
            .collect();
        for (other, count) in asked.iter().enumerate() {
            assert_eq!(*count > 0, other == at, "{at}: {asked:?}");
        }
    }
}

#[test]
fn the_bucket_stands_in_the_path_on_servers_of_others() {
    let server = with_input(Faults::new());
    let url = format!("http://localhost:{}", server.address().port());
    let mut command = sparkify(&server, &RUN);
    Ended::of(command.env("AWS_ENDPOINT_URL_S3", &url)).succeeds();
    for kind in [Kind::List, Kind::Get, Kind::Put] {
        let host = header(&server, kind, "host").unwrap();
        assert_eq!(format!("http://{host}"), url);
        assert!(
            asked(&server, kind)
                .iter()
                .all(|asked| asked.bucket == "music")
        );
    }
}

#[test]
fn what_makes_no_sense_is_wrong_usage() {
    let server = with_input(Faults::new());
    for (arguments, words) in [
        (&["--requests=0"][..], "--requests"),
        (&["--requests=1025"], "--requests"),
        (&["--read-timeout=0"], "from 0.1 to 3600"),
        (&["--read-timeout=never"], "from 0.1 to 3600"),
        (&["--sse=DES"], "aws:kms"),
        (&["--sse-kms-key-id=alias/music"], "--sse"),
        (&["--endpoint-url=minio.example:9000"], "is no URL such as"),
        (&["--endpoint-url=ftp://minio.example"], "is no URL such as"),
        (&["--endpoint-url="], "is no URL such as"),
    ] {
        let ended = end(&server, &with(&RUN, arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert!(ended.stderr.contains(words), "no {words:?} in {ended:?}");
    }
    assert_eq!(server.requests(&Which::any()), 0);
}
