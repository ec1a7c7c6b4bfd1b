//! `sparkify query --tz`: hours, days and months of a time zone, with results that were computed by hand.

use std::process::Command;

use testkit::cli::command::sparkify;
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::saved_queries::{warehouse_of_kind_with_plays, warehouse_with_plays};
use crate::support::test_warehouse::TestWarehouse;

/// Returns the rows of a query in a time zone as CSV without the header.
fn rows_in_zone(warehouse: &TestWarehouse, query: &str, zone: &str, range: &[&str]) -> String {
    let arguments = ["query", query, "--tz", zone, "--csv"];
    let output = warehouse.run_command(&[&arguments, range].concat());
    assert_eq!(output.code, Some(0), "{output:?}");
    let rows = output.stdout.replace("\r\n", "\n");
    rows.split_once('\n').unwrap().1.to_owned()
}

#[test]
fn hours_and_days_are_those_of_the_time_zone() {
    for kind in [WarehouseKind::Postgres, WarehouseKind::Redshift] {
        let warehouse = warehouse_of_kind_with_plays(kind);
        let rows = |query, zone| rows_in_zone(&warehouse, query, zone, &[]);
        // 5:45 hours before UTC.
        assert_eq!(
            rows("plays-by-hour", "Asia/Kathmandu"),
            "5,4,2\n6,2,2\n14,3,2\n"
        );
        // 13 hours before UTC in November.
        assert_eq!(
            rows("plays-by-weekday", "Pacific/Auckland"),
            "0,Sunday,1,1,1.0\n4,Thursday,5,2,2.5\n5,Friday,2,1,2.0\n6,Saturday,1,1,1.0\n"
        );
        assert_eq!(
            rows("plays-by-hour-and-weekday", "Pacific/Auckland"),
            "12,0,0,0,0,1,1,0\n13,0,0,0,0,3,0,1\n22,1,0,0,0,1,1,0\n"
        );
        // Four hours after UTC, and five from November 4 on: two plays of November 1 are still in October.
        assert_eq!(
            rows("match-rate", "America/New_York"),
            "2018-10,3,1,33.33\n2018-11,6,3,50.00\n"
        );
        assert_eq!(
            rows("free-and-paid-by-month", "America/New_York"),
            "2018-10,3,2,1,2,1,33.3\n2018-11,6,3,3,2,2,50.0\n"
        );
        // In UTC the plays of user 1 are on one day, in Berlin on two.
        let users = rows("busiest-users", "Europe/Berlin");
        assert!(users.contains("1,Ada,A,paid,2,1,2,2\n"), "{users}");
    }
}

#[test]
fn bounds_without_an_offset_are_in_the_time_zone() {
    let warehouse = warehouse_with_plays();
    let range = ["--since", "2018-11-01", "--until", "2018-11-03"];
    assert_eq!(
        rows_in_zone(&warehouse, "free-and-paid-by-day", "Europe/Berlin", &range),
        "2018-11-01,3,2,1,2,1,33.3\n2018-11-02,2,0,2,0,2,100.0\n"
    );
    let json = |arguments: &[&str]| {
        let arguments = [&["query", "top-songs", "--json"], arguments].concat();
        warehouse.run_command(&arguments).assert_success().json()
    };
    let berlin = json(&[&["--tz", "Europe/Berlin"], &range[..]].concat());
    assert_eq!(berlin["tz"], "Europe/Berlin");
    assert_eq!(berlin["since"], "2018-10-31T23:00:00Z");
    assert_eq!(berlin["until"], "2018-11-02T23:00:00Z");
    assert_eq!(berlin["coverage"]["in_range"], 5);
    assert_eq!(json(&range)["coverage"]["in_range"], 4);
}

/// Clocks in Berlin were set forward at 2018-03-25 01:00 UTC, and back at 2018-10-28 01:00 UTC.
#[test]
fn summer_time_is_applied_to_each_play() {
    for kind in [WarehouseKind::Postgres, WarehouseKind::Redshift] {
        let warehouse = warehouse_of_kind_with_plays(kind);
        let sql = "DELETE FROM songplays;
INSERT INTO time (start_time, hour, day, week, month, year, weekday) VALUES
    ('2018-03-25 00:59:59.999', 0, 25, 12, 3, 2018, 0), ('2018-03-25 01:00', 1, 25, 12, 3, 2018, 0),
    ('2018-10-28 00:30', 0, 28, 43, 10, 2018, 0), ('2018-10-28 01:30', 1, 28, 43, 10, 2018, 0);
INSERT INTO songplays (songplay_id, start_time, user_id, level, session_id) VALUES
    (1, '2018-03-25 00:59:59.999', 1, 'free', 1), (2, '2018-03-25 01:00', 1, 'free', 1),
    (3, '2018-10-28 00:30', 1, 'free', 2), (4, '2018-10-28 01:30', 1, 'free', 2)";
        warehouse.admin_client().batch_execute(sql).unwrap();
        assert_eq!(
            rows_in_zone(&warehouse, "plays-by-hour", "Europe/Berlin", &[]),
            "1,1,1\n2,2,1\n3,1,1\n"
        );
    }
}

