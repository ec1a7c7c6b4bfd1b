//! Song objects that are loaded are not read again.

use testkit::cli::output::CommandOutput;
use testkit::dir_contents::list_files;
use testkit::redshift_simulator::WarehouseKind;
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::test_warehouse::TestWarehouse;

/// A second run over 20,010 song objects in S3, of which 10 are new, reads 10 of them. The requests are counted by the
/// server.
#[test]
fn only_new_songs_of_a_large_prefix_are_read() {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    let s3 = S3Server::start();
    let bucket = s3.bucket("input");
    let folder = bucket.to_str().unwrap();
    warehouse.generate_input(
        folder,
        &["--songs", "20000", "--events", "100", "--files", "2"],
    );
    let run = || {
        let mut command = warehouse.warehouse_command(&[
            "run",
            "--quiet",
            "--json",
            "--songs",
            "s3://input/song_data",
            "--logs",
            "s3://input/log_data",
            "--out",
            "star",
        ]);
        let before = s3.request_count(&RequestMatcher::any());
        let gets_before = s3
            .requests(&RequestMatcher::operation(S3Operation::Get))
            .len();
        let output = CommandOutput::run(command.envs(s3.env_vars()));
        let report = output.assert_success().json();
        let gets = s3.requests(&RequestMatcher::operation(S3Operation::Get));
        let songs = gets[gets_before..]
            .iter()
            .filter(|get| get.key.starts_with("song_data/"))
            .count();
        let other = s3.request_count(&RequestMatcher::any()) - before - songs;
        (report, songs, other)
    };
    let (first, gets, other) = run();
    assert_eq!((&first["songs"]["objects"], gets), (&20_000.into(), 20_000));
    let more = warehouse.path("more");
    warehouse.generate_input(
        "more",
        &[
            "--songs", "10", "--events", "10", "--files", "1", "--seed", "9",
        ],
    );
    let added = bucket.join("song_data/added");
    std::fs::create_dir(&added).unwrap();
    let songs = more.join("song_data");
    for name in list_files(&songs) {
        let copy = added.join(name.replace('/', "-"));
        std::fs::copy(songs.join(name), copy).unwrap();
    }
    let (second, gets, other_again) = run();
    let songs = &second["songs"];
    assert_eq!((&songs["objects"], gets), (&10.into(), 10));
    assert_eq!(songs["already_loaded_objects"], 20_000);
    assert_eq!(second["load"]["tables"]["songs"]["rows"], 10);
    // The listing has a request for each thousand objects or each folder, and not for each object.
    assert!(
        other < 2000 && other_again < 2000,
        "{other} and {other_again}"
    );
}
