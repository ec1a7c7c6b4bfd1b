//! Random records of the model, in which keys repeat and orders tie.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use fastrand::Rng;

use crate::star::kernels::StarKernels;
use crate::star::lookup::{LOOKUP_SHARDS, Lookup, LookupOutput, LookupShard};
use crate::star::record_columns::RecordColumns;
use crate::star::value::{TotalOrderF64, Value};

/// A record of the kind `sale`.
#[derive(Debug, Clone)]
pub(super) struct Sale {
    pub receipt: i64,
    pub country: &'static str,
    pub branch: i32,
    pub street: Option<&'static str>,
    pub floor: Option<i32>,
    pub area: Option<f64>,
    pub product: Option<&'static str>,
    pub size: Option<i32>,
}

const TEXTS: [&str; 4] = ["", "a", "b", "é"];

/// Returns one of a few values, so that keys repeat and orders tie.
pub(super) fn random_sales(rng: &mut Rng, count: usize) -> Vec<Sale> {
    let sale = |_| Sale {
        receipt: rng.i64(0..4),
        country: TEXTS[rng.usize(..TEXTS.len())],
        branch: rng.i32(-1..2),
        street: rng.bool().then(|| TEXTS[rng.usize(..TEXTS.len())]),
        floor: rng.bool().then(|| rng.i32(-1..2)),
        // The negation of 0.0 is -0.0.
        area: rng.bool().then(|| -f64::from(rng.i32(-1..2))),
        product: rng.bool().then(|| TEXTS[rng.usize(..TEXTS.len())]),
        size: rng.bool().then(|| rng.i32(0..2)),
    };
    (0..count).map(sale).collect()
}

pub(super) fn sale_columns(sales: &[Sale]) -> RecordColumns {
    let arrays: Vec<(&str, ArrayRef)> = vec![
        (
            "receipt",
            Arc::new(Int64Array::from_iter_values(
                sales.iter().map(|s| s.receipt),
            )),
        ),
        (
            "at",
            Arc::new(Int64Array::from_iter_values(
                sales.iter().map(|s| s.receipt),
            )),
        ),
        (
            "country",
            Arc::new(
                sales
                    .iter()
                    .map(|s| s.country)
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
        ),
        (
            "branch",
            Arc::new(Int32Array::from_iter_values(sales.iter().map(|s| s.branch))),
        ),
        (
            "street",
            Arc::new(sales.iter().map(|s| s.street).collect::<StringArray>()),
        ),
        (
            "floor",
            Arc::new(sales.iter().map(|s| s.floor).collect::<Int32Array>()),
        ),
        (
            "area",
            Arc::new(sales.iter().map(|s| s.area).collect::<Float64Array>()),
        ),
        (
            "product",
            Arc::new(sales.iter().map(|s| s.product).collect::<StringArray>()),
        ),
        (
            "size",
            Arc::new(sales.iter().map(|s| s.size).collect::<Int32Array>()),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        arrays.into_iter().map(|(name, array)| (name, array, true)),
    );
    RecordColumns::new(&batch.unwrap()).unwrap()
}

pub(super) fn text(value: Option<&'static str>) -> Value<'static> {
    value.map_or(Value::Null, Value::Text)
}

pub(super) fn integer(value: Option<i32>) -> Value<'static> {
    value.map_or(Value::Null, |value| Value::Integer(value.into()))
}

/// Returns a double, with 0.0 in place of -0.0.
pub(super) fn double(value: Option<f64>) -> Value<'static> {
    value.map_or(Value::Null, |value| {
        Value::Double(TotalOrderF64(value + 0.0))
    })
}

/// Returns prices as (product, size, edition, code).
pub(super) fn random_prices(rng: &mut Rng) -> Vec<(&'static str, i32, i32, &'static str)> {
    let price = |_| {
        let text = |rng: &mut Rng| TEXTS[rng.usize(..TEXTS.len())];
        (text(rng), rng.i32(0..2), rng.i32(0..3), text(rng))
    };
    (0..12).map(price).collect()
}

pub(super) fn price_columns(prices: &[(&'static str, i32, i32, &'static str)]) -> RecordColumns {
    let texts = |text: fn(&(&'static str, i32, i32, &'static str)) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(prices.iter().map(text)))
    };
    let integers = |integer: fn(&(&'static str, i32, i32, &'static str)) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(prices.iter().map(integer)))
    };
    let batch = RecordBatch::try_from_iter([
        ("product", texts(|price| price.0)),
        ("size", integers(|price| price.1)),
        ("edition", integers(|price| price.2)),
        ("code", texts(|price| price.3)),
    ]);
    RecordColumns::new(&batch.unwrap()).unwrap()
}

pub(super) fn build_lookup(kernels: &StarKernels, batches: &[RecordColumns]) -> Lookup {
    let kernel = &kernels.fact.lookup;
    let hashes: Vec<_> = batches
        .iter()
        .map(|batch| kernel.hash_keys(batch))
        .collect();
    let shard = |number| LookupShard::new(kernel, batches, &hashes, number).unwrap();
    let shards: Vec<_> = (0..LOOKUP_SHARDS).map(shard).collect();
    let outputs = vec![LookupOutput::new(kernel, batches, &shards, 0).unwrap()];
    Lookup::new(outputs, shards)
}
