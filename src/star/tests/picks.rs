//! Tables with one row for each key.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use fastrand::Rng;

use super::records::{Sale, double, integer, random_sales, sale_columns, text};
use super::shops::SHOPS;
use crate::star::kernels::StarKernels;
use crate::star::pick::TableRows;
use crate::star::pick_state::{PickDelta, PickedRows};
use crate::star::record_columns::RecordColumns;
use crate::star::value::Value;

/// Returns the rows as text.
fn format_rows(rows: &RecordBatch) -> Vec<String> {
    let columns = RecordColumns::new(rows).unwrap();
    let row = |row| {
        let values = (0..rows.num_columns()).map(|column| columns.column(column).value(row));
        values
            .map(|value| format!("{value:?}"))
            .collect::<Vec<_>>()
            .join("|")
    };
    (0..rows.num_rows()).map(row).collect()
}

fn format_tables(tables: &[TableRows]) -> Vec<(&'static str, Vec<String>)> {
    let format = |table: &TableRows| (table.table.name, format_rows(&table.rows));
    tables.iter().map(format).collect()
}

/// Returns the expected rows of `branches` and of its state.
fn expected_branches(sales: &[Sale]) -> [Vec<String>; 2] {
    let precedence = |s: &Sale| {
        (
            s.floor.is_none() || s.area.is_none(),
            s.street.is_none_or(str::is_empty),
            Reverse(s.receipt),
            integer(s.floor),
            double(s.area),
            text(s.street),
        )
    };
    let mut first: BTreeMap<(&str, i32), &Sale> = BTreeMap::new();
    for sale in sales {
        let kept = first.entry((sale.country, sale.branch)).or_insert(sale);
        if precedence(sale) < precedence(kept) {
            *kept = sale;
        }
    }
    let format = |s: &Sale, values: &[Value<'_>]| {
        let key = [Value::Text(s.country), Value::Integer(s.branch.into())];
        let row = key.iter().chain(values).map(|value| format!("{value:?}"));
        row.collect::<Vec<_>>().join("|")
    };
    let rows = first.values().map(|sale| {
        let values = [text(sale.street), integer(sale.floor), double(sale.area)];
        format(sale, &values)
    });
    let state = first
        .values()
        .map(|sale| format(sale, &[Value::Integer(sale.receipt)]));
    [rows.collect(), state.collect()]
}

/// Plain loops, a pick from records in memory, and a pick from records that pass by have the same result, for batches of
/// any size and any number of shards.
#[test]
fn picks_do_not_depend_on_batches_and_shards() {
    let kernels = StarKernels::new(&SHOPS);
    let [kernel] = &kernels.event_picks[..] else {
        panic!("one table is picked from sales")
    };
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let sales = random_sales(&mut rng, 40);
        let in_memory = kernel.pick(&[sale_columns(&sales)]).unwrap();
        let found = [0, 1].map(|table: usize| format_rows(&in_memory[table].rows));
        assert_eq!(found, expected_branches(&sales), "seed {seed}");

        let batches: Vec<_> = sales.chunks(rng.usize(1..40)).map(sale_columns).collect();
        assert_eq!(
            format_tables(&kernel.pick(&batches).unwrap()),
            format_tables(&in_memory)
        );

        let mut shards = vec![PickedRows::default(); rng.usize(1..4)];
        for group in batches.chunks(rng.usize(1..4)) {
            let mut delta = PickDelta::default();
            group.iter().for_each(|batch| delta.add(kernel, batch));
            let delta_shards = delta.to_shards(kernel, shards.len());
            for (picked, shard) in shards.iter_mut().zip(&delta_shards) {
                picked.merge(kernel, &delta, shard);
            }
        }
        let merged = PickedRows::build_tables(kernel, &shards).unwrap();
        assert_eq!(
            format_tables(&merged),
            format_tables(&in_memory),
            "seed {seed}"
        );
    }
}
