//! The fact table and its lookup.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use fastrand::Rng;

use super::records::{
    build_lookup, integer, price_columns, random_prices, random_sales, sale_columns, text,
};
use super::shops::SHOPS;
use crate::star::kernels::StarKernels;
use crate::star::record_columns::RecordColumns;
use crate::star::value::Value;

#[test]
fn lookup_finds_the_first_of_equal_records() {
    let kernels = StarKernels::new(&SHOPS);
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let prices = random_prices(&mut rng);
        let batches: Vec<_> = prices.chunks(5).map(price_columns).collect();
        let lookup = build_lookup(&kernels, &batches);
        let sales = random_sales(&mut rng, 30);
        let expected = sales.iter().map(|sale| {
            let (product, size) = (sale.product?, sale.size?);
            let equal = prices
                .iter()
                .filter(|price| (price.0, price.1) == (product, size));
            equal
                .min_by_key(|price| (Reverse(price.2), price.3))
                .map(|price| price.3)
        });
        let expected: Vec<Value<'_>> = expected.map(text).collect();

        let columns = sale_columns(&sales);
        let ids = kernels.fact.compute_ids(&columns);
        let dropped: Vec<usize> = (0..sales.len()).filter(|_| rng.bool()).collect();
        let is_kept = |row: &usize| !dropped.contains(row);
        let rows = kernels
            .fact
            .build(&columns, ids.clone(), &dropped, &lookup)
            .unwrap();
        let fact = RecordColumns::new(&rows.fact).unwrap();
        let kept: Vec<usize> = (0..sales.len()).filter(is_kept).collect();
        let found: Vec<_> = (0..kept.len())
            .map(|row| fact.column(3).value(row))
            .collect();
        let expected: Vec<_> = kept.iter().map(|&row| expected[row]).collect();
        assert_eq!(found, expected, "seed {seed}");
        let matched = expected.iter().filter(|value| !value.is_null()).count() as u64;
        assert_eq!(kernels.fact.count_matched(&rows.fact), matched);

        let keyed = kept
            .iter()
            .filter(|&&row| sales[row].product.is_some() && sales[row].size.is_some());
        let keyed: Vec<_> = keyed
            .map(|&row| (Value::Integer(ids[row]), integer(sales[row].size)))
            .collect();
        let keys = RecordColumns::new(&rows.lookup_keys).unwrap();
        let key = |row| (keys.column(0).value(row), keys.column(2).value(row));
        assert_eq!(
            (0..keys.num_rows()).map(key).collect::<Vec<_>>(),
            keyed,
            "seed {seed}"
        );

        let table = lookup.build_table(&kernels.fact.lookup, &batches).unwrap();
        let combinations: BTreeSet<_> = prices.iter().map(|price| (price.0, price.1)).collect();
        let [table] = &table[..] else {
            panic!("prices have no state")
        };
        assert_eq!(table.rows.num_rows(), combinations.len());
        let columns_of_prices = RecordColumns::new(&table.rows).unwrap();
        let price_keys: BTreeSet<_> = (0..table.rows.num_rows())
            .map(|row| {
                (
                    columns_of_prices.column(0).value(row),
                    columns_of_prices.column(1).value(row),
                )
            })
            .collect();
        // An event can be looked up again by the key that it computes itself.
        for (row, sale) in sales.iter().enumerate() {
            let is_known = combinations
                .iter()
                .any(|&(product, size)| sale.product == Some(product) && sale.size == Some(size));
            if is_known {
                let hash = kernels
                    .fact
                    .lookup
                    .event_hash
                    .value_of_present(&columns, row);
                assert!(price_keys.contains(&(Value::Integer(hash), integer(sale.size))));
            }
        }
    }
}
