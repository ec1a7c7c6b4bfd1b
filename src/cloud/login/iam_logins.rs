//! Gets temporary logins from Redshift and from Redshift Serverless.

use secrecy::SecretString;

use crate::aws::AwsOptions;
use crate::cloud::clients::CloudClients;
use crate::cloud::error::{CloudError, RequestContext};
use crate::error::{Error, Result};
use crate::warehouse::connect::login_source::{Login, LoginSource};
use crate::warehouse::connect::managed_login::{IamLogin, IamTarget};

/// How long a login is valid, the minimum of the services. It is used at once, and an open session outlasts it.
const DURATION_SECONDS: i32 = 900;

/// Temporary logins for a database.
#[derive(Debug)]
pub(super) struct IamLogins {
    pub login: IamLogin,
    pub database: String,
    pub aws: AwsOptions,
}

impl LoginSource for IamLogins {
    fn login(&self) -> Result<Login> {
        // New clients for each login take up credentials that were renewed in the meantime, such as those of SSO.
        let clients = CloudClients::new(&AwsOptions {
            region: self
                .login
                .region
                .clone()
                .or_else(|| self.aws.region.clone()),
            ..self.aws.clone()
        })?;
        let target = &self.login.target;
        tracing::debug!(%target, region = clients.region(), "getting a temporary login");
        let (login, permission) = match target {
            IamTarget::Cluster(id) => (
                self.cluster_login(&clients, id),
                "redshift:GetClusterCredentialsWithIAM",
            ),
            IamTarget::Workgroup(name) => (
                self.workgroup_login(&clients, name),
                "redshift-serverless:GetCredentials",
            ),
        };
        let failure = format!(
            "cannot get a login for {target} in region {}",
            clients.region()
        );
        let (user, password) = login.map_err(|error| {
            let context = RequestContext {
                failure: failure.clone(),
                permission,
            };
            let shown = clients.to_error(&error, &context);
            match error.code() {
                "ClusterNotFound" | "ClusterNotFoundFault" | "ResourceNotFoundException" => shown.with_hint(
                    "check the host name and the AWS account; cluster=NAME or workgroup=NAME in the URL names another one",
                ),
                _ => shown,
            }
        })?;
        match (user, password) {
            (Some(user), Some(password)) => Ok(Login {
                user: Some(user),
                password: SecretString::from(password),
            }),
            _ => Err(Error::failed(failure).with_reason("the response has no user or no password")),
        }
    }
}

type UserAndPassword = (Option<String>, Option<String>);

impl IamLogins {
    fn cluster_login(
        &self,
        clients: &CloudClients,
        id: &str,
    ) -> std::result::Result<UserAndPassword, CloudError> {
        let request = clients.redshift.get_cluster_credentials_with_iam();
        let request = request
            .cluster_identifier(id)
            .db_name(&self.database)
            .duration_seconds(DURATION_SECONDS);
        let login = clients.send(request.send())?;
        Ok((login.db_user, login.db_password))
    }

    fn workgroup_login(
        &self,
        clients: &CloudClients,
        name: &str,
    ) -> std::result::Result<UserAndPassword, CloudError> {
        let request = clients.serverless.get_credentials();
        let request = request
            .workgroup_name(name)
            .db_name(&self.database)
            .duration_seconds(DURATION_SECONDS);
        let login = clients.send(request.send())?;
        Ok((login.db_user, login.db_password))
    }
}
