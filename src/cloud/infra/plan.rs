//! What `up` will create or change, and the values of the template's parameters that it needs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::prices::HourlyCost;
use super::stack::Stack;
use super::template;
use crate::error::{Error, Result};

/// A kind of resource that is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedResource {
    /// The type, such as `AWS::EC2::Subnet`.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// The names in the template.
    pub names: Vec<String>,
}

/// A parameter of the template whose value changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParameterChange {
    /// The name of the parameter.
    pub name: String,
    /// The value in the stack. `None` if the stack does not have the parameter.
    pub from: Option<String>,
    /// The new value.
    pub to: String,
}

/// What `up` will create or change.
#[derive(Debug, Clone)]
pub struct UpPlan {
    /// The name of the stack.
    pub stack: String,
    /// The region.
    pub region: String,
    /// The status of the stack, if there is one.
    pub existing: Option<String>,
    /// Whether the stack is created. One that was never complete is deleted first.
    pub creates: bool,
    /// What the stack consists of, by type.
    pub resources: Vec<PlannedResource>,
    /// The parameters that change. Empty if the stack is created.
    pub changes: Vec<ParameterChange>,
    /// Whether this version of the program has another template than the stack.
    pub changes_template: bool,
    /// What the warehouse costs.
    pub cost: HourlyCost,
    /// The usage limit that is set, in RPU-hours a month. `None` if it stays as it is or there is none.
    pub usage_limit: Option<i64>,
    /// All parameters of the template.
    pub parameters: BTreeMap<String, String>,
}

impl UpPlan {
    /// Returns true if nothing is created or changed in the stack.
    pub fn is_empty(&self) -> bool {
        !self.creates && self.changes.is_empty() && !self.changes_template
    }

    /// Returns the cost of the usage limit a month, in USD.
    pub fn usage_limit_usd(&self) -> Option<f64> {
        self.usage_limit.map(super::prices::rpu_hours_usd)
    }
}

/// Returns what is created, by type, in the order of the template.
pub(super) fn planned_resources(
    parameters: &BTreeMap<String, String>,
    region: &str,
) -> Vec<PlannedResource> {
    let mut planned: Vec<PlannedResource> = Vec::new();
    for resource in template::resources(parameters, region) {
        let name = resource.name.to_owned();
        let known = planned
            .iter_mut()
            .find(|known| known.resource_type == resource.resource_type);
        match known {
            Some(known) => known.names.push(name),
            None => planned.push(PlannedResource {
                resource_type: resource.resource_type.to_owned(),
                names: vec![name],
            }),
        }
    }
    planned
}

/// Returns the parameters whose values differ from those of the stack.
pub(super) fn changes(
    stack: &Stack,
    parameters: &BTreeMap<String, String>,
) -> Vec<ParameterChange> {
    let changed = parameters
        .iter()
        .filter(|(name, value)| stack.parameters.get(*name) != Some(*value));
    changed
        .map(|(name, value)| ParameterChange {
            name: name.clone(),
            from: stack.parameters.get(name).cloned(),
            to: value.clone(),
        })
        .collect()
}

/// Returns the values of all parameters: those that are given, else those of the stack, else the defaults of the template.
///
/// # Errors
/// Returns an error if a value is missing, has no effect, or would replace the warehouse and its data.
pub(super) fn resolve_parameters(
    stack_name: &str,
    given: &BTreeMap<String, String>,
    stack: Option<&Stack>,
) -> Result<BTreeMap<String, String>> {
    let known = template::parameters();
    let mut given = given.clone();
    given
        .entry("Name".to_owned())
        .or_insert_with(|| stack.map_or(stack_name, Stack::warehouse_name).to_owned());
    if let Some(unknown) = given.keys().find(|name| !known.contains_key(name.as_str())) {
        let names: Vec<&str> = known.keys().copied().collect();
        return Err(Error::usage(format!("unknown parameter {unknown}"))
            .with_hint(format!("the template has {}", names.join(", "))));
    }
    let mut parameters = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, default) in known {
        let value = given.get(name).cloned();
        let value = value.or_else(|| stack?.parameters.get(name).cloned());
        match value.or(default) {
            Some(value) => drop(parameters.insert(name.to_owned(), value)),
            None => missing.push(flag_of(name)),
        }
    }
    missing.dedup();
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        return Err(Error::usage(format!("missing {missing}"))
            .with_reason(format!("stack '{stack_name}' does not exist yet")));
    }
    ensure_same_warehouse(stack_name, &parameters, stack)?;
    ensure_used(&given, &parameters)?;
    ensure_capacities(&given, &mut parameters)?;
    Ok(parameters)
}

