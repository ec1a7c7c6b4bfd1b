//! The CloudFormation template of a warehouse, and what it says about its parameters and resources.

use std::collections::BTreeMap;

/// The template. It is part of the program, so that the two always fit together.
const TEMPLATE: &str = include_str!("../../../infra/warehouse.yaml");

/// The lines around the budget, which not every region accepts.
const BUDGET_BEGIN: &str = "  # (budget)";
const BUDGET_END: &str = "  # (end of budget)";

/// Regions without `AWS::Budgets::Budget`. They refuse a template that names it at all.
const REGIONS_WITHOUT_BUDGETS: [&str; 20] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-3",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "mx-central-1",
    "us-gov-east-1",
    "us-gov-west-1",
];

/// A resource in the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateResource {
    /// The name in the template, such as `Workgroup`.
    pub(super) name: &'static str,
    /// The type, such as `AWS::RedshiftServerless::Workgroup`.
    pub(super) resource_type: &'static str,
    /// The condition under which it is created.
    pub(super) condition: Option<&'static str>,
}

/// Returns true if a region has budgets.
pub(super) fn has_budgets(region: &str) -> bool {
    !REGIONS_WITHOUT_BUDGETS.contains(&region)
}

/// Returns the template as a region accepts it.
pub(super) fn template_for(region: &str) -> String {
    let mut is_budget = false;
    let mut text = String::with_capacity(TEMPLATE.len());
    for line in TEMPLATE.lines() {
        is_budget |= line == BUDGET_BEGIN;
        if !is_budget || has_budgets(region) {
            text.push_str(line);
            text.push('\n');
        }
        is_budget &= line != BUDGET_END;
    }
    text
}

/// Returns the parameters with their defaults, as text. `None` means that a value is required.
pub(super) fn parameters() -> BTreeMap<&'static str, Option<String>> {
    let entries = entries("Parameters");
    let defaults = entries.into_iter().map(|(name, fields)| {
        let default = fields.get("Default");
        (name, default.map(|text| text.trim_matches('\'').to_owned()))
    });
    defaults.collect()
}

/// Returns the resources that are created with these parameters, in the order of the template.
pub(super) fn resources(
    parameters: &BTreeMap<String, String>,
    region: &str,
) -> Vec<TemplateResource> {
    let is = |name: &str, value: &str| parameters.get(name).is_some_and(|text| text == value);
    let resources = entries("Resources").into_iter();
    let resources = resources.map(|(name, fields)| TemplateResource {
        name,
        resource_type: fields.get("Type").copied().unwrap_or_default(),
        condition: fields.get("Condition").copied(),
    });
    let is_created = |resource: &TemplateResource| match resource.condition {
        Some("IsServerless") => is("WarehouseKind", "serverless"),
        Some("IsCluster") => is("WarehouseKind", "cluster"),
        Some("HasAlarm") => !is("AlarmEmail", "") && has_budgets(region),
        _ => true,
    };
    resources.filter(is_created).collect()
}

/// The entries of a section with the plain values of each. The template is written in the block style, two spaces deeper at
/// every level, and the tests check what is read from it.
fn entries(section: &str) -> Vec<(&'static str, BTreeMap<&'static str, &'static str>)> {
    let mut entries: Vec<(&str, BTreeMap<&str, &str>)> = Vec::new();
    let mut is_inside = false;
    for line in TEMPLATE
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        let indent = line.len() - line.trim_start().len();
        match (indent, line.trim().split_once(':')) {
            (0, Some((name, _))) => is_inside = name == section,
            (2, Some((name, ""))) if is_inside => entries.push((name, BTreeMap::new())),
            (4, Some((key, value))) if is_inside => {
                if let Some((_, fields)) = entries.last_mut() {
                    fields.insert(key, value.trim());
                }
            }
            _ => {}
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn parameters_have_the_defaults_of_the_template() {
        let parameters = parameters();
        assert_eq!(parameters["AllowedCidr"], None);
        assert_eq!(parameters["BaseCapacity"].as_deref(), Some("4"));
        assert_eq!(parameters["AlarmEmail"].as_deref(), Some(""));
        assert_eq!(
            parameters.len(),
            TEMPLATE
                .split_once("\nParameters:\n")
                .and_then(|(_, rest)| rest.split_once("\nRules:"))
                .map_or(0, |(section, _)| section.matches("\n    Type: ").count())
        );
    }

    #[test]
    fn resources_depend_on_the_kind_and_the_alarm() {
        let names = |pairs: &[(&str, &str)], region| -> Vec<&str> {
            let resources = resources(&values(pairs), region);
            resources.iter().map(|resource| resource.name).collect()
        };
        let serverless = [("WarehouseKind", "serverless"), ("AlarmEmail", "")];
        let serverless = names(&serverless, "us-east-1");
        assert!(serverless.contains(&"Workgroup") && serverless.contains(&"Vpc"));
        assert!(!serverless.contains(&"Cluster") && !serverless.contains(&"Budget"));
        let cluster = [("WarehouseKind", "cluster"), ("AlarmEmail", "a@b.c")];
        assert!(names(&cluster, "us-east-1").contains(&"Budget"));
        assert!(names(&cluster, "us-east-1").contains(&"Cluster"));
        assert!(!names(&cluster, "eu-north-1").contains(&"Budget"));
    }

    #[test]
    fn every_resource_has_a_type_and_a_condition_that_is_known() {
        let all = entries("Resources");
        for (name, fields) in &all {
            assert!(fields["Type"].starts_with("AWS::"), "{name}");
            let condition = fields.get("Condition").copied();
            let is_known = matches!(
                condition,
                None | Some("IsServerless" | "IsCluster" | "HasAlarm")
            );
            assert!(is_known, "{name}: {condition:?}");
        }
        let types = TEMPLATE.matches("\n    Type: AWS::").count();
        assert_eq!(all.len(), types);
    }

    #[test]
    fn template_names_no_budget_where_there_are_none() {
        assert!(template_for("us-east-1") == TEMPLATE);
        let template = template_for("eu-north-1");
        assert!(!template.contains("\n    Type: AWS::Budgets::Budget"));
        assert!(template.contains("\nOutputs:\n"));
    }
}
