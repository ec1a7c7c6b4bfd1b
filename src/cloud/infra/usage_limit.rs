//! The usage limit of a Serverless workgroup, which CloudFormation has no resource for.

use aws_sdk_redshiftserverless::types::{
    UsageLimit, UsageLimitBreachAction, UsageLimitPeriod, UsageLimitUsageType,
};

use crate::cloud::clients::CloudClients;
use crate::cloud::error::{CloudError, RequestContext};
use crate::error::{Error, Result};

/// The RPU-hours a month of a warehouse that nobody chose a limit for: 37.50 USD.
pub(super) const DEFAULT_RPU_HOURS: i64 = 100;

/// Returns the monthly limits of compute of a workgroup. There can be several, of which the lowest counts.
fn list(clients: &CloudClients, workgroup_arn: &str) -> Result<Vec<UsageLimit>> {
    let request = clients.serverless.list_usage_limits();
    let request = request
        .resource_arn(workgroup_arn)
        .usage_type(UsageLimitUsageType::ServerlessCompute);
    let response = clients.send(request.send());
    let response = response
        .map_err(|e| limit_error(clients, "read", "redshift-serverless:ListUsageLimits", &e))?;
    let limits = response.usage_limits.unwrap_or_default().into_iter();
    let is_monthly = |limit: &UsageLimit| limit.period == Some(UsageLimitPeriod::Monthly);
    Ok(limits.filter(is_monthly).collect())
}

/// Returns the monthly limit in RPU-hours, or `None` if there is none.
///
/// # Errors
/// Returns an error if the limits cannot be read.
pub(super) fn read(clients: &CloudClients, workgroup_arn: &str) -> Result<Option<i64>> {
    let limits = list(clients, workgroup_arn)?.into_iter();
    Ok(limits.filter_map(|limit| limit.amount).min())
}

/// Sets the monthly limit: to `wanted` RPU-hours, or to none if it is 0. Without a wish, a limit that exists stays, and the
/// default applies otherwise. Returns the limit.
///
/// # Errors
/// Returns an error if the limit cannot be read or set.
pub(super) fn ensure(
    clients: &CloudClients,
    workgroup_arn: &str,
    wanted: Option<i64>,
) -> Result<Option<i64>> {
    let existing = list(clients, workgroup_arn)?;
    let known = existing.iter().filter_map(|limit| limit.amount).min();
    let amount = wanted.or(known).unwrap_or(DEFAULT_RPU_HOURS);
    if amount == 0 {
        remove(clients, workgroup_arn)?;
        return Ok(None);
    }
    let first = existing.first().and_then(|limit| limit.usage_limit_id());
    match first {
        _ if known == Some(amount) => return Ok(known),
        Some(id) => {
            let request = clients.serverless.update_usage_limit().usage_limit_id(id);
            let request = request
                .amount(amount)
                .breach_action(UsageLimitBreachAction::Deactivate);
            let response = clients.send(request.send());
            response.map_err(|e| {
                limit_error(clients, "set", "redshift-serverless:UpdateUsageLimit", &e)
            })?;
        }
        None => {
            let request = clients.serverless.create_usage_limit();
            let request = request
                .resource_arn(workgroup_arn)
                .usage_type(UsageLimitUsageType::ServerlessCompute)
                .period(UsageLimitPeriod::Monthly)
                .amount(amount)
                .breach_action(UsageLimitBreachAction::Deactivate);
            match clients.send(request.send()) {
                // The first attempt, whose response was lost, has set it.
                Err(error) if error.code() == "ConflictException" => {}
                response => {
                    response.map_err(|e| {
                        limit_error(clients, "set", "redshift-serverless:CreateUsageLimit", &e)
                    })?;
                }
            }
        }
    }
    Ok(Some(amount))
}

/// Removes the monthly limits of a workgroup.
///
/// # Errors
/// Returns an error if they cannot be read or removed.
pub(super) fn remove(clients: &CloudClients, workgroup_arn: &str) -> Result<()> {
    for limit in list(clients, workgroup_arn)? {
        let request = clients.serverless.delete_usage_limit();
        let request = request.set_usage_limit_id(limit.usage_limit_id);
        match clients.send(request.send()) {
            Err(error) if error.code() == "ResourceNotFoundException" => {}
            response => {
                response.map_err(|e| {
                    limit_error(
                        clients,
                        "remove",
                        "redshift-serverless:DeleteUsageLimit",
                        &e,
                    )
                })?;
            }
        }
    }
    Ok(())
}

fn limit_error(
    clients: &CloudClients,
    action: &str,
    permission: &'static str,
    error: &CloudError,
) -> Error {
    let context = RequestContext {
        failure: format!("cannot {action} the usage limit of the workgroup"),
        permission,
    };
    clients.to_error(error, &context)
}
