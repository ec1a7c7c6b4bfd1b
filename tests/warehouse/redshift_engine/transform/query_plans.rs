//! The plans of the queries: no nested loop over many rows.

use serde_json::Value;

use super::fixture::{SCRIPTS, TransformFixture, script};
use super::records::{event, json, song, text};

/// The largest number of pairs of rows that a nested loop may compare.
const MAX_PAIRS: f64 = 100_000.0;

#[test]
fn no_query_has_a_nested_loop_over_facts() {
    let mut fixture = TransformFixture::new();
    let songs: Vec<_> = (0..2000).map(song).collect();
    // Some are repeated, and each thousandth needs a closer look.
    let events: Vec<_> = (0..50_000)
        .map(|number: usize| {
            let event = event(number % 49_000).with("userId", json(&(number % 3000).to_string()));
            match number % 1000 {
                0 => event.with("length", text("1e2")),
                1 => event.with("ts", text("x")),
                _ => event,
            }
        })
        .collect();
    fixture.stage("staging_songs", &songs);
    fixture.stage("staging_events", &events);
    fixture
        .client
        .batch_execute("ANALYZE staging_songs")
        .unwrap();
    fixture
        .client
        .batch_execute("ANALYZE staging_events")
        .unwrap();
    let mut plans = 0;
    for name in SCRIPTS {
        let script = script(&format!("transform/{name}.sql"));
        for statement in script.split(";\n") {
            let lines = statement.lines().filter(|line| !line.starts_with("--"));
            let sql = lines.collect::<Vec<_>>().join("\n");
            if sql.trim().is_empty() {
                continue;
            }
            let rows = fixture.query_rows(&format!("EXPLAIN (FORMAT JSON) {sql}"));
            let plan: Value = serde_json::from_str(rows[0][0].as_deref().unwrap()).unwrap();
            assert_no_large_loop(&plan[0]["Plan"], &sql);
            plans += 1;
            fixture.client.batch_execute(&sql).unwrap();
            // Redshift collects the statistics of a table that it creates from a query.
            let mut words = sql.split_whitespace().skip_while(|word| *word != "TABLE");
            if let (Some(_), Some(table)) = (words.next(), words.next()) {
                fixture
                    .client
                    .batch_execute(&format!("ANALYZE {table}"))
                    .unwrap();
            }
        }
    }
    assert!(plans > 25, "{plans}");
}

fn assert_no_large_loop(plan: &Value, sql: &str) {
    let children: &[Value] = plan["Plans"].as_array().map_or(&[], Vec::as_slice);
    if plan["Node Type"] == "Nested Loop" {
        let rows = children
            .iter()
            .map(|child| child["Plan Rows"].as_f64().unwrap());
        assert!(rows.product::<f64>() <= MAX_PAIRS, "{sql}\n{plan:#}");
    }
    for child in children {
        assert_no_large_loop(child, sql);
    }
}
