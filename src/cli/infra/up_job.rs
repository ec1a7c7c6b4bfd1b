//! Converts the arguments of `sparkify infra up` into the job, and prints its result.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use super::ask::Consent;
use super::render;
use super::up::UpArgs;
use crate::cli::console::print_info;
use crate::cli::progress::TerminalProgress;
use crate::cli::stdout::{print_json, report_failure};
use crate::error::{Error, Result};
use crate::jobs::{InfraUpJob, OnFailure};
use crate::storage::Location;

pub(super) fn main(args: UpArgs) -> Result<()> {
    let json = args.json;
    up(args).map_err(|error| report_failure(error, json, render::VERSION))
}

fn up(args: UpArgs) -> Result<()> {
    let progress = TerminalProgress::new(args.quiet);
    let (yes, json, quiet) = (args.yes, args.json, args.quiet);
    let job = InfraUpJob {
        aws: args.aws.to_options(),
        stack: args.aws.stack.clone(),
        parameters: parameters(&args)?,
        usage_limit: args.usage_limit,
        on_failure: match args.on_failure.as_deref() {
            Some("keep") => OnFailure::Keep,
            None if !yes && std::io::stdin().is_terminal() => OnFailure::Ask,
            _ => OnFailure::RollBack,
        },
        config: args.config,
        replace_config: args.force,
        dry_run: args.dry_run,
    };
    let consent = Consent { yes, quiet };
    let report = job.execute(&|question| consent.ask(question), &progress)?;
    if !quiet {
        print_info(&render::up_summary(&report));
    }
    match json {
        true => print_json(&render::up_json(&report)),
        false => Ok(()),
    }
}

/// Returns the parameters of the template that the flags give.
fn parameters(args: &UpArgs) -> Result<BTreeMap<String, String>> {
    let mut parameters: BTreeMap<String, String> = args.parameter.iter().cloned().collect();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            parameters.insert(name.to_owned(), value);
        }
    };
    set("WarehouseKind", args.kind.clone());
    set("AllowedCidr", args.allowed_cidr.clone());
    set("BaseCapacity", args.base_capacity.map(|n| n.to_string()));
    set("MaxCapacity", args.max_capacity.map(|n| n.to_string()));
    set("NodeType", args.node_type.clone());
    set("NodeCount", args.nodes.map(|n| n.to_string()));
    set("BudgetUsd", args.budget_usd.map(|n| n.to_string()));
    set("AlarmEmail", args.alarm_email.clone());
    let mut data_bucket = None;
    if let Some(out) = &args.out {
        let (bucket, prefix) = bucket_and_prefix("--out", out)?;
        set("DataBucket", Some(bucket.clone()));
        set("OutputPrefix", Some(prefix));
        data_bucket = Some(bucket);
    }
    let mut input_bucket = None;
    for (flag, name, location) in [
        ("--songs", "SongsPrefix", &args.songs),
        ("--logs", "LogsPrefix", &args.logs),
    ] {
        let Some(location) = location else { continue };
        let (bucket, prefix) = bucket_and_prefix(flag, location)?;
        if input_bucket.get_or_insert(bucket.clone()) != &bucket {
            return Err(Error::usage("--songs and --logs are in different buckets")
                .with_hint("the role of the warehouse reads input from one bucket"));
        }
        set(name, Some(prefix));
    }
    if input_bucket.is_some() && input_bucket != data_bucket {
        set("InputBucket", input_bucket);
    }
    Ok(parameters)
}

fn bucket_and_prefix(flag: &str, location: &Location) -> Result<(String, String)> {
    match location {
        Location::S3 { bucket, prefix } if !prefix.trim_end_matches('/').is_empty() => {
            Ok((bucket.clone(), prefix.trim_end_matches('/').to_owned()))
        }
        _ => Err(
            Error::usage(format!("{flag} {location} is not a prefix in S3"))
                .with_hint("expected s3://BUCKET/PREFIX, because the whole bucket is never opened"),
        ),
    }
}
