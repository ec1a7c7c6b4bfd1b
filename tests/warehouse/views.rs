//! The views for analysts: their rows, worked out by hand and by another calendar, and their life beside the tables.

use std::fs;
use std::path::Path;

use ::postgres::{Client, SimpleQueryMessage};
use chrono::{Datelike, NaiveDate, Weekday};
use testkit::cli::command::sparkify;
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::on_both_warehouses;
use crate::support::test_warehouse::TestWarehouse;
use crate::upgrade::{assert_upgraded, old_warehouse};

on_both_warehouses! {
    levels_of_users_over_time
    sessions_of_users
    calendar_has_every_day
    plays_have_an_unknown_member
    views_of_no_plays_are_empty
    views_are_created_and_replaced
    loads_and_full_refreshes_go_on
    upgrades_go_on
    drop_includes_the_views
    views_of_other_programs_are_kept
}

const VIEWS: [&str; 4] = ["user_level_history", "sessions", "calendar", "plays"];

/// Two users and eight plays over a new year and a leap day:
///
/// | play | time (UTC)       | user | level | song | session |
/// |------|------------------|------|-------|------|---------|
/// | 1    | 2018-12-30 23:50 | 1    | free  | S1   | 10      |
/// | 2    | 2018-12-31 00:10 | 1    | free  |      | 10      |
/// | 3    | 2018-12-31 09:00 | 1    | paid  | S2   | 11      |
/// | 4    | 2018-12-31 09:00 | 1    | free  | S2   | 12      |
/// | 5    | 2019-01-03 09:00 | 1    | free  |      | 12      |
/// | 7    | 2020-02-28 10:00 | 2    | free  | S1   | 10      |
/// | 6    | 2020-02-28 10:00 | 2    | paid  | S1   | 10      |
/// | 8    | 2020-03-01 00:00 | 2    | paid  |      | 13      |
const PLAYS_SQL: &str = "
INSERT INTO artists (artist_id, name) VALUES ('A1', 'One'), ('A2', 'Two');
INSERT INTO songs (song_id, title, artist_id, year, duration)
VALUES ('S1', 'First', 'A1', 1999, 1), ('S2', 'Second', 'A2', 0, 2);
INSERT INTO users (user_id, first_name, level) VALUES (1, 'Ada', 'paid'), (2, 'Bob', 'paid');
INSERT INTO time (start_time, hour, day, week, month, year, weekday) VALUES
    ('2018-12-30 23:50', 23, 30, 52, 12, 2018, 0), ('2018-12-31 00:10', 0, 31, 1, 12, 2018, 1),
    ('2018-12-31 09:00', 9, 31, 1, 12, 2018, 1), ('2019-01-03 09:00', 9, 3, 1, 1, 2019, 4),
    ('2020-02-28 10:00', 10, 28, 9, 2, 2020, 5), ('2020-03-01 00:00', 0, 1, 9, 3, 2020, 0);
INSERT INTO songplays (songplay_id, start_time, user_id, level, song_id, artist_id, session_id)
VALUES
    (1, '2018-12-30 23:50', 1, 'free', 'S1', 'A1', 10), (2, '2018-12-31 00:10', 1, 'free', NULL, NULL, 10),
    (3, '2018-12-31 09:00', 1, 'paid', 'S2', 'A2', 11), (4, '2018-12-31 09:00', 1, 'free', 'S2', 'A2', 12),
    (5, '2019-01-03 09:00', 1, 'free', NULL, NULL, 12), (7, '2020-02-28 10:00', 2, 'free', 'S1', 'A1', 10),
    (6, '2020-02-28 10:00', 2, 'paid', 'S1', 'A1', 10), (8, '2020-03-01 00:00', 2, 'paid', NULL, NULL, 13);
";

fn create_views(warehouse: &TestWarehouse) {
    let output = warehouse.run_command(&["create-tables", "--quiet", "--views"]);
    output.assert_success();
}

fn warehouse_with_views(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    create_views(&warehouse);
    warehouse
}

fn warehouse_with_plays(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = warehouse_with_views(kind);
    warehouse.admin_client().batch_execute(PLAYS_SQL).unwrap();
    warehouse
}

/// Returns the rows of a query, which the warehouse itself runs, with `-` for null.
fn rows(warehouse: &TestWarehouse, sql: &str) -> Vec<String> {
    rows_of(&mut warehouse.database().connect(), sql)
}

fn rows_of(client: &mut Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).unwrap();
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            let fields = (0..row.len()).map(|column| row.get(column).unwrap_or("-"));
            Some(fields.collect::<Vec<_>>().join(","))
        }
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

