//! Every saved query on a few plays, with results that were computed by hand.

use testkit::redshift_simulator::WarehouseKind;

use crate::support::test_warehouse::TestWarehouse;

/// Four users, three songs of two artists, and nine plays, four of which have a song:
///
/// | play | time (UTC)           | user | level | song | session | from   | with    |
/// |------|----------------------|------|-------|------|---------|--------|---------|
/// | 1    | Thu 2018-11-01 00:00 | 1    | free  | S1   | 10      | Here   | Firefox |
/// | 2    | Thu 2018-11-01 00:30 | 2    | paid  |      | 20      | There  | Chrome  |
/// | 3    | Thu 2018-11-01 23:59 | 1    | paid  | S1   | 11      | Here   | Firefox |
/// | 4    | Fri 2018-11-02 09:00 | 2    | paid  | S2   | 21      | There  | Chrome  |
/// | 5    | Thu 2018-11-08 00:15 | 3    | free  | S3   | 30      | none   | none    |
/// | 6    | Thu 2018-11-08 09:00 | 3    | free  |      | 30      | Here   | Safari  |
/// | 7    | Sun 2018-11-11 09:00 | 2    | paid  |      | 22      | There  | Edge    |
/// | 8    | Sat 2018-12-01 00:00 | 4    | free  |      | 40      | There  | Firefox |
/// | 9    | Wed 2018-10-31 23:59 | 4    | free  |      | 41      | There  | curl    |
const PLAYS_SQL: &str = "
INSERT INTO artists (artist_id, name) VALUES ('A1', 'One'), ('A2', 'Two');
INSERT INTO songs (song_id, title, artist_id, duration)
VALUES ('S1', 'First', 'A1', 1), ('S2', 'Second', 'A2', 2), ('S3', 'Third', 'A2', 3);
INSERT INTO users (user_id, first_name, last_name, gender, level) VALUES
    (1, 'Ada', 'A', 'F', 'paid'), (2, 'Bob', NULL, NULL, 'free'), (3, NULL, 'C', 'F', 'free'),
    (4, 'Dan', 'D', 'M', 'free');
INSERT INTO time (start_time, hour, day, week, month, year, weekday) VALUES
    ('2018-11-01 00:00', 0, 1, 44, 11, 2018, 4), ('2018-11-01 00:30', 0, 1, 44, 11, 2018, 4),
    ('2018-11-01 23:59', 23, 1, 44, 11, 2018, 4), ('2018-11-02 09:00', 9, 2, 44, 11, 2018, 5),
    ('2018-11-08 00:15', 0, 8, 45, 11, 2018, 4), ('2018-11-08 09:00', 9, 8, 45, 11, 2018, 4),
    ('2018-11-11 09:00', 9, 11, 45, 11, 2018, 0), ('2018-12-01 00:00', 0, 1, 48, 12, 2018, 6),
    ('2018-10-31 23:59', 23, 31, 44, 10, 2018, 3);
INSERT INTO songplays (
    songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, user_agent
) VALUES
    (1, '2018-11-01 00:00', 1, 'free', 'S1', 'A1', 10, 'Here', 'Gecko/1 Firefox/31.0'),
    (2, '2018-11-01 00:30', 2, 'paid', NULL, NULL, 20, 'There', 'Chrome/36 Safari/537'),
    (3, '2018-11-01 23:59', 1, 'paid', 'S1', 'A1', 11, 'Here', 'Gecko/1 Firefox/31.0'),
    (4, '2018-11-02 09:00', 2, 'paid', 'S2', 'A2', 21, 'There', 'Chrome/37 Safari/537'),
    (5, '2018-11-08 00:15', 3, 'free', 'S3', 'A2', 30, NULL, NULL),
    (6, '2018-11-08 09:00', 3, 'free', NULL, NULL, 30, 'Here', 'Version/7 Safari/9537'),
    (7, '2018-11-11 09:00', 2, 'paid', NULL, NULL, 22, 'There', 'Chrome/99 Safari/537 Edg/99'),
    (8, '2018-12-01 00:00', 4, 'free', NULL, NULL, 40, 'There', 'Gecko/1 Firefox/31.0'),
    (9, '2018-10-31 23:59', 4, 'free', NULL, NULL, 41, 'There', 'curl/7');
";

/// Returns a warehouse with these plays.
pub fn warehouse_with_plays() -> TestWarehouse {
    warehouse_of_kind_with_plays(WarehouseKind::Postgres)
}

/// Returns a warehouse of a kind with these plays.
pub fn warehouse_of_kind_with_plays(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    warehouse.admin_client().batch_execute(PLAYS_SQL).unwrap();
    warehouse
}

/// Returns the result of a query about November (plays 1 to 7) as CSV.
fn query_november(warehouse: &TestWarehouse, query_args: &[&str]) -> String {
    let range = ["--since", "2018-11-01", "--until", "2018-12-01", "--csv"];
    let output = warehouse.run_command(&[&["query"], query_args, &range].concat());
    // How many plays the query considers is on stderr.
    assert_eq!((output.code, output.stderr.lines().count()), (Some(0), 1));
    output.stdout.replace("\r\n", "\n")
}

