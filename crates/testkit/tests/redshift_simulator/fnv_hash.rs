//! FNV_HASH: the documented values, and the types and nulls of which it is not documented.

use crate::fixture::SimulatorFixture;

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// Computes FNV-1a with 64 bits.
fn fnv(bytes: &[u8], seed: u64) -> u64 {
    bytes.iter().fold(seed, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn documented_values_match() {
    let mut test = SimulatorFixture::new();
    // AWS documents the hashes of 1 as an INTEGER and as a BIGINT.
    assert_eq!(
        test.query_rows("SELECT FNV_HASH(1), FNV_HASH(1::BIGINT)"),
        ["-5968735742475085980|-8517097267634966620"]
    );
    let seeded =
        "SELECT fnv_hash('x'::VARCHAR, fnv_hash(1::BIGINT)) = fnv_hash('x'::VARCHAR, fnv_hash(1))";
    assert_eq!(test.query_rows(seeded), ["f"]);
    // These are test vectors of FNV-1a.
    let texts = "SELECT to_hex(fnv_hash('')), to_hex(fnv_hash('a'::VARCHAR)), to_hex(fnv_hash('foobar'::VARCHAR))";
    assert_eq!(
        test.query_rows(texts),
        ["cbf29ce484222325|af63dc4c8601ec8c|85944171f73967e8"]
    );
}

#[test]
fn integers_are_hashed_in_little_endian_bytes() {
    let mut test = SimulatorFixture::new();
    for seed in [OFFSET_BASIS, 0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
        for number in [0, 1, -1, 255, 256, 12_345, i16::MIN, i16::MAX] {
            let wide = (
                i32::from(number) * 65_521 + 7,
                i64::from(number) * 281_474_976_710_597 + 7,
            );
            let sql = format!(
                "SELECT FNV_HASH(CAST('{number}' AS SMALLINT), {seed}), FNV_HASH(CAST('{}' AS INTEGER), {seed}), \
                 FNV_HASH(CAST('{}' AS BIGINT), {seed})",
                wide.0,
                wide.1,
                seed = format_args!("CAST('{}' AS BIGINT)", seed.cast_signed())
            );
            let expected = [
                fnv(&number.to_le_bytes(), seed),
                fnv(&wide.0.to_le_bytes(), seed),
                fnv(&wide.1.to_le_bytes(), seed),
            ];
            let expected = expected.map(|hash| hash.cast_signed().to_string());
            assert_eq!(test.query_rows(&sql), [expected.join("|")]);
        }
    }
}

#[test]
fn text_is_hashed_with_its_trailing_blanks() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(99))");
    let mut expected = Vec::new();
    for (length, seed) in (0..24).flat_map(|length| [(length, OFFSET_BASIS), (length, u64::MAX)]) {
        for end in ["", " ", "  ", "ä", "\u{1f600}"] {
            let start: String = "Björk x/Café~ y|z 0123456789"
                .chars()
                .take(length)
                .collect();
            let text = format!("{start}{end}");
            test.execute(&format!("DELETE FROM t; INSERT INTO t VALUES ('{text}')"));
            let sql = format!(
                "SELECT FNV_HASH(a, CAST('{}' AS BIGINT)) FROM t",
                seed.cast_signed()
            );
            expected.push(fnv(text.as_bytes(), seed).cast_signed().to_string());
            assert_eq!(
                test.query_rows(&sql),
                expected[expected.len() - 1..],
                "{text:?}"
            );
        }
    }
    expected.sort();
    expected.dedup();
    assert!(expected.len() > 200);
}

#[test]
fn nulls_doubles_and_timestamps_are_refused() {
    let mut test = SimulatorFixture::new();
    for ty in ["SMALLINT", "INTEGER", "BIGINT", "VARCHAR"] {
        for arguments in [
            format!("CAST(NULL AS {ty})"),
            format!("CAST(NULL AS {ty}), 1"),
            format!("CAST('1' AS {ty}), CAST(NULL AS BIGINT)"),
        ] {
            let sql = format!("SELECT FNV_HASH({arguments})");
            test.expect_error(&sql, "FNV_HASH of NULL is not documented");
        }
    }
    for value in ["0.5", "CAST(0.5 AS DOUBLE PRECISION)", "SYSDATE"] {
        test.expect_error(&format!("SELECT FNV_HASH({value})"), "does not exist");
    }
    // A script guards what may be null by CASE.
    test.execute("CREATE TABLE t (a VARCHAR(9)); INSERT INTO t VALUES (NULL)");
    let guarded = "SELECT CASE WHEN a IS NOT NULL THEN FNV_HASH(a) END FROM t";
    assert_eq!(test.query_rows(guarded), ["NULL"]);
}
