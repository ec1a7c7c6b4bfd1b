//! Complete runs over damaged objects, plain and compressed: they match the reference at any sizes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use sparkify::config::{IoSizes, LoadedObjects};
use sparkify::jobs::RunJob;
use sparkify::observer::WarningCollector;
use testkit::property_tests::config::config_with_cases;
use testkit::property_tests::json_strategies::{ByteMutation, mutated_document, mutation};

use crate::determinism::{bzip2, gzip, zstd};
use crate::harness::{
    RunOptions, SONG, TestInput, event, run_and_compare, run_and_compare_input, run_config,
};

/// Returns events with incompressible values, so that the stream has several blocks.
fn noisy_log(events: u64) -> Vec<u8> {
    let noise = |n: u64| {
        format!(
            "\"{:x}\"",
            n.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_pow(3)
        )
    };
    let lines: Vec<_> = (0..events)
        .map(|n| event(n, &[("location", &noise(n))]))
        .collect();
    lines.join("\n").into_bytes()
}

/// A collector keeps warnings instead of printing them, so expected warnings do not appear in test
/// output.
#[test]
fn collector_keeps_the_corrupt_stream_warning() {
    let input = TestInput::with_log(noisy_log(3));
    let mut stored = gzip(&noisy_log(3));
    stored.truncate(stored.len() - 1);
    input.write("logs/b.json.gz", stored);
    let progress = WarningCollector::default();
    let out = input.root.path().join("dataset");
    let config = run_config(
        &input.songs_dir(),
        &input.logs_dir(),
        &out,
        RunOptions::default(),
        LoadedObjects::default(),
    );
    RunJob { config, load: None }.execute(&progress).unwrap();
    let warnings = progress.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let object = input.logs_dir().join("b.json.gz");
    let message = format!("the compressed stream of {} is corrupt: ", object.display());
    assert!(warnings[0].starts_with(&message), "{warnings:?}");
}

/// Returns the output that bzip2 reports for a stream until it ends or fails, with this buffer size per step.
fn bzip2_reported_output(stored: &[u8], step_bytes: usize) -> u64 {
    let mut decoder = bzip2::Decompress::new(false);
    let mut buffer = vec![0; step_bytes];
    loop {
        let before = (decoder.total_in(), decoder.total_out());
        let rest = &stored[before.0 as usize..];
        let status = decoder.decompress(rest, &mut buffer);
        let is_stuck = before == (decoder.total_in(), decoder.total_out());
        if is_stuck || !matches!(status, Ok(bzip2::Status::Ok)) {
            return decoder.total_out();
        }
    }
}

/// A block that is damaged so that it ends within a run-length sequence: bzip2 fails without reporting what
/// it wrote in that step.
#[test]
fn bzip2_block_ending_in_a_run_matches_reference_at_any_chunk_size() {
    let stream = bzip2(&noisy_log(9));
    let damaged = (0..stream.len()).map(|at| {
        let mut stored = stream.clone();
        stored.splice(at..at, [49, 101]);
        stored
    });
    let uncounted = damaged
        .filter(|stored| bzip2_reported_output(stored, 1 << 16) < bzip2_reported_output(stored, 1));
    let uncounted: Vec<_> = uncounted.take(3).collect();
    assert!(!uncounted.is_empty());
    for stored in uncounted {
        let input = TestInput::new();
        input.write("songs/a.json", SONG);
        input.write("logs/a.json.bz2", &stored);
        input.write("logs/b.json", "{}");
        for chunk_bytes in [1, 100, 1 << 20] {
            let sizes = IoSizes {
                chunk_bytes,
                ..IoSizes::default()
            };
            run_and_compare(
                &input.songs_dir(),
                &input.logs_dir(),
                RunOptions { threads: 1, sizes },
            );
        }
    }
}

proptest! {
    #![proptest_config(config_with_cases(40))]

    #[test]
    fn corrupt_stream_matches_reference_at_any_chunk_size(
        kind in 0usize..3,
        parts in vec(prop_oneof![1u64..20, 200u64..900], 1..3),
        mutation in mutation(),
        position in any::<Index>(),
        bit in 0u32..8,
    ) {
        let extension = ["gz", "bz2", "zst"][kind];
        let compress = [gzip, bzip2, zstd][kind];
        let mut stored = Vec::new();
        for part in parts {
            stored.extend(compress(&noisy_log(part)));
        }
        match mutation {
            // One bit anywhere, most often in the middle of a block.
            ByteMutation::XorByte(..) => {
                let at = position.index(stored.len());
                stored[at] ^= 1 << bit;
            }
            mutation => mutation.apply(&mut stored),
        }
        let input = TestInput::new();
        input.write("songs/a.json", SONG);
        input.write(&format!("logs/a.json.{extension}"), &stored);
        // A run fails if no record can be read, so this object provides one.
        input.write("logs/b.json", "{}");
        run_and_compare_input(&input);
        for chunk_bytes in [1, 4096] {
            let sizes = IoSizes { chunk_bytes, ..IoSizes::default() };
            run_and_compare(&input.songs_dir(), &input.logs_dir(), RunOptions { threads: 1, sizes });
        }
    }

    /// Splits start anywhere, also within records and within bytes that are skipped after a syntax error.
    #[test]
    fn corrupt_log_matches_reference_at_any_split_size(
        bytes in mutated_document(),
        split_bytes in 1u64..60,
        chunk_bytes in 1usize..60,
        row_group_rows in 1usize..4,
    ) {
        let input = TestInput::with_log(bytes);
        input.write("logs/b.json", "{}");
        let sizes = IoSizes { split_bytes: Some(split_bytes), chunk_bytes, row_group_rows };
        run_and_compare(&input.songs_dir(), &input.logs_dir(), RunOptions { threads: 2, sizes });
    }
}
