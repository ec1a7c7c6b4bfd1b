//! Redshift and Redshift Serverless: temporary logins, each of which the warehouse accepts once.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::aws_api::request::{ApiAnswer, ApiRequest};
use crate::aws_api::server::AwsService;
use crate::redshift_simulator::WarehouseLogins;

/// Returns logins for a warehouse. Clones share what they returned.
#[derive(Clone)]
pub struct TemporaryLogins {
    logins: WarehouseLogins,
    cluster: String,
    workgroup: String,
    passwords: Arc<Mutex<Vec<String>>>,
}

impl TemporaryLogins {
    /// The user of the logins, as Redshift calls a role of IAM.
    pub const USER: &str = "IAMR:nightly";

    /// Creates the service for a warehouse that is a cluster and a workgroup of these names.
    pub fn new(logins: &WarehouseLogins, cluster: &str, workgroup: &str) -> Self {
        Self {
            logins: logins.clone(),
            cluster: cluster.to_owned(),
            workgroup: workgroup.to_owned(),
            passwords: Arc::default(),
        }
    }

    /// Returns all passwords that were returned, in order.
    pub fn passwords(&self) -> Vec<String> {
        self.passwords.lock().unwrap().clone()
    }

    /// Makes a new login, after which the one before is refused.
    fn new_password(&self) -> String {
        let mut passwords = self.passwords.lock().unwrap();
        let password = format!("ThisTemporaryPasswordMustNeverBeSeen{}&", passwords.len());
        passwords.push(password.clone());
        self.logins.set_password_for_once(Self::USER, &password);
        password
    }
}

impl AwsService for TemporaryLogins {
    fn answer(&mut self, request: &ApiRequest) -> Option<ApiAnswer> {
        Some(match (request.service.as_str(), request.action.as_str()) {
            ("redshift", "GetClusterCredentialsWithIAM") => {
                let name = request.text("ClusterIdentifier").unwrap_or_default();
                match name == self.cluster {
                    true => self.cluster_login(),
                    false => ApiAnswer::Error {
                        status: 404,
                        code: "ClusterNotFound".to_owned(),
                        message: format!("Cluster {name} not found."),
                    },
                }
            }
            ("redshift-serverless", "GetCredentials") => {
                let name = request.text("workgroupName").unwrap_or_default();
                match name == self.workgroup {
                    true => self.workgroup_login(),
                    false => ApiAnswer::error(
                        "ResourceNotFoundException",
                        format!("Workgroup {name} not found."),
                    ),
                }
            }
            _ => return None,
        })
    }
}

impl TemporaryLogins {
    fn cluster_login(&self) -> ApiAnswer {
        let password = self.new_password().replace('&', "&amp;");
        ApiAnswer::Xml(format!(
            "<DbUser>{}</DbUser><DbPassword>{password}</DbPassword>\
             <Expiration>2099-01-01T00:15:00Z</Expiration><NextRefreshTime>2099-01-01T00:10:00Z</NextRefreshTime>",
            Self::USER
        ))
    }

    fn workgroup_login(&self) -> ApiAnswer {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        ApiAnswer::Json(json!({
            "dbUser": Self::USER,
            "dbPassword": self.new_password(),
            "expiration": now.as_secs() + 900,
            "nextRefreshTime": now.as_secs() + 600,
        }))
    }
}
