//! Asks the APIs of Redshift and Redshift Serverless which roles a cluster has.
//!
//! Compiled only with the cargo feature `cloud`.

use super::check::Outcome;
use super::cluster_host::ClusterHost;
use crate::aws::AwsOptions;
use crate::cloud::{CloudClients, CloudError, RequestContext};
use crate::error::Result;
use crate::interrupt;
use crate::warehouse::iam_role::IamRole;

/// The roles of a cluster.
struct AttachedRoles {
    default: Option<String>,
    /// Each role with its state, as AWS describes it.
    roles: Vec<(String, String)>,
}

/// Checks that the role of COPY is among those of the cluster.
///
/// # Errors
/// Returns an error if the work is to stop.
pub(super) fn check_attached(
    role: &IamRole,
    host: &ClusterHost,
    options: &AwsOptions,
) -> Result<Outcome> {
    let options = AwsOptions {
        region: Some(host.region.clone()),
        ..options.clone()
    };
    let unknown = |error| Outcome::unknown_because("the role of the cluster", &error);
    let clients = match CloudClients::new(&options) {
        Ok(clients) => clients,
        Err(error) => return Ok(unknown(error)),
    };
    let (kind, permission) = match host.is_serverless {
        true => (
            "workgroup",
            "redshift-serverless:GetWorkgroup and redshift-serverless:GetNamespace",
        ),
        false => ("cluster", "redshift:DescribeClusters"),
    };
    let roles = match host.is_serverless {
        true => roles_of_workgroup(&clients, &host.name),
        false => roles_of_cluster(&clients, &host.name),
    };
    interrupt::ensure_running()?;
    let context = RequestContext {
        failure: format!("cannot describe {kind} '{}'", host.name),
        permission,
    };
    Ok(match roles {
        Ok(roles) => judge(role, &roles, host),
        Err(error) => unknown(clients.to_error(&error, &context)),
    })
}

fn roles_of_cluster(
    clients: &CloudClients,
    name: &str,
) -> std::result::Result<AttachedRoles, CloudError> {
    let request = clients.redshift.describe_clusters();
    let response = clients.send(request.cluster_identifier(name).send())?;
    let cluster = response.clusters().first();
    let roles = cluster.map_or(&[][..], |cluster| cluster.iam_roles());
    let roles = roles.iter().map(|role| {
        let status = role.apply_status().unwrap_or_default();
        (
            role.iam_role_arn().unwrap_or_default().to_owned(),
            status.to_owned(),
        )
    });
    let default = cluster.and_then(|cluster| cluster.default_iam_role_arn());
    Ok(AttachedRoles {
        default: default.map(str::to_owned),
        roles: roles.collect(),
    })
}

fn roles_of_workgroup(
    clients: &CloudClients,
    name: &str,
) -> std::result::Result<AttachedRoles, CloudError> {
    let request = clients.serverless.get_workgroup();
    let response = clients.send(request.workgroup_name(name).send())?;
    let namespace = response
        .workgroup()
        .and_then(|workgroup| workgroup.namespace_name());
    let request = clients.serverless.get_namespace();
    let request = request.namespace_name(namespace.unwrap_or(name));
    let response = clients.send(request.send())?;
    let namespace = response.namespace();
    let roles = namespace.map_or(&[][..], |namespace| namespace.iam_roles());
    Ok(AttachedRoles {
        default: namespace
            .and_then(|namespace| namespace.default_iam_role_arn())
            .map(str::to_owned),
        roles: roles.iter().map(|text| parse_role(text)).collect(),
    })
}

/// Parses `IamRole(applyStatus=in-sync, iamRoleArn=arn:...)`, or the ARN alone.
fn parse_role(text: &str) -> (String, String) {
    let field = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        rest.split([',', ')'])
            .next()
            .map(|value| value.trim().to_owned())
    };
    let arn = field("iamRoleArn=").unwrap_or_else(|| text.trim().to_owned());
    (arn, field("applyStatus=").unwrap_or_default())
}

fn judge(role: &IamRole, attached: &AttachedRoles, host: &ClusterHost) -> Outcome {
    let AttachedRoles { default, roles } = attached;
    let name = &host.name;
    let attach = |arn: &str| match host.is_serverless {
        true => format!(
            "attach it: aws redshift-serverless update-namespace --iam-roles {arn} with all roles that the namespace has"
        ),
        false => format!(
            "attach it: aws redshift modify-cluster-iam-roles --cluster-identifier {name} --add-iam-roles {arn}"
        ),
    };
    let arn = match (role, default) {
        (IamRole::Default, Some(default)) if !default.is_empty() => default.as_str(),
        (IamRole::Default, _) => {
            return Outcome::failed(
                format!("{name} has no default role"),
                "name a role with --iam-role, or make one of its roles the default",
            );
        }
        // The first of a chain of roles is the one that the cluster assumes.
        (IamRole::Arn(chain), _) => match chain.split_once(",arn:") {
            Some((first, _)) => first,
            None => chain,
        },
    };
    match roles.iter().find(|(attached, _)| attached == arn) {
        None => Outcome::failed(format!("role {arn} is not attached to {name}"), attach(arn)),
        Some((_, status)) if status.is_empty() || status == "in-sync" => {
            Outcome::ok(format!("role {arn} is attached to {name}"))
        }
        Some((_, status)) => Outcome::warning(
            format!("role {arn} is attached to {name}, but its state is {status}"),
            "wait a minute, and check again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_of_namespaces_are_parsed() {
        let arn = "arn:aws:iam::123456789012:role/reader";
        let text = format!("IamRole(applyStatus=in-sync, iamRoleArn={arn})");
        assert_eq!(parse_role(&text), (arn.to_owned(), "in-sync".to_owned()));
        assert_eq!(parse_role(arn), (arn.to_owned(), String::new()));
    }
}
