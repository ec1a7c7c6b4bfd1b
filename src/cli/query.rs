//! `sparkify query`: the questions of analysts, answered by a warehouse.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};

use super::args::warehouse::WarehouseArgs;
use super::render::result_set::{format_csv, format_table, json_rows};
use super::{print, print_json};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::warehouse::query::{
    QueryParams, ResultColumn, ResultSet, SAVED_QUERIES, SavedQuery, run_query,
};

/// Rows of the best of many, unless more are wanted.
const DEFAULT_LIMIT: u32 = 10;

/// Answer a question from a warehouse
///
/// Runs one of the queries of sql/analytics on the star in a warehouse and prints the answer as a table. Without
/// NAME shows the questions. All times are UTC.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The question
    #[arg(value_parser = query_name_parser(), conflicts_with = "list")]
    name: Option<SavedQuery>,
    /// Show the questions
    #[arg(long)]
    list: bool,
    /// Count plays from this time on: 2018-11-15, 2018-11-15T10:00 or 2018-11-15T10:00:00+01:00
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "name")]
    from: Option<NaiveDateTime>,
    /// Count plays before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "name")]
    to: Option<NaiveDateTime>,
    /// Rows at most, of questions for the most or busiest [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "name")]
    limit: Option<u32>,
    /// Print CSV (RFC 4180) with a line of names; null is empty, an empty text is ""
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print a JSON array with an object for each row
    #[arg(long)]
    json: bool,
    /// Print the SQL, without connecting
    #[arg(long, requires = "name", conflicts_with_all = ["csv", "json"])]
    dry_run: bool,
    #[command(flatten)]
    warehouse: WarehouseArgs,
}

const EXAMPLES: &str = "\
Examples:
  sparkify query --list
  sparkify query plays-by-hour --from 2018-11-15 --warehouse postgres://etl@localhost/music
  sparkify query top-songs --from 2018-11-01 --to 2018-12-01 --limit 20 --csv --config dwh.cfg";

pub(super) fn main(args: Args) -> Result<()> {
    let Some(query) = args.name else {
        return print_result(&list_saved_queries(), &args);
    };
    if let (Some(_), false) = (args.limit, query.has_limit()) {
        return Err(
            Error::usage(format!("{} has no limit", query.name)).with_hint("leave --limit out")
        );
    }
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(Error::usage("no time is between --from and --to")
            .with_reason(format!("{from} is not before {to}, in UTC")));
    }
    let sql = query.sql(&QueryParams {
        from: args.from,
        to: args.to,
        limit: args.limit.unwrap_or(DEFAULT_LIMIT),
    })?;
    if args.dry_run {
        return print(&format!("{sql};\n"));
    }
    let progress = Progress::stderr(true);
    let warehouse = args.warehouse.resolve(&progress)?.require()?;
    print_result(&run_query(&warehouse.connection, &sql)?, &args)
}

fn print_result(result: &ResultSet, args: &Args) -> Result<()> {
    match (args.csv, args.json) {
        (true, _) => print(&format_csv(result)),
        (_, true) => print_json(&json_rows(result)),
        _ => print(&format_table(result)),
    }
}

/// What can be asked, as an answer.
fn list_saved_queries() -> ResultSet {
    let column = |name: &str| ResultColumn {
        name: name.to_owned(),
        is_number: false,
    };
    let row = |query: &SavedQuery| {
        let fields = [query.name, query.description()];
        fields.map(|text| Some(text.to_owned())).to_vec()
    };
    ResultSet {
        columns: vec![column("name"), column("question")],
        rows: SAVED_QUERIES.iter().map(row).collect(),
    }
}

/// Parses the name of a question.
fn query_name_parser() -> ValueParser {
    let names = SAVED_QUERIES.map(|q| PossibleValue::new(q.name).help(q.description()));
    PossibleValuesParser::new(names)
        .try_map(|name| {
            let found = SAVED_QUERIES.into_iter().find(|q| q.name == name);
            found.ok_or("there is no such question")
        })
        .into()
}

/// Parses a time: a date, with a time of day or without, in UTC if no offset is named.
fn parse_time(text: &str) -> std::result::Result<NaiveDateTime, String> {
    let parse_utc = |format| NaiveDateTime::parse_from_str(text, format).ok();
    let parse_with_offset = |format| {
        let moment = DateTime::parse_from_str(text, format).ok()?;
        Some(moment.naive_utc())
    };
    let parse_date = || {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
    };
    let found = parse_date()
        .or_else(|| parse_utc("%Y-%m-%dT%H:%M"))
        .or_else(|| parse_utc("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| parse_with_offset("%Y-%m-%dT%H:%M%#z"))
        .or_else(|| parse_with_offset("%Y-%m-%dT%H:%M:%S%.f%#z"))
        // A second that leaps is counted on; what is finer than the times of plays is dropped.
        .and_then(|moment| DateTime::from_timestamp_micros(moment.and_utc().timestamp_micros()))
        .map(|moment| moment.naive_utc());
    match found {
        Some(moment) if (1..=9999).contains(&moment.year()) => Ok(moment),
        Some(_) => Err("the years 1 to 9999 are known".to_owned()),
        None => Err(
            "wanted is 2018-11-15, 2018-11-15T10:00, with seconds and an offset if need be"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn parse_time_accepts_dates_and_converts_to_utc() {
        for (text, utc) in [
            ("2018-11-15", "2018-11-15 00:00:00"),
            ("2018-11-15T10:00", "2018-11-15 10:00:00"),
            ("2018-11-15T10:00:59", "2018-11-15 10:00:59"),
            ("2018-11-15T10:00:59.25", "2018-11-15 10:00:59.250"),
            ("2018-11-15T10:00Z", "2018-11-15 10:00:00"),
            ("2018-11-15T00:30+01:00", "2018-11-14 23:30:00"),
            ("2018-11-15T10:00:00-08:00", "2018-11-15 18:00:00"),
            ("2018-12-31T23:59:60Z", "2019-01-01 00:00:00"),
            ("2018-11-15T10:00:00.0000019Z", "2018-11-15 10:00:00.000001"),
            ("0001-01-01", "0001-01-01 00:00:00"),
        ] {
            assert_eq!(parse_time(text).unwrap().to_string(), utc, "{text}");
        }
        for text in [
            "",
            "2018",
            "2018-13-01",
            "2018-02-29",
            "2018-11-15 10:00",
            "2018-11-15T25:00",
            "2018-11-15T10:00+25:00",
            "yesterday",
            "2018-11-15'; DROP TABLE users; --",
            "0001-01-01T00:00+01:00",
            "9999-12-31T23:59-01:00",
            "10000-01-01",
            "-0001-01-01",
        ] {
            parse_time(text).unwrap_err();
        }
    }
}
