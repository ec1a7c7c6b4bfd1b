//! Renders plans and results as text and JSON.

use serde_json::{Value, json};

use crate::jobs::{
    DownPlan, DownReport, HourlyCost, InfraStatus, PauseOutcome, PauseReport, Snapshot, UpPlan,
    UpReport, UpResult,
};

/// The version of the documents that `--json` prints.
const INFRA_VERSION: u32 = 1;

/// The version, as failures have it.
pub(super) const VERSION: (&str, u32) = ("infra_version", INFRA_VERSION);

/// Returns what will be created or changed, in lines.
pub(super) fn up_plan(plan: &UpPlan) -> String {
    let (stack, region) = (&plan.stack, &plan.region);
    let mut lines = Vec::new();
    match (&plan.existing, plan.creates) {
        (Some(status), true) => lines.push(format!(
            "stack {stack} in {region} was never complete ({status}): it is removed, and created again with"
        )),
        (None, _) => lines.push(format!("stack {stack} in {region} is created with")),
        (Some(status), false) if plan.is_empty() => {
            lines.push(format!("stack {stack} in {region} is as wanted ({status})"));
        }
        (Some(_), false) => lines.push(format!("stack {stack} in {region} is changed:")),
    }
    if plan.creates {
        for resource in &plan.resources {
            let names = resource.names.join(", ");
            lines.push(format!("  {}  {names}", resource.resource_type));
        }
    }
    for change in &plan.changes {
        let from = change.from.as_deref().unwrap_or("nothing");
        lines.push(format!("  {}: {from} -> {}", change.name, change.to));
    }
    if plan.changes_template {
        lines.push("  the template of this version of sparkify".to_owned());
    }
    if let (Some(hours), Some(usd)) = (plan.usage_limit, plan.usage_limit_usd()) {
        lines.push(format!(
            "  usage limit: {hours} RPU-hours a month, {usd:.2} USD"
        ));
    }
    lines.push(format!("cost: {}, without storage", plan.cost));
    lines.join("\n")
}

/// Returns what will be removed, in lines.
pub(super) fn down_plan(plan: &DownPlan) -> String {
    let mut lines = Vec::new();
    if plan.status != "DELETE_COMPLETE" {
        let (stack, region, status) = (&plan.stack, &plan.region, &plan.status);
        lines.push(format!(
            "stack {stack} in {region} ({status}) is removed, with"
        ));
        match &plan.warehouse {
            Some(warehouse) => lines.push(format!("  {warehouse}, and all its data")),
            None => lines.push("  no warehouse".to_owned()),
        }
    }
    if let Some(name) = &plan.new_snapshot {
        lines.push(format!("a final snapshot is taken first: {name}"));
    } else if let Some(name) = &plan.kept_snapshot {
        lines.push(format!("the final snapshot is there already: {name}"));
    } else if plan.warehouse.is_some() {
        lines.push("no final snapshot is taken: the data are lost".to_owned());
    }
    for name in &plan.deleted_snapshots {
        lines.push(format!("snapshot {name} is deleted"));
    }
    for name in &plan.retained {
        lines.push(format!("{name} stays, and may cost money"));
    }
    lines.join("\n")
}

/// Returns what was done, in lines.
pub(super) fn up_summary(report: &UpReport) -> String {
    let stack = &report.plan.stack;
    let mut lines = vec![match report.result {
        UpResult::Planned => {
            let plan = up_plan(&report.plan);
            return format!("{plan}\nnothing was changed (--dry-run)");
        }
        UpResult::Created => format!("created stack {stack}"),
        UpResult::Updated => format!("updated stack {stack}"),
        UpResult::Unchanged => format!("stack {stack} is as wanted"),
    }];
    if let Some(host) = report.outputs.get("Host") {
        lines.push(format!("host: {host}"));
    }
    if let Some(hours) = report.usage_limit {
        lines.push(format!("usage limit: {hours} RPU-hours a month"));
    }
    if report.is_config_current {
        let config = report.config.display();
        lines.push(format!("config: {config}, without a password"));
        lines.push(format!("next: sparkify create-tables --config {config}"));
    }
    lines.push(format!("cost: {}, without storage", report.plan.cost));
    lines.join("\n")
}

/// Returns what `up` did as JSON.
pub(super) fn up_json(report: &UpReport) -> Value {
    let plan = &report.plan;
    json!({
        "infra_version": INFRA_VERSION,
        "status": "ok",
        "result": match report.result {
            UpResult::Created => "created",
            UpResult::Updated => "updated",
            UpResult::Unchanged => "unchanged",
            UpResult::Planned => "planned",
        },
        "stack": plan.stack,
        "region": plan.region,
        "creates": plan.creates,
        "resources": plan.resources,
        "changes": plan.changes,
        "changes_template": plan.changes_template,
        "parameters": plan.parameters,
        "outputs": report.outputs,
        "usage_limit_rpu_hours": report.usage_limit.or(plan.usage_limit),
        "hourly_cost": cost_json(&plan.cost),
        "config": report.is_config_current.then(|| report.config.display().to_string()),
    })
}

