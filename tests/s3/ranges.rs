//! Reading ranges: the same from every store.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sparkify::storage::RangeReader;

use crate::asked::{Kind, Which};
use crate::every::{Case, every_store};
use crate::faults::{Fault, Faults};
use crate::server::Server;

/// Bytes of one request, by which S3 is read.
const PIECE: u64 = 4 << 20;

/// Bytes that tell where in an object they stand, and in which.
fn content(object: u64, length: usize) -> Vec<u8> {
    let words = (0..).map(|at: u64| (at << 8 | object).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let bytes = words.flat_map(u64::to_le_bytes);
    bytes.take(length).collect()
}

/// Reads on, at most so many bytes, by so many at a time.
fn read(reader: &mut dyn RangeReader, most: usize, by: usize) -> Vec<u8> {
    let mut bytes = vec![0; most];
    let mut at = 0;
    while at < most {
        let end = most.min(at + by);
        match reader.read(&mut bytes[at..end]).unwrap() {
            0 => break,
            count => at += count,
        }
    }
    bytes.truncate(at);
    bytes
}

#[test]
fn a_range_begins_in_the_middle_and_may_be_read_to_the_end_of_the_object() {
    every_store(|case| {
        let bytes = content(1, 300_000);
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
                let mut reader = case.read(&[("x", from, until)]);
                reader.next_range().unwrap();
                let got = read(reader.as_mut(), 400_000, by);
                let expected = &bytes[usize::try_from(from).unwrap()..];
                assert!(got == expected, "{} {from} {until} {by}", case.name);
                assert_eq!(reader.read(&mut [0]).unwrap(), 0, "{}", case.name);
            }
        }
    });
}

#[test]
fn nothing_is_read_before_the_first_range_and_behind_the_last() {
    every_store(|case| {
        case.put("x", "x");
        let mut reader = case.read(&[("x", 0, 1)]);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "{}", case.name);
        reader.next_range().unwrap();
        assert_eq!(read(reader.as_mut(), 9, 9), b"x", "{}", case.name);
        reader.next_range().unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "{}", case.name);
        let mut none = case.read(&[]);
        assert_eq!(none.read(&mut [0]).unwrap(), 0, "{}", case.name);
    });
}

#[test]
fn empty_objects_are_read() {
    every_store(|case| {
        case.put("a", "");
        case.put("b", "b");
        let mut reader = case.read(&[("a", 0, u64::MAX), ("b", 0, u64::MAX), ("a", 0, 0)]);
        for expected in ["", "b", ""] {
            reader.next_range().unwrap();
            let got = read(reader.as_mut(), 9, 9);
            assert_eq!(got, expected.as_bytes(), "{}", case.name);
        }
    });
}

#[test]
fn an_object_of_many_pieces_comes_in_order() {
    every_store(|case| {
        // More than are fetched ahead, sparse but for a mark every now and then.
        let length = 18 * PIECE + 12_345;
        case.put("x", "");
        let path = case.folder.join("x");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(length).unwrap();
        for at in (0..length - 8).step_by(100_003) {
            file.write_all_at(&at.to_le_bytes(), at).unwrap();
        }
        let mut expected = File::open(&path).unwrap();
        let mut reader = case.read(&[("x", 0, u64::MAX)]);
        reader.next_range().unwrap();
        let (mut one, mut other) = (vec![0; 777_777], vec![0; 777_777]);
        let mut total = 0;
        loop {
            let count = reader.read(&mut one).unwrap();
            expected.read_exact(&mut other[..count]).unwrap();
            assert!(one[..count] == other[..count], "{} {total}", case.name);
            total += count as u64;
            if count == 0 {
                break;
            }
        }
        assert_eq!(total, length, "{}", case.name);
    });
}

/// Numbers in no order, the same ones every time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Reads many ranges of several objects, most of them not to their end and some beyond it.
fn wander(case: &Case, seed: u64, ranges: usize) {
    // Around the sizes of the requests behind the end of a range, and of pieces.
    let sizes = [0, 1, 60_000, 70_000, 700_000, PIECE - 1, PIECE, PIECE + 1];
    let objects: Vec<(String, Vec<u8>)> = sizes
        .into_iter()
        .chain([2 * PIECE + 99_999])
        .zip(0..)
        .map(|(size, number)| {
            let bytes = content(number, usize::try_from(size).unwrap());
            (format!("{number}"), bytes)
        })
        .collect();
    for (key, bytes) in &objects {
        case.put(key, bytes);
    }
    let mut random = Random(seed);
    let mut asked = Vec::new();
    for _ in 0..ranges {
        let (key, bytes) = &objects[usize::try_from(random.below(9)).unwrap()];
        let size = bytes.len() as u64;
        let from = random.below(size + 1);
        let likely = [0, 10, 100_000, 5_000_000][usize::try_from(random.below(4)).unwrap()];
        asked.push((key.as_str(), bytes, from, from + random.below(likely + 1)));
    }
    let told: Vec<_> = asked
        .iter()
        .map(|&(key, _, from, until)| (key, from, until))
        .collect();
    let mut reader = case.read(&told);
    for (number, (key, bytes, from, until)) in asked.into_iter().enumerate() {
        reader.next_range().unwrap();
        let rest = &bytes[usize::try_from(from).unwrap()..];
        let likely = until - from;
        let much = match random.below(4) {
            0 => 0,
            1 => random.below(likely + 1),
            2 => likely + random.below(1000),
            _ => likely + random.below(300_000),
        };
        let much = usize::try_from(much).unwrap();
        let by = [1 << 20, 50_000, 7777][usize::try_from(random.below(3)).unwrap()];
        let got = read(reader.as_mut(), much, by);
        let expected = &rest[..much.min(rest.len())];
        let which = format!(
            "{} {seed}: {number} {key} {from}..{until} {much}",
            case.name
        );
        assert!(got == expected, "{which}");
    }
}

#[test]
fn ranges_follow_each_other_however_far_each_is_read() {
    every_store(|case| {
        for seed in 1..=3 {
            wander(case, seed, 60);
        }
    });
}

#[test]
fn what_breaks_on_the_way_is_read_all_the_same() {
    let odds = vec![(0.15, Fault::Cut), (0.05, Fault::Drop)];
    let case = Case::s3(Server::public(Faults::new().by_chance(1, 2, odds)));
    wander(&case, 4, 25);
    assert!(case.server.as_ref().unwrap().faults() > 3);
}

#[test]
fn a_reader_gets_on_with_one_request_at_a_time() {
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(one_at_a_time()));
    let (most, gets) = ended.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!((most, gets), (1, 300));
}

/// The most GETs at a time, and all of them.
fn one_at_a_time() -> (usize, usize) {
    let case = Case::s3(Server::public(Faults::new())).with_requests(1);
    let objects: Vec<String> = (0..300).map(|number| format!("{number:03}")).collect();
    for key in &objects {
        case.put(key, key);
    }
    let ranges: Vec<_> = objects.iter().map(|key| (key.as_str(), 0, 3)).collect();
    let mut reader = case.read(&ranges);
    for key in &objects {
        reader.next_range().unwrap();
        assert_eq!(read(reader.as_mut(), 9, 9), key.as_bytes());
    }
    let server = case.server.as_ref().unwrap();
    let gets = server.requests(&Which::kind(Kind::Get));
    (server.most_gets_at_once(), gets)
}
