//! Numbers in all spellings, for every type of field.

use super::fixture::{TransformFixture, assert_engines_agree};
use super::records::{Cell, Random, RawRecord, event, json, null, song, text};

/// The keys of numbers: a time, integers that are required or not, and doubles that are required or not.
const EVENT_KEYS: [&str; 3] = ["ts", "userId", "length"];
const SONG_KEYS: [&str; 3] = ["year", "duration", "artist_latitude"];

/// Spellings that are numbers of JSON.
const NUMBERS: &[&str] = &[
    // Zero, signs and fractions.
    "0",
    "-0",
    "0.0",
    "-0.0",
    "0e0",
    "-0e5",
    "-0.0e-5",
    "1",
    "-1",
    "1.0",
    "1.00000",
    "1.5",
    "-1.5",
    "0.5",
    "-0.5",
    "1.50",
    // Exponents that shift the point, or not far enough.
    "1e3",
    "1E3",
    "1e+3",
    "1e-3",
    "1.5e1",
    "1.50e1",
    "15e-1",
    "10e-1",
    "100e-2",
    "0.1e1",
    "123.4500e2",
    "123.4500e1",
    "1000e-3",
    "1000e-4",
    "1e00003",
    "0.001e3",
    // Times, and the bounds of their years.
    "1541106106796",
    "1541106106796.0",
    "1541106106796.5",
    "1.541106106796e12",
    "-62135596800000",
    "-62135596800001",
    "253402300799999",
    "253402300800000",
    "253402300799999.0",
    "2534023007999990e-1",
    "-1",
    "-1000",
    // The bounds of integers.
    "999999999",
    "1000000000",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "2147483647.0",
    "2147483648.0",
    "-2147483648.0",
    "-123456789",
    "12345678.0",
    "92345678.0",
    "12345678.5",
    "21474836470e-1",
    "214748364.8e1",
    "123456789012345678",
    "1234567890123456789",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "9223372036854775807.000",
    "9.223372036854775807e18",
    "9.223372036854775808e18",
    "-9.223372036854775808e18",
    "1e18",
    "1e19",
    "99999999999999999999",
    // The bounds of doubles.
    "1e308",
    "1e309",
    "1e400",
    "-1e400",
    "1e-400",
    "-1e-400",
    "5e-324",
    "4.9e-324",
    "2.5e-324",
    "2.4703282292062327e-324",
    "2.4703282292062328e-324",
    "2.2250738585072011e-308",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "1.7976931348623158e308",
    "1.797693134862315807e308",
    "1.797693134862315808e308",
    "-1.797693134862315808e308",
    "179769313486231570000e288",
    "0.000000017976931348623159e316",
    // Exponents that no integer holds.
    "0e99999",
    "0e99999999999999999999",
    "1e99999999999999999999",
    "1e-99999999999999999999",
    "-1e99999999999999999999",
    "1e2147483648",
    "1e-2147483649",
    // Digits that do not matter, and digits that do.
    "3.141592653589793238462643383279502884197",
    "0.1000000000000000055511151231257827021181583404541015625",
    "9007199254740993",
    "9007199254740992.99999999999999999999",
    "9007199254740993.00000000000000000001",
    "1e23",
];

/// Texts that are no numbers, also if they look like one.
const OTHER_TEXTS: &[&str] = &[
    "",
    " ",
    "00",
    "01",
    "-01",
    "-",
    "+1",
    "1.",
    ".5",
    "1e",
    "1e+",
    "1.e1",
    "1e1.0",
    "1.5.5",
    "--1",
    "1e5e5",
    "1 ",
    " 1",
    "1\t",
    "1\n",
    "\n1",
    "1,5",
    "1_000",
    "0x1F",
    "NaN",
    "Infinity",
    "-Infinity",
    "abc",
    "1a",
    "null",
    "\u{661}",
    "１",
    "1\u{a0}",
    "''",
    "1''",
    "%",
    "1e٣",
];

/// Returns numbers with many digits, at the bounds that decide how a double is rounded.
fn long_numbers() -> Vec<String> {
    let zeros = |count: usize| "0".repeat(count);
    vec![
        format!("1{}", zeros(308)),
        format!("1{}", zeros(309)),
        format!("{}", "9".repeat(308)),
        format!("{}", "9".repeat(309)),
        format!("0.{}5", zeros(323)),
        format!("0.{}5", zeros(330)),
        format!("0.{}", "1".repeat(900)),
        format!("{}e-200", "1".repeat(400)),
        format!("1{}e-70", zeros(70)),
        format!("1{}.0e-70", zeros(70)),
        format!("0.{}1e400", zeros(399)),
        format!("-0.{}1e331", zeros(330)),
        // More significant digits than can matter, which make a tie to one that is not.
        format!("9007199254740993{}e-1000", zeros(1000)),
        format!("9007199254740993{}1e-1000", zeros(999)),
        format!("0.{}1", zeros(7000)),
        format!("{}.{}", "1".repeat(3000), "2".repeat(3000)),
    ]
}

/// Returns the digits of a number times a power.
fn product_of_powers(number: u64, base: u32, exponent: u32) -> String {
    let mut digits: Vec<u32> = number
        .to_string()
        .chars()
        .map(|c| c.to_digit(10).unwrap())
        .collect();
    digits.reverse();
    for _ in 0..exponent {
        let mut carry = 0;
        for digit in &mut digits {
            let product = *digit * base + carry;
            (*digit, carry) = (product % 10, product / 10);
        }
        digits.extend((carry > 0).then_some(carry));
    }
    digits.iter().rev().map(u32::to_string).collect()
}

