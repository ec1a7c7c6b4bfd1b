//! Measures the decoding of adversarial bytes: the time per megabyte must not grow with the size of the
//! input, whatever the bytes are. Prints seconds per megabyte at 1, 10 and 100 MB, measured in one pass each.
//!
//! `cargo bench --bench adversarial`

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::time::Instant;

use sparkify::internals::model::sparkify::EVENT_RECORD;

use support::{decode_all, new_decoder, with_padding};

/// The name of an input, its first bytes, and the bytes that are repeated after them.
type HostileInput = (&'static str, &'static [u8], &'static [u8]);

const HOSTILE_INPUTS: [HostileInput; 12] = [
    (
        "text",
        b"",
        b"The quick brown fox jumps over the lazy dog. ",
    ),
    ("open braces", b"", b"{"),
    ("open brackets", b"x", b"["),
    ("pairs of braces", b"", b"}{"),
    ("candidates that break", b"", b"}{\"page\":"),
    ("candidates that do not end", b"x\n", b" {\"page\":[\n"),
    (
        "candidates without a known key",
        b"x",
        b"} {\"x\":{\"y\":1}} ",
    ),
    ("lines that do not end", b"", b"{\"page\":[\n"),
    ("strings that do not end", b"x", b"} {\"page\":\""),
    ("quotes around braces", b"x", b"\"}{\""),
    ("backslashes", b"x", b"\\\\\\\"} {"),
    ("byte order marks", b"x", b"\xef\xbb\xbf"),
];

fn main() {
    println!(
        "{:<32} {:>10} {:>10} {:>10}",
        "s/MB of", "1 MB", "10 MB", "100 MB"
    );
    for (name, first, repeated) in HOSTILE_INPUTS {
        let times = [1, 10, 100].map(|megabytes| {
            let mut bytes = first.to_vec();
            bytes.extend(repeated.iter().cycle().take(megabytes * 1_000_000));
            let (bytes, mut decoder) = (with_padding(bytes), new_decoder(&EVENT_RECORD));
            let start = Instant::now();
            let counts = decode_all(&mut decoder, &bytes, drop);
            let seconds = start.elapsed().as_secs_f64();
            assert!(counts.rejected > 0 && counts.kept == 0);
            seconds / megabytes as f64
        });
        let [one, ten, hundred] = times;
        println!("{name:<32} {one:>10.4} {ten:>10.4} {hundred:>10.4}");
    }
}
