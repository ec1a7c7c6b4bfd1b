//! Resolves which service returns the login: IAM or Secrets Manager.

use std::fmt;
use std::str::FromStr;

use super::hosts::HostConfig;
use super::parameter::Parameter;
use super::settings::{Setting, Settings};
use crate::error::{Error, Result};
use crate::warehouse::dialect::Dialect;

/// The service that returns the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManagedLogin {
    /// Redshift returns a temporary user and password for the AWS credentials.
    Iam(IamLogin),
    /// Secrets Manager has the password.
    Secret(PasswordSecret),
}

/// The warehouse that a temporary login is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamLogin {
    /// The cluster or workgroup.
    pub target: IamTarget,
    /// The region of the host name, or `None` for the region of the AWS settings.
    pub region: Option<String>,
}

/// A cluster or a workgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IamTarget {
    /// The identifier of a cluster.
    Cluster(String),
    /// The name of a workgroup of Redshift Serverless.
    Workgroup(String),
}

/// A secret in Secrets Manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordSecret {
    /// The ARN of the secret, which is not secret itself.
    pub arn: String,
    /// The region in the ARN.
    pub region: String,
}

/// The value of a setting that is on or off.
struct OnOff(bool);

impl FromStr for OnOff {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "1" | "on" | "true" | "yes" => Ok(Self(true)),
            "0" | "off" | "false" | "no" => Ok(Self(false)),
            _ => Err("must be 1 or 0, true or false".to_owned()),
        }
    }
}

impl FromStr for PasswordSecret {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts: Vec<&str> = text.splitn(7, ':').collect();
        match parts.as_slice() {
            [
                "arn",
                partition,
                "secretsmanager",
                region,
                _,
                "secret",
                name,
            ] if partition.starts_with("aws") && !region.is_empty() && !name.is_empty() => {
                Ok(Self {
                    arn: text.to_owned(),
                    region: (*region).to_owned(),
                })
            }
            _ => Err(
                "must be an ARN such as arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME"
                    .to_owned(),
            ),
        }
    }
}

impl ManagedLogin {
    /// Returns the service that the settings name, or `None` if user and password are set directly.
    ///
    /// # Errors
    /// Returns an error if a setting is invalid, or if the settings contradict each other.
    pub(super) fn resolve(
        settings: &Settings,
        hosts: &[HostConfig],
        dialect: Dialect,
    ) -> Result<Option<Self>> {
        let is_iam: Option<OnOff> = settings.parse(Parameter::IamLogin)?;
        let iam = settings
            .get(Parameter::IamLogin)
            .filter(|_| is_iam.is_some_and(|is_on| is_on.0));
        let secret = settings.get(Parameter::PasswordSecret);
        match (iam, secret) {
            (Some(iam), Some(secret)) => Err(unusable(
                iam,
                &format!("{} ({}) names another login", secret.name, secret.source),
            )
            .with_hint("use one of them")),
            (Some(iam), None) => resolve_iam(iam, settings, hosts, dialect).map(Some),
            (None, Some(secret)) => match secret.text().parse() {
                Ok(secret) => Ok(Some(Self::Secret(secret))),
                Err(reason) => Err(unusable(secret, &reason)),
            },
            (None, None) => Ok(None),
        }
    }

    /// Returns true if the service decides who logs in.
    pub(super) fn names_the_user(&self) -> bool {
        matches!(self, Self::Iam(_))
    }
}

/// Shows the service without anything secret.
impl fmt::Display for ManagedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iam(login) => write!(f, "IAM for {}", login.target),
            Self::Secret(secret) => write!(f, "secret {}", secret.arn),
        }
    }
}

impl fmt::Display for IamTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(id) => write!(f, "cluster '{id}'"),
            Self::Workgroup(name) => write!(f, "workgroup '{name}'"),
        }
    }
}

fn unusable(setting: &Setting, reason: &str) -> Error {
    let source = setting.source.to_string();
    let message = match source == setting.name {
        true => format!("cannot use {source}"),
        false => format!("cannot use {} ({source})", setting.name),
    };
    Error::usage(message).with_reason(reason)
}

fn resolve_iam(
    iam: &Setting,
    settings: &Settings,
    hosts: &[HostConfig],
    dialect: Dialect,
) -> Result<ManagedLogin> {
    if dialect == Dialect::Postgres {
        return Err(unusable(iam, "only Redshift has logins by IAM")
            .with_hint("use a redshift:// URL, or a password"));
    }
    for (parameter, name) in [
        (Parameter::User, "a user"),
        (Parameter::Password, "a password"),
    ] {
        if settings.get(parameter).is_some_and(Setting::is_in_url) {
            return Err(unusable(
                iam,
                &format!("{name} in the URL has no effect, because IAM returns user and password"),
            )
            .with_hint("write redshift://HOST:5439/DATABASE"));
        }
    }
    let [host] = hosts else {
        return Err(
            unusable(iam, "a login by IAM is for one host").with_hint("name one host in the URL")
        );
    };
    let cluster = settings.text(Parameter::Cluster);
    let workgroup = settings.text(Parameter::Workgroup);
    let from_host = parse_host(&host.host);
    let region = from_host.as_ref().map(|(_, region)| region.clone());
    let target = match (cluster, workgroup) {
        (Some(_), Some(_)) => {
            return Err(
                unusable(iam, "a cluster and a workgroup are named").with_hint("name one of them")
            );
        }
        (Some(id), None) => IamTarget::Cluster(id),
        (None, Some(name)) => IamTarget::Workgroup(name),
        (None, None) => match from_host {
            Some((target, _)) => target,
            None => {
                return Err(unusable(
                    iam,
                    &format!("host {} tells no cluster or workgroup", host.host),
                )
                .with_hint(
                    "add cluster=NAME or workgroup=NAME to the URL, or CLUSTER_ID or WORKGROUP under [CLUSTER] in --config",
                ));
            }
        },
    };
    Ok(ManagedLogin::Iam(IamLogin { target, region }))
}

/// Returns the cluster or workgroup and the region in the host name of an endpoint.
fn parse_host(host: &str) -> Option<(IamTarget, String)> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let host = host.strip_suffix(".cn").unwrap_or(&host);
    let labels: Vec<&str> = host.strip_suffix(".amazonaws.com")?.split('.').collect();
    match labels.as_slice() {
        [name, _, region, "redshift"] => {
            Some((IamTarget::Cluster((*name).to_owned()), (*region).to_owned()))
        }
        [name, _, region, "redshift-serverless"] => Some((
            IamTarget::Workgroup((*name).to_owned()),
            (*region).to_owned(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_tell_cluster_workgroup_and_region() {
        let cluster = |id: &str| IamTarget::Cluster(id.to_owned());
        let workgroup = |name: &str| IamTarget::Workgroup(name.to_owned());
        for (host, expected) in [
            (
                "Music.abc.eu-west-1.redshift.amazonaws.com",
                Some((cluster("music"), "eu-west-1")),
            ),
            (
                "etl.123456789012.us-east-2.redshift-serverless.amazonaws.com",
                Some((workgroup("etl"), "us-east-2")),
            ),
            (
                "music.abc.cn-north-1.redshift.amazonaws.com.cn",
                Some((cluster("music"), "cn-north-1")),
            ),
            ("warehouse.example.com", None),
            ("amazonaws.com", None),
            ("a.b.c.redshift.amazonaws.com.evil.org", None),
        ] {
            let expected = expected.map(|(target, region)| (target, region.to_owned()));
            assert_eq!(parse_host(host), expected, "{host}");
        }
    }
}
