//! Checks that the role of COPY is attached to the cluster.

#[cfg(feature = "cloud")]
use super::attached_roles::check_attached;
use super::check::Outcome;
use super::cluster_host::ClusterHost;
use crate::aws::AwsOptions;
use crate::error::Result;
use crate::warehouse::iam_role::IamRole;

/// Asks AWS which roles the cluster has.
///
/// # Errors
/// Returns an error if the work is to stop.
pub(super) fn check_role(
    role: &IamRole,
    host: Option<&ClusterHost>,
    options: &AwsOptions,
) -> Result<Outcome> {
    let Some(host) = host else {
        return Ok(Outcome::unknown(
            "the host name does not tell which cluster it is; role-reads tells whether COPY can use the role",
        ));
    };
    check_attached(role, host, options)
}

/// This binary has no client of Redshift's API.
#[cfg(not(feature = "cloud"))]
fn check_attached(_: &IamRole, _: &ClusterHost, _: &AwsOptions) -> Result<Outcome> {
    Ok(Outcome::unknown(
        "this binary was built without the feature cloud; cargo install --locked --path . \
         --features cloud builds one",
    ))
}
