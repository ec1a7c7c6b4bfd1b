//! Strategies for JSON texts: valid texts in all spellings, and damaged texts.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Returns JSON whitespace, mostly none.
fn whitespace() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(String::new()),
        2 => Just(" ".to_owned()),
        1 => "[ \t\r\n]{1,4}",
    ]
}

/// Returns the characters between the quotes of a string: escapes are well-formed, surrogates have any order.
pub fn string_body() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -!#-\\[\\]-~]{0,20}",
        1 => any::<char>().prop_filter_map("a control character, quote or backslash", |c| {
            (c >= ' ' && c != '"' && c != '\\').then(|| c.to_string())
        }),
        2 => select(vec!["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\u{7f}"])
            .prop_map(str::to_owned),
        1 => any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
        1 => (0xD800u16..0xE000).prop_map(|unit| format!("\\u{unit:04X}")),
        1 => (0xD800u16..0xDC00, 0xDC00u16..0xE000)
            .prop_map(|(high, low)| format!("\\u{high:04x}\\u{low:04X}")),
        1 => select(vec!["\\u0000", "\\u0001", "\\u0022", "\\uFFFF"]).prop_map(str::to_owned),
    ];
    vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn string() -> impl Strategy<Value = String> {
    string_body().prop_map(|body| format!("\"{body}\""))
}

/// Returns a JSON number.
pub fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "-?(0|[1-9][0-9]{0,9})",
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        1 => "-?(0|[1-9][0-9]{0,5})(\\.0{1,30}|\\.[0-9]{1,3}0{0,9})?([eE][+-]?0{0,3}[0-9]{1,2})?",
        1 => "-?[1-9][0-9]{0,30}[eE][+-]?[0-9]{15,40}",
        1 => select(vec![
            "9223372036854775807", "9223372036854775808", "-9223372036854775808",
            "-9223372036854775809", "9223372036854775807.0", "922337203685477580.8e1",
            "-0", "0e999999999999999999999", "2147483647", "2147483648", "-2147483649",
            "1.7976931348623157e308", "1.7976931348623159e308", "4.9e-324", "2e-324", "1e400",
            "-62135596800000", "-62135596800001", "253402300799999", "253402300800000",
        ]).prop_map(str::to_owned),
        // 15 to 17 digits, around the limit of the fast path for doubles.
        1 => "-?[1-9][0-9]{13,15}\\.?[0-9]{1,2}",
    ]
}

/// Returns any JSON value.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        3 => string(),
        3 => number(),
        1 => number().prop_map(|n| format!("\"{n}\"")),
        2 => select(vec!["true", "false", "null", "\"\"", "[]", "{}", "[ ]", "{\n}"])
            .prop_map(str::to_owned),
    ];
    scalar.prop_recursive(5, 20, 4, |inner| {
        let item =
            (whitespace(), inner.clone(), whitespace()).prop_map(|(a, v, b)| format!("{a}{v}{b}"));
        prop_oneof![
            vec(item, 1..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec((string(), member_value(inner)), 1..4).prop_map(object),
        ]
    })
}

/// Returns a value whose depth is near the limit.
fn deeply_nested() -> impl Strategy<Value = String> {
    (vec(any::<bool>(), 125..131), any::<bool>()).prop_map(|(levels, whole)| {
        let mut text = String::new();
        for object in &levels {
            text.push_str(if *object { "{\"a\": " } else { "[ " });
        }
        text.push('1');
        if whole {
            for object in levels.iter().rev() {
                text.push(if *object { '}' } else { ']' });
            }
        }
        text
    })
}

fn member_value(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (whitespace(), whitespace(), value, whitespace())
        .prop_map(|(a, b, v, c)| format!("{a}:{b}{v}{c}"))
}

