//! Rewrites a log into variants: other spellings of the same events, and variants that are slower to decode.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use serde_json::value::RawValue;

use super::non_empty_lines;

/// The members of a record: each key, and its value as written.
type RecordMembers = Vec<(String, String)>;

/// The texts before the first member, between key and value, between members, and at the end.
type JsonStyle = [&'static str; 4];

const COMPACT: JsonStyle = ["{", ":", ",", "}\n"];
const SPACED: JsonStyle = ["{", ": ", ", ", "}\n"];
const PRETTY: JsonStyle = ["{\n    ", ": ", ",\n    ", "\n}\n"];

/// Rewrites a log into a variant of it.
pub type LogVariant = fn(&[u8]) -> Vec<u8>;

/// The variants by name; none of them has rejects.
pub const LOG_VARIANTS: [(&str, LogVariant); 10] = [
    ("spaces between tokens", |log| {
        rewrite(log, SPACED, |_, _| {})
    }),
    ("pretty-printed", |log| rewrite(log, PRETTY, |_, _| {})),
    ("nulls omitted", omit_nulls),
    ("shuffled keys", shuffle_keys),
    ("36 unused keys", add_unused_keys),
    ("nested unused values", add_unused_nested_values),
    ("unicode", use_non_ascii_vowels),
    ("escapes", escape_texts),
    ("unique user agents", unique_user_agents),
    ("long numbers", lengthen_numbers),
];

/// Shuffles the members, with another order in each record.
fn shuffle_keys(log: &[u8]) -> Vec<u8> {
    rewrite(log, COMPACT, |n, members| {
        members.sort_by_cached_key(|(key, _)| FixedState::default().hash_one((n, key)));
    })
}

/// Omits members whose value is null, so that records differ in length.
fn omit_nulls(log: &[u8]) -> Vec<u8> {
    rewrite(log, COMPACT, |_, members| {
        members.retain(|(_, value)| value != "null");
    })
}

fn add_unused_keys(log: &[u8]) -> Vec<u8> {
    insert_members(log, 2, |n, index| match index % 4 {
        0 => format!("\"value {n} of an unused key\""),
        1 => format!("{n}.25"),
        2 => "true".to_owned(),
        _ => "null".to_owned(),
    })
}

fn add_unused_nested_values(log: &[u8]) -> Vec<u8> {
    insert_members(log, 1, |n, index| match index % 3 {
        0 => format!(r#"{{"device":{{"os":"some os","version":[10,15,{n}]}},"tags":["a","b"]}}"#),
        1 => format!("[{n},{n}.5,[true,null]]"),
        _ => "{}".to_owned(),
    })
}

/// Inserts `count` unused members after each member.
fn insert_members(log: &[u8], count: usize, value: impl Fn(usize, usize) -> String) -> Vec<u8> {
    rewrite(log, COMPACT, |n, members| {
        let mut extended = RecordMembers::new();
        for member in members.drain(..) {
            extended.push(member);
            for _ in 0..count {
                extended.push((format!("extra{}", extended.len()), value(n, extended.len())));
            }
        }
        *members = extended;
    })
}

/// Replaces vowels by letters of two or three bytes, in all names and titles.
fn use_non_ascii_vowels(log: &[u8]) -> Vec<u8> {
    let text_keys = ["artist", "firstName", "lastName", "location", "song"];
    rewrite_texts(log, &text_keys, |text| {
        let text = text.replace('a', "ä").replace('e', "ệ").replace('o', "ø");
        serde_json::to_string(&text).unwrap()
    })
}

/// Writes every vowel, space and punctuation mark as an escape.
fn escape_texts(log: &[u8]) -> Vec<u8> {
    rewrite_texts(log, &["artist", "song", "userAgent"], |text| {
        let escape = |c: char| match c {
            '"' | '\\' | '/' => format!("\\{c}"),
            'a' | 'e' | 'i' | 'o' | 'u' => escape_char(c),
            c if c.is_ascii_alphanumeric() => c.to_string(),
            c => escape_char(c),
        };
        format!("\"{}\"", text.chars().map(escape).collect::<String>())
    })
}

fn escape_char(c: char) -> String {
    let units = c.encode_utf16(&mut [0; 2]).to_vec();
    units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Makes text unique in a column that is encoded by a dictionary.
pub fn unique_user_agents(log: &[u8]) -> Vec<u8> {
    rewrite(log, COMPACT, |n, members| {
        map_value(members, "userAgent", |agent| {
            agent.replacen('"', &format!("\"{n} "), 1)
        });
    })
}

/// Writes numbers with a sign, an exponent, or more digits than a double holds.
fn lengthen_numbers(log: &[u8]) -> Vec<u8> {
    rewrite(log, COMPACT, |_, members| {
        map_value(members, "length", |length| match length {
            "null" => length.to_owned(),
            _ => format!("{length}000000000001e0"),
        });
        map_value(members, "itemInSession", |item| format!("-{item}"));
    })
}

/// Makes one of ten plays a reject, alternately by its syntax, by a type and by a missing key.
pub fn with_rejects(log: &[u8]) -> Vec<u8> {
    let mut plays = 0;
    rewrite(log, COMPACT, |_, members| {
        if !members.iter().any(|(_, value)| value == "\"NextSong\"") {
            return;
        }
        plays += 1;
        match plays % 30 {
            0 => map_value(members, "length", |_| "12.".to_owned()),
            10 => map_value(members, "ts", |_| "\"soon\"".to_owned()),
            20 => members.retain(|(key, _)| key != "sessionId"),
            _ => {}
        }
    })
}

fn map_value(members: &mut RecordMembers, key: &str, to: impl Fn(&str) -> String) {
    for (_, value) in members.iter_mut().filter(|(k, _)| k == key) {
        *value = to(value);
    }
}

/// Rewrites the texts of some keys.
fn rewrite_texts(log: &[u8], keys: &[&str], write: impl Fn(&str) -> String) -> Vec<u8> {
    rewrite(log, COMPACT, |_, members| {
        for key in keys {
            map_value(members, key, |json| {
                let text: Option<String> = serde_json::from_str(json).unwrap();
                text.map_or_else(|| json.to_owned(), |text| write(&text))
            });
        }
    })
}

/// Rewrites the members of each record; `change` receives the number of the record. The keys of the generator
/// are in alphabetical order, as in the real log, and stay so.
fn rewrite(
    log: &[u8],
    style: JsonStyle,
    mut change: impl FnMut(usize, &mut RecordMembers),
) -> Vec<u8> {
    let [open, colon, comma, close] = style;
    let mut out = Vec::new();
    for (n, line) in non_empty_lines(log).enumerate() {
        let record: BTreeMap<String, &RawValue> = serde_json::from_slice(line).unwrap();
        let mut members = record
            .into_iter()
            .map(|(key, value)| (key, value.get().to_owned()))
            .collect();
        change(n, &mut members);
        let member = |(key, value): &(String, String)| format!("\"{key}\"{colon}{value}");
        let members: Vec<_> = members.iter().map(member).collect();
        out.extend([open, &members.join(comma), close].concat().into_bytes());
    }
    out
}
