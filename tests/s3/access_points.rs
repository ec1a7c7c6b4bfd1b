//! Access points, named by their ARNs and by their aliases. Requests go to the host names that AWS has for them: through
//! a proxy that connects all of them to the server.

use std::process::Command;

use tempfile::TempDir;
use testkit::cli::output::CommandOutput;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::forward_proxy::ForwardProxy;
use testkit::s3_server::request::{RecordedRequest, RequestMatcher};
use testkit::s3_server::server::S3Server;

use crate::support::commands::sparkify;
use crate::support::sample_bucket::{
    EVENT, concat_args, run_sparkify, server_with_input, write_file,
};

/// The access point of the bucket `music`.
const ARN: &str = "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/music";

/// AWS as a client sees it: the host names of S3 behind a proxy.
struct Aws {
    server: S3Server,
    proxy: ForwardProxy,
    folder: TempDir,
}

impl Aws {
    fn start(host_names: &[&str]) -> Self {
        let server = server_with_input(FaultPlan::new().with_page_size(2));
        let bucket = server.bucket("music");
        write_file(&bucket, "logs/2018-11-01/a.json", EVENT);
        write_file(&bucket, "logs/2018-11-02.json", EVENT);
        let (tls, authority) = server.open_tls_port(host_names);
        let folder = tempfile::tempdir().unwrap();
        write_file(folder.path(), "ca.pem", authority);
        let proxy = ForwardProxy::start(tls);
        Self {
            server,
            proxy,
            folder,
        }
    }

    /// Returns a command in the region `us-east-1`.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sparkify(&self.server, arguments);
        command
            .env_remove("AWS_ENDPOINT_URL_S3")
            .env("HTTPS_PROXY", self.proxy.url())
            .env("AWS_CA_BUNDLE", self.folder.path().join("ca.pem"));
        command
    }

    fn run(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::run(&mut self.command(arguments)).assert_success()
    }

    /// Returns the hosts of the requests so far.
    fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<_> = self.requests().iter().map(host).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    fn requests(&self) -> Vec<RecordedRequest> {
        self.server.requests(&RequestMatcher::any())
    }
}

fn host(request: &RecordedRequest) -> String {
    request.header("host").unwrap().to_owned()
}

#[test]
fn access_point_is_read_and_written_at_its_host_in_its_region() {
    let aws = Aws::start(&["music-123456789012.s3-accesspoint.eu-west-1.amazonaws.com"]);
    let [songs, logs, out] = ["songs", "logs", "out"].map(|name| format!("{ARN}/{name}"));
    let run = [
        "run", "--quiet", "--json", "--songs", &songs, "--logs", &logs, "--out", &out,
    ];
    let report = aws.run(&run).json();
    assert_eq!(report["logs"]["objects"], 3);
    assert_eq!(report["logs"]["locations"][0], logs.as_str());
    let expected = "music-123456789012.s3-accesspoint.eu-west-1.amazonaws.com";
    assert_eq!(aws.hosts(), [expected]);
    let targets = aws.proxy.connections();
    assert!(
        targets
            .iter()
            .all(|c| c.target == format!("{expected}:443")),
        "{targets:?}"
    );
    for request in aws.requests() {
        let authorization = request.header("authorization").unwrap();
        assert!(
            authorization.contains("/eu-west-1/s3/aws4_request"),
            "{authorization}"
        );
    }

    aws.run(&run);
    let history = aws.run(&["history", "--json", "--from", &out]).json();
    assert_eq!(history["from"], out.as_str());
    assert_eq!(history["runs"].as_array().unwrap().len(), 2);
    let clean = aws
        .run(&["clean", &out, "--keep=1", "--yes", "--json"])
        .json();
    assert_eq!(clean["remove"].as_array().unwrap().len(), 1, "{clean}");
    let objects = aws.server.objects("music");
    let manifest = objects
        .iter()
        .find(|(key, _)| key.ends_with("/users.manifest"));
    let manifest = String::from_utf8_lossy(manifest.unwrap().1).into_owned();
    assert!(manifest.contains(&format!("{out}/")), "{manifest}");
}

#[test]
fn globs_and_single_objects_in_an_access_point() {
    let aws = Aws::start(&["music-123456789012.s3-accesspoint.eu-west-1.amazonaws.com"]);
    let songs = format!("--songs={ARN}/songs/a.json");
    for (logs, objects) in [
        ("logs/2018-11-0*", 2),
        ("logs/a.json", 1),
        ("logs/", 3),
        ("**/2018*", 2),
    ] {
        let logs = format!("--logs={ARN}/{logs}");
        let plan = aws
            .run(&["run", "--dry-run", "--json", &songs, &logs, "--out=absent"])
            .json();
        assert_eq!(plan["logs"]["objects"], objects, "{logs}");
    }
    // An output below an input is found also if both are named by ARNs.
    let logs = format!("--logs={ARN}/logs");
    let out = format!("--out={ARN}/logs/out");
    let mut command = aws.command(&["run", "--quiet", &songs, &logs, &out]);
    CommandOutput::run(&mut command).assert_failure(2, &["it is below the input s3://arn:aws"]);
}

