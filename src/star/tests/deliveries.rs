//! The deliveries of an event.

use fastrand::Rng;

use super::records::{build_lookup, price_columns, random_prices, random_sales, sale_columns};
use super::shops::SHOPS;
use crate::star::deliveries::{BatchIndex, StoredDelivery};
use crate::star::kernels::StarKernels;
use crate::star::string_pool::StringPool;

/// Deliveries that are compared in their batch, and those that are read back, have the same order.
#[test]
fn stored_deliveries_are_ordered_as_events() {
    let kernels = StarKernels::new(&SHOPS);
    let lookup = build_lookup(
        &kernels,
        &[price_columns(&random_prices(&mut Rng::with_seed(1)))],
    );
    for seed in 0..100 {
        let sales = random_sales(&mut Rng::with_seed(seed), 20);
        let columns = sale_columns(&sales);
        // The deliveries of one event have one id; here all rows count as such.
        let ids = (0..20).collect();
        let rows = kernels.fact.build(&columns, ids, &[], &lookup).unwrap();
        let kernel = &kernels.deliveries;
        let mut strings = StringPool::default();
        let names = kernel.stored_columns();
        let projected = names
            .iter()
            .map(|name| rows.fact.schema().index_of(name).unwrap());
        let fact = rows.fact.project(&projected.collect::<Vec<_>>()).unwrap();
        let stored = kernel
            .read_deliveries(&fact, &rows.lookup_keys, &mut strings)
            .unwrap();
        let delivery = |row: usize| StoredDelivery {
            words: &stored.words[row * kernel.num_words()..][..kernel.num_words()],
            batch: BatchIndex(0),
        };
        for a in 0..sales.len() {
            for b in 0..sales.len() {
                let is_before = kernel.is_before(&columns, a, b);
                let is_stored_before =
                    kernel.is_stored_before(delivery(a), delivery(b), || &strings);
                assert_eq!(is_before, is_stored_before, "seed {seed}: {a} {b}");
            }
        }
        // If deliveries are equal, the one in the earlier batch is kept.
        let later = StoredDelivery {
            batch: BatchIndex(1),
            ..delivery(0)
        };
        assert!(kernel.is_stored_before(delivery(0), later, || &strings));
        assert!(!kernel.is_stored_before(later, delivery(0), || &strings));
    }
}
