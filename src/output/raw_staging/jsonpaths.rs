//! Writes and checks JSONPaths files, which tell COPY the key of each column.

use serde::{Deserialize, Serialize};

use crate::model::RecordSchema;

/// The maximum length of a path in an error, in characters.
const MAX_SHOWN_CHARS: usize = 80;

/// The only JSON object in a JSONPaths file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonPathsFile {
    jsonpaths: Vec<String>,
}

/// The two ways to write a path, which COPY does not accept in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    /// `$['key']`.
    Bracket,
    /// `$.key`.
    Dot,
}

impl Notation {
    fn name(self) -> &'static str {
        match self {
            Self::Bracket => "bracket",
            Self::Dot => "dot",
        }
    }
}

/// Returns the JSONPaths of all known keys of a record, in their order.
pub(super) fn jsonpaths_of_record(record: &RecordSchema) -> serde_json::Result<Vec<u8>> {
    let keys = record.known_keys().into_iter();
    let file = JsonPathsFile {
        jsonpaths: keys.map(|key| format!("$['{key}']")).collect(),
    };
    let mut json = serde_json::to_vec_pretty(&file)?;
    json.push(b'\n');
    Ok(json)
}

/// Parses a JSONPaths file and checks it against the known keys of a record. Returns the keys in the order of the paths.
///
/// # Errors
/// Returns the reason if COPY would refuse the file or take it for something else, or if the paths are not those of the
/// known keys, each of them once.
pub(super) fn check_jsonpaths(
    json: &[u8],
    record: &RecordSchema,
) -> Result<Vec<&'static str>, String> {
    if json.starts_with("\u{feff}".as_bytes()) {
        return Err("it begins with a byte order mark".to_owned());
    }
    // The deserializer would also take an array for the fields of the object.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err("it is not a JSON object".to_owned());
    }
    let file: JsonPathsFile = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    let paths = file.jsonpaths;
    let known = record.known_keys();
    let mut keys: Vec<&'static str> = Vec::with_capacity(known.len());
    let mut first_notation = None;
    for (path, number) in paths.iter().zip(1..) {
        let in_path = |reason: &str| format!("path {number}, {}, {reason}", shortened(path));
        let (notation, key) = parse_path(path).map_err(in_path)?;
        let expected = *first_notation.get_or_insert(notation);
        if notation != expected {
            return Err(in_path(&format!(
                "is in {} notation and path 1 is in {} notation, which COPY does not accept in one file",
                notation.name(),
                expected.name()
            )));
        }
        let Some(key) = known.iter().find(|known| **known == key) else {
            return Err(in_path(&format!(
                "names no key of {}",
                record.staging_table()
            )));
        };
        if let Some(first) = keys.iter().position(|known| known == key) {
            return Err(in_path(&format!(
                "names the same key as path {}",
                first + 1
            )));
        }
        keys.push(key);
    }
    let missing: Vec<_> = known
        .iter()
        .filter(|key| !keys.contains(key))
        .copied()
        .collect();
    if !missing.is_empty() {
        return Err(format!(
            "it has {} paths, {} has {} columns: there is no path for {}",
            paths.len(),
            record.staging_table(),
            known.len(),
            missing.join(", ")
        ));
    }
    Ok(keys)
}

/// Returns the notation of a path and the top-level key that it names.
fn parse_path(path: &str) -> Result<(Notation, &str), &'static str> {
    let in_brackets = || path.strip_prefix("$['")?.strip_suffix("']");
    let (notation, key) = match (in_brackets(), path.strip_prefix("$.")) {
        (Some(key), _) => (Notation::Bracket, key),
        (None, Some(key)) => (Notation::Dot, key),
        (None, None) => return Err("is neither $['key'] nor $.key"),
    };
    let (is_wildcard, is_nested) = match notation {
        Notation::Bracket => (
            key == "*" || key.contains("[*]"),
            key.contains(['\'', '[', ']']),
        ),
        Notation::Dot => (
            key.contains('*') || key.starts_with('.') || key.contains(".."),
            key.contains(['.', '[', ']']),
        ),
    };
    if is_wildcard {
        Err("has a wildcard, which COPY does not accept")
    } else if is_nested || key.is_empty() {
        Err("does not name one key at the top level of the record")
    } else {
        Ok((notation, key))
    }
}

