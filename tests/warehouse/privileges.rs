//! Whether the user may load is found out before the work.

use testkit::cli::output::CommandOutput;
use testkit::postgres_server::{SUPERUSER_PASSWORD, shared_server};
use testkit::redshift_simulator::WarehouseKind;

use crate::first_connection::RUN;
use crate::load::fixture::warehouse_with_dataset;

/// A run whose dataset could not be loaded does not begin, and the error is what to ask for.
#[test]
fn missing_privileges_are_found_before_the_transform() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Postgres);
    let database = &warehouse.database().name;
    let mut client = warehouse.admin_client();
    let role = format!("analyst_{}", std::process::id());
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD '{SUPERUSER_PASSWORD}';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             REVOKE INSERT ON users, songs FROM {role};
             REVOKE UPDATE ON users FROM {role};
             REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
        ))
        .unwrap();
    let url = format!(
        "postgres://{role}@127.0.0.1:{}/{database}",
        shared_server().port
    );
    let load = |arguments: &[&str]| {
        let mut command = warehouse.sparkify(arguments);
        let command = command.args(["--warehouse", &url]);
        CommandOutput::run(command.env("PGPASSWORD", SUPERUSER_PASSWORD))
    };
    let words = [
        format!("user {role} lacks privileges that a load needs"),
        format!("GRANT TEMPORARY ON DATABASE {database} TO {role}"),
        format!("GRANT INSERT ON songs TO {role}"),
        format!("GRANT INSERT, UPDATE ON users TO {role}"),
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = [&RUN[..], &["--out", "denied"]].concat();
    load(&run).assert_failure(1, &words);
    load(&["load", "--from", "dataset"]).assert_failure(1, &words);
    load(&["load", "--full-refresh", "--from", "dataset"]).assert_failure(1, &words);
    assert!(!warehouse.path("denied").exists());
    let mut grant = |grants: &str| {
        let grants = grants.replace("ROLE", &role);
        client.batch_execute(&grants).unwrap();
    };
    // Privileges on columns are privileges too, if they are those of the statements.
    grant(&format!(
        "GRANT TEMPORARY ON DATABASE {database} TO ROLE; GRANT INSERT ON songs TO ROLE;
         GRANT INSERT (user_id) ON users TO ROLE; GRANT UPDATE (first_name) ON users TO ROLE"
    ));
    let dataset = ["load", "--quiet", "--from", "dataset"];
    load(&dataset).assert_failure(
        1,
        &[&format!(
            "ask for GRANT INSERT, UPDATE ON users TO {role}\n"
        )],
    );
    grant(
        "GRANT INSERT (user_id, first_name, last_name, gender, level) ON users TO ROLE;
         GRANT UPDATE (first_name, last_name, gender, level) ON users TO ROLE",
    );
    load(&dataset).assert_success();
    // The staging tables are LIKE the tables, which privileges on columns do not permit.
    grant(
        "REVOKE SELECT ON users FROM ROLE;
         GRANT SELECT (user_id, first_name, last_name, gender, level) ON users TO ROLE",
    );
    load(&dataset).assert_failure(1, &[&format!("ask for GRANT SELECT ON users TO {role}\n")]);
    grant("GRANT SELECT ON users TO ROLE");
    // SELECT and INSERT do not permit to lock the history. Some other privileges do.
    grant("REVOKE UPDATE, DELETE, TRUNCATE ON load_history FROM ROLE");
    let lock = format!("ask for GRANT UPDATE ON load_history TO {role}\n");
    load(&dataset).assert_failure(1, &[&lock]);
    grant("GRANT UPDATE (run) ON load_history TO ROLE");
    load(&dataset).assert_failure(1, &[&lock]);
    for privilege in ["DELETE", "TRUNCATE", "UPDATE"] {
        grant(&format!("GRANT {privilege} ON load_history TO ROLE"));
        load(&dataset).assert_success();
        grant(&format!("REVOKE {privilege} ON load_history FROM ROLE"));
    }
    // The history is only read, so that its columns are enough.
    grant(
        "GRANT DELETE ON load_history TO ROLE; REVOKE SELECT, INSERT ON load_history FROM ROLE;
         DO $$ BEGIN EXECUTE (
             SELECT format('GRANT SELECT (%1$s), INSERT (%1$s) ON load_history TO ROLE', string_agg(attname, ', '))
             FROM pg_attribute WHERE attrelid = 'load_history'::regclass AND attnum > 0
         ); END $$",
    );
    load(&dataset).assert_success();
    client
        .batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .unwrap();
}

/// In Redshift a role or a scoped permission may grant what the check does not find, so the load itself has to tell.
#[test]
fn missing_privilege_is_a_warning_in_redshift() {
    let warehouse = warehouse_with_dataset(WarehouseKind::Redshift);
    let name = &warehouse.database().name;
    warehouse
        .admin_client()
        .batch_execute(&format!(
            "CREATE FUNCTION public.has_table_privilege(name TEXT, privilege TEXT) RETURNS BOOLEAN LANGUAGE sql
             AS $$ SELECT name <> 'users' $$;
             ALTER DATABASE {name} SET search_path = public, pg_catalog"
        ))
        .unwrap();
    let output = warehouse
        .load_dataset("dataset")
        .assert_success_with_warnings();
    let warning = "GRANT SELECT, INSERT, UPDATE ON users TO";
    assert!(output.warnings()[0].contains(warning), "{output:?}");
}