/// Returns the names of the existing views.
fn existing_views(warehouse: &TestWarehouse) -> Vec<String> {
    let query = "SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace ORDER BY 1";
    rows_of(&mut warehouse.admin_client(), query)
}

fn all_views() -> Vec<String> {
    let mut names = VIEWS.map(str::to_owned).to_vec();
    names.sort_unstable();
    names
}

fn levels_of_users_over_time(kind: WarehouseKind) {
    let warehouse = warehouse_with_plays(kind);
    // Of plays at the same time, session 11 is before session 12, and play 6 before play 7.
    assert_eq!(
        rows(
            &warehouse,
            "SELECT * FROM user_level_history ORDER BY user_id, valid_from, valid_to"
        ),
        [
            "1,free,2018-12-30 23:50:00,2018-12-31 09:00:00,f,2",
            "1,paid,2018-12-31 09:00:00,2018-12-31 09:00:00,f,1",
            "1,free,2018-12-31 09:00:00,-,t,2",
            "2,paid,2020-02-28 10:00:00,2020-02-28 10:00:00,f,1",
            "2,free,2020-02-28 10:00:00,2020-03-01 00:00:00,f,1",
            "2,paid,2020-03-01 00:00:00,-,t,1",
        ]
    );
}

fn sessions_of_users(kind: WarehouseKind) {
    let warehouse = warehouse_with_plays(kind);
    // Both users have a session 10. That of user 1 lasts over midnight, and that of user 2 ends with play 7.
    assert_eq!(
        rows(
            &warehouse,
            "SELECT * FROM sessions ORDER BY user_id, session_id"
        ),
        [
            "10,1,2018-12-30 23:50:00,2018-12-31 00:10:00,2,1,free",
            "11,1,2018-12-31 09:00:00,2018-12-31 09:00:00,1,1,paid",
            "12,1,2018-12-31 09:00:00,2019-01-03 09:00:00,2,1,free",
            "10,2,2020-02-28 10:00:00,2020-02-28 10:00:00,2,1,free",
            "13,2,2020-03-01 00:00:00,2020-03-01 00:00:00,1,0,paid",
        ]
    );
}

/// Returns the row of a day in the calendar.
fn calendar_row(day: NaiveDate) -> String {
    let week = day.iso_week();
    let weekday = day.weekday();
    let is_weekend = matches!(weekday, Weekday::Sat | Weekday::Sun);
    [
        day.to_string(),
        day.year().to_string(),
        week.year().to_string(),
        week.week().to_string(),
        ((day.month0() / 3) + 1).to_string(),
        day.month().to_string(),
        day.format("%B").to_string(),
        day.day().to_string(),
        weekday.num_days_from_sunday().to_string(),
        day.format("%A").to_string(),
        if is_weekend { "t" } else { "f" }.to_owned(),
    ]
    .join(",")
}

fn calendar_has_every_day(kind: WarehouseKind) {
    let warehouse = warehouse_with_plays(kind);
    let days = |from: &str, to: &str| {
        let [from, to] = [from, to].map(|day| day.parse::<NaiveDate>().unwrap());
        let days = from.iter_days().take_while(move |day| *day <= to);
        days.map(calendar_row).collect::<Vec<_>>()
    };
    let calendar = rows(&warehouse, "SELECT * FROM calendar ORDER BY date");
    assert_eq!(calendar, days("2018-12-30", "2020-03-01"));
    for row in [
        "2018-12-31,2018,2019,1,4,12,December,31,1,Monday,f",
        "2020-02-29,2020,2020,9,1,2,February,29,6,Saturday,t",
    ] {
        assert!(calendar.contains(&row.to_owned()), "{row}");
    }
    // The weeks of every other kind of year: 53 weeks, January 1 in the week of the last year, a century.
    let mut client = warehouse.admin_client();
    let first = "INSERT INTO time VALUES ('1899-12-25', 0, 25, 52, 12, 1899, 1);
         UPDATE songplays SET start_time = '1899-12-25' WHERE songplay_id = 1";
    client.batch_execute(first).unwrap();
    let calendar = rows(&warehouse, "SELECT * FROM calendar ORDER BY date");
    assert_eq!(calendar, days("1899-12-25", "2020-03-01"));
    // One day.
    let one = "DELETE FROM songplays WHERE songplay_id <> 8";
    client.batch_execute(one).unwrap();
    let calendar = rows(&warehouse, "SELECT * FROM calendar");
    assert_eq!(calendar, days("2020-03-01", "2020-03-01"));
}

