//! Constraints and owners of the tables in PostgreSQL.

use testkit::cli::output::CommandOutput;
use testkit::postgres_server::{SUPERUSER_PASSWORD, shared_server};
use testkit::redshift_simulator::WarehouseKind;

use crate::load::fixture::warehouse_with_dataset;
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

#[test]
fn constraints_are_enforced_after_every_load() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let constraints = |warehouse: &TestWarehouse| -> i64 {
        let query = "SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'f') AND convalidated \
                     AND connamespace = 'public'::regnamespace";
        warehouse
            .admin_client()
            .query_one(query, &[])
            .unwrap()
            .get(0)
    };
    let before = constraints(&warehouse);
    assert_eq!(before, 13);
    for arguments in [
        &[
            "load",
            "--quiet",
            "--from",
            &warehouse.out_location("dataset"),
        ][..],
        &[
            "load",
            "--quiet",
            "--from",
            &warehouse.out_location("dataset"),
        ],
        &[
            "load",
            "--quiet",
            "--from",
            &warehouse.out_location("dataset"),
            "--full-refresh",
        ],
    ] {
        warehouse.run_command(arguments).assert_success();
        assert_eq!(constraints(&warehouse), before);
    }
    let wrong = "UPDATE songplays SET user_id = -1";
    let error = warehouse.admin_client().execute(wrong, &[]).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "23503");
}

/// Only the owner of a table may drop its keys; for other users the rows are checked one by one.
#[test]
fn non_owner_can_load() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let mut client = warehouse.admin_client();
    let name = format!("loader_{}", std::process::id());
    client
        .batch_execute(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{}';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name};
             GRANT TEMPORARY ON DATABASE {} TO {name}",
            SUPERUSER_PASSWORD,
            warehouse.database().name,
        ))
        .unwrap();
    let port = shared_server().port;
    let url = format!(
        "postgres://{name}@127.0.0.1:{port}/{}",
        warehouse.database().name
    );
    let mut command =
        warehouse.sparkify(&["load", "--quiet", "--from", "dataset", "--warehouse", &url]);
    command.env("PGPASSWORD", SUPERUSER_PASSWORD);
    CommandOutput::run(&mut command).assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
    let mut refresh = warehouse.sparkify(&["load", "--from", "dataset", "--full-refresh"]);
    let refresh = refresh
        .args(["--warehouse", &url])
        .env("PGPASSWORD", SUPERUSER_PASSWORD);
    CommandOutput::run(refresh).assert_failure(1, &["needs the owner of songplays and songs"]);
    // A run fails before it transforms anything.
    let input = ["--songs", "data/song_data", "--logs", "data/log_data"];
    let mut run = warehouse.sparkify(&["run", "--full-refresh", "--out", "denied"]);
    let run = run.args(input).args(["--warehouse", &url]);
    CommandOutput::run(run.env("PGPASSWORD", SUPERUSER_PASSWORD))
        .assert_failure(1, &["needs the owner of songplays and songs"]);
    assert!(!warehouse.path("denied").exists());
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
    client
        .batch_execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}"))
        .unwrap();
}

/// Constraints that were dropped, added or changed by an administrator stay as they are.
#[test]
fn constraints_are_restored_unchanged() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let mut client = warehouse.admin_client();
    client
        .batch_execute(
            "ALTER TABLE songplays DROP CONSTRAINT songplays_time, DROP CONSTRAINT songplays_user;
             ALTER TABLE songplays ADD CONSTRAINT mine FOREIGN KEY (user_id) REFERENCES users
                 ON DELETE CASCADE DEFERRABLE;
             CREATE TABLE favourites (songplay_id BIGINT REFERENCES songplays);
             CREATE PUBLICATION everything FOR ALL TABLES",
        )
        .unwrap();
    let mut constraints = || -> Vec<String> {
        let query =
            "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
             FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1";
        let rows = client.query(query, &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let before = constraints();
    for more in [&[][..], &[], &["--full-refresh"]] {
        let mut command = warehouse.warehouse_command(&["load", "--quiet", "--from", "dataset"]);
        CommandOutput::run(command.args(more)).assert_success();
        assert_tables_eq(
            &warehouse.warehouse_tables(),
            &warehouse.dataset_tables("dataset"),
        );
        assert_eq!(constraints(), before);
    }
}

/// A table in another schema of the search path counts as existing, and no empty table hides it.
#[test]
fn create_tables_does_not_shadow_existing_tables() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    warehouse.load_dataset("dataset").assert_success();
    let name = testkit::postgres_server::SUPERUSER;
    warehouse
        .admin_client()
        .batch_execute(&format!("CREATE SCHEMA {name}"))
        .unwrap();
    warehouse
        .run_command(&["create-tables", "--quiet"])
        .assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
}

