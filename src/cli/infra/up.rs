//! `sparkify infra up`: creates a warehouse, or changes it.

use std::path::PathBuf;

use super::aws_args::AwsArgs;
use crate::cli::args::location::location_parser;
use crate::cli::help;
use crate::storage::Location;

/// Create a warehouse, or change it
///
/// Shows what it will create and what an hour of it costs, asks, and waits until it is there. Then writes
/// dwh.cfg, without a password. Flags that are left out keep the values of a stack that exists.
///
/// The warehouse is Serverless with 4 RPU unless told otherwise, and private: only clients in
/// --allowed-cidr reach it, from inside the VPC or a network with a route to it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
#[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "only parsed"))]
pub(super) struct UpArgs {
    /// IPv4 network that may reach the port
    ///
    /// Such as 10.64.0.0/22, the network of the VPC itself. The whole internet is refused. Required to
    /// create a stack.
    #[arg(long, value_name = "CIDR")]
    pub(super) allowed_cidr: Option<String>,
    /// Where runs write: s3://BUCKET/PREFIX
    ///
    /// The --out of sparkify run. The role of the warehouse may read it. Required to create a stack.
    #[arg(long, value_name = "URL", value_parser = location_parser())]
    pub(super) out: Option<Location>,
    /// Songs that Redshift may read
    ///
    /// A prefix in S3. Only needed for sparkify run --engine redshift.
    #[arg(long, value_name = "URL", value_parser = location_parser())]
    pub(super) songs: Option<Location>,
    /// Logs that Redshift may read
    ///
    /// A prefix in the same bucket as --songs. Only needed for sparkify run --engine redshift.
    #[arg(long, value_name = "URL", value_parser = location_parser())]
    pub(super) logs: Option<Location>,
    /// Kind of warehouse [default: serverless]
    ///
    /// One of serverless, which costs only while queries run, and cluster, which costs every hour until
    /// it is paused.
    #[arg(long, value_name = "KIND", value_parser = ["serverless", "cluster"],
        hide_possible_values = true)]
    pub(super) kind: Option<String>,
    /// Capacity in RPU [default: 4]
    ///
    /// Of a Serverless warehouse: 4, 8, 16 and more.
    #[arg(long, value_name = "RPU")]
    pub(super) base_capacity: Option<u32>,
    /// Capacity that is never exceeded [default: 8]
    ///
    /// Of a Serverless warehouse, in RPU.
    #[arg(long, value_name = "RPU")]
    pub(super) max_capacity: Option<u32>,
    /// Monthly limit in RPU-hours [default: 100]
    ///
    /// A Serverless warehouse runs no query for the rest of the month then. 0 means no limit.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(i64).range(0..))]
    pub(super) usage_limit: Option<i64>,
    /// Node type of a cluster [default: rg.large]
    ///
    /// Such as rg.large, ra3.large or ra3.xlplus.
    #[arg(long, value_name = "TYPE")]
    pub(super) node_type: Option<String>,
    /// Nodes of a cluster [default: 1]
    #[arg(long, value_name = "N")]
    pub(super) nodes: Option<u32>,
    /// Monthly cost that --alarm-email is told of
    ///
    /// [default: 50 USD]
    #[arg(long, value_name = "USD")]
    pub(super) budget_usd: Option<u32>,
    /// Address for the alarm of the budget
    #[arg(long, value_name = "EMAIL")]
    pub(super) alarm_email: Option<String>,
    /// Another parameter of the template
    ///
    /// Such as VpcCidr=10.1.0.0/22 or SnapshotRetentionDays=14. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_parameter)]
    pub(super) parameter: Vec<(String, String)>,
    /// Config file to write
    #[arg(long, value_name = "FILE", default_value = "dwh.cfg")]
    pub(super) config: PathBuf,
    /// Replace a config file with other content
    #[arg(long)]
    pub(super) force: bool,
    /// What becomes of a failed creation
    ///
    /// One of rollback, which removes what was created, and keep, which leaves it for a look.
    /// [default: ask on a terminal, rollback elsewhere]
    #[arg(long, value_name = "WHAT", value_parser = ["rollback", "keep"],
        hide_possible_values = true)]
    pub(super) on_failure: Option<String>,
    /// Go on without confirmation
    #[arg(long)]
    pub(super) yes: bool,
    /// Show the plan, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the result as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
    /// Show no plan, progress and summary
    #[arg(long, short)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

const EXAMPLES: &str = r"Examples:
  sparkify infra up --allowed-cidr 10.64.0.0/22 --out s3://bucket/star
  sparkify infra up --allowed-cidr 10.64.0.0/22 --out s3://bucket/star --dry-run
  sparkify infra up --max-capacity 16 --yes
  sparkify infra up --stack nightly --kind cluster --node-type ra3.large \
    --allowed-cidr 10.64.0.0/22 --out s3://bucket/star";

fn parse_parameter(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}
