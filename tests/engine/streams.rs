//! Whole runs over damaged objects, plain and compressed: the same as the reference at any sizes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use sparkify::config::{LoadedObjects, Sizes};
use sparkify::pipeline;
use sparkify::progress::Progress;

use crate::grammar::cases;
use crate::harness::{Input, SONG, Setting, check, check_input, config, event};
use crate::same::{bzip2, gzip, zstd};
use crate::texts::{Damage, damage, damaged};

/// Events of some size, so that there are blocks to lose.
fn log(events: u64) -> Vec<u8> {
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

/// A silent progress prints nothing, so warnings of runs that tests expect do not reach the screen.
#[test]
fn a_silent_progress_collects_the_warning_of_a_broken_stream() {
    let input = Input::with_log(log(3));
    let mut stored = gzip(&log(3));
    stored.truncate(stored.len() - 1);
    input.add("logs/b.json.gz", stored);
    let progress = Progress::silent();
    let out = input.root.path().join("star");
    let config = config(
        &input.songs(),
        &input.logs(),
        &out,
        Setting::default(),
        LoadedObjects::default(),
    );
    pipeline::run(&config, &progress).unwrap();
    let warnings = progress.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let object = input.logs().join("b.json.gz");
    let words = format!("the compressed stream of {} is broken: ", object.display());
    assert!(warnings[0].starts_with(&words), "{warnings:?}");
}

/// What bzip2 counts as decompressed of a stream until it ends or breaks, with so much room a step.
fn bzip2_output(stored: &[u8], room: usize) -> u64 {
    let mut decoder = bzip2::Decompress::new(false);
    let mut buffer = vec![0; room];
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

/// Damage by which a block ends in a run: bzip2 fails without counting what it wrote in that step.
#[test]
fn a_bzip2_block_that_ends_in_a_run_gives_the_same_at_any_sizes() {
    let whole = bzip2(&log(9));
    let damaged = (0..whole.len()).map(|at| {
        let mut stored = whole.clone();
        stored.splice(at..at, [49, 101]);
        stored
    });
    let uncounted =
        damaged.filter(|stored| bzip2_output(stored, 1 << 16) < bzip2_output(stored, 1));
    let uncounted: Vec<_> = uncounted.take(3).collect();
    assert!(!uncounted.is_empty());
    for stored in uncounted {
        let input = Input::new();
        input.add("songs/a.json", SONG);
        input.add("logs/a.json.bz2", &stored);
        input.add("logs/b.json", "{}");
        for chunk_bytes in [1, 100, 1 << 20] {
            let sizes = Sizes {
                chunk_bytes,
                ..Sizes::default()
            };
            check(&input.songs(), &input.logs(), Setting { threads: 1, sizes });
        }
    }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn a_damaged_stream_gives_the_same_at_any_sizes(
        kind in 0usize..3,
        parts in vec(prop_oneof![1u64..20, 200u64..900], 1..3),
        blow in damage(),
        where_ in any::<Index>(),
        bit in 0u32..8,
    ) {
        let ending = ["gz", "bz2", "zst"][kind];
        let pack = [gzip, bzip2, zstd][kind];
        let mut stored = Vec::new();
        for part in parts {
            stored.extend(pack(&log(part)));
        }
        match blow {
            // One bit anywhere: most often in the middle of a block.
            Damage::Flip(..) => {
                let at = where_.index(stored.len());
                stored[at] ^= 1 << bit;
            }
            blow => blow.strike(&mut stored),
        }
        let input = Input::new();
        input.add("songs/a.json", SONG);
        input.add(&format!("logs/a.json.{ending}"), &stored);
        // A run of which nothing could be read fails.
        input.add("logs/b.json", "{}");
        check_input(&input);
        for chunk_bytes in [1, 4096] {
            let sizes = Sizes { chunk_bytes, ..Sizes::default() };
            check(&input.songs(), &input.logs(), Setting { threads: 1, sizes });
        }
    }

    /// Cuts fall anywhere, also into records and into what a syntax error skips.
    #[test]
    fn a_damaged_log_gives_the_same_at_any_sizes(
        bytes in damaged(),
        split_bytes in 1u64..60,
        chunk_bytes in 1usize..60,
        row_group_rows in 1usize..4,
    ) {
        let input = Input::with_log(bytes);
        input.add("logs/b.json", "{}");
        let sizes = Sizes { split_bytes: Some(split_bytes), chunk_bytes, row_group_rows };
        check(&input.songs(), &input.logs(), Setting { threads: 2, sizes });
    }
}
