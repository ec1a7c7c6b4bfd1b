//! What Redshift tells about the warehouse of a stack, whether it is a cluster or serverless.

use super::prices::HourlyCost;
use super::stack::Stack;
use crate::cloud::clients::CloudClients;
use crate::cloud::error::{CloudError, RequestContext};
use crate::error::{Error, Result};

/// A warehouse as Redshift describes it.
#[derive(Debug, Clone)]
pub(super) struct Warehouse {
    pub(super) name: String,
    pub(super) is_cluster: bool,
    /// The status in lower case, such as `available` or `paused`.
    pub(super) status: String,
    /// Host and port.
    pub(super) endpoint: Option<String>,
    /// The capacity in words, such as `2 nodes of ra3.xlplus`.
    pub(super) capacity: String,
    pub(super) cost: HourlyCost,
    /// The ARN of the workgroup. `None` for a cluster.
    pub(super) workgroup_arn: Option<String>,
    /// The secret with the password of the administrator.
    pub(super) secret_arn: Option<String>,
}

/// Returns the warehouse of a stack, or `None` if there is none, because it was not created yet or is gone.
///
/// # Errors
/// Returns an error if Redshift cannot be asked.
pub(super) fn find(clients: &CloudClients, stack: &Stack) -> Result<Option<Warehouse>> {
    match stack.is_cluster() {
        true => find_cluster(clients, stack.warehouse_name()),
        false => find_workgroup(clients, stack.warehouse_name()),
    }
}

/// Returns the cluster of this name.
///
/// # Errors
/// Returns an error if Redshift cannot be asked.
pub(super) fn find_cluster(clients: &CloudClients, name: &str) -> Result<Option<Warehouse>> {
    let request = clients.redshift.describe_clusters();
    let response = match clients.send(request.cluster_identifier(name).send()) {
        Ok(response) => response,
        Err(error) if error.code().starts_with("ClusterNotFound") => return Ok(None),
        Err(error) => {
            let failure = format!("cannot describe cluster '{name}'");
            return Err(redshift_error(
                clients,
                failure,
                "redshift:DescribeClusters",
                &error,
            ));
        }
    };
    let cluster = response.clusters.unwrap_or_default().into_iter().next();
    Ok(cluster.map(|cluster| {
        let nodes = cluster.number_of_nodes.unwrap_or(1);
        let node_type = cluster.node_type.unwrap_or_default();
        let status = cluster.cluster_status.unwrap_or_default();
        let endpoint = cluster.endpoint.and_then(|e| e.address.zip(e.port));
        Warehouse {
            name: name.to_owned(),
            is_cluster: true,
            endpoint: endpoint.map(|(host, port)| format!("{host}:{port}")),
            capacity: match nodes {
                1 => format!("1 node of {node_type}"),
                _ => format!("{nodes} nodes of {node_type}"),
            },
            cost: match status.as_str() {
                "paused" => HourlyCost::of_nothing(),
                _ => HourlyCost::of_cluster(&node_type, f64::from(nodes)),
            },
            workgroup_arn: None,
            secret_arn: cluster.master_password_secret_arn,
            status,
        }
    }))
}

/// Returns the workgroup of this name, with what its namespace of the same name tells.
///
/// # Errors
/// Returns an error if Redshift cannot be asked.
pub(super) fn find_workgroup(clients: &CloudClients, name: &str) -> Result<Option<Warehouse>> {
    let request = clients.serverless.get_workgroup();
    let workgroup = match clients.send(request.workgroup_name(name).send()) {
        Ok(response) => response.workgroup,
        Err(error) if error.code() == "ResourceNotFoundException" => None,
        Err(error) => {
            let failure = format!("cannot describe workgroup '{name}'");
            let permission = "redshift-serverless:GetWorkgroup";
            return Err(redshift_error(clients, failure, permission, &error));
        }
    };
    let Some(workgroup) = workgroup else {
        return Ok(None);
    };
    let endpoint = workgroup.endpoint.and_then(|e| e.address.zip(e.port));
    let status = workgroup
        .status
        .map(|status| status.as_str().to_lowercase());
    let base = workgroup.base_capacity;
    let max = workgroup.max_capacity;
    let text = |rpu: Option<i32>| rpu.map_or_else(|| "?".to_owned(), |rpu| rpu.to_string());
    Ok(Some(Warehouse {
        name: name.to_owned(),
        is_cluster: false,
        status: status.unwrap_or_default(),
        endpoint: endpoint.map(|(host, port)| format!("{host}:{port}")),
        capacity: format!("{} RPU, at most {}", text(base), text(max)),
        cost: HourlyCost::of_serverless(base.map(f64::from), max.map(f64::from)),
        workgroup_arn: workgroup.workgroup_arn,
        secret_arn: find_namespace(clients, name)?.flatten(),
    }))
}

/// Returns the secret of the namespace of this name, if the namespace exists.
///
/// # Errors
/// Returns an error if Redshift cannot be asked.
pub(super) fn find_namespace(clients: &CloudClients, name: &str) -> Result<Option<Option<String>>> {
    let request = clients.serverless.get_namespace();
    match clients.send(request.namespace_name(name).send()) {
        Ok(response) => {
            let namespace = response.namespace;
            Ok(namespace.map(|namespace| namespace.admin_password_secret_arn))
        }
        Err(error) if error.code() == "ResourceNotFoundException" => Ok(None),
        Err(error) => {
            let failure = format!("cannot describe namespace '{name}'");
            let permission = "redshift-serverless:GetNamespace";
            Err(redshift_error(clients, failure, permission, &error))
        }
    }
}

/// Returns the error of a request to Redshift.
pub(super) fn redshift_error(
    clients: &CloudClients,
    failure: String,
    permission: &'static str,
    error: &CloudError,
) -> Error {
    let context = RequestContext {
        failure,
        permission,
    };
    clients.to_error(error, &context)
}
