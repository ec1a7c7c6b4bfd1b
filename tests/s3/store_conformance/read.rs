//! Reading ranges behaves the same in every store.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sparkify::internals::storage::RangeReader;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::store_conformance::{StoreUnderTest, for_each_store, for_each_store_with_location};

/// The bytes that one read request to S3 fetches.
const PREFETCH_BYTES: u64 = 4 << 20;

/// Returns bytes from which the object and the position in it can be told.
fn pattern_bytes(object: u64, length: usize) -> Vec<u8> {
    let words = (0..).map(|at: u64| (at << 8 | object).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let bytes = words.flat_map(u64::to_le_bytes);
    bytes.take(length).collect()
}

/// Reads at most `max_bytes`, in chunks of `chunk_bytes`.
fn read_up_to(reader: &mut dyn RangeReader, max_bytes: usize, chunk_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0; max_bytes];
    let mut at = 0;
    while at < max_bytes {
        let end = max_bytes.min(at + chunk_bytes);
        match reader.read(&mut bytes[at..end]).unwrap() {
            0 => break,
            count => at += count,
        }
    }
    bytes.truncate(at);
    bytes
}

#[test]
fn range_reads_from_offset_to_end_of_object() {
    for_each_store(|case| {
        let bytes = pattern_bytes(1, 300_000);
        case.put("x", &bytes);
        for (from, until) in [
            (0, 0),
            (0, 300_000),
            (1, 2),
            (100_000, 100_000),
            (100_000, 100_001),
            (200_000, u64::MAX),
            (299_999, 300_000),
            (300_000, 300_000),
            (300_000, u64::MAX),
        ] {
            for by in [1009, usize::MAX / 2] {
                let mut reader = case.open_ranges(&[("x", from, until)]);
                reader.next_range().unwrap();
                let got = read_up_to(reader.as_mut(), 400_000, by);
                let expected = &bytes[usize::try_from(from).unwrap()..];
                assert!(got == expected, "{} {from} {until} {by}", case.name);
                assert_eq!(reader.read(&mut [0]).unwrap(), 0, "{}", case.name);
            }
        }
    });
}

#[test]
fn reads_outside_of_ranges_return_nothing() {
    for_each_store(|case| {
        case.put("x", "x");
        let mut reader = case.open_ranges(&[("x", 0, 1)]);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "{}", case.name);
        reader.next_range().unwrap();
        assert_eq!(read_up_to(reader.as_mut(), 9, 9), b"x", "{}", case.name);
        reader.next_range().unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "{}", case.name);
        let mut none = case.open_ranges(&[]);
        assert_eq!(none.read(&mut [0]).unwrap(), 0, "{}", case.name);
    });
}

#[test]
fn empty_objects_are_readable() {
    for_each_store(|case| {
        case.put("a", "");
        case.put("b", "b");
        let mut reader = case.open_ranges(&[("a", 0, u64::MAX), ("b", 0, u64::MAX), ("a", 0, 0)]);
        for expected in ["", "b", ""] {
            reader.next_range().unwrap();
            let got = read_up_to(reader.as_mut(), 9, 9);
            assert_eq!(got, expected.as_bytes(), "{}", case.name);
        }
    });
}

#[test]
fn prefetched_object_arrives_in_order() {
    for_each_store_with_location(|case| {
        // An object that is larger than the prefetched bytes, sparse but for a mark at intervals.
        let length = 18 * PREFETCH_BYTES + 12_345;
        case.put("x", "");
        let path = case.path("x");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(length).unwrap();
        for at in (0..length - 8).step_by(100_003) {
            file.write_all_at(&at.to_le_bytes(), at).unwrap();
        }
        let mut expected = File::open(&path).unwrap();
        let mut reader = case.open_ranges(&[("x", 0, u64::MAX)]);
        reader.next_range().unwrap();
        let (mut actual, mut expected_bytes) = (vec![0; 777_777], vec![0; 777_777]);
        let mut total = 0;
        loop {
            let count = reader.read(&mut actual).unwrap();
            expected.read_exact(&mut expected_bytes[..count]).unwrap();
            assert!(
                actual[..count] == expected_bytes[..count],
                "{} {total}",
                case.name
            );
            total += count as u64;
            if count == 0 {
                break;
            }
        }
        assert_eq!(total, length, "{}", case.name);
    });
}