/// A user who owns only some of the tables, or cannot create tables in the schema, could not restore
/// constraints that a load drops.
#[test]
fn non_owner_keeps_constraints() {
    for (number, owned) in ["songplays", "artists, songs, users, time, songplays"]
        .iter()
        .enumerate()
    {
        let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
        let mut client = warehouse.admin_client();
        let name = format!("owner_{number}_{}", std::process::id());
        let all = "artists, songs, users, time, songplays, state_users, state_artists, \
                   state_songs, state_songplays, load_history";
        client
            .batch_execute(&format!(
                "CREATE ROLE {name} LOGIN PASSWORD '{SUPERUSER_PASSWORD}';
                 GRANT SELECT, INSERT, UPDATE, DELETE ON {all} TO {name};
                 REVOKE CREATE ON SCHEMA public FROM PUBLIC"
            ))
            .unwrap();
        for table in owned.split(", ") {
            client
                .batch_execute(&format!("ALTER TABLE {table} OWNER TO {name}"))
                .unwrap();
        }
        let port = shared_server().port;
        let url = format!(
            "postgres://{name}@127.0.0.1:{port}/{}",
            warehouse.database().name
        );
        let mut command =
            warehouse.sparkify(&["load", "--quiet", "--from", "dataset", "--warehouse", &url]);
        CommandOutput::run(command.env("PGPASSWORD", SUPERUSER_PASSWORD)).assert_success();
        assert_tables_eq(
            &warehouse.warehouse_tables(),
            &warehouse.dataset_tables("dataset"),
        );
        let user = testkit::postgres_server::SUPERUSER;
        client
            .batch_execute(&format!(
                "REASSIGN OWNED BY {name} TO {user}; DROP OWNED BY {name}; DROP ROLE {name}"
            ))
            .unwrap();
    }
}

/// A full refresh handles deferred references from other tables, and a partitioned table.
#[test]
fn full_refresh_handles_foreign_references_and_partitions() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    warehouse.load_dataset("dataset").assert_success();
    let refresh = ["load", "--quiet", "--from", "dataset", "--full-refresh"];
    warehouse
        .admin_client()
        .batch_execute(
            "CREATE TABLE mine (songplay_id BIGINT REFERENCES songplays DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO mine SELECT min(songplay_id) FROM songplays",
        )
        .unwrap();
    warehouse.run_command(&refresh).assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
    warehouse
        .admin_client()
        .batch_execute(
            "DROP TABLE mine;
             ALTER TABLE songplays RENAME TO old;
             CREATE TABLE songplays (LIKE old, FOREIGN KEY (user_id) REFERENCES users)
                 PARTITION BY RANGE (start_time);
             CREATE TABLE all_of_them PARTITION OF songplays DEFAULT;
             INSERT INTO songplays SELECT * FROM old;
             DROP TABLE old",
        )
        .unwrap();
    warehouse.run_command(&refresh).assert_success();
    warehouse.load_dataset("dataset").assert_success();
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
}

/// Comments on keys and on their indexes outlive the keys, and indexes stay in their tablespace.
#[test]
fn comments_and_tablespaces_of_keys_are_kept() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let mut client = warehouse.admin_client();
    let database = &warehouse.database().name;
    for sql in [
        "SET allow_in_place_tablespaces = on".to_owned(),
        format!("CREATE TABLESPACE other_{database} LOCATION ''"),
    ] {
        client.batch_execute(&sql).unwrap();
    }
    client
        .batch_execute(&format!(
            "ALTER DATABASE {database} SET default_tablespace = 'other_{database}';
             COMMENT ON CONSTRAINT songplays_pkey ON songplays IS 'it''s \\ the key';
             COMMENT ON INDEX songplays_pkey IS 'its index';
             COMMENT ON INDEX time_pkey IS 'the other index';
             COMMENT ON CONSTRAINT songplays_user ON songplays IS 'who listened'"
        ))
        .unwrap();
    let mut keys = || -> Vec<String> {
        let query = "SELECT concat_ws(', ', c.conname, obj_description(c.oid, 'pg_constraint'),
                 obj_description(i.oid, 'pg_class'), i.reltablespace)
             FROM pg_constraint c LEFT JOIN pg_class i ON i.oid = c.conindid AND c.contype = 'p'
             WHERE c.connamespace = 'public'::regnamespace ORDER BY 1";
        let rows = client.query(query, &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let before = keys();
    let described = "songplays_pkey, it's \\ the key, its index, 0";
    assert!(before.iter().any(|key| key == described), "{before:?}");
    for more in [&[][..], &["--full-refresh"]] {
        let mut command = warehouse.warehouse_command(&["load", "--quiet", "--from", "dataset"]);
        CommandOutput::run(command.args(more)).assert_success();
        assert_eq!(keys(), before);
    }
    for sql in [
        format!("ALTER DATABASE {database} RESET default_tablespace"),
        format!("DROP TABLESPACE other_{database}"),
    ] {
        client.batch_execute(&sql).unwrap();
    }
}
