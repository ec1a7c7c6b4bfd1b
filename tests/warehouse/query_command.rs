//! `sparkify query`: output formats, usage errors and failures.

use testkit::cli::command::sparkify;
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::saved_queries::warehouse_with_plays;
use crate::support::test_warehouse::TestWarehouse;

const QUERY_NAMES: [&str; 12] = [
    "plays-by-hour",
    "plays-by-weekday",
    "plays-by-hour-and-weekday",
    "top-songs",
    "top-artists",
    "match-rate",
    "free-and-paid-by-day",
    "free-and-paid-by-month",
    "plays-by-location",
    "plays-by-browser",
    "plays-by-user-agent",
    "busiest-users",
];

/// Runs the binary without a configured warehouse.
fn query_without_warehouse(arguments: &[&str]) -> CommandOutput {
    CommandOutput::run(sparkify().arg("query").args(arguments))
}

#[test]
fn table_columns_are_aligned() {
    warehouse_with_plays()
        .run_command(&["query", "busiest-users", "--until", "2018-12-01"])
        .assert_snapshot("query/table.txt");
}

#[test]
fn json_rows_are_objects() {
    let output = warehouse_with_plays().run_command(&[
        "query",
        "free-and-paid-by-day",
        "--until",
        "2018-11-02",
        "--json",
    ]);
    let output = output.assert_success();
    let expected = serde_json::json!([
        {
            "day": "2018-10-31", "plays": 1, "free_plays": 1, "paid_plays": 0,
            "free_users": 1, "paid_users": 0, "paid_percent": 0.0,
        },
        {
            "day": "2018-11-01", "plays": 3, "free_plays": 1, "paid_plays": 2,
            "free_users": 1, "paid_users": 2, "paid_percent": 66.7,
        },
    ]);
    assert_eq!(output.json()["rows"], expected);
    // The keys have the order of the columns.
    assert!(output.stdout.find("\"day\"") < output.stdout.find("\"paid_percent\""));
}