/// A linear congruential generator, for reproducible numbers.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Reads many ranges of several objects, most of which end before the object does and some beyond it.
fn read_random_ranges(case: &StoreUnderTest, seed: u64, ranges: usize) {
    // Sizes around those of the reads after the end of a range, and of prefetch requests.
    let sizes = [
        0,
        1,
        60_000,
        70_000,
        700_000,
        PREFETCH_BYTES - 1,
        PREFETCH_BYTES,
        PREFETCH_BYTES + 1,
    ];
    let objects: Vec<(String, Vec<u8>)> = sizes
        .into_iter()
        .chain([2 * PREFETCH_BYTES + 99_999])
        .zip(0..)
        .map(|(size, number)| {
            let bytes = pattern_bytes(number, usize::try_from(size).unwrap());
            (format!("{number}"), bytes)
        })
        .collect();
    for (key, bytes) in &objects {
        case.put(key, bytes);
    }
    let mut random = Lcg(seed);
    let mut planned = Vec::new();
    for _ in 0..ranges {
        let (key, bytes) = &objects[usize::try_from(random.below(9)).unwrap()];
        let size = bytes.len() as u64;
        let from = random.below(size + 1);
        let typical_length = [0, 10, 100_000, 5_000_000][usize::try_from(random.below(4)).unwrap()];
        planned.push((
            key.as_str(),
            bytes,
            from,
            from + random.below(typical_length + 1),
        ));
    }
    let ranges_to_read: Vec<_> = planned
        .iter()
        .map(|&(key, _, from, until)| (key, from, until))
        .collect();
    let mut reader = case.open_ranges(&ranges_to_read);
    for (number, (key, bytes, from, until)) in planned.into_iter().enumerate() {
        reader.next_range().unwrap();
        let rest = &bytes[usize::try_from(from).unwrap()..];
        let range_length = until - from;
        let read_length = match random.below(4) {
            0 => 0,
            1 => random.below(range_length + 1),
            2 => range_length + random.below(1000),
            _ => range_length + random.below(300_000),
        };
        let read_length = usize::try_from(read_length).unwrap();
        let by = [1 << 20, 50_000, 7777][usize::try_from(random.below(3)).unwrap()];
        let got = read_up_to(reader.as_mut(), read_length, by);
        let expected = &rest[..read_length.min(rest.len())];
        let matcher = format!(
            "{} {seed}: {number} {key} {from}..{until} {read_length}",
            case.name
        );
        assert!(got == expected, "{matcher}");
    }
}

#[test]
fn next_range_works_after_partial_and_long_reads() {
    for_each_store(|case| {
        for seed in 1..=3 {
            read_random_ranges(case, seed, 60);
        }
    });
}

#[test]
fn broken_reads_are_resumed() {
    let odds = vec![(0.15, Fault::Truncate), (0.05, Fault::Disconnect)];
    let case = StoreUnderTest::s3(S3Server::anonymous(FaultPlan::new().at_random(1, 2, odds)));
    read_random_ranges(&case, 4, 25);
    assert!(case.server.as_ref().unwrap().fault_count() > 3);
}

#[test]
fn reader_works_with_one_request_at_a_time() {
    let (sender, output) = mpsc::channel();
    thread::spawn(move || sender.send(read_with_one_request()));
    let (most, gets) = output.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!((most, gets), (1, 300));
}

/// Reads with one request at a time, and returns the maximum of concurrent GETs and their number.
fn read_with_one_request() -> (usize, usize) {
    let case = StoreUnderTest::s3(S3Server::anonymous(FaultPlan::new())).with_max_requests(1);
    let objects: Vec<String> = (0..300).map(|number| format!("{number:03}")).collect();
    for key in &objects {
        case.put(key, key);
    }
    let ranges: Vec<_> = objects.iter().map(|key| (key.as_str(), 0, 3)).collect();
    let mut reader = case.open_ranges(&ranges);
    for key in &objects {
        reader.next_range().unwrap();
        assert_eq!(read_up_to(reader.as_mut(), 9, 9), key.as_bytes());
    }
    let server = case.server.as_ref().unwrap();
    let gets = server.request_count(&RequestMatcher::operation(S3Operation::Get));
    (server.max_concurrent_gets(), gets)
}
