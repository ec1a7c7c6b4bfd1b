//! `sparkify query`: runs an analytics query in a warehouse and prints the result. `operations_query` runs the others.

use chrono::{NaiveDateTime, SecondsFormat};
use chrono_tz::Tz;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};
use serde::Serialize;

use super::args::location::location_parser;
use super::args::s3::S3Args;
use super::args::time_bound::TimeBound;
use super::args::time_zone::parse_time_zone;
use super::args::warehouse::WarehouseArgs;
use super::console::print_info;
use super::help;
use super::operations_query::{OperationsArgs, operations_help, operations_query_parser};
use super::progress::TerminalProgress;
use super::render::coverage::coverage_line;
use super::render::result_set::{format_csv, format_table, json_rows};
use super::stdout::{print, print_json, report_failure};
use super::usage_error::no_effect;
use crate::error::{Error, Result};
use crate::jobs::{
    DatasetQueryJob, OperationsQuery, QueryJob, QueryParams, SAVED_QUERIES, SavedQuery,
};
use crate::report::{Coverage, QueryAnswer, ResultColumn, ResultSet};
use crate::storage::Location;

/// The version of the document that `--json` prints.
const QUERY_VERSION: u32 = 1;

/// The maximum number of rows of a top-N query without `--limit`.
const DEFAULT_LIMIT: u32 = 10;

/// Run an analytics query in a warehouse
///
/// Runs one of the queries in sql/analytics and prints the result as a table, with the number of plays that
/// it considers. Without NAME, lists the queries. Without a warehouse, DuckDB answers from a dataset: --from
/// OUT --dry-run prints the script. With --operations, runs a query about the state of the warehouse instead.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(&queries_and_examples()))]
pub(super) struct QueryArgs {
    /// Query to run; --list shows the names
    #[arg(
        value_parser = query_name_parser(),
        conflicts_with = "list",
        hide_possible_values = true,
        group = "selection"
    )]
    name: Option<SavedQuery>,
    /// Run a query about the state of the warehouse
    ///
    /// One of the queries in sql/operations: how old the data are, which loads are slow or fail, which tables
    /// need care, how full the disk is. Prints the result with what is normal, and what to do if it is not.
    /// Without NAME, lists the queries, and which are for Redshift and which for PostgreSQL. --dry-run prints
    /// the script for the kind of --warehouse with its comments.
    #[arg(
        long,
        value_name = "NAME",
        value_parser = operations_query_parser(),
        hide_possible_values = true,
        group = "selection",
        conflicts_with_all = ["since", "until", "tz"]
    )]
    operations: Option<Option<OperationsQuery>>,
    /// List the queries
    #[arg(long)]
    list: bool,
    /// Count plays from this time on
    ///
    /// A date, optionally with a time of day and an offset from UTC: 2018-11-15, '2018-11-15 10:00' or
    /// 2018-11-15T10:00:00+01:00. Without an offset it is in the time zone of --tz.
    #[arg(long, value_name = "TIME", value_parser = TimeBound::parse, requires = "name")]
    since: Option<TimeBound>,
    /// Count plays before this time
    // --to was its name when --from was the start of the range. The error about a time in --from names both.
    #[arg(long, alias = "to", value_name = "TIME", value_parser = TimeBound::parse, requires = "name")]
    until: Option<TimeBound>,
    /// Time zone of hours, days and months [default: UTC]
    ///
    /// A name of the IANA database with a place, such as Europe/Berlin, or UTC. Times of --since and --until
    /// without an offset are in this time zone, too.
    #[arg(long, value_name = "ZONE", value_parser = parse_time_zone, requires = "name")]
    tz: Option<Tz>,
    /// Maximum rows, for top-N queries [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "selection")]
    limit: Option<u32>,
    /// Print CSV with a header line
    ///
    /// CSV as in RFC 4180. Null is an empty field, and an empty string is "". The number of plays that the
    /// query considers is on stderr.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print the result as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Print the SQL without connecting
    #[arg(long, requires = "selection", conflicts_with_all = ["csv", "json"])]
    dry_run: bool,
    /// Let DuckDB answer from this dataset
    ///
    /// Output of a run: its --out, or one run below it. With --dry-run, prints a script for DuckDB, which
    /// reads the Parquet files of the dataset and needs no warehouse.
    #[arg(long, value_name = "OUT", value_parser = location_parser(), requires = "selection")]
    from: Option<Location>,
    #[command(flatten)]
    warehouse: WarehouseArgs,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = r"Examples:
  sparkify query --list
  sparkify query plays-by-hour --since 2018-11-15 --tz Europe/Berlin \
    --warehouse postgres://etl@localhost/music
  sparkify query top-songs --since 2018-11-01 --until '2018-12-01 12:00' \
    --limit 20 --csv --config dwh.cfg
  sparkify query top-songs --from warehouse --dry-run | duckdb
  sparkify query --operations load-lag --config dwh.cfg";