#[test]
fn text_is_exact_in_csv_and_json_and_sanitized_in_table() {
    let warehouse = warehouse_with_plays();
    warehouse
        .admin_client()
        .batch_execute(
            "UPDATE songplays SET location = E'a, \"b\"\\r\\n\\x1b[31mred' WHERE songplay_id = 1;
             UPDATE songplays SET location = '' WHERE songplay_id = 2;
             UPDATE songplays SET location = ' 東京' WHERE songplay_id = 3;
             DELETE FROM songplays WHERE songplay_id IN (4, 6, 7, 8, 9)",
        )
        .unwrap();
    let ask = |form: &[&str]| {
        let output = warehouse.run_command(&[&["query", "plays-by-location"], form].concat());
        assert_eq!(output.code, Some(0), "{output:?}");
        output
    };
    assert_eq!(
        ask(&["--csv"]).stdout,
        "location,plays,users\r\n\"\",1,1\r\n 東京,1,1\r\n\"a, \"\"b\"\"\r\n\x1b[31mred\",1,1\r\n,1,1\r\n"
    );
    let json = ask(&["--json"]).json();
    let locations: Vec<_> = json["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["location"])
        .collect();
    let expected = serde_json::json!(["", " 東京", "a, \"b\"\r\n\u{1b}[31mred", null]);
    assert_eq!(serde_json::json!(locations), expected);
    let mark = '\u{fffd}';
    let lines = [
        "location              plays  users",
        "                          1      1",
        " 東京                     1      1",
        &format!("a, \"b\"{mark}{mark}{mark}[31mred      1      1"),
        "                          1      1",
        "",
        "4 of 4 plays in the range are considered (100%)",
    ];
    let table = ask(&[]).stdout;
    let spaces = |text: &str| {
        text.split(' ')
            .filter(|w| !w.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(spaces(&table), spaces(&(lines.join("\n") + "\n")));
    assert!(
        !table.replace('\n', "").contains(char::is_control),
        "{table:?}"
    );
}

#[test]
fn empty_result_is_valid() {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    for name in QUERY_NAMES {
        let ask = |form: &[&str]| {
            let output = warehouse.run_command(&[&["query", name], form].concat());
            assert_eq!(output.code, Some(0), "{output:?}");
            output.stdout
        };
        let csv = ask(&["--csv"]);
        assert!(csv.ends_with("\r\n") && csv.lines().count() == 1, "{csv:?}");
        let json: serde_json::Value = serde_json::from_str(&ask(&["--json"])).unwrap();
        assert_eq!(json["rows"], serde_json::json!([]));
        let none = serde_json::json!({"considered": 0, "in_range": 0});
        assert_eq!(json["coverage"], none);
        let table = ask(&[]);
        let end = "\n(no rows)\n\n0 of 0 plays in the range are considered";
        assert!(table.contains(end), "{table:?}");
    }
}

#[test]
fn queries_are_listed_without_warehouse() {
    let list = query_without_warehouse(&[]).assert_success().stdout;
    assert_eq!(
        list,
        query_without_warehouse(&["--list"]).assert_success().stdout
    );
    let names = list.lines().skip(1).map(|l| l.split(' ').next().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), QUERY_NAMES);
    let json = query_without_warehouse(&["--list", "--json"])
        .assert_success()
        .json();
    assert_eq!(json["query_version"], 1);
    assert_eq!(json["queries"][0]["name"], "plays-by-hour");
}

#[test]
fn dry_run_prints_sql_without_connecting() {
    for name in QUERY_NAMES {
        let range = [
            "--since",
            "2018-11-15T10:00:00.5+01:00",
            "--until",
            "2018-11-16",
        ];
        let sql = query_without_warehouse(&[&[name, "--dry-run"], &range[..]].concat());
        let sql = sql.assert_success().stdout;
        assert!(sql.starts_with("SELECT\n") && sql.ends_with(";\n"), "{sql}");
        assert!(
            sql.contains("start_time >= CAST('2018-11-15 09:00:00.500' AS TIMESTAMP)"),
            "{sql}"
        );
        assert!(
            sql.contains("start_time < CAST('2018-11-16 00:00:00' AS TIMESTAMP)"),
            "{sql}"
        );
        let has_limit = sql.contains("\nLIMIT 10;");
        assert_eq!(has_limit, sql.contains("LIMIT"), "{sql}");
        let limited = query_without_warehouse(&[name, "--dry-run", "--limit", "3"]);
        match has_limit {
            true => assert!(limited.assert_success().stdout.contains("\nLIMIT 3;")),
            false => drop(limited.assert_failure(2, &[name, "has no limit"])),
        }
    }
}

#[test]
fn invalid_usage_is_rejected() {
    let range =
        |from, to| query_without_warehouse(&["plays-by-hour", "--since", from, "--until", to]);
    range("2018-11-15", "2018-11-15").assert_failure(2, &["--since", "--until"]);
    range("2018-11-15", "2018-11-15T00:30+01:00").assert_failure(2, &["2018-11-14 23:30:00"]);
    query_without_warehouse(&["plays-by-hour"]).assert_failure(2, &["no warehouse is named"]);
    for arguments in [
        &["plays-by-minute"][..],
        &["plays-by-hour", "--since", "yesterday"],
        &["top-songs", "--limit", "0"],
        &["top-songs", "--csv", "--json"],
        &["top-songs", "--list"],
        &["--since", "2018-11-15"],
        &["--tz", "UTC"],
        &["--from", "out"],
    ] {
        let output = query_without_warehouse(arguments);
        assert!(
            output.code == Some(2) && output.stdout.is_empty(),
            "{output:?}"
        );
    }
    let unknown = query_without_warehouse(&["plays-by-minute"]).stderr;
    assert!(unknown.contains("plays-by-hour"), "{unknown}");
}

#[test]
fn failure_prints_one_line() {
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
    for form in [&[][..], &["--csv"], &["--json"]] {
        let output = warehouse.run_command(&[&["query", "plays-by-hour"], form].concat());
        match form {
            ["--json"] => {
                let document = output.json();
                assert_eq!(document["query_version"], 1);
                assert_eq!(document["status"], "failed");
                let error = document["error"].as_str().unwrap();
                assert!(output.stderr.contains(error), "{output:?}");
            }
            _ => assert_eq!(output.stdout, ""),
        }
        output.assert_failure(
            1,
            &["cannot query", &warehouse.database().name, "create-tables"],
        );
    }
}

#[test]
fn usage_errors_are_documents_too() {
    let output = query_without_warehouse(&["plays-by-hour", "--limit", "3", "--json"]);
    let document = output.json();
    assert_eq!(document["status"], "failed");
    assert_eq!(
        document["error"],
        "--limit has no effect: plays-by-hour has no limit"
    );
    output.assert_failure(2, &["--limit has no effect"]);
}

#[test]
fn every_form_has_the_coverage() {
    let warehouse = warehouse_with_plays();
    let november = ["--since", "2018-11-01", "--until", "2018-12-01"];
    let ask = |name: &str, form: &[&str]| {
        warehouse.run_command(&[&["query", name], form, &november].concat())
    };
    let line = "4 of 7 plays in the range are considered (57.14%); plays without a known song are left out";
    let table = ask("top-songs", &[]).assert_success().stdout;
    assert!(table.ends_with(&format!("\n\n{line}\n")), "{table}");
    let csv = ask("top-songs", &["--csv"]);
    assert_eq!(csv.stderr, format!("{line}\n"));
    assert!(!csv.stdout.contains("considered"), "{csv:?}");
    let mut json = ask("top-songs", &["--json"]).assert_success().json();
    json.as_object_mut().unwrap().remove("rows");
    let expected = serde_json::json!({
        "query_version": 1, "status": "ok", "query": "top-songs",
        "since": "2018-11-01T00:00:00Z", "until": "2018-12-01T00:00:00Z", "tz": "UTC",
        "coverage": {"considered": 4, "in_range": 7},
    });
    assert_eq!(json, expected);
    let all = ask("match-rate", &[]).assert_success().stdout;
    let line = "\n\n7 of 7 plays in the range are considered (100%)\n";
    assert!(all.ends_with(line), "{all}");
}

/// The rows of a query without a limit are about exactly the plays that it says it considers.
#[test]
fn coverage_is_the_sum_of_the_plays() {
    let warehouse = warehouse_with_plays();
    for name in QUERY_NAMES {
        let json = warehouse.run_command(&["query", name, "--json"]);
        let json = json.assert_success().json();
        let rows = json["rows"].as_array().unwrap();
        let plays = |row: &serde_json::Value| -> u64 {
            let columns = row.as_object().unwrap();
            match columns.get("plays") {
                Some(plays) => plays.as_u64().unwrap(),
                // The days of the week.
                None => {
                    let days = columns.iter().filter(|(name, _)| name.ends_with("day"));
                    days.map(|(_, plays)| plays.as_u64().unwrap()).sum()
                }
            }
        };
        let considered = rows.iter().map(plays).sum::<u64>();
        assert_eq!(json["coverage"]["considered"], considered, "{name}");
        assert_eq!(json["coverage"]["in_range"], 9, "{name}");
    }
}