/// Returns the flag that sets a parameter.
fn flag_of(parameter: &str) -> String {
    match parameter {
        "AllowedCidr" => "--allowed-cidr".to_owned(),
        "DataBucket" | "OutputPrefix" => "--out".to_owned(),
        "NodeType" => "--node-type".to_owned(),
        "NodeCount" => "--nodes".to_owned(),
        "BaseCapacity" => "--base-capacity".to_owned(),
        "MaxCapacity" => "--max-capacity".to_owned(),
        _ => format!("--parameter {parameter}"),
    }
}

/// Returns an error if a value would make CloudFormation replace the warehouse, which would lose its data.
fn ensure_same_warehouse(
    stack_name: &str,
    parameters: &BTreeMap<String, String>,
    stack: Option<&Stack>,
) -> Result<()> {
    let Some(stack) = stack else { return Ok(()) };
    for name in ["WarehouseKind", "Name", "DatabaseName", "AdminUser"] {
        let (old, new) = (stack.parameters.get(name), parameters.get(name));
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            return Err(Error::usage(format!(
                "cannot change {name} of stack '{stack_name}' from {old} to {new}"
            ))
            .with_reason("that would replace the warehouse without its data")
            .with_hint("choose another --stack for a second warehouse"));
        }
    }
    Ok(())
}

/// Returns an error if a value concerns the other kind of warehouse.
fn ensure_used(
    given: &BTreeMap<String, String>,
    parameters: &BTreeMap<String, String>,
) -> Result<()> {
    let (others, kind) = match parameters.get("WarehouseKind").map(String::as_str) {
        Some("cluster") => (["BaseCapacity", "MaxCapacity"], "a cluster"),
        _ => (["NodeType", "NodeCount"], "serverless"),
    };
    match others.into_iter().find(|name| given.contains_key(*name)) {
        Some(name) => Err(Error::usage(format!("{} has no effect", flag_of(name)))
            .with_reason(format!("the warehouse is {kind}"))),
        None => Ok(()),
    }
}

/// Lets the maximum grow with a base that is given without one, and checks the two.
fn ensure_capacities(
    given: &BTreeMap<String, String>,
    parameters: &mut BTreeMap<String, String>,
) -> Result<()> {
    let number = |name: &str| {
        parameters
            .get(name)
            .and_then(|text| text.parse::<u32>().ok())
    };
    let (Some(base), Some(max)) = (number("BaseCapacity"), number("MaxCapacity")) else {
        return Ok(());
    };
    if base <= max {
        return Ok(());
    }
    if given.contains_key("MaxCapacity") {
        return Err(Error::usage(format!(
            "--max-capacity {max} is less than the base capacity of {base} RPU"
        )));
    }
    parameters.insert("MaxCapacity".to_owned(), base.to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let required = [
            ("AllowedCidr", "10.0.0.0/8"),
            ("DataBucket", "bucket"),
            ("OutputPrefix", "star"),
        ];
        let pairs = required.iter().chain(pairs);
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn capacity_is_always_stated() {
        let parameters = resolve_parameters("sparkify", &given(&[]), None).unwrap();
        assert_eq!(parameters["BaseCapacity"], "4");
        assert_eq!(parameters["MaxCapacity"], "8");
        assert_eq!(parameters["Name"], "sparkify");
    }

    #[test]
    fn maximum_grows_with_the_base() {
        let parameters = given(&[("BaseCapacity", "32")]);
        let parameters = resolve_parameters("sparkify", &parameters, None).unwrap();
        assert_eq!(parameters["MaxCapacity"], "32");
        let both = given(&[("BaseCapacity", "32"), ("MaxCapacity", "8")]);
        assert!(resolve_parameters("sparkify", &both, None).is_err());
    }

    #[test]
    fn values_of_the_other_kind_are_refused() {
        for pairs in [
            &[("NodeType", "ra3.large")][..],
            &[("WarehouseKind", "cluster"), ("BaseCapacity", "8")],
            &[("NoSuchParameter", "8")],
        ] {
            let error = resolve_parameters("sparkify", &given(pairs), None).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
        let error = resolve_parameters("sparkify", &BTreeMap::new(), None).unwrap_err();
        let text = "missing --allowed-cidr and --out: stack 'sparkify' does not exist yet";
        assert_eq!(error.to_string(), text);
    }
}