/// The result does not depend on the time zone of the server or of this machine.
#[test]
fn time_zones_of_the_session_have_no_effect() {
    let warehouse = warehouse_with_plays();
    let expected = rows_in_zone(&warehouse, "plays-by-hour", "Asia/Kathmandu", &[]);
    let arguments = ["query", "plays-by-hour", "--tz", "Asia/Kathmandu", "--csv"];
    let mut command = warehouse.warehouse_command(&arguments);
    command.env("PGTZ", "America/New_York");
    command.env("TZ", "Pacific/Auckland");
    let rows = CommandOutput::run(&mut command).stdout;
    assert!(rows.replace("\r\n", "\n").ends_with(&expected), "{rows}");
}

#[test]
fn invalid_time_zones_are_usage_errors() {
    let query =
        |arguments: &[&str]| CommandOutput::run(sparkify().args([&["query"], arguments].concat()));
    let berlin = ["--tz", "Europe/Berlin", "--dry-run"];
    query(&["top-songs", "--tz", "Europe/Berlin"]).assert_failure(
        2,
        &["--tz has no effect: top-songs has no hours, days or months"],
    );
    let instant = ["--since", "2018-11-01T00:00Z", "--tz", "Europe/Berlin"];
    query(&[&["top-songs"], &instant[..]].concat()).assert_failure(2, &["--tz has no effect"]);
    let gap = ["plays-by-hour", "--since", "2018-03-25 02:30"];
    query(&[&gap, &berlin[..]].concat()).assert_failure(
        2,
        &["invalid --since: 2018-03-25 02:30:00 does not exist in Europe/Berlin"],
    );
    let fold = ["plays-by-hour", "--until", "2018-10-28 02:30"];
    query(&[&fold, &berlin[..]].concat())
        .assert_failure(2, &["invalid --until", "give the offset, +02:00 or +01:00"]);
    let sql = query(&[&fold[..2], &["2018-10-28 02:30+02:00"], &berlin[..]].concat());
    let sql = sql.assert_success().stdout;
    assert!(sql.contains("< CAST('2018-10-28 00:30:00' AS"), "{sql}");
    assert!(sql.contains("AT TIME ZONE 'Europe/Berlin'"), "{sql}");
    for (zone, message) in [
        ("CET", "name a place, such as Europe/Berlin"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("+01:00", "unknown time zone"),
    ] {
        let output = query(&["plays-by-hour", "--tz", zone]);
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
        assert!(output.stderr.contains(message), "{output:?}");
    }
}

/// The scripts are also run by psql, which inserts the parameters itself.
#[test]
fn psql_runs_the_scripts() {
    let warehouse = warehouse_with_plays();
    let usage_of = |name: &str| {
        let script = format!("{}/sql/analytics/{name}.sql", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(script).unwrap();
        let usage = text
            .lines()
            .find_map(|line| line.strip_prefix("-- Usage: "));
        usage.unwrap().to_owned()
    };
    let psql = |command: &str| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("{command} --csv -v ON_ERROR_STOP=1")])
            .envs(warehouse.database().psql_env())
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        CommandOutput::run(&mut shell).assert_success().stdout
    };
    let list = CommandOutput::run(sparkify().args(["query", "--list", "--json"])).json();
    for query in list["queries"].as_array().unwrap() {
        let name = query["name"].as_str().unwrap();
        let range = ["--since", "2018-11-01", "--until", "2018-12-01", "--csv"];
        let output = warehouse.run_command(&[&["query", name], &range[..]].concat());
        let expected = output.stdout.replace("\r\n", "\n");
        assert_eq!(psql(&usage_of(name)), expected, "{name}");
    }
    let berlin = usage_of("plays-by-hour").replace("tz=UTC", "tz=Europe/Berlin");
    assert_eq!(psql(&berlin), "hour,plays,users\n0,1,1\n1,3,3\n10,3,2\n");
}
