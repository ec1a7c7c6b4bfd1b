//! The argument that names a time zone.

use chrono_tz::{TZ_VARIANTS, Tz};

/// How similar a name must be to be suggested, from 0 to 1.
const MIN_SIMILARITY: f64 = 0.8;

/// Parses the name of a time zone, such as `Europe/Berlin`, or `UTC`. Other names without a slash are rejected: PostgreSQL
/// reads `CET` as an offset, without summer time, and DuckDB as a time zone.
pub(crate) fn parse_time_zone(text: &str) -> Result<Tz, String> {
    match text.parse::<Tz>() {
        Ok(zone) if text.contains('/') || zone == Tz::UTC => Ok(zone),
        Ok(_) => Err(
            "the name can mean an offset or a time zone; name a place, such as Europe/Berlin"
                .to_owned(),
        ),
        Err(_) => Err(match similar_name(text) {
            Some(name) => format!("unknown time zone; did you mean {name}?"),
            None => "unknown time zone; expected a name such as Europe/Berlin, or UTC".to_owned(),
        }),
    }
}

/// Returns the accepted name that is most similar, if one is similar enough.
fn similar_name(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let names = TZ_VARIANTS
        .iter()
        .map(|zone| zone.name())
        .filter(|name| name.contains('/') || *name == "UTC");
    let rated = names.map(|name| {
        let similarity = strsim::jaro_winkler(&text, &name.to_lowercase());
        (name, similarity)
    });
    let (name, similarity) = rated.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (similarity >= MIN_SIMILARITY).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_one_meaning_are_accepted() {
        for name in [
            "UTC",
            "Europe/Berlin",
            "America/Argentina/Ushuaia",
            "Etc/GMT+5",
        ] {
            assert_eq!(parse_time_zone(name).unwrap().name(), name);
        }
        for name in ["CET", "EST", "EST5EDT", "GMT", "Japan", "Zulu"] {
            let error = parse_time_zone(name).unwrap_err();
            assert!(error.contains("offset or a time zone"), "{name}: {error}");
        }
        for name in ["", "+01:00", "Mars/Olympus", "'; DROP TABLE users; --"] {
            let error = parse_time_zone(name).unwrap_err();
            assert!(error.starts_with("unknown time zone"), "{name}: {error}");
        }
        for (text, name) in [
            ("europe/berlin", "Europe/Berlin"),
            ("Europe/Berln", "Europe/Berlin"),
            ("utc", "UTC"),
            ("America/New York", "America/New_York"),
        ] {
            let expected = format!("unknown time zone; did you mean {name}?");
            assert_eq!(parse_time_zone(text), Err(expected));
        }
    }
}
