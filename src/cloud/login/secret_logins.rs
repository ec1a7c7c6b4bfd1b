//! Reads passwords from Secrets Manager.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::aws::AwsOptions;
use crate::cloud::clients::CloudClients;
use crate::cloud::error::RequestContext;
use crate::error::{Error, Result};
use crate::warehouse::connect::login_source::{Login, LoginSource};
use crate::warehouse::connect::managed_login::PasswordSecret;

/// The logins in a secret. It is read before each connection, because a rotation changes the password.
#[derive(Debug)]
pub(super) struct SecretLogins {
    pub secret: PasswordSecret,
    pub aws: AwsOptions,
}

/// The parts that are used of a secret in JSON. Secrets of Redshift have these names.
#[derive(Deserialize)]
struct SecretFields {
    username: Option<String>,
    password: Option<String>,
}

impl LoginSource for SecretLogins {
    fn login(&self) -> Result<Login> {
        let PasswordSecret { arn, region } = &self.secret;
        // New clients for each login take up credentials that were renewed in the meantime, such as those of SSO.
        let clients = CloudClients::new(&AwsOptions {
            region: Some(region.clone()),
            ..self.aws.clone()
        })?;
        tracing::debug!(secret = arn, region, "reading the password");
        let failure = format!("cannot read secret {arn}");
        let request = clients.secrets.get_secret_value().secret_id(arn);
        let value = clients.send(request.send()).map_err(|error| {
            let context = RequestContext {
                failure: failure.clone(),
                permission: "secretsmanager:GetSecretValue",
            };
            let shown = clients.to_error(&error, &context);
            match error.code() {
                "ResourceNotFoundException" => shown.with_hint("check the ARN and the AWS account"),
                "InvalidRequestException" if error.message().contains("marked for deletion") => {
                    shown.with_hint(
                        "restore it (aws secretsmanager restore-secret), or name another secret",
                    )
                }
                _ => shown,
            }
        })?;
        let text = value.secret_string.map(SecretString::from);
        text.as_ref()
            .ok_or("it has binary data instead of a text")
            .and_then(parse_secret)
            .map_err(|reason| {
                Error::failed(failure).with_reason(reason).with_hint(
                    "store {\"username\": ..., \"password\": ...}, or the password alone",
                )
            })
    }
}

/// Returns the login in the text of a secret. The reason of an error does not repeat the text.
fn parse_secret(secret: &SecretString) -> std::result::Result<Login, &'static str> {
    let text = secret.expose_secret();
    // A password may begin with a brace, but is hardly a JSON object.
    let is_json = matches!(
        serde_json::from_str::<serde_json::Value>(text),
        Ok(serde_json::Value::Object(_))
    );
    if !is_json {
        return match text.is_empty() {
            true => Err("it is empty"),
            false => Ok(Login {
                user: None,
                password: secret.clone(),
            }),
        };
    }
    let fields: SecretFields =
        serde_json::from_str(text).map_err(|_| "its username or password is not a text")?;
    match fields.password.filter(|password| !password.is_empty()) {
        Some(password) => Ok(Login {
            user: fields.username.filter(|user| !user.is_empty()),
            password: SecretString::from(password),
        }),
        None => Err("it has no key 'password'"),
    }
}