#[test]
fn queries_by_time() {
    let warehouse = warehouse_with_plays();
    assert_eq!(
        query_november(&warehouse, &["plays-by-hour"]),
        "hour,plays,users\n0,3,3\n9,3,2\n23,1,1\n"
    );
    // Two Thursdays with five plays in total.
    assert_eq!(
        query_november(&warehouse, &["plays-by-weekday"]),
        "weekday,name,plays,days,plays_per_day\n\
         0,Sunday,1,1,1.0\n4,Thursday,5,2,2.5\n5,Friday,1,1,1.0\n"
    );
    assert_eq!(
        query_november(&warehouse, &["plays-by-hour-and-weekday"]),
        "hour,sunday,monday,tuesday,wednesday,thursday,friday,saturday\n\
         0,0,0,0,0,3,0,0\n9,1,0,0,0,1,1,0\n23,0,0,0,0,1,0,0\n"
    );
}

#[test]
fn queries_by_song_and_artist() {
    let warehouse = warehouse_with_plays();
    // S2 and S3 tie, and so do their users.
    assert_eq!(
        query_november(&warehouse, &["top-songs"]),
        "song_id,title,artist,plays,users\n\
         S1,First,One,2,1\nS2,Second,Two,1,1\nS3,Third,Two,1,1\n"
    );
    // The same number of plays, but by two users.
    assert_eq!(
        query_november(&warehouse, &["top-artists"]),
        "artist_id,name,plays,songs,users\nA2,Two,2,2,2\nA1,One,2,1,1\n"
    );
    // 4 of 7 plays.
    assert_eq!(
        query_november(&warehouse, &["match-rate"]),
        "month,plays,matched,matched_percent\n2018-11,7,4,57.14\n"
    );
    let first = query_november(&warehouse, &["top-songs", "--limit", "1"]);
    assert_eq!(
        first,
        "song_id,title,artist,plays,users\nS1,First,One,2,1\n"
    );
}

#[test]
fn queries_by_level() {
    let warehouse = warehouse_with_plays();
    // User 1 is a paid user from the evening of November 1 on, and counts in both columns on that day.
    assert_eq!(
        query_november(&warehouse, &["free-and-paid-by-day"]),
        "day,plays,free_plays,paid_plays,free_users,paid_users,paid_percent\n\
         2018-11-01,3,1,2,1,2,66.7\n2018-11-02,1,0,1,0,1,100.0\n\
         2018-11-08,2,2,0,1,0,0.0\n2018-11-11,1,0,1,0,1,100.0\n"
    );
    assert_eq!(
        query_november(&warehouse, &["free-and-paid-by-month"]),
        "month,plays,free_plays,paid_plays,free_users,paid_users,paid_percent\n\
         2018-11,7,3,4,2,2,57.1\n"
    );
}

#[test]
fn queries_by_listener() {
    let warehouse = warehouse_with_plays();
    // Ties in plays and users are ordered by name, with null last.
    assert_eq!(
        query_november(&warehouse, &["plays-by-location"]),
        "location,plays,users\nHere,3,2\nThere,3,1\n,1,1\n"
    );
    assert_eq!(
        query_november(&warehouse, &["plays-by-user-agent"]),
        "user_agent,plays,users\nGecko/1 Firefox/31.0,2,1\nChrome/36 Safari/537,1,1\n\
         Chrome/37 Safari/537,1,1\nChrome/99 Safari/537 Edg/99,1,1\nVersion/7 Safari/9537,1,1\n,1,1\n"
    );
    assert_eq!(
        query_november(&warehouse, &["plays-by-browser"]),
        "browser,plays,users,user_agents\n\
         Chrome,2,1,2\nFirefox,2,1,1\nEdge,1,1,1\nSafari,1,1,1\n,1,1,0\n"
    );
    // `level` is the current level, `paid_plays` counts by the level at the time of the play.
    assert_eq!(
        query_november(&warehouse, &["busiest-users"]),
        "user_id,first_name,last_name,level,plays,paid_plays,sessions,days\n\
         2,Bob,,free,3,3,3,3\n1,Ada,A,paid,2,1,2,1\n3,,C,free,2,0,1,1\n"
    );
}

#[test]
fn time_range_is_half_open() {
    let warehouse = warehouse_with_plays();
    let plays = |range: &[&str]| {
        let output = warehouse.run_command(&[&["query", "match-rate", "--json"], range].concat());
        let months = output.assert_success().json();
        let months = months["rows"].as_array().unwrap().iter();
        months.map(|m| m["plays"].as_i64().unwrap()).sum::<i64>()
    };
    assert_eq!(plays(&[]), 9);
    assert_eq!(plays(&["--since", "2018-11-01"]), 8);
    assert_eq!(plays(&["--until", "2018-12-01"]), 8);
    assert_eq!(plays(&["--until", "2018-12-01T00:00:00.001"]), 9);
    assert_eq!(plays(&["--since", "2018-11-01T00:00:00.001"]), 7);
    // Only play 9, with a time range from another time zone.
    let one = [
        "--since",
        "2018-11-01T00:59+01:00",
        "--until",
        "2018-11-01T01:00+01:00",
    ];
    assert_eq!(plays(&one), 1);
}