/// Returns the names and questions of the queries and the examples, for the long help.
fn queries_and_examples() -> String {
    let queries =
        SAVED_QUERIES.map(|query| format!("\n  {}\n      {}", query.name, query.description()));
    let (queries, operations) = (queries.concat(), operations_help());
    format!("Queries:{queries}\n\n{operations}\n\n{EXAMPLES}")
}

pub(super) fn main(args: QueryArgs) -> Result<()> {
    let json = args.json;
    query(&args).map_err(|error| report_failure(error, json, ("query_version", QUERY_VERSION)))
}

fn query(args: &QueryArgs) -> Result<()> {
    if let Some(query) = args.operations {
        return args.to_operations_args(query)?.run();
    }
    let Some(query) = args.name else {
        return list_queries(args);
    };
    let params = args.to_params(&query)?;
    if let Some(from) = &args.from {
        let job = args.to_dataset_job(from, query, params)?;
        return print(&job.duckdb_script()?);
    }
    if args.dry_run {
        args.s3.ensure_used([], "no --from is given")?;
        return print(&format!("{};\n", query.sql(&params)?));
    }
    let progress = TerminalProgress::new(true);
    let aws = args.s3.to_aws_options();
    let resolved = args.warehouse.resolve(None, &aws, &progress)?;
    args.s3
        .ensure_used_with(resolved.warehouse.as_ref(), [], "no --from is given")?;
    let warehouse = resolved.require()?;
    let job = QueryJob {
        connection: warehouse.connection,
        query,
        params,
    };
    print_answer(&job.execute()?, &job, args)
}