fn plays_have_an_unknown_member(kind: WarehouseKind) {
    let warehouse = warehouse_with_plays(kind);
    let query = "SELECT songplay_id, first_name, level, current_level, song_id, title, song_year,
             artist_id, artist FROM plays ORDER BY songplay_id";
    assert_eq!(
        rows(&warehouse, query),
        [
            "1,Ada,free,paid,S1,First,1999,A1,One",
            "2,Ada,free,paid,unknown,Unknown,-,unknown,Unknown",
            "3,Ada,paid,paid,S2,Second,0,A2,Two",
            "4,Ada,free,paid,S2,Second,0,A2,Two",
            "5,Ada,free,paid,unknown,Unknown,-,unknown,Unknown",
            "6,Bob,paid,paid,S1,First,1999,A1,One",
            "7,Bob,free,paid,S1,First,1999,A1,One",
            "8,Bob,paid,paid,unknown,Unknown,-,unknown,Unknown",
        ]
    );
}

fn views_of_no_plays_are_empty(kind: WarehouseKind) {
    let warehouse = warehouse_with_views(kind);
    for view in VIEWS {
        assert_eq!(rows(&warehouse, &format!("SELECT * FROM {view}")), [""; 0]);
    }
}

fn views_are_created_and_replaced(kind: WarehouseKind) {
    let warehouse = TestWarehouse::without_tables(kind);
    let created = warehouse.run_command(&["create-tables", "--views"]);
    assert_eq!(created.code, Some(0), "{created:?}");
    assert!(
        created.stderr.starts_with("created 10 tables in "),
        "{created:?}"
    );
    assert!(
        created.stderr.ends_with("\ncreated 4 views\n"),
        "{created:?}"
    );
    assert_eq!(existing_views(&warehouse), all_views());
    // The rows of the tables stay when the views are replaced.
    warehouse.admin_client().batch_execute(PLAYS_SQL).unwrap();
    let replaced = warehouse.run_command(&["create-tables", "--views", "--quiet", "--json"]);
    let replaced = replaced.assert_success().json();
    assert_eq!(
        (&replaced["created"], &replaced["views"]),
        (&0.into(), &4.into())
    );
    assert_eq!(rows(&warehouse, "SELECT COUNT(*) FROM plays"), ["8"]);
    // The comments of the scripts, by which views are recognized, list the columns; so do the documents.
    for view in VIEWS {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = fs::read_to_string(root.join(format!("sql/analytics/views/{view}.sql")));
        let script = script.unwrap();
        let document = fs::read_to_string(root.join("docs/views.md")).unwrap();
        let section = document.split_once(&format!("## {view}\n")).unwrap().1;
        let section = section.split("\n## ").next().unwrap();
        let query = format!(
            "SELECT attname FROM pg_attribute WHERE attrelid = '{view}'::regclass AND attnum > 0 ORDER BY attnum"
        );
        let columns = rows_of(&mut warehouse.admin_client(), &query);
        let listed = script.lines().skip_while(|line| *line != "--").skip(1);
        let listed = listed.take_while(|line| *line != "--");
        let listed: Vec<_> = listed.map(|line| line.split(' ').nth(1).unwrap()).collect();
        assert_eq!(listed, columns);
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        let rows: Vec<_> = rows.map(|line| line.split('`').next().unwrap()).collect();
        assert_eq!(rows, columns, "{view}");
    }
}

fn loads_and_full_refreshes_go_on(kind: WarehouseKind) {
    let warehouse = warehouse_with_views(kind);
    warehouse.generate_input(
        "data",
        &["--events", "300", "--songs", "20", "--users", "5"],
    );
    warehouse.build_dataset("data/song_data", "data/log_data", "dataset");
    warehouse.load_dataset("dataset").assert_success();
    let plays = rows(&warehouse, "SELECT COUNT(*) FROM songplays");
    for view in VIEWS {
        let count = rows(&warehouse, &format!("SELECT COUNT(*) FROM {view}"));
        assert_ne!(count, ["0"], "{view}");
    }
    let from = warehouse.out_location("dataset");
    let refresh = ["load", "--quiet", "--full-refresh", "--from", &from];
    warehouse.run_command(&refresh).assert_success();
    assert_eq!(rows(&warehouse, "SELECT COUNT(*) FROM plays"), plays);
    for view in ["user_level_history", "sessions"] {
        let sum = rows(&warehouse, &format!("SELECT SUM(plays) FROM {view}"));
        assert_eq!(sum, plays, "{view}");
    }
}