/// Returns what was paused or resumed, in a line.
pub(super) fn pause_summary(report: &PauseReport) -> String {
    let PauseReport {
        warehouse, status, ..
    } = report;
    match report.outcome {
        PauseOutcome::NotNeeded => format!(
            "warehouse {warehouse} is serverless: it costs nothing while no query runs, and there is nothing to pause or resume"
        ),
        PauseOutcome::Changed => format!("cluster {warehouse} is {status} now"),
        PauseOutcome::Unchanged => format!("cluster {warehouse} is {status} already"),
    }
}

/// Returns what was paused or resumed as JSON.
pub(super) fn pause_json(report: &PauseReport) -> Value {
    json!({
        "infra_version": INFRA_VERSION,
        "status": "ok",
        "result": match report.outcome {
            PauseOutcome::Changed => "changed",
            PauseOutcome::Unchanged => "unchanged",
            PauseOutcome::NotNeeded => "not_needed",
        },
        "warehouse": report.warehouse,
        "warehouse_status": report.status,
    })
}

/// Returns the state of a stack, in lines.
pub(super) fn status_text(status: &InfraStatus) -> String {
    let (stack, region) = (&status.stack, &status.region);
    let mut lines = vec![match &status.stack_status {
        Some(stack_status) => format!("stack: {stack} in {region}, {stack_status}"),
        None => format!("stack: there is no {stack} in {region}"),
    }];
    if let Some(failure) = &status.failure {
        lines.push(format!("failed: {failure}"));
    }
    if let Some(warehouse) = &status.warehouse {
        let (name, state) = (&warehouse.name, &warehouse.status);
        lines.push(format!(
            "warehouse: {name}, {state}, {}",
            warehouse.capacity
        ));
        if let Some(endpoint) = &warehouse.endpoint {
            lines.push(format!("endpoint: {endpoint}"));
        }
        match warehouse.usage_limit {
            Some(hours) => lines.push(format!("usage limit: {hours} RPU-hours a month")),
            None if !warehouse.is_cluster => lines.push("usage limit: none".to_owned()),
            None => {}
        }
        lines.push(format!("cost: {}, without storage", warehouse.cost));
    }
    lines.extend(status.snapshots.iter().map(snapshot_line));
    lines.push(String::new());
    lines.join("\n")
}

fn snapshot_line(snapshot: &Snapshot) -> String {
    let size = snapshot
        .megabytes
        .map_or_else(String::new, |size| format!(", {size:.0} MB"));
    format!(
        "snapshot: {}, {}{size}, costs storage until it is deleted",
        snapshot.name, snapshot.status
    )
}

/// Returns the state of a stack as JSON.
pub(super) fn status_json(status: &InfraStatus) -> Value {
    let warehouse = status.warehouse.as_ref().map(|warehouse| {
        json!({
            "name": warehouse.name,
            "kind": if warehouse.is_cluster { "cluster" } else { "serverless" },
            "status": warehouse.status,
            "endpoint": warehouse.endpoint,
            "capacity": warehouse.capacity,
            "usage_limit_rpu_hours": warehouse.usage_limit,
            "hourly_cost": cost_json(&warehouse.cost),
        })
    });
    json!({
        "infra_version": INFRA_VERSION,
        "status": if status.is_failed { "failed" } else { "ok" },
        "stack": status.stack,
        "region": status.region,
        "stack_status": status.stack_status,
        "failure": status.failure,
        "warehouse": warehouse,
        "snapshots": status.snapshots,
    })
}

/// Returns what was removed and what is left, in lines.
pub(super) fn down_summary(report: &DownReport) -> String {
    let (stack, region) = (&report.stack, &report.region);
    let mut lines = vec![match report.had_stack {
        true => format!("removed stack {stack} in {region}"),
        false => format!("there is no stack {stack} in {region}"),
    }];
    for name in &report.deleted_snapshots {
        lines.push(format!("deleted snapshot {name}"));
    }
    for name in &report.retained {
        lines.push(format!("{name} is left, and may cost money"));
    }
    lines.extend(report.snapshots.iter().map(snapshot_line));
    if report.snapshots.is_empty() && report.retained.is_empty() {
        lines.push("nothing is left that costs money".to_owned());
    }
    lines.join("\n")
}

/// Returns what was removed and what is left as JSON.
pub(super) fn down_json(report: &DownReport) -> Value {
    json!({
        "infra_version": INFRA_VERSION,
        "status": "ok",
        "stack": report.stack,
        "region": report.region,
        "had_stack": report.had_stack,
        "final_snapshot": report.final_snapshot,
        "deleted_snapshots": report.deleted_snapshots,
        "snapshots": report.snapshots,
        "retained": report.retained,
    })
}

fn cost_json(cost: &HourlyCost) -> Value {
    json!({
        "idle_usd": cost.idle_usd,
        "busy_usd": cost.busy_usd,
        "max_usd": cost.max_usd,
        "region": "us-east-1",
        "as_of": crate::jobs::PRICES_AS_OF,
    })
}
