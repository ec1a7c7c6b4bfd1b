//! Secrets Manager: the values of secrets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::aws_api::request::{ApiAnswer, ApiRequest};
use crate::aws_api::server::AwsService;

#[derive(Clone)]
enum StoredSecret {
    Text(String),
    Binary,
    MarkedForDeletion,
}

/// The secrets by ARN; clones share them.
#[derive(Clone, Default)]
pub struct StoredSecrets(Arc<Mutex<BTreeMap<String, StoredSecret>>>);

impl StoredSecrets {
    /// Stores a text, or replaces it as a rotation does.
    pub fn put(&self, arn: &str, text: &str) {
        self.set(arn, StoredSecret::Text(text.to_owned()));
    }

    /// Stores binary data.
    pub fn put_binary(&self, arn: &str) {
        self.set(arn, StoredSecret::Binary);
    }

    /// Marks a secret for deletion, after which it cannot be read.
    pub fn mark_for_deletion(&self, arn: &str) {
        self.set(arn, StoredSecret::MarkedForDeletion);
    }

    fn set(&self, arn: &str, secret: StoredSecret) {
        self.0.lock().unwrap().insert(arn.to_owned(), secret);
    }
}

/// Returns the values of secrets.
pub struct SecretsManager {
    secrets: StoredSecrets,
}

impl SecretsManager {
    /// Creates the service for these secrets.
    pub fn new(secrets: &StoredSecrets) -> Self {
        Self {
            secrets: secrets.clone(),
        }
    }
}

impl AwsService for SecretsManager {
    fn answer(&mut self, request: &ApiRequest) -> Option<ApiAnswer> {
        if (request.service.as_str(), request.action.as_str())
            != ("secretsmanager", "GetSecretValue")
        {
            return None;
        }
        let arn = request.text("SecretId").unwrap_or_default();
        let found = self.secrets.0.lock().unwrap().get(arn).cloned();
        Some(match found {
            Some(StoredSecret::Text(text)) => {
                ApiAnswer::Json(json!({"ARN": arn, "Name": "warehouse", "SecretString": text}))
            }
            Some(StoredSecret::Binary) => {
                ApiAnswer::Json(json!({"ARN": arn, "Name": "warehouse", "SecretBinary": "AAEC"}))
            }
            Some(StoredSecret::MarkedForDeletion) => ApiAnswer::error(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            ),
            None => ApiAnswer::error(
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret.",
            ),
        })
    }
}
