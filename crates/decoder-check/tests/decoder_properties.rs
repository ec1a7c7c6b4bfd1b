//! The decoder against the grammar of RFC 8259 as implemented by `serde_json`, and against the values of the
//! reference, on generated and damaged texts. `PROPTEST_CASES` sets the number of cases of each test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use decoder_check::comparison::{assert_values_match_reference, expected_records};
use decoder_check::driver::{self, FeedOptions, SINGLE_CHUNK};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use sparkify::internals::decode::reject::RejectReason;
use sparkify::internals::decode::{lexer, value};
use sparkify::internals::model::sparkify::{EVENT_RECORD, SONG_RECORD};
use testkit::property_tests::config::config_with_cases;
use testkit::property_tests::json_strategies;

fn feed_options() -> impl Strategy<Value = FeedOptions> {
    let segment = prop_oneof![Just(u64::MAX), 1u64..100];
    (1usize..80, 1usize..5, any::<bool>(), segment).prop_map(
        |(chunk_bytes, max_rows, late_eof, segment_bytes)| FeedOptions {
            chunk_bytes,
            max_batch_rows: max_rows,
            late_eof,
            segment_bytes,
        },
    )
}

/// Returns the value of a number by moving its decimal point, without any arithmetic.
fn exact_integer(number: &str) -> Result<i64, RejectReason> {
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    if digits.bytes().all(|d| d == b'0') {
        return Ok(0);
    }
    // Beyond a thousand, only the sign of the exponent matters.
    let (down, size) = match exponent.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    let size = size.parse::<u64>().map_or(1000, |size| size.min(1000)) as usize;
    let point = if down {
        digits.insert_str(0, &"0".repeat(size));
        whole.len()
    } else {
        digits.push_str(&"0".repeat(size));
        whole.len() + size
    };
    let (whole, fraction) = digits.split_at(point);
    if fraction.bytes().any(|d| d != b'0') {
        return Err(RejectReason::Type);
    }
    format!("{sign}{whole}")
        .parse()
        .map_err(|_| RejectReason::Range)
}

fn without_detail<T>(result: Result<T, value::ValueError>) -> Result<T, RejectReason> {
    result.map_err(|error| error.reason)
}

proptest! {
    #![proptest_config(config_with_cases(300))]

    #[test]
    fn accepts_and_rejects_like_the_reference(bytes in json_strategies::mutated_document()) {
        prop_assert_eq!(driver::decode_record_ranges(&bytes), expected_records(&bytes));
    }

    /// Compares with `serde_json` directly, without the reference.
    #[test]
    fn single_record_is_accepted_like_serde_json(bytes in json_strategies::mutated_document()) {
        let space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        let start = bytes.iter().take_while(|b| space(b)).count();
        let end = bytes.len() - bytes[start..].iter().rev().take_while(|b| space(b)).count();
        let text = &bytes[start..end];
        // `serde_json` has no depth limit for values that it ignores, and does not check their encoding.
        if text.iter().filter(|b| matches!(b, b'{' | b'[')).count() > 128 {
            return Ok(());
        }
        let json = text.starts_with(b"{")
            && std::str::from_utf8(text).is_ok()
            && serde_json::from_slice::<IgnoredAny>(text).is_ok();
        let all = 0..text.len();
        let is_record = matches!(driver::decode_record_ranges(text).as_slice(), [Ok(range)] if *range == all);
        prop_assert_eq!(is_record, json);
    }

    #[test]
    fn output_does_not_depend_on_chunks_batches_or_segments(bytes in json_strategies::mutated_document(), feed in feed_options()) {
        for schema in [&driver::KEEP_ALL_SCHEMA, &EVENT_RECORD, &SONG_RECORD] {
            let single_chunk = driver::decode(&bytes, schema, SINGLE_CHUNK);
            driver::assert_same_output(&driver::decode(&bytes, schema, feed), &single_chunk, feed);
        }
    }

    #[test]
    fn rows_and_reject_reasons_match_the_reference(bytes in json_strategies::mutated_document()) {
        assert_values_match_reference(&bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..300),
        feed in feed_options(),
    ) {
        prop_assert_eq!(driver::decode_record_ranges(&bytes), expected_records(&bytes));
        for schema in [&EVENT_RECORD, &SONG_RECORD] {
            let single_chunk = driver::decode(&bytes, schema, SINGLE_CHUNK);
            driver::assert_same_output(&driver::decode(&bytes, schema, feed), &single_chunk, feed);
        }
    }

    #[test]
    fn json_like_bytes_match_the_reference(
        bytes in vec(proptest::sample::select(b"{{{}}}[]\"\"\\:,, \n\n\r\tab019.-+eEnultrfs\0\x80\xe2\x82\xac".to_vec()), 0..60),
    ) {
        prop_assert_eq!(driver::decode_record_ranges(&bytes), expected_records(&bytes));
    }
}