fn upgrades_go_on(kind: WarehouseKind) {
    for version in ["0.1.0", "ledger"] {
        let warehouse = old_warehouse(kind, version);
        let mut client = warehouse.database().connect();
        for view in VIEWS {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let script = root.join(format!("sql/analytics/views/{view}.sql"));
            let script = fs::read_to_string(script).unwrap();
            client.batch_execute(&script).unwrap();
        }
        let plays = rows(&warehouse, "SELECT COUNT(*) FROM plays");
        let upgrade = ["create-tables", "--upgrade", "--quiet", "--json"];
        let upgraded = warehouse.run_command(&upgrade).assert_success().json();
        assert_eq!(upgraded["views"], 0);
        assert_upgraded(&warehouse, kind);
        assert_eq!(rows(&warehouse, "SELECT COUNT(*) FROM plays"), plays);
    }
    // The views are created in the transaction of the upgrade.
    let warehouse = old_warehouse(kind, "0.1.0");
    let upgrade = ["create-tables", "--upgrade", "--views", "--quiet", "--json"];
    let upgraded = warehouse.run_command(&upgrade).assert_success().json();
    assert_eq!(upgraded["views"], 4);
    assert_eq!(existing_views(&warehouse), all_views());
}

fn drop_includes_the_views(kind: WarehouseKind) {
    let warehouse = warehouse_with_views(kind);
    let drop = ["create-tables", "--drop", "--yes"];
    let dropped = warehouse.run_command(&drop);
    let line = "\ndropped 4 views, which --views creates again\n";
    assert!(dropped.stderr.ends_with(line), "{dropped:?}");
    assert_eq!(dropped.code, Some(0));
    assert_eq!(existing_views(&warehouse), [""; 0]);
    create_views(&warehouse);
    let again = [&drop[..], &["--views", "--quiet", "--json"]].concat();
    let again = warehouse.run_command(&again).assert_success().json();
    assert_eq!(
        (&again["views"], &again["dropped_views"]),
        (&4.into(), &4.into())
    );
    assert_eq!(existing_views(&warehouse), all_views());
}

/// The columns tell whether a view is one of sparkify.
fn views_of_other_programs_are_kept(kind: WarehouseKind) {
    let warehouse = TestWarehouse::new(kind);
    let other = "CREATE VIEW sessions AS SELECT 7 AS weight";
    warehouse.admin_client().batch_execute(other).unwrap();
    let words = [
        "view sessions has other columns",
        "another program",
        "leave out --views",
    ];
    warehouse
        .run_command(&["create-tables", "--views"])
        .assert_failure(1, &words);
    assert_eq!(existing_views(&warehouse), ["sessions"]);
    let drop = ["create-tables", "--drop", "--yes", "--quiet"];
    warehouse.run_command(&drop).assert_success();
    assert_eq!(rows(&warehouse, "SELECT weight FROM sessions"), ["7"]);
    // A table has the name of a view.
    let table = "DROP VIEW sessions; CREATE TABLE plays (weight INT)";
    warehouse.admin_client().batch_execute(table).unwrap();
    warehouse
        .run_command(&["create-tables", "--views"])
        .assert_failure(1, &["cannot create tables in", "\"plays\" is not a view"]);
    assert_eq!(existing_views(&warehouse), [""; 0]);
}

#[test]
fn dry_run_prints_the_views() {
    for url in [
        "postgres://etl@localhost/music",
        "redshift://etl@localhost/music",
    ] {
        let script = |more: &[&str]| {
            let arguments = ["create-tables", "--dry-run", "--warehouse", url];
            let output = CommandOutput::run(sparkify().args([&arguments, more].concat()));
            output.assert_success().stdout
        };
        assert!(!script(&[]).contains(" VIEW "));
        for more in [&["--views"][..], &["--views", "--upgrade"]] {
            let sql = script(more);
            for view in VIEWS {
                let create = format!("\nCREATE OR REPLACE VIEW {view} AS\n");
                assert_eq!(sql.matches(&create).count(), 1, "{sql}");
            }
            assert!(sql.ends_with("\nCOMMIT;\n"), "{sql}");
        }
        let drop = script(&["--drop"]);
        let (views, tables) = drop.split_once("DROP TABLE").unwrap();
        assert_eq!(views.matches("DROP VIEW IF EXISTS ").count(), VIEWS.len());
        assert!(!tables.contains(" VIEW "), "{drop}");
    }
}
