//! `sparkify query`: runs an analytics query in a warehouse and prints the result.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};

use super::args::warehouse::WarehouseArgs;
use super::help;
use super::render::result_set::{format_csv, format_table, json_rows};
use super::stdout::{print, print_json};
use super::usage_error::no_effect;
use crate::cli::progress::TerminalProgress;
use crate::error::{Error, Result};
use crate::jobs::QueryJob;
use crate::warehouse::query::{QueryParams, ResultColumn, ResultSet, SAVED_QUERIES, SavedQuery};

/// The maximum number of rows of a top-N query without `--limit`.
const DEFAULT_LIMIT: u32 = 10;

/// Run an analytics query in a warehouse
///
/// Runs one of the queries in sql/analytics and prints the result as a table. Without NAME, lists the
/// queries. All times are UTC.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(&format!("{}\n\n{EXAMPLES}", queries_help())))]
pub(super) struct QueryArgs {
    /// Query to run; --list shows the names
    #[arg(value_parser = query_name_parser(), conflicts_with = "list", hide_possible_values = true)]
    name: Option<SavedQuery>,
    /// List the queries
    #[arg(long)]
    list: bool,
    /// Count plays from this time on
    ///
    /// A date, optionally with a time of day and an offset from UTC: 2018-11-15, '2018-11-15 10:00' or
    /// 2018-11-15T10:00:00+01:00.
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "name")]
    from: Option<NaiveDateTime>,
    /// Count plays before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "name")]
    to: Option<NaiveDateTime>,
    /// Maximum rows, for top-N queries [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "name")]
    limit: Option<u32>,
    /// Print CSV with a header line
    ///
    /// CSV as in RFC 4180. Null is an empty field, and an empty string is "".
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print a JSON array of objects
    #[arg(long)]
    json: bool,
    /// Print the SQL without connecting
    #[arg(long, requires = "name", conflicts_with_all = ["csv", "json"])]
    dry_run: bool,
    #[command(flatten)]
    warehouse: WarehouseArgs,
}

const EXAMPLES: &str = r"Examples:
  sparkify query --list
  sparkify query plays-by-hour --from 2018-11-15 \
    --warehouse postgres://etl@localhost/music
  sparkify query top-songs --from 2018-11-01 --to '2018-12-01 12:00' \
    --limit 20 --csv --config dwh.cfg";

/// Returns the names and questions of the queries, for the long help.
fn queries_help() -> String {
    let queries =
        SAVED_QUERIES.map(|query| format!("\n  {}\n      {}", query.name, query.description()));
    format!("Queries:{}", queries.concat())
}

pub(super) fn main(args: QueryArgs) -> Result<()> {
    let Some(query) = args.name else {
        if let Some(flag) = args.warehouse.first_flag() {
            return Err(no_effect(flag, "no query is named")
                .with_hint("name one of those that sparkify query --list shows"));
        }
        return print_result(&list_saved_queries(), &args);
    };
    if let (Some(_), false) = (args.limit, query.has_limit()) {
        return Err(no_effect("--limit", format!("{} has no limit", query.name)));
    }
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(Error::usage("--from must be before --to")
            .with_reason(format!("in UTC they are {from} and {to}")));
    }
    let params = QueryParams {
        from: args.from,
        to: args.to,
        limit: args.limit.unwrap_or(DEFAULT_LIMIT),
    };
    if args.dry_run {
        return print(&format!("{};\n", query.sql(&params)?));
    }
    let progress = TerminalProgress::new(true);
    let warehouse = args.warehouse.resolve(None, &progress)?.require()?;
    let job = QueryJob {
        connection: warehouse.connection,
        query,
        params,
    };
    print_result(&job.execute()?, &args)
}

fn print_result(result: &ResultSet, args: &QueryArgs) -> Result<()> {
    match (args.csv, args.json) {
        (true, _) => print(&format_csv(result)),
        (_, true) => print_json(&json_rows(result)),
        _ => print(&format_table(result)),
    }
}

/// Returns the names and questions of the queries as a result set.
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

/// Parses the name of a query.
fn query_name_parser() -> ValueParser {
    let names = SAVED_QUERIES.map(|q| PossibleValue::new(q.name).help(q.description()));
    PossibleValuesParser::new(names)
        .try_map(|name| {
            let found = SAVED_QUERIES.into_iter().find(|q| q.name == name);
            found.ok_or("unknown query")
        })
        .into()
}

/// Parses a date with an optional time of day after a `T` or a space. It is UTC unless it has an offset.
fn parse_time(text: &str) -> std::result::Result<NaiveDateTime, String> {
    let (date, time_of_day) = text.split_at_checked(10).unwrap_or((text, ""));
    if is_date_shaped(date) && NaiveDate::parse_from_str(date, "%Y-%m-%d").is_err() {
        return Err("invalid date".to_owned());
    }
    let text = match time_of_day.strip_prefix(' ') {
        Some(time_of_day) => format!("{date}T{time_of_day}"),
        None => text.to_owned(),
    };
    let parse_utc = |format| NaiveDateTime::parse_from_str(&text, format).ok();
    let parse_with_offset = |format| {
        let time = DateTime::parse_from_str(&text, format).ok()?;
        Some(time.naive_utc())
    };
    let parse_date = |format| {
        let date = NaiveDate::parse_from_str(&text, format).ok()?;
        date.and_hms_opt(0, 0, 0)
    };
    let time = parse_date("%Y-%m-%d")
        .or_else(|| parse_utc("%Y-%m-%dT%H:%M"))
        .or_else(|| parse_utc("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| parse_with_offset("%Y-%m-%dT%H:%M%#z"))
        .or_else(|| parse_with_offset("%Y-%m-%dT%H:%M:%S%.f%#z"))
        // Adds a leap second to the next minute, and drops what is finer than the times of plays.
        .and_then(|time| DateTime::from_timestamp_micros(time.and_utc().timestamp_micros()))
        .map(|time| time.naive_utc());
    match time {
        Some(time) if (1..=9999).contains(&time.year()) => Ok(time),
        Some(_) => Err("the year must be from 1 to 9999".to_owned()),
        None => Err(
            "expected a time such as 2018-11-15 or 2018-11-15T10:00, optionally with seconds and an offset"
                .to_owned(),
        ),
    }
}

/// Returns true for a text such as `2018-11-31`, whether or not there is such a day.
fn is_date_shaped(text: &str) -> bool {
    let shape = text.bytes().map(|byte| match byte {
        b'0'..=b'9' => b'0',
        other => other,
    });
    shape.eq(*b"0000-00-00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_time_accepts_dates_and_converts_to_utc() {
        for (text, utc) in [
            ("2018-11-15", "2018-11-15 00:00:00"),
            ("2018-11-15T10:00", "2018-11-15 10:00:00"),
            ("2018-11-15 10:00", "2018-11-15 10:00:00"),
            ("2018-11-15 10:00:59.25", "2018-11-15 10:00:59.250"),
            ("2018-11-15 00:30+01:00", "2018-11-14 23:30:00"),
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
            "2018-11-15 ",
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
        for text in [
            "2018-11-31",
            "2018-02-29T10:00",
            "2018-13-01 10:00",
            "0000-00-00",
        ] {
            assert_eq!(parse_time(text).unwrap_err(), "invalid date", "{text}");
        }
    }
}