/// Formats an object; each member is a key, and its value after the colon.
fn object(members: Vec<(String, String)>) -> String {
    let members: Vec<_> = members.iter().map(|(k, v)| format!("{k}{v}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Returns a key, often one of the model, and sometimes written with an escape.
fn key() -> impl Strategy<Value = String> {
    let known_keys = select(vec![
        "page",
        "ts",
        "userId",
        "sessionId",
        "itemInSession",
        "level",
        "firstName",
        "lastName",
        "gender",
        "location",
        "userAgent",
        "song",
        "artist",
        "length",
        "auth",
        "song_id",
        "title",
        "artist_id",
        "artist_name",
        "artist_location",
        "artist_latitude",
        "year",
        "duration",
    ]);
    prop_oneof![
        12 => known_keys.clone().prop_map(|key| format!("\"{key}\"")),
        1 => known_keys.prop_map(|key| format!("\"\\u{:04x}{}\"", key.as_bytes()[0], &key[1..])),
        1 => string(),
    ]
}

/// Returns a record with any keys and values.
fn any_record() -> impl Strategy<Value = String> {
    let value = prop_oneof![12 => value().boxed(), 1 => deeply_nested().boxed()];
    (
        whitespace(),
        vec((whitespace(), key(), member_value(value)), 0..6),
    )
        .prop_map(|(blank, members)| {
            if members.is_empty() {
                return format!("{{{blank}}}");
            }
            object(
                members
                    .into_iter()
                    .map(|(a, k, v)| (format!("{a}{k}"), v))
                    .collect(),
            )
        })
}

/// Returns a record that has all required keys in any order, with most values in range.
fn complete_record() -> impl Strategy<Value = String> {
    let small = || prop_oneof![4 => "[0-9]", 1 => Just("7.0".to_owned()), 1 => number()];
    let usual = (
        prop_oneof![8 => Just("\"NextSong\"".to_owned()), 1 => Just("\"\\u004eextSong\"".to_owned()), 1 => value()],
        prop_oneof![4 => "15410000000[0-9]{2}", 1 => "1\\.5410000000[0-9]{2}[eE]12", 1 => number()],
        small().prop_map(|n| format!("\"{n}\"")),
        small(),
        small(),
        prop_oneof![8 => string(), 1 => value()],
    );
    (
        usual,
        vec((key(), member_value(value())), 0..4),
        any::<u64>(),
    )
        .prop_map(|((page, ts, user, session, item, text), more, order)| {
            let usual = [
                ("page", &page),
                ("ts", &ts),
                ("userId", &user),
                ("sessionId", &session),
                ("itemInSession", &item),
                ("level", &text),
                ("song_id", &text),
                ("title", &text),
                ("artist_id", &text),
                ("artist_name", &text),
                ("duration", &ts),
            ];
            let mut members: Vec<_> = usual
                .iter()
                .map(|(k, v)| (format!("\"{k}\""), format!(": {v}")))
                .chain(more)
                .collect();
            // A permutation that depends on `order`.
            for i in (1..members.len()).rev() {
                members.swap(i, (order >> (i % 32)) as usize % (i + 1));
            }
            object(members)
        })
}

/// Returns an object of several records, with any separators between them.
pub fn document() -> impl Strategy<Value = Vec<u8>> {
    let between = select(vec![
        "\n", "\n", "\n", "\r\n", "", " ", "\n\n", "\n ", "\t", ",", ",\n", "x\n", "\r", "\u{feff}",
    ]);
    let record = prop_oneof![any_record().boxed(), complete_record().boxed()];
    let mark = select(vec!["", "", "", "\u{feff}", " ", "\n", "["]);
    (mark, vec((record, between), 0..6)).prop_map(|(mark, records)| {
        let mut text = mark.to_owned();
        for (record, between) in records {
            text.push_str(&record);
            text.push_str(between);
        }
        text.into_bytes()
    })
}

/// A modification of the bytes of a document.
#[derive(Debug, Clone)]
pub enum ByteMutation {
    XorByte(Index, u8),
    Delete(Index, usize),
    Insert(Index, Vec<u8>),
    Truncate(Index),
    /// Copies a range to another position.
    Splice(Index, usize, Index),
}

pub fn mutation() -> impl Strategy<Value = ByteMutation> {
    let snippet = select(
        [
            &b"{"[..],
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"\"",
            b"\\",
            b"\n{",
            b"\n",
            b"\r\n",
            b" ",
            b"\0",
            b"\x1f",
            b"\x7f",
            b"\x80",
            b"\xff",
            b"\xed\xa0\x80",
            b"\xef\xbb\xbf",
            b"\\u",
            b"\\ud800",
            b"\\x",
            b"0",
            b"00",
            b"-",
            b".",
            b"e",
            b"+",
            b"1e",
            b"nul",
            b"true",
            b"//",
            b"\n{}",
            b"}{",
            b"\xf4\x90\x80\x80",
            b"\xc0\x80",
            b"\x0b",
            b"\xc2\xa0",
            b"NaN",
        ]
        .map(<[u8]>::to_vec)
        .to_vec(),
    );
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| ByteMutation::XorByte(at, bits)),
        2 => (any::<Index>(), 1usize..9).prop_map(|(at, n)| ByteMutation::Delete(at, n)),
        4 => (any::<Index>(), snippet).prop_map(|(at, bytes)| ByteMutation::Insert(at, bytes)),
        1 => any::<Index>().prop_map(ByteMutation::Truncate),
        2 => (any::<Index>(), 1usize..40, any::<Index>())
            .prop_map(|(from, n, to)| ByteMutation::Splice(from, n, to)),
    ]
}

impl ByteMutation {
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len();
        match self {
            Self::XorByte(at, bits) => bytes[at.index(len)] ^= bits,
            Self::Delete(at, n) => {
                let at = at.index(len);
                bytes.drain(at..(at + n).min(len));
            }
            Self::Insert(at, new) => {
                let at = at.index(len);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Truncate(at) => bytes.truncate(at.index(len)),
            Self::Splice(from, n, to) => {
                let (from, to) = (from.index(len), to.index(len));
                let piece = bytes[from..(from + n).min(len)].to_vec();
                bytes.splice(to..to, piece);
            }
        }
    }
}

/// Returns a document with no modifications or several.
pub fn mutated_document() -> impl Strategy<Value = Vec<u8>> {
    (document(), vec(mutation(), 0..4)).prop_map(|(mut bytes, mutations)| {
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        bytes
    })
}
