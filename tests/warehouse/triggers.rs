//! Triggers and rules that drop or change written rows: the load fails and names the table.

use testkit::redshift_simulator::WarehouseKind;

use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

const SONG: &str =
    r#"{"song_id":"S","artist_id":"A","title":"T","artist_name":"N","duration":1.5}"#;

fn event(user: u32, ts: u32, level: &str) -> String {
    format!(
        r#"{{"page":"NextSong","ts":{ts},"userId":{user},"sessionId":1,"itemInSession":1,"level":"{level}","location":"L","song":"T","artist":"N","length":1.5}}"#
    )
}

/// Returns a warehouse with the dataset `first` loaded, and a dataset `second` that adds rows to every table,
/// and contains a smaller delivery of an event, a later event of a user, and the song of an existing play.
fn warehouse_with_two_datasets(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    let other = SONG.replace("1.5", "2.5").replace("\"S\"", "\"O\"");
    warehouse.write_file("first/songs/a.json", &other);
    let events = [event(1, 1000, "paid"), event(2, 1000, "paid")];
    warehouse.write_file("first/logs/a.json", &events.join("\n"));
    let another = SONG.replace("\"A\"", "\"B\"").replace("\"S\"", "\"P\"");
    let songs = [SONG.to_owned(), another.replace("1.5", "3.5")];
    warehouse.write_file("second/songs/a.json", &songs.join("\n"));
    let events = [
        event(1, 1000, "free"),
        event(2, 2000, "free"),
        event(3, 3000, "paid"),
    ];
    warehouse.write_file("second/logs/a.json", &events.join("\n"));
    for name in ["first", "second"] {
        let data = |kind| format!("{name}/{kind}");
        warehouse.build_dataset(&data("songs"), &data("logs"), &format!("dataset-{name}"));
    }
    warehouse.load_dataset("dataset-first").assert_success();
    warehouse
}

/// Returns the SQL of a row trigger.
fn trigger_sql(table: &str, when: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
         CREATE TRIGGER meddle {when} ON {table} FOR EACH ROW EXECUTE FUNCTION meddle()"
    )
}

const DROP_TRIGGERS_SQL: &str = "DROP FUNCTION IF EXISTS meddle() CASCADE;
    DROP RULE IF EXISTS meddle ON songplays; DROP RULE IF EXISTS meddle ON users";

const DROP_ROW: &str = "RETURN NULL;";

#[test]
fn trigger_that_drops_or_changes_rows_fails_the_load() {
    let warehouse = warehouse_with_two_datasets(WarehouseKind::Postgres);
    let before = warehouse.warehouse_tables();
    let triggers = [
        ("songplays", "INSERT", DROP_ROW),
        ("songplays", "UPDATE", DROP_ROW),
        ("songplays", "INSERT", "NEW.location := 'l'; RETURN NEW;"),
        ("songplays", "INSERT", "NEW.location := NULL; RETURN NEW;"),
        (
            "songplays",
            "INSERT",
            "NEW.songplay_id := NEW.songplay_id # 1; RETURN NEW;",
        ),
        // A smaller delivery.
        ("songplays", "UPDATE", "NEW.level := OLD.level; RETURN NEW;"),
        // The song of an existing play.
        (
            "songplays",
            "UPDATE",
            "IF OLD.user_id = 2 THEN NEW.song_id := NULL; END IF; RETURN NEW;",
        ),
        ("users", "UPDATE", "NEW.level := 'x'; RETURN NEW;"),
        ("users", "INSERT", "NEW.gender := ''; RETURN NEW;"),
        ("songs", "INSERT", "NEW.year := 1; RETURN NEW;"),
        ("artists", "INSERT", "NEW.latitude := 1; RETURN NEW;"),
        ("time", "INSERT", "NEW.hour := 25; RETURN NEW;"),
        ("state_users", "UPDATE", DROP_ROW),
        ("state_artists", "INSERT", DROP_ROW),
        ("state_songs", "INSERT", DROP_ROW),
        ("state_songplays", "INSERT", DROP_ROW),
        ("load_history", "INSERT", DROP_ROW),
    ];
    let triggers = triggers.map(|(table, event, body)| {
        let before = format!("BEFORE {event}");
        (table, trigger_sql(table, &before, body))
    });
    let others = [
        (
            "songplays",
            trigger_sql(
                "songplays",
                "AFTER INSERT",
                "DELETE FROM songplays WHERE songplay_id = NEW.songplay_id; RETURN NULL;",
            ),
        ),
        // A trigger of one table that removes rows of another table.
        (
            "songplays",
            trigger_sql(
                "load_history",
                "AFTER INSERT",
                "DELETE FROM songplays WHERE user_id = 3; RETURN NULL;",
            ),
        ),
        (
            "songplays",
            trigger_sql(
                "time",
                "AFTER INSERT",
                "DELETE FROM songplays WHERE user_id = 3; RETURN NULL;",
            )
            .replace("CREATE TRIGGER", "CREATE CONSTRAINT TRIGGER")
            .replace("ON time", "ON time DEFERRABLE INITIALLY DEFERRED"),
        ),
        // Triggers that remove rows that this load did not write, or add rows.
        (
            "songs",
            trigger_sql(
                "songplays",
                "AFTER INSERT",
                "DELETE FROM songs WHERE song_id = 'O'; RETURN NULL;",
            )
            .replace("EACH ROW", "EACH STATEMENT"),
        ),
        (
            "artists",
            trigger_sql(
                "songs",
                "AFTER INSERT",
                "INSERT INTO artists VALUES ('X', 'x') ON CONFLICT DO NOTHING; RETURN NULL;",
            ),
        ),
        (
            "songplays",
            "CREATE RULE meddle AS ON INSERT TO songplays DO INSTEAD NOTHING".to_owned(),
        ),
        (
            "users",
            "CREATE RULE meddle AS ON UPDATE TO users WHERE NEW.level = 'free' DO INSTEAD NOTHING"
                .to_owned(),
        ),
    ];
    for (table, sql) in triggers.into_iter().chain(others) {
        warehouse.admin_client().batch_execute(&sql).unwrap();
        let name = format!("table {table} does not have the rows that the load wrote");
        warehouse
            .load_dataset("dataset-second")
            .assert_failure(1, &[&name, "triggers, rules"]);
        assert_tables_eq(&warehouse.warehouse_tables(), &before);
        warehouse
            .admin_client()
            .batch_execute(DROP_TRIGGERS_SQL)
            .unwrap();
    }
    warehouse.load_dataset("dataset-second").assert_success();
}

