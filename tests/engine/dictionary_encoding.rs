//! Dictionary-encoded columns: an independent reader finds the same text for all keys and nulls.

use std::fs::File;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use clap::ValueEnum;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use sparkify::config::ParquetCompression;
use sparkify::internals::output::PartWriter;
use sparkify::internals::storage::{LocalStore, Store};
use testkit::property_tests::config::config_with_cases;

/// Returns runs of dictionary keys, long and short, some of them null.
fn dictionary_keys(text_count: i32) -> impl Strategy<Value = Vec<Option<i32>>> {
    let key = prop_oneof![1 => Just(None), 4 => (0..text_count).prop_map(Some)];
    let run = prop_oneof![4 => 1..4usize, 2 => 5..20usize, 1 => 60..600usize];
    let runs = prop::collection::vec((key, run), 0..60);
    runs.prop_map(|runs| {
        let run = |(key, n)| std::iter::repeat_n(key, n);
        runs.into_iter().flat_map(run).collect()
    })
}

fn assert_round_trip(
    texts: &[String],
    keys: &[Option<i32>],
    nullable: bool,
    codec: ParquetCompression,
) {
    let values: Arc<StringArray> = Arc::new(texts.iter().map(Some).collect());
    let keys: Int32Array = if nullable {
        keys.iter().copied().collect()
    } else {
        keys.iter().flatten().copied().collect::<Vec<_>>().into()
    };
    let column = DictionaryArray::<Int32Type>::try_new(keys, values).unwrap();
    let expected: Vec<Option<String>> = (0..column.len())
        .map(|row| Some(texts[column.key(row)?].clone()))
        .collect();
    let field = Field::new("text", column.data_type().clone(), nullable);
    // The first column of a part is its key, which is never dictionary-encoded.
    let number = Field::new("number", DataType::Int64, false);
    let numbers = arrow_array::Int64Array::from_iter_values(0..column.len() as i64);
    let schema = Arc::new(Schema::new(vec![number, field]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(numbers), Arc::new(column)]).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.parquet");
    let file = LocalStore::new(folder.path())
        .unwrap()
        .create("part.parquet")
        .unwrap();
    let mut writer = PartWriter::new(file, String::new(), 0, batch.schema(), codec).unwrap();
    // Two row groups, each with its own dictionary.
    writer.write(&batch).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let mut found = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let column = batch.column(1).as_string::<i32>();
        found.extend(column.iter().map(|text| text.map(str::to_owned)));
    }
    assert!(found == [expected.clone(), expected].concat());
}

proptest! {
    #![proptest_config(config_with_cases(64))]

    #[test]
    fn dictionary_columns_round_trip(
        (texts, keys) in (1..300i32).prop_flat_map(|n| (
            prop::collection::vec(".{0,40}", n as usize),
            dictionary_keys(n),
        )),
        nullable: bool,
        codec in prop::sample::select(ParquetCompression::value_variants()),
    ) {
        assert_round_trip(&texts, &keys, nullable, codec);
    }
}

#[test]
fn edge_case_dictionaries_round_trip() {
    let texts = |n: usize| (0..n).map(|i| format!("text {i}")).collect::<Vec<_>>();
    for (nullable, codec) in [false, true].into_iter().flat_map(|nullable| {
        ParquetCompression::value_variants()
            .iter()
            .map(move |&c| (nullable, c))
    }) {
        assert_round_trip(&texts(1), &[], nullable, codec);
        assert_round_trip(&texts(1), &[None; 100], nullable, codec);
        assert_round_trip(&texts(1), &[Some(0); 100], nullable, codec);
        // More than 16 bits per key, in an order without runs.
        let many: Vec<_> = (0..70_000).map(|i| Some((i * 3_001) % 70_000)).collect();
        assert_round_trip(&texts(70_000), &many, nullable, codec);
    }
}