proptest! {
    #![proptest_config(config_with_cases(60))]

    #[test]
    fn output_does_not_depend_on_small_chunk_sizes(bytes in json_strategies::mutated_document()) {
        for schema in [&driver::KEEP_ALL_SCHEMA, &EVENT_RECORD] {
            let single_chunk = driver::decode(&bytes, schema, SINGLE_CHUNK);
            for chunk_bytes in 1..=20 {
                for late_eof in [false, true] {
                    let feed = FeedOptions { chunk_bytes, late_eof, ..SINGLE_CHUNK };
                    driver::assert_same_output(&driver::decode(&bytes, schema, feed), &single_chunk, feed);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(config_with_cases(3000))]

    #[test]
    fn doubles_match_the_standard_library(number in json_strategies::number()) {
        prop_assert!(lexer::is_number(number.as_bytes()));
        let expected: f64 = number.parse().unwrap();
        match value::parse_double(number.as_bytes()) {
            Ok(found) => prop_assert_eq!(found.to_bits(), expected.to_bits()),
            Err(error) => {
                prop_assert!(expected.is_infinite());
                prop_assert_eq!(error.reason, RejectReason::Range);
            }
        }
    }

    #[test]
    fn integers_are_exact(number in json_strategies::number()) {
        prop_assert_eq!(without_detail(value::parse_integer(number.as_bytes())), exact_integer(&number));
    }

    #[test]
    fn numeric_text_is_recognized_like_serde_json(text in "[-+]?[0-9]{0,3}[.]?[0-9]{0,2}[eE]?[-+]?[0-9]{0,2} ?") {
        let json = serde_json::from_str::<IgnoredAny>(&text).is_ok() && !text.ends_with(' ');
        prop_assert_eq!(lexer::is_number(text.as_bytes()), json);
    }

    #[test]
    fn strings_are_unescaped_like_serde_json(body in json_strategies::string_body()) {
        let mut text = Vec::new();
        let found = without_detail(value::unescape(body.as_bytes(), &mut text));
        match serde_json::from_str::<String>(&format!("\"{body}\"")) {
            Ok(expected) => {
                let nul = expected.contains('\0');
                prop_assert_eq!(found, if nul { Err(RejectReason::Nul) } else { Ok(()) });
                prop_assert_eq!(text, expected.into_bytes());
            }
            // The body is well-formed except for lone surrogates.
            Err(_) => prop_assert_eq!(found, Err(RejectReason::Encoding)),
        }
    }
}

/// The first byte of an object in another format can be a blank, as in UTF-16.
#[test]
fn object_in_another_format_is_one_reject_from_its_first_byte() {
    for bytes in [b" \0{\0".as_slice(), b"\n\0{\0}\0", b"\0 \0{\0}"] {
        assert_eq!(driver::decode_record_ranges(bytes), expected_records(bytes));
        assert_eq!(driver::decode_record_ranges(bytes), [Err(0..bytes.len())]);
    }
}
