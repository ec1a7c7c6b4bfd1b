//! `sparkify schema`: the formats of the description, which agree with each other.

use std::collections::BTreeSet;
use std::fs;
use std::io::pipe;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;

const FORMATS: [&str; 6] = [
    "text",
    "json",
    "markdown",
    "sql-redshift",
    "sql-postgres",
    "dbt",
];

/// Returns the description in a format. The sandbox is empty, and there is no warehouse.
fn schema(format: &str) -> String {
    let output = Sandbox::new().exec(&["schema", "--format", format]);
    output.assert_success().stdout
}

fn json() -> Value {
    serde_json::from_str(&schema("json")).unwrap()
}

fn texts<'a>(values: &'a Value, key: &str) -> Vec<&'a str> {
    let values = values.as_array().unwrap().iter();
    values.map(|value| value[key].as_str().unwrap()).collect()
}

#[test]
fn text_is_the_default_and_fits_a_terminal() {
    let output = Sandbox::new().exec(&["schema"]);
    output.assert_snapshot("schema/text.txt");
    assert_eq!(output.stdout, schema("text"));
    let wide = output.stdout.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None);
}

#[test]
fn json_has_all_tables_and_their_columns_in_order() {
    let document = json();
    assert_eq!(document["schema_version"], 1);
    assert_eq!(document["sparkify_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["model"], "sparkify");
    let columns: Vec<String> = document["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| {
            let columns = texts(&table["columns"], "name").join(" ");
            format!("{}: {columns}", table["name"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        columns,
        [
            "songplays: songplay_id start_time user_id level song_id artist_id session_id location user_agent",
            "users: user_id first_name last_name gender level",
            "songs: song_id title artist_id year duration",
            "artists: artist_id name location latitude longitude",
            "time: start_time hour day week month year weekday",
            "source_objects: kind object etag rows rejected_records rejected_bytes",
            "state_users: user_id start_time session_id item_in_session",
            "state_artists: artist_id song_id",
            "state_songs: song_key duration song_id artist_id",
            "state_songplays: songplay_id song_key duration",
            "load_history: run object etag rows loaded_at kind rejected_records rejected_bytes loaded_by load_seconds",
        ]
    );
}

/// The keys and kinds of the document are an interface.
#[test]
fn json_describes_a_table_and_a_record() {
    let document = json();
    let table = |name: &str| {
        let tables = document["tables"].as_array().unwrap();
        tables.iter().find(|table| table["name"] == name).unwrap()
    };
    let songplays = table("songplays");
    let keys: Vec<&String> = songplays.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "columns",
            "description",
            "directory",
            "kind",
            "name",
            "primary_key",
            "record",
            "redshift",
            "references",
            "rule"
        ]
    );
    let column = &songplays["columns"][0];
    assert_eq!(column["type"], "bigint");
    assert_eq!(column["nullable"], false);
    assert_eq!(column["source"]["kind"], "hash");
    assert_eq!(column["source"]["keys"][1], "ts");
    assert_eq!(songplays["references"][1]["table"], "users");
    assert_eq!(songplays["rule"]["kind"], "fact");
    assert_eq!(songplays["rule"]["lookup"]["equal"][0]["key"], "song");
    assert_eq!(songplays["redshift"]["distribution_key"], "start_time");
    let order = &table("artists")["rule"]["order"];
    assert_eq!(texts(order, "kind")[..2], ["all_present", "non_empty"]);
    assert_eq!(table("source_objects")["redshift"], Value::Null);
    assert_eq!(table("load_history")["directory"], Value::Null);

    let event = &document["records"][1];
    assert_eq!(event["filter"]["value"], "NextSong");
    let key = |name: &str| {
        let keys = event["keys"].as_array().unwrap();
        keys.iter().find(|key| key["key"] == name).unwrap()
    };
    assert_eq!(key("level")["max_bytes"], 16);
    assert_eq!(key("song")["max_bytes"], Value::Null);
    assert_eq!(key("ts")["max"], 253_402_300_799_999_i64);
}

#[test]
fn every_key_and_kind_of_the_json_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema.md");
    let document = fs::read_to_string(path).unwrap();
    let mut words = BTreeSet::new();
    collect_keys_and_kinds(&json(), &mut words);
    assert!(words.len() > 40, "{words:?}");
    words.retain(|word| !document.contains(&format!("`{word}`")));
    assert!(
        words.is_empty(),
        "docs/schema.md does not explain {words:?}"
    );
}

/// Collects the keys of all objects, and the kinds that some of them have.
fn collect_keys_and_kinds(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => {
            for value in values {
                collect_keys_and_kinds(value, words);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                words.insert(key.clone());
                if key == "kind" {
                    words.insert(value.as_str().unwrap().to_owned());
                }
                collect_keys_and_kinds(value, words);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn sql_is_what_create_tables_runs() {
    for kind in ["redshift", "postgres"] {
        let url = format!("--warehouse={kind}://etl@127.0.0.1:1/music");
        let dry_run = Sandbox::new().exec(&["create-tables", "--dry-run", &url]);
        let expected = dry_run.assert_success().stdout;
        assert_eq!(schema(&format!("sql-{kind}")), expected);
    }
}

/// `tests/dbt` runs the sources; here are their tables, columns and references.
#[test]
fn dbt_sources_are_the_star_schema_and_the_load_history() {
    let document = json();
    let tables = document["tables"].as_array().unwrap();
    let tables = tables.iter().filter(|table| table["kind"] != "merge_state");
    let mut names = vec!["sparkify".to_owned()];
    let mut references = 0;
    for table in tables {
        names.push(table["name"].as_str().unwrap().to_owned());
        let columns = texts(&table["columns"], "name").into_iter();
        names.extend(columns.map(str::to_owned));
        references += table["references"].as_array().unwrap().len();
    }
    let sources = schema("dbt");
    let lines = sources.lines().map(str::trim_start);
    let named = lines
        .clone()
        .filter_map(|line| line.strip_prefix("- name: "));
    assert_eq!(named.collect::<Vec<_>>(), names);
    let written_by = concat!(
        "# Written by sparkify ",
        env!("CARGO_PKG_VERSION"),
        " schema --format dbt.\n"
    );
    assert!(sources.starts_with(written_by), "{sources}");
    let count = lines.filter(|line| line.starts_with("to: source(")).count();
    assert_eq!(count, references);
}

#[test]
fn markdown_has_a_section_for_each_table() {
    let text = schema("markdown");
    let sections = text.lines().filter_map(|line| line.strip_prefix("## "));
    let document = json();
    let mut expected = texts(&document["tables"], "name");
    expected.push("Input records");
    assert_eq!(sections.collect::<Vec<_>>(), expected);
}

/// Records are kept or dropped by a key that is in no column.
#[test]
fn text_and_markdown_list_the_key_of_the_filter() {
    for (format, row) in [
        ("text", "page           text     filter\n"),
        ("markdown", "| `page` | text | filter |\n"),
    ] {
        let text = schema(format);
        assert_eq!(text.matches(row).count(), 1, "{text}");
    }
}

#[test]
fn closed_stdout_does_not_fail_any_format() {
    let sandbox = Sandbox::new();
    for format in FORMATS {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = sandbox.command(&["schema", "--format", format]);
        let child = command.stdout(writer).stderr(Stdio::piped());
        CommandOutput::from(child.spawn().unwrap().wait_with_output().unwrap()).assert_success();
    }
}

#[test]
fn unknown_format_is_a_usage_error() {
    let sandbox = Sandbox::new();
    sandbox
        .exec(&["schema", "--format", "yaml"])
        .assert_usage_error("invalid value 'yaml'");
}

/// A configuration that would be an error elsewhere is not read.
#[test]
fn schema_needs_no_configuration() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["schema", "--format=sql-redshift"]);
    command
        .env("SPARKIFY_WAREHOUSE", "nonsense")
        .env("AWS_PROFILE", "missing")
        .env("PGPORT", "nonsense");
    CommandOutput::run(&mut command).assert_success();
}