/// A trigger that does not change rows does not fail the load.
#[test]
fn harmless_trigger_does_not_fail_the_load() {
    let warehouse = warehouse_with_two_datasets(WarehouseKind::Postgres);
    let body = "INSERT INTO seen VALUES (NEW.songplay_id); RETURN NEW;";
    let sql = trigger_sql("songplays", "BEFORE INSERT OR UPDATE", body);
    let mut client = warehouse.admin_client();
    client
        .batch_execute(&format!("CREATE TABLE seen (id BIGINT); {sql}"))
        .unwrap();
    warehouse.load_dataset("dataset-second").assert_success();
    // Two plays are new, and both existing plays have changed.
    for table in ["songplays", "seen"] {
        let query = format!("SELECT count(*) FROM {table}");
        let row = client.query_one(&query, &[]).unwrap();
        assert_eq!(row.get::<_, i64>(0), 4, "{table}");
    }
}

#[test]
fn trigger_that_blocks_delete_fails_full_refresh() {
    let warehouse = warehouse_with_two_datasets(WarehouseKind::Postgres);
    let before = warehouse.warehouse_tables();
    let from = warehouse.out_location("dataset-second");
    let refresh = ["load", "--quiet", "--full-refresh", "--from", &from];
    let sql = trigger_sql("songplays", "BEFORE DELETE", DROP_ROW);
    warehouse.admin_client().batch_execute(&sql).unwrap();
    let words = [
        "table songplays does not have the rows that the load wrote",
        "some of its rows were not deleted",
    ];
    warehouse.run_command(&refresh).assert_failure(1, &words);
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    warehouse
        .admin_client()
        .batch_execute(DROP_TRIGGERS_SQL)
        .unwrap();
    warehouse.run_command(&refresh).assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset-second"),
    );
}

/// A partition has triggers of its own.
#[test]
fn partition_trigger_is_detected() {
    let warehouse = warehouse_with_two_datasets(WarehouseKind::Postgres);
    let parts = "ALTER TABLE users RENAME TO old;
        CREATE TABLE users (LIKE old) PARTITION BY RANGE (user_id);
        CREATE TABLE some_users PARTITION OF users DEFAULT;
        INSERT INTO users SELECT * FROM old;
        DROP TABLE old CASCADE;";
    let body = "NEW.level := 'x'; RETURN NEW;";
    let sql = trigger_sql("some_users", "BEFORE UPDATE", body);
    let mut client = warehouse.admin_client();
    client.batch_execute(&format!("{parts}{sql}")).unwrap();
    let words = ["table users does not have the rows that the load wrote"];
    warehouse
        .load_dataset("dataset-second")
        .assert_failure(1, &words);
    client.batch_execute(DROP_TRIGGERS_SQL).unwrap();
    warehouse.load_dataset("dataset-second").assert_success();
}

/// Redshift has no triggers, but rows that are missing after the merge are detected.
#[test]
fn missing_rows_in_redshift_fail_the_load() {
    let warehouse = warehouse_with_two_datasets(WarehouseKind::Redshift);
    let before = warehouse.warehouse_tables();
    for table in ["songplays", "users", "songs", "artists", "time"] {
        let sql = trigger_sql(table, "BEFORE INSERT", DROP_ROW);
        warehouse.admin_client().batch_execute(&sql).unwrap();
        let name = format!("table {table} does not have the rows that the load wrote");
        warehouse
            .load_dataset("dataset-second")
            .assert_failure(1, &[&name]);
        assert_tables_eq(&warehouse.warehouse_tables(), &before);
        warehouse
            .admin_client()
            .batch_execute(DROP_TRIGGERS_SQL)
            .unwrap();
    }
    warehouse.load_dataset("dataset-second").assert_success();
}
