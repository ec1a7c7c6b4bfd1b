//! `sparkify create-tables`: creates the tables in a warehouse.

use std::io::{BufRead, IsTerminal, Write};

use super::args::warehouse::WarehouseArgs;
use super::console::print_info;
use super::help;
use super::progress::TerminalProgress;
use super::render::numbers::{format_count, pluralize};
use super::stdout::{print, print_json, report_failure};
use crate::aws::AwsOptions;
use crate::error::{Error, Result};
use crate::jobs::{CreateTablesJob, ExistingTables, TableChange, TablesReport};
use crate::warehouse::create_tables::{ConfirmDrop, ExistingTableTotals};

/// The version of the document that `--json` prints.
const CREATE_VERSION: u32 = 1;

/// Create the tables in a warehouse
///
/// Creates the tables songplays, users, songs, artists and time, the state_ tables with the merge state
/// that loads need, and load_history, in one transaction; with --views also views for analysts. Tables that exist stay as they are; with
/// --upgrade, those of an older version become those of this one. Fails if some tables are missing and
/// others have rows; sparkify run --full-refresh creates the missing ones.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct CreateTablesArgs {
    /// Drop the tables first
    ///
    /// Asks for confirmation if they have rows. Also drops the views of --views, which depend on them.
    #[arg(long)]
    drop: bool,
    /// Upgrade tables of an older version
    ///
    /// Renames tables and adds columns in one transaction, and keeps all rows. Loads wait in the meantime.
    /// Tables of this version stay as they are. --dry-run prints the upgrade from version 0.1.0.
    #[arg(long, conflicts_with = "drop")]
    upgrade: bool,
    /// Create views for analysts, too
    ///
    /// The views are user_level_history, sessions, calendar and plays. Those that exist are replaced.
    #[arg(long)]
    views: bool,
    /// Drop without confirmation
    #[arg(long, requires = "drop")]
    yes: bool,
    /// Print the SQL without connecting
    #[arg(long, conflicts_with = "json")]
    dry_run: bool,
    /// Print the result as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no summary
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    warehouse: WarehouseArgs,
}

const EXAMPLES: &str = r"Examples:
  sparkify create-tables --warehouse postgres://etl@localhost/music
  sparkify create-tables --config dwh.cfg --upgrade
  sparkify create-tables --config dwh.cfg --views
  sparkify create-tables --config dwh.cfg --drop --yes
  sparkify create-tables \
    --warehouse redshift://etl@cluster.example.com:5439/dev --dry-run";

pub(super) fn main(args: CreateTablesArgs) -> Result<()> {
    let json = args.json;
    create_tables(&args)
        .map_err(|error| report_failure(error, json, ("create_version", CREATE_VERSION)))
}

fn create_tables(args: &CreateTablesArgs) -> Result<()> {
    let progress = TerminalProgress::new(true);
    let job = CreateTablesJob {
        warehouse: args
            .warehouse
            .resolve(None, &AwsOptions::default(), &progress)?
            .require()?,
        existing: match (args.upgrade, args.drop) {
            (true, _) => ExistingTables::Upgrade,
            (_, true) => ExistingTables::Drop,
            _ => ExistingTables::Keep,
        },
        views: args.views,
    };
    if args.dry_run {
        return print(&job.script());
    }
    let address = job.warehouse.connection.to_string();
    let confirm = |existing: &ExistingTableTotals| confirm_drop(existing, &address);
    let confirm: Option<ConfirmDrop<'_>> = (!args.yes).then_some(&confirm);
    let report = job.execute(confirm, &progress)?;
    if !args.quiet {
        print_info(&summary(&report, job.existing));
    }
    if args.json {
        print_json(&serde_json::json!({
            "create_version": CREATE_VERSION,
            "status": "ok",
            "warehouse": report.warehouse,
            "dropped": report.dropped,
            "upgraded": report.upgraded,
            "created": report.created,
            "views": report.views,
            "dropped_views": report.dropped_views,
        }))?;
    }
    Ok(())
}

/// Returns what was done, in one line or more.
fn summary(report: &TablesReport, existing: ExistingTables) -> String {
    let address = &report.warehouse;
    let mut lines: Vec<String> = report.upgraded.iter().map(change_text).collect();
    lines.push(match (report.created, lines.is_empty(), existing) {
        (0, true, ExistingTables::Upgrade) => format!("nothing to upgrade in {address}"),
        (0, true, ExistingTables::Keep | ExistingTables::Drop) => {
            format!("all tables exist in {address}")
        }
        (0, false, _) => format!("upgraded {address}"),
        (tables, true, _) => format!("created {tables} tables in {address}"),
        (tables, false, _) => format!("upgraded {address}, and created {tables} tables"),
    });
    if report.views > 0 {
        lines.push(format!("created {} views", report.views));
    } else if report.dropped_views > 0 {
        let views = pluralize(report.dropped_views, "view");
        lines.push(format!("dropped {views}, which --views creates again"));
    }
    lines.join("\n")
}

fn change_text(change: &TableChange) -> String {
    match change {
        TableChange::RenameTable { table, from } => format!("renamed {from} to {table}"),
        TableChange::AddColumn { table, column } => {
            format!("added column {column} to {table}")
        }
    }
}

/// Asks for confirmation to drop tables that have rows.
fn confirm_drop(existing: &ExistingTableTotals, address: &str) -> Result<()> {
    let ExistingTableTotals { tables, rows } = existing;
    let rows = format_count(*rows);
    let not_dropped = || {
        Error::failed(format!(
            "nothing was dropped: {tables} tables in {address} have {rows} rows"
        ))
    };
    let mut stdin = std::io::stdin().lock();
    if !std::io::stdin().is_terminal() {
        return Err(not_dropped().with_hint("use --drop --yes to drop them without confirmation"));
    }
    let _ = write!(
        std::io::stderr(),
        "drop {tables} tables with {rows} rows in {address}? [y/N] "
    );
    let mut answer = String::new();
    let read = stdin.read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(not_dropped()),
    }
}
