//! Parses a JSONPaths file.

use serde_json::Value;

/// A step of a JSONPath expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    Key(String),
    Element(usize),
}

/// The notations of JSONPath expressions, which cannot be mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    Bracket,
    Dot,
}

/// Parses a JSONPaths file. `None` means that it does not have the key `jsonpaths`, so that COPY behaves as for 'auto'.
pub fn parse_path_file(bytes: &[u8]) -> Result<Option<Vec<Vec<PathStep>>>, String> {
    let file: Value = serde_json::from_slice(bytes)
        .map_err(|e| format!("Invalid JSONPath format: the file is not valid JSON: {e}"))?;
    let object = file
        .as_object()
        .ok_or("Invalid JSONPath format: Not an object.")?;
    let Some(paths) = object.get("jsonpaths") else {
        return Ok(None);
    };
    if object.len() > 1 {
        return Err("Invalid JSONPath format: it has more keys than \"jsonpaths\"".to_owned());
    }
    let paths = paths
        .as_array()
        .ok_or("Invalid JSONPath format: \"jsonpaths\" is not an array")?;
    let (mut parsed, mut notation) = (Vec::new(), None);
    for path in paths {
        let path = path
            .as_str()
            .ok_or("Invalid JSONPath format: a path is not a string")?;
        let steps = parse_path(path, &mut notation).ok_or_else(|| {
            format!(
                "Invalid JSONPath format. Supported notations are 'dot-notation' and 'bracket-notation', \
                 not mixed and without wildcards: {path}"
            )
        })?;
        parsed.push(steps);
    }
    Ok(Some(parsed))
}

/// Parses a path such as `$['a'][0]` or `$.a[0]`, whose first step is a key: records are objects. `notation` is the
/// one of the paths before.
fn parse_path(path: &str, notation: &mut Option<Notation>) -> Option<Vec<PathStep>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (own, step);
        if let Some(after) = rest.strip_prefix("['") {
            let (key, after) = after.split_once("']")?;
            (own, step, rest) = (
                Some(Notation::Bracket),
                PathStep::Key(key.to_owned()),
                after,
            );
        } else if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            (own, step, rest) = (None, PathStep::Element(index.parse().ok()?), after);
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let key = PathStep::Key(after[..end].to_owned());
            (own, step, rest) = (Some(Notation::Dot), key, &after[end..]);
        }
        if own.is_some() && notation.is_some_and(|other| own != Some(other)) {
            return None;
        }
        *notation = notation.or(own);
        steps.push(step);
    }
    let is_plain = |step: &PathStep| match step {
        PathStep::Key(key) => !key.is_empty() && !key.contains(['*', '\'', '?', '@']),
        PathStep::Element(_) => true,
    };
    let starts_at_key = matches!(steps.first(), Some(PathStep::Key(_)));
    (starts_at_key && steps.iter().all(is_plain)).then_some(steps)
}