impl QueryArgs {
    /// Returns the arguments that concern the operations queries.
    ///
    /// # Errors
    /// Returns an error if a dataset or the connection to one is given.
    fn to_operations_args(&self, query: Option<OperationsQuery>) -> Result<OperationsArgs<'_>> {
        if self.from.is_some() {
            return Err(Error::usage("--operations cannot answer from a dataset")
                .with_reason("its queries are about the warehouse")
                .with_hint("leave out --from, and name the warehouse by --warehouse or --config"));
        }
        Ok(OperationsArgs {
            version: QUERY_VERSION,
            query,
            limit: self.limit,
            default_limit: DEFAULT_LIMIT,
            csv: self.csv,
            json: self.json,
            list: self.list,
            dry_run: self.dry_run,
            warehouse: &self.warehouse,
            s3: &self.s3,
        })
    }

    /// Returns the parameters of the query.
    ///
    /// # Errors
    /// Returns an error if an argument has no effect, if a time does not exist in the time zone, or if the range is empty.
    fn to_params(&self, query: &SavedQuery) -> Result<QueryParams> {
        if self.limit.is_some() && !query.has_limit() {
            return Err(no_effect("--limit", format!("{} has no limit", query.name)));
        }
        let mut bounds = [self.since, self.until].into_iter().flatten();
        if self.tz.is_some() && !query.has_time_zone() && !bounds.any(TimeBound::is_local) {
            let reason = format!(
                "{} has no hours, days or months, and no time without an offset is given",
                query.name
            );
            return Err(no_effect("--tz", reason));
        }
        let time_zone = self.tz.unwrap_or_default();
        let to_utc = |flag: &str, bound: Option<TimeBound>| {
            let utc = bound.map(|bound| bound.to_utc(time_zone)).transpose();
            utc.map_err(|reason| Error::usage(format!("invalid {flag}")).with_reason(reason))
        };
        let since = to_utc("--since", self.since)?;
        let until = to_utc("--until", self.until)?;
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(Error::usage("--since must be before --until")
                .with_reason(format!("in UTC they are {since} and {until}")));
        }
        Ok(QueryParams {
            since,
            until,
            time_zone,
            limit: self.limit.unwrap_or(DEFAULT_LIMIT),
        })
    }

    /// Returns the job that writes the query for DuckDB.
    ///
    /// # Errors
    /// Returns an error if an argument has no effect, or if only DuckDB could run the query.
    fn to_dataset_job(
        &self,
        from: &Location,
        query: SavedQuery,
        params: QueryParams,
    ) -> Result<DatasetQueryJob> {
        if let Location::Local(path) = from
            && path.to_str().is_some_and(TimeBound::is_date_shaped)
            && !path.exists()
        {
            return Err(Error::usage("--from names a dataset, not a time")
                .with_hint("give the range of times by --since and --until"));
        }
        if let Some(flag) = self.warehouse.first_flag() {
            return Err(no_effect(flag, "--from answers from a dataset")
                .with_hint("leave out --from to query the warehouse"));
        }
        if !self.dry_run {
            return Err(Error::usage("sparkify cannot query a dataset itself").with_hint(format!(
                "add --dry-run, and let DuckDB run the script: sparkify query {} --from OUT --dry-run | duckdb",
                query.name
            )));
        }
        self.s3.ensure_used([from], "--from is not in S3")?;
        Ok(DatasetQueryJob {
            from: from.clone(),
            s3: self.s3.to_options(),
            query,
            params,
        })
    }
}

fn print_answer(answer: &QueryAnswer, job: &QueryJob, args: &QueryArgs) -> Result<()> {
    let QueryAnswer { result, coverage } = answer;
    let coverage_line = coverage_line(*coverage, job.query.left_out());
    if args.json {
        let format_time =
            |time: NaiveDateTime| time.and_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true);
        return print_json(&QueryJson {
            query_version: QUERY_VERSION,
            status: "ok",
            query: job.query.name,
            since: job.params.since.map(format_time),
            until: job.params.until.map(format_time),
            tz: job.params.time_zone.name(),
            coverage: *coverage,
            rows: json_rows(result),
        });
    }
    if args.csv {
        print(&format_csv(result))?;
        print_info(&coverage_line);
        return Ok(());
    }
    print(&format!("{}\n{coverage_line}\n", format_table(result)))
}

/// The document that `--json` prints.
#[derive(Serialize)]
struct QueryJson<R> {
    query_version: u32,
    status: &'static str,
    query: &'static str,
    /// Start and end of the range in UTC; null where it has none.
    since: Option<String>,
    until: Option<String>,
    tz: &'static str,
    coverage: Coverage,
    rows: Vec<R>,
}

/// Prints the names and questions of the queries.
fn list_queries(args: &QueryArgs) -> Result<()> {
    if let Some(flag) = args.warehouse.first_flag() {
        return Err(no_effect(flag, "no query is named")
            .with_hint("name one of those that sparkify query --list shows"));
    }
    args.s3.ensure_used([], "no query is named")?;
    let list = list_saved_queries();
    if args.json {
        return print_json(&QueryListJson {
            query_version: QUERY_VERSION,
            status: "ok",
            queries: json_rows(&list),
        });
    }
    print(&match args.csv {
        true => format_csv(&list),
        false => format_table(&list),
    })
}

/// The document that `--list --json` prints.
#[derive(Serialize)]
struct QueryListJson<R> {
    query_version: u32,
    status: &'static str,
    queries: Vec<R>,
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