#[test]
fn multi_region_access_point_is_signed_for_all_regions() {
    let aws = Aws::start(&["music.mrap.accesspoint.s3-global.amazonaws.com"]);
    let arn = "s3://arn:aws:s3::123456789012:accesspoint/music.mrap";
    let [songs, logs, out] = ["songs", "logs", "out"].map(|name| format!("{arn}/{name}"));
    aws.run(&[
        "run", "--quiet", "--songs", &songs, "--logs", &logs, "--out", &out,
    ]);
    assert_eq!(
        aws.hosts(),
        ["music.mrap.accesspoint.s3-global.amazonaws.com"]
    );
    for request in aws.requests() {
        let authorization = request.header("authorization").unwrap();
        assert!(
            authorization.starts_with("AWS4-ECDSA-P256-SHA256"),
            "{authorization}"
        );
    }
}

#[test]
fn alias_and_directory_bucket_are_reached_at_their_hosts() {
    let alias = "music-x1y2z3-s3alias";
    let directory = "music--use1-az4--x-s3";
    let hosts = [
        "music--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com",
        "music-x1y2z3-s3alias.s3.us-east-1.amazonaws.com",
    ];
    let aws = Aws::start(&hosts);
    for bucket in [alias, directory] {
        crate::support::sample_bucket::write_input(&aws.server.bucket(bucket));
        let [songs, logs, out] =
            ["songs", "logs", "out"].map(|name| format!("s3://{bucket}/{name}"));
        aws.run(&[
            "run", "--quiet", "--songs", &songs, "--logs", &logs, "--out", &out,
        ]);
    }
    assert_eq!(aws.hosts(), hosts);
}

#[test]
fn access_point_at_a_custom_endpoint_is_part_of_the_host_name() {
    let server = server_with_input(FaultPlan::new());
    let proxy = ForwardProxy::start(server.address());
    let logs = format!("--logs={ARN}/logs");
    let run = ["run", "--quiet", "--songs=songs", &logs, "--out=out"];
    let mut command = sparkify(&server, &run);
    command
        .current_dir(server.bucket("music"))
        .env("AWS_ENDPOINT_URL_S3", "http://s3.example.invalid:9000")
        .env("HTTP_PROXY", proxy.url());
    // The server does not know the host, so that there is no such bucket.
    CommandOutput::run(&mut command).assert_failure(1, &["cannot list s3://arn:aws:s3:"]);
    let host = "http://music-123456789012.s3.example.invalid:9000/";
    let connections = proxy.connections();
    assert!(!connections.is_empty());
    assert!(
        connections.iter().all(|c| c.target.starts_with(host)),
        "{connections:?}"
    );
}

#[test]
fn hint_names_the_host_of_the_bucket_and_its_proxy() {
    let server = server_with_input(FaultPlan::new());
    let refused = "http://127.0.0.1:1";
    let hosts = [
        (
            ARN,
            "https://music-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
        ),
        ("s3://music", "https://music.s3.us-east-1.amazonaws.com"),
        (
            "s3://music--use1-az4--x-s3",
            "https://music--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com",
        ),
    ];
    for (bucket, host) in hosts {
        let logs = format!("--logs={bucket}/logs/");
        let run = ["run", "--quiet", "--songs=songs", &logs, "--out=out"];
        let mut command = sparkify(&server, &run);
        command
            .current_dir(server.bucket("music"))
            .env_remove("AWS_ENDPOINT_URL_S3")
            .env("HTTPS_PROXY", refused);
        let hint = format!("the proxy {refused} (HTTPS_PROXY) is reachable and connects to {host}");
        CommandOutput::run(&mut command).assert_failure(4, &[&format!("{hint}, or")]);
    }
}

#[test]
fn arns_that_are_not_supported_are_usage_errors() {
    let server = server_with_input(FaultPlan::new());
    for (logs, words) in [
        (
            "s3://arn:aws:s3:::music/logs",
            "name a bucket without its ARN: s3://bucket/prefix",
        ),
        (
            "s3://arn:aws:s3-outposts:eu-west-1:123456789012:outpost/op-1/accesspoint/etl/logs",
            "S3 on Outposts is not supported",
        ),
        (
            "s3://arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/etl/logs",
            "access points of S3 Object Lambda are not supported",
        ),
        (
            "s3://arn:aws:s3:eu-west-1:accesspoint/etl",
            "invalid ARN: expected s3://arn:aws:s3",
        ),
    ] {
        let run = [
            "run",
            "--songs=s3://music/songs",
            "--out=out",
            "--logs",
            logs,
        ];
        let output = run_sparkify(&server, &run);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains(words), "{output:?}");
    }
}

#[test]
fn redshift_refuses_arns_before_the_work() {
    let server = server_with_input(FaultPlan::new());
    let hint = "name the access point by its alias";
    let warehouse = "--warehouse=redshift://etl@127.0.0.1:1/music";
    let [logs, out] = ["logs", "out"].map(|name| format!("{ARN}/{name}"));
    let refused = "COPY does not take the ARN of an access point";
    let engine = [
        "run",
        "--engine=redshift",
        warehouse,
        "--songs=s3://music/songs",
    ];
    for arguments in [
        &[
            "run",
            warehouse,
            "--songs=s3://music/songs",
            "--logs=s3://music/logs",
            "--out",
            &out,
        ][..],
        &concat_args(&engine, &["--logs", &logs, "--out=s3://music/out"]),
        &concat_args(&engine, &["--logs=s3://music/logs", "--out", &out]),
        &["load", warehouse, "--from", &out],
    ] {
        let output = run_sparkify(&server, arguments);
        output.assert_failure(2, &[refused, hint]);
    }
    assert_eq!(server.request_count(&RequestMatcher::any()), 0);
}
