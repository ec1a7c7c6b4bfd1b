//! The format of an object is detected by its bytes, not by its name; and large windows of zstd.

use std::io::Write;

use sparkify::config::IoSizes;
use sparkify::report::RunReport;
use zstd::stream::raw::CParameter;

use crate::determinism::{bzip2, gzip, zstd};
use crate::harness::{RunOptions, SONG, TestInput, event, run_and_compare, run_and_compare_input};

/// Returns events from second `first` on.
fn event_log(first: u64, events: u64) -> Vec<u8> {
    let lines: Vec<_> = (first..first + events).map(|n| event(n, &[])).collect();
    lines.join("\n").into_bytes()
}

/// Runs with small splits, compares the output with the reference, and returns the report.
fn verified_report(input: &TestInput, split_bytes: u64, chunk_bytes: usize) -> RunReport {
    let sizes = IoSizes {
        split_bytes: Some(split_bytes),
        chunk_bytes,
        ..IoSizes::default()
    };
    run_and_compare(
        &input.songs_dir(),
        &input.logs_dir(),
        RunOptions { threads: 2, sizes },
    )
    .report
}

#[test]
fn compressed_objects_with_plain_names_are_not_split() {
    let input = TestInput::new();
    input.write("songs/a.json", gzip(SONG.as_bytes()));
    input.write("logs/a.json", event_log(0, 300));
    input.write("logs/b.json", gzip(&event_log(300, 300)));
    input.write("logs/c.jsonl", bzip2(&event_log(600, 300)));
    input.write("logs/d.ndjson", zstd(&event_log(900, 300)));
    input.write("logs/e.json.gz", event_log(1200, 300));
    input.write("logs/f.json.bz2", zstd(&event_log(1500, 300)));
    for split_bytes in [1, 7, 100, 3000, 20_000, 1 << 30] {
        let report = verified_report(&input, split_bytes, 4096);
        assert_eq!((report.logs.kept, report.logs.input.rejected), (1800, 0));
    }
    for chunk_bytes in [1, 2, 11] {
        let report = verified_report(&input, 20_000, chunk_bytes);
        assert_eq!((report.logs.kept, report.logs.input.rejected), (1800, 0));
    }
}

#[test]
fn objects_shorter_than_a_magic_number_match_the_reference() {
    let input = TestInput::new();
    input.write("songs/a.json", SONG);
    // A run fails if the logs contain no record, so this object provides one.
    input.write("logs/good.json", event_log(0, 1));
    for (number, bytes) in [
        &b"\x1f"[..],
        b"\x1f\x8b",
        b"B",
        b"BZh",
        b"BZh91AY&S",
        b"\x28\xb5",
        b"\x50\x2a\x4d",
        b"{",
        b"\xef",
        b" ",
        b"0",
    ]
    .iter()
    .enumerate()
    {
        for extension in ["json", "json.gz", "json.bz2", "json.zst"] {
            input.write(&format!("logs/{number}.{extension}"), bytes);
        }
    }
    for chunk_bytes in [1, 1000] {
        verified_report(&input, 1, chunk_bytes);
    }
}

#[test]
fn unsupported_formats_are_rejected_despite_codec_extension() {
    let input = TestInput::new();
    input.write("songs/a.json", SONG);
    input.write("logs/good.json", event_log(0, 1));
    let formats = [
        &b"PAR1\x15\x04\x15\x10"[..],
        b"PAR1",
        b"\xfd7zXZ\0\0",
        b"PK\x03\x04\x14\0\0\0\x08\0",
        b"<html>Not found</html>",
        b"\xff\xfe{\0}\0",
        b"\xff\x06\0\0sNaPpY",
    ];
    for (number, bytes) in formats.iter().enumerate() {
        for extension in ["json", "json.gz", "json.bz2", "json.zst"] {
            input.write(&format!("logs/{number}.{extension}"), bytes);
        }
    }
    for chunk_bytes in [1, 9, 1000] {
        let logs = verified_report(&input, 1, chunk_bytes).logs.input;
        let reasons: Vec<_> = logs.rejected_by_reason.into_iter().collect();
        assert_eq!(reasons, [("not_json".to_owned(), 4 * formats.len() as u64)]);
    }
}

#[test]
fn gzip_zero_padding_may_span_buffers() {
    let input = TestInput::new();
    input.write("songs/a.json", SONG);
    // A buffer of compressed bytes holds 128 KiB.
    for (number, zeros) in [1, 511, 131_072, 131_073, 400_000].into_iter().enumerate() {
        let mut stored = gzip(&event_log(number as u64 * 100, 50));
        stored.resize(stored.len() + zeros, 0);
        input.write(&format!("logs/{number}.json.gz"), &stored);
        // The padding is followed by another member, or by another byte.
        let mut two_members = stored.clone();
        two_members.extend(gzip(&event_log(number as u64 * 100 + 50, 50)));
        input.write(&format!("logs/{number}-more.json.gz"), &two_members);
        stored.push(b'x');
        input.write(&format!("logs/{number}-other.json.gz"), &stored);
    }
    let checked = run_and_compare_input(&input);
    assert_eq!(checked.report.logs.kept, 500);
    assert_eq!(checked.report.logs.input.rejected, 5);
}

#[test]
fn zstd_windows_up_to_2_gib_are_read() {
    let input = TestInput::new();
    input.write("songs/a.json", SONG);
    for window_log in [27, 28, 31] {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder
            .set_parameter(CParameter::WindowLog(window_log))
            .unwrap();
        // With the content size, the window would not be larger than the content.
        encoder.include_contentsize(false).unwrap();
        encoder
            .write_all(&event_log(u64::from(window_log) * 100, 50))
            .unwrap();
        let stored = encoder.finish().unwrap();
        // RFC 8878: the exponent above 1 KiB, and three bits of mantissa.
        assert_eq!(u32::from(stored[5] >> 3) + 10, window_log);
        input.write(&format!("logs/{window_log}.json.zst"), stored);
    }
    let checked = run_and_compare_input(&input);
    assert_eq!(checked.report.logs.kept, 150);
    assert_eq!(checked.report.logs.input.rejected, 0);
}
