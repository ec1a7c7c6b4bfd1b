//! What a warehouse costs an hour.
//!
//! The prices are those of AWS's public list for us-east-1. Other regions differ, and AWS's page is what counts.

use std::collections::BTreeMap;
use std::fmt;

/// The month in which the prices were read.
pub const PRICES_AS_OF: &str = "2026-05";

/// The price of an RPU for an hour, in USD. Serverless bills it by the second while queries run, 60 s at least.
const RPU_HOUR_USD: f64 = 0.375;

/// The prices of a node for an hour, in USD. The `rg` types are left out, because their prices are only on AWS's page.
const NODE_HOUR_USD: [(&str, f64); 4] = [
    ("ra3.large", 0.543),
    ("ra3.xlplus", 1.086),
    ("ra3.4xlarge", 3.26),
    ("ra3.16xlarge", 13.04),
];

/// The page with the prices of all regions.
const PRICE_PAGE: &str = "https://aws.amazon.com/redshift/pricing/";

/// What a warehouse costs an hour in us-east-1, without storage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HourlyCost {
    /// While no query runs, in USD. `None` if the price of the node type is not known.
    pub idle_usd: Option<f64>,
    /// While queries run, in USD. `None` if the price of the node type is not known.
    pub busy_usd: Option<f64>,
    /// The most it can be, in USD, if it is more: with the capacity that Serverless may grow to.
    pub max_usd: Option<f64>,
}

impl HourlyCost {
    /// Returns the cost of a warehouse with these parameters of the template.
    pub(super) fn from_parameters(parameters: &BTreeMap<String, String>) -> Self {
        let number = |name: &str| parameters.get(name).and_then(|text| text.parse().ok());
        match parameters.get("WarehouseKind").map(String::as_str) {
            Some("cluster") => Self::of_cluster(
                parameters.get("NodeType").map_or("", String::as_str),
                number("NodeCount").unwrap_or(1.0),
            ),
            _ => Self::of_serverless(number("BaseCapacity"), number("MaxCapacity")),
        }
    }

    /// Returns the cost of a cluster that is not paused.
    pub(super) fn of_cluster(node_type: &str, nodes: f64) -> Self {
        let mut prices = NODE_HOUR_USD.into_iter();
        let price = prices.find(|(name, _)| *name == node_type);
        let usd = price.map(|(_, price)| price * nodes);
        Self {
            idle_usd: usd,
            busy_usd: usd,
            max_usd: None,
        }
    }

    /// Returns the cost of a workgroup.
    pub(super) fn of_serverless(base_rpu: Option<f64>, max_rpu: Option<f64>) -> Self {
        Self {
            idle_usd: Some(0.0),
            busy_usd: base_rpu.map(|rpu| rpu * RPU_HOUR_USD),
            max_usd: max_rpu.map(|rpu| rpu * RPU_HOUR_USD),
        }
    }

    /// Returns the cost of a warehouse that does not run.
    pub(super) fn of_nothing() -> Self {
        Self {
            idle_usd: Some(0.0),
            busy_usd: Some(0.0),
            max_usd: None,
        }
    }
}

impl fmt::Display for HourlyCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(idle), Some(busy)) = (self.idle_usd, self.busy_usd) else {
            return write!(f, "see {PRICE_PAGE} for the price of this node type");
        };
        match idle == busy {
            true => write!(f, "{busy:.2} USD an hour")?,
            false => write!(
                f,
                "{busy:.2} USD an hour while queries run, {idle:.2} otherwise"
            )?,
        }
        if let Some(max) = self.max_usd.filter(|max| *max > busy) {
            write!(f, ", at most {max:.2}")?;
        }
        write!(
            f,
            " (us-east-1, {PRICES_AS_OF}; other regions: {PRICE_PAGE})"
        )
    }
}

/// Returns the cost of a number of RPU-hours, in USD.
pub(super) fn rpu_hours_usd(hours: i64) -> f64 {
    hours as f64 * RPU_HOUR_USD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serverless_costs_only_while_queries_run() {
        let text = HourlyCost::of_serverless(Some(4.0), Some(8.0)).to_string();
        let start = "1.50 USD an hour while queries run, 0.00 otherwise, at most 3.00 (us-east-1, ";
        assert!(text.starts_with(start), "{text}");
    }

    #[test]
    fn cluster_costs_by_its_nodes() {
        let text = HourlyCost::of_cluster("ra3.xlplus", 2.0).to_string();
        assert!(text.starts_with("2.17 USD an hour (us-east-1"), "{text}");
        let text = HourlyCost::of_cluster("rg.large", 2.0).to_string();
        assert!(text.starts_with("see https://aws.amazon.com/"), "{text}");
    }
}