/// Returns events and songs that have each value in each of the keys of numbers.
fn records_of(values: &[Cell]) -> [Vec<RawRecord>; 2] {
    let [mut songs, mut events] = [Vec::new(), Vec::new()];
    for value in values {
        for key in SONG_KEYS {
            songs.push(song(songs.len()).with(key, value.clone()));
        }
        for key in EVENT_KEYS {
            events.push(event(events.len()).with(key, value.clone()));
        }
    }
    [songs, events]
}

#[test]
fn numbers_of_json_are_read_alike() {
    let long = long_numbers();
    let numbers = NUMBERS
        .iter()
        .copied()
        .chain(long.iter().map(String::as_str));
    let values: Vec<_> = numbers
        .flat_map(|number| [json(number), text(number)])
        .collect();
    let [songs, events] = records_of(&values);
    assert!(assert_engines_agree(&songs, &events) > 100);
}

/// Integers of ten digits are as common as shorter ones, so they must not be looked at closely.
#[test]
fn integers_of_32_bits_need_no_closer_look() {
    let mut fixture = TransformFixture::new();
    let usual = [
        "0",
        "-1",
        "999999999",
        "1000000000",
        "1999999999",
        "2147483646",
        "2147483647",
        "-123456789",
        "-999999999",
        "12345678.0",
        "1.00000000",
    ];
    let unusual = [
        "2147483648",
        "9999999999",
        "-2147483648",
        "2147483647.0",
        "12345678.5",
        "1e9",
        "x000000000",
    ];
    let events: Vec<_> = usual
        .iter()
        .chain(&unusual)
        .enumerate()
        .map(|(number, id)| event(number).with("sessionId", text(id)))
        .collect();
    fixture.stage("staging_events", &events);
    fixture.transform();
    let rows = fixture.query_rows("SELECT sessionid FROM unusual_events");
    let mut found: Vec<_> = rows.iter().map(|row| row[0].as_deref().unwrap()).collect();
    found.sort_unstable();
    let mut expected = unusual.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn other_texts_are_rejected_alike() {
    let texts = OTHER_TEXTS.iter().map(|value| text(value));
    let values: Vec<_> = texts
        .chain([
            null(),
            json("true"),
            json("false"),
            json("{\"a\":1}"),
            json("[1]"),
        ])
        .collect();
    let [songs, events] = records_of(&values);
    assert!(assert_engines_agree(&songs, &events) > 100);
}

/// The bounds between doubles and infinity, and between doubles and zero, to the last digit.
#[test]
fn doubles_are_bounded_to_the_last_digit() {
    // 2^1024 - 2^970 without its last three digits, 792, and the digits of 2^-1075.
    let overflow = product_of_powers((1 << 54) - 1, 2, 970);
    let overflow = overflow.strip_suffix("792").unwrap();
    let underflow = product_of_powers(1, 5, 1075);
    let mut values = Vec::new();
    for sign in ["", "-"] {
        for last in ["791", "792", "792.0", "792.1", "791.99999", "793"] {
            values.push(json(&format!("{sign}{overflow}{last}")));
        }
        let smaller = format!("{}4", underflow.strip_suffix('5').unwrap());
        for digits in [underflow.clone(), format!("{underflow}1"), smaller] {
            values.push(json(&format!("{sign}{digits}e-{}", 323 + digits.len())));
            values.push(json(&format!("{sign}0.{}{digits}", "0".repeat(323))));
        }
    }
    let [songs, events] = records_of(&values);
    assert_engines_agree(&songs, &events);
}

/// Texts of the characters of numbers: few are numbers.
#[test]
fn random_texts_are_read_alike() {
    let mut random = Random(16);
    let characters: Vec<char> = "0123456789+-.eE ".chars().collect();
    let values: Vec<_> = (0..3000)
        .map(|_| {
            let length = 1 + random.below(10);
            let value: String = (0..length).map(|_| *random.choose(&characters)).collect();
            text(&value)
        })
        .collect();
    let [songs, events] = records_of(&values);
    assert!(assert_engines_agree(&songs, &events) > 1000);
}

/// Numbers whose digits, points and exponents are random.
#[test]
fn random_numbers_are_read_alike() {
    let mut random = Random(17);
    let digits = |random: &mut Random, most: u64| -> String {
        let length = random.below(most);
        (0..length).map(|_| random.below(10).to_string()).collect()
    };
    let values: Vec<_> = (0..3000)
        .map(|_| {
            let sign = *random.choose(&["", "-"]);
            let whole = match random.below(4) {
                0 => "0".to_owned(),
                _ => format!("{}{}", 1 + random.below(9), digits(&mut random, 22)),
            };
            let fraction = match random.below(3) {
                0 => String::new(),
                1 => format!(".{}", "0".repeat(1 + random.below(4) as usize)),
                _ => format!(".{}{}", digits(&mut random, 22), random.below(10)),
            };
            let power = match random.below(3) {
                0 => random.below(25),
                1 => random.below(340),
                _ => 290 + random.below(40),
            };
            let exponent = match random.below(3) {
                0 => String::new(),
                1 => format!("{}{power}", random.choose(&["e", "E", "e+", "e0"])),
                _ => format!("{}{power}", random.choose(&["e-", "E-", "e-00"])),
            };
            let number = format!("{sign}{whole}{fraction}{exponent}");
            match random.below(2) {
                0 => json(&number),
                _ => text(&number),
            }
        })
        .collect();
    let [songs, events] = records_of(&values);
    assert!(assert_engines_agree(&songs, &events) > 1000);
}