/// Returns a path as it is shown in errors.
fn shortened(path: &str) -> String {
    match path.char_indices().nth(MAX_SHOWN_CHARS) {
        None => path.to_owned(),
        Some((end, _)) => format!("{}...", path.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::sparkify::{EVENT_RECORD, SONG_RECORD};

    /// The paths of the public `log_json_path.json`.
    const PUBLIC_LOG_PATHS: [&str; 18] = [
        "$['artist']",
        "$['auth']",
        "$['firstName']",
        "$['gender']",
        "$['itemInSession']",
        "$['lastName']",
        "$['length']",
        "$['level']",
        "$['location']",
        "$['method']",
        "$['page']",
        "$['registration']",
        "$['sessionId']",
        "$['song']",
        "$['status']",
        "$['ts']",
        "$['userAgent']",
        "$['userId']",
    ];

    fn check_logs(paths: &[impl AsRef<str>]) -> Result<Vec<&'static str>, String> {
        let paths: Vec<_> = paths.iter().map(AsRef::as_ref).collect();
        let json = json!({ "jsonpaths": paths }).to_string();
        check_jsonpaths(json.as_bytes(), &EVENT_RECORD)
    }

    /// Asserts the reason why the public paths are refused after one of them is replaced.
    #[track_caller]
    fn assert_refused(number: usize, path: &str, reason: &str) {
        let mut paths = PUBLIC_LOG_PATHS;
        paths[number - 1] = path;
        assert_eq!(check_logs(&paths), Err(reason.to_owned()));
    }

    #[test]
    fn paths_of_the_model_are_those_of_the_public_file() {
        let json = jsonpaths_of_record(&EVENT_RECORD).unwrap();
        let file: JsonPathsFile = serde_json::from_slice(&json).unwrap();
        assert_eq!(file.jsonpaths, PUBLIC_LOG_PATHS);
    }

    #[test]
    fn paths_of_the_model_pass_the_check() {
        for record in [&EVENT_RECORD, &SONG_RECORD] {
            let json = jsonpaths_of_record(record).unwrap();
            assert_eq!(check_jsonpaths(&json, record), Ok(record.known_keys()));
        }
    }

    #[test]
    fn keys_are_returned_in_the_order_of_the_paths() {
        let mut paths = PUBLIC_LOG_PATHS;
        paths.reverse();
        let mut keys = EVENT_RECORD.known_keys();
        keys.reverse();
        assert_eq!(check_logs(&paths), Ok(keys));
    }

    #[test]
    fn dot_notation_is_accepted() {
        let keys = EVENT_RECORD.known_keys();
        let paths: Vec<_> = keys.iter().map(|key| format!("$.{key}")).collect();
        assert_eq!(check_logs(&paths), Ok(keys));
    }

    #[test]
    fn each_column_needs_a_path() {
        let reason = "it has 17 paths, staging_events has 18 columns: there is no path for artist";
        assert_eq!(check_logs(&PUBLIC_LOG_PATHS[1..]), Err(reason.to_owned()));
        let nothing = check_logs(&[""; 0]).unwrap_err();
        assert!(
            nothing.starts_with(
                "it has 0 paths, staging_events has 18 columns: there is no path for artist, auth,"
            ),
            "{nothing}"
        );
        let mut more = PUBLIC_LOG_PATHS.to_vec();
        more.push("$['more']");
        let reason = "path 19, $['more'], names no key of staging_events";
        assert_eq!(check_logs(&more), Err(reason.to_owned()));
        let json = jsonpaths_of_record(&EVENT_RECORD).unwrap();
        let reason = "path 1, $['artist'], names no key of staging_songs";
        assert_eq!(check_jsonpaths(&json, &SONG_RECORD), Err(reason.to_owned()));
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert_refused(
            18,
            "$['userid']",
            "path 18, $['userid'], names no key of staging_events",
        );
        assert_refused(
            1,
            "$['page ']",
            "path 1, $['page '], names no key of staging_events",
        );
    }

    #[test]
    fn a_key_twice_is_refused() {
        assert_refused(
            4,
            "$['auth']",
            "path 4, $['auth'], names the same key as path 2",
        );
    }

    #[test]
    fn mixed_notations_are_refused() {
        let reason = "path 3, $.firstName, is in dot notation and path 1 is in bracket notation, which COPY does not \
                      accept in one file";
        assert_refused(3, "$.firstName", reason);
    }

    #[test]
    fn wildcards_are_refused() {
        for path in ["$.*", "$['*']", "$..artist", "$.a.*", "$['a'][*]"] {
            let expected = match path {
                // The last bracket is not that of a key.
                "$['a'][*]" => "is neither $['key'] nor $.key",
                _ => "has a wildcard, which COPY does not accept",
            };
            assert_refused(1, path, &format!("path 1, {path}, {expected}"));
        }
    }

    #[test]
    fn paths_below_the_top_level_are_refused() {
        for path in [
            "$['a']['b']",
            "$['artist'][0]['b']",
            "$.a.b",
            "$.a[0]",
            "$.a['b']",
            "$['']",
            "$.",
        ] {
            let reason =
                format!("path 1, {path}, does not name one key at the top level of the record");
            assert_refused(1, path, &reason);
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for path in [
            "",
            "artist",
            "$",
            "$['artist'",
            "$[artist]",
            "$[\"artist\"]",
            "$[0]",
            " $.artist",
        ] {
            let reason = format!("path 1, {path}, is neither $['key'] nor $.key");
            assert_refused(1, path, &reason);
        }
    }

    #[test]
    fn long_paths_are_cut_in_errors() {
        let long = "ä".repeat(1000);
        let reason = format!(
            "path 1, {}..., is neither $['key'] nor $.key",
            "ä".repeat(80)
        );
        assert_refused(1, &long, &reason);
    }

    #[test]
    fn other_json_is_refused() {
        for (json, reason) in [
            ("", "it is not a JSON object"),
            ("[]", "it is not a JSON object"),
            (r#"[["$.ts"]]"#, "it is not a JSON object"),
            ("\u{feff}{}", "it begins with a byte order mark"),
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("{}", "missing field `jsonpaths` at line 1 column 2"),
            (
                r#"{"jsonPaths":[]}"#,
                "unknown field `jsonPaths`, expected `jsonpaths` at line 1 column 12",
            ),
            (
                r#"{"jsonpaths":[],"jsonpaths":[]}"#,
                "duplicate field `jsonpaths` at line 1 column 27",
            ),
            (
                r#"{"jsonpaths":"$.ts"}"#,
                "invalid type: string \"$.ts\", expected a sequence at line 1 column 19",
            ),
            (
                r#"{"jsonpaths":[5]}"#,
                "invalid type: integer `5`, expected a string at line 1 column 15",
            ),
            (
                r#"{"jsonpaths":[]} {}"#,
                "trailing characters at line 1 column 18",
            ),
        ] {
            let refused = check_jsonpaths(json.as_bytes(), &EVENT_RECORD);
            assert_eq!(refused, Err(reason.to_owned()), "{json}");
        }
    }
}
