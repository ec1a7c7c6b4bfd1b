//! `sparkify query --from s3://... --dry-run`: the script lets DuckDB read the bucket, without any secret in it.
//! tests/duckdb runs such a script.

use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::server::S3Server;

use crate::support::sample_bucket::{
    RUN_ARGS, concat_args, run_sparkify, server_with_input, write_input,
};

const QUERY_ARGS: [&str; 5] = [
    "query",
    "top-songs",
    "--from",
    "s3://music/dataset",
    "--dry-run",
];

#[test]
fn script_names_the_newest_run_and_how_to_reach_it() {
    let server = server_with_input(FaultPlan::default());
    run_sparkify(&server, &RUN_ARGS).assert_success();
    run_sparkify(&server, &RUN_ARGS).assert_success();
    let latest = &server.objects("music")["dataset/latest.json"];
    let latest: serde_json::Value = serde_json::from_slice(latest).unwrap();
    let run = latest["run"].as_str().unwrap();

    let script = run_sparkify(&server, &QUERY_ARGS).assert_success().stdout;
    for table in ["songplays", "users", "songs", "artists", "time"] {
        let part = format!("'s3://music/dataset/{run}/{table}/part-00000.parquet'");
        assert!(script.contains(&part), "{script}");
    }
    let endpoint = server.endpoint();
    let host = endpoint.strip_prefix("http://").unwrap();
    for setting in [
        "INSTALL httpfs;\nLOAD httpfs;\nINSTALL aws;\nLOAD aws;\n",
        "PROVIDER credential_chain,",
        &format!("ENDPOINT '{host}',\n    URL_STYLE 'path',\n    USE_SSL FALSE,"),
        "REGION '",
        "SCOPE 's3://music/'",
    ] {
        assert!(script.contains(setting), "no {setting:?} in {script}");
    }
}

#[test]
fn options_of_the_connection_are_in_the_script() {
    let server = server_with_input(FaultPlan::default());
    run_sparkify(&server, &RUN_ARGS).assert_success();
    let options = ["--region", "eu-central-1", "--request-payer"];
    let script = run_sparkify(&server, &concat_args(&QUERY_ARGS, &options));
    let script = script.assert_success().stdout;
    assert!(script.contains("REGION 'eu-central-1'"), "{script}");
    assert!(script.contains("REQUESTER_PAYS TRUE"), "{script}");
}

#[test]
fn public_bucket_is_read_without_credentials() {
    let server = S3Server::anonymous(FaultPlan::default());
    write_input(&server.bucket("music"));
    let unsigned = ["--no-sign-request"];
    run_sparkify(&server, &concat_args(&RUN_ARGS, &unsigned)).assert_success();
    let script = run_sparkify(&server, &concat_args(&QUERY_ARGS, &unsigned));
    let script = script.assert_success().stdout;
    assert!(script.contains("PROVIDER config,"), "{script}");
    assert!(!script.contains("LOAD aws"), "{script}");
}
