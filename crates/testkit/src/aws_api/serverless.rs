//! Redshift Serverless: workgroups, namespaces, usage limits and snapshots of an account.

use serde_json::{Value, json};

use crate::aws_api::cloud_formation::secret_arn;
use crate::aws_api::request::{ApiAnswer, ApiRequest};
use crate::aws_api::server::AwsService;
use crate::aws_api::stack_state::CloudAccount;

/// Describes the Serverless warehouses of an account, and has their usage limits and snapshots.
pub struct RedshiftServerless {
    account: CloudAccount,
}

impl RedshiftServerless {
    /// Creates the service of an account.
    pub fn new(account: &CloudAccount) -> Self {
        Self {
            account: account.clone(),
        }
    }
}

impl AwsService for RedshiftServerless {
    fn answer(&mut self, request: &ApiRequest) -> Option<ApiAnswer> {
        if request.service != "redshift-serverless" {
            return None;
        }
        Some(match request.action.as_str() {
            "GetWorkgroup" => self.workgroup(request),
            "GetNamespace" => self.namespace(request),
            "ListUsageLimits" => self.list_limits(request),
            "CreateUsageLimit" => self.create_limit(request),
            "UpdateUsageLimit" => self.update_limit(request),
            "DeleteUsageLimit" => self.delete_limit(request),
            "ListSnapshots" => self.list_snapshots(),
            "CreateSnapshot" => self.create_snapshot(request),
            "DeleteSnapshot" => self.delete_snapshot(request),
            _ => return None,
        })
    }
}

fn not_found(what: &str) -> ApiAnswer {
    ApiAnswer::error("ResourceNotFoundException", format!("{what} is not there"))
}

fn workgroup_arn(name: &str) -> String {
    format!("arn:aws:redshift-serverless:us-west-2:123456789012:workgroup/{name}-id")
}

fn limit_json((id, arn, amount): &(String, String, i64)) -> Value {
    json!({
        "usageLimitId": id, "resourceArn": arn, "amount": amount, "usageType": "serverless-compute",
        "period": "monthly", "breachAction": "deactivate",
    })
}

impl RedshiftServerless {
    fn workgroup(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("workgroupName").unwrap_or_default();
        let account = self.account.lock();
        let Some((base, max)) = account.workgroups.get(name) else {
            return not_found(name);
        };
        let address = format!("{name}.123456789012.us-west-2.redshift-serverless.amazonaws.com");
        ApiAnswer::Json(json!({"workgroup": {
            "workgroupName": name, "workgroupArn": workgroup_arn(name), "namespaceName": name, "status": "AVAILABLE",
            "baseCapacity": base.parse::<i64>().unwrap(), "maxCapacity": max.parse::<i64>().unwrap(),
            "endpoint": {"address": address, "port": 5439},
        }}))
    }

    fn namespace(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("namespaceName").unwrap_or_default();
        match self
            .account
            .lock()
            .namespaces
            .iter()
            .any(|known| known == name)
        {
            true => ApiAnswer::Json(json!({"namespace": {
                "namespaceName": name, "status": "AVAILABLE", "adminPasswordSecretArn": secret_arn(name),
            }})),
            false => not_found(name),
        }
    }

    fn list_limits(&self, request: &ApiRequest) -> ApiAnswer {
        let arn = request.text("resourceArn").unwrap_or_default();
        let account = self.account.lock();
        let limits = account.usage_limits.iter().filter(|limit| limit.1 == arn);
        let limits: Vec<Value> = limits.map(limit_json).collect();
        ApiAnswer::Json(json!({"usageLimits": limits}))
    }

    fn create_limit(&self, request: &ApiRequest) -> ApiAnswer {
        let arn = request.text("resourceArn").unwrap_or_default();
        let mut account = self.account.lock();
        let mut names = account.workgroups.keys();
        if !names.any(|name| workgroup_arn(name) == arn) {
            return not_found(arn);
        }
        if account.usage_limits.iter().any(|limit| limit.1 == arn) {
            return ApiAnswer::error("ConflictException", "there is a limit already");
        }
        let amount = request.json["amount"].as_i64().unwrap();
        let limit = (account.new_id(), arn.to_owned(), amount);
        let answer = json!({"usageLimit": limit_json(&limit)});
        account.usage_limits.push(limit);
        ApiAnswer::Json(answer)
    }

    fn update_limit(&self, request: &ApiRequest) -> ApiAnswer {
        let id = request.text("usageLimitId").unwrap_or_default();
        let mut account = self.account.lock();
        let mut limits = account.usage_limits.iter_mut();
        let Some(limit) = limits.find(|limit| limit.0 == id) else {
            return not_found(id);
        };
        limit.2 = request.json["amount"].as_i64().unwrap();
        ApiAnswer::Json(json!({"usageLimit": limit_json(limit)}))
    }

    fn delete_limit(&self, request: &ApiRequest) -> ApiAnswer {
        let id = request.text("usageLimitId").unwrap_or_default();
        let mut account = self.account.lock();
        let Some(index) = account.usage_limits.iter().position(|limit| limit.0 == id) else {
            return not_found(id);
        };
        let limit = account.usage_limits.remove(index);
        ApiAnswer::Json(json!({"usageLimit": limit_json(&limit)}))
    }

    fn list_snapshots(&self) -> ApiAnswer {
        let snapshots = self.account.lock().describe_snapshots(false);
        let snapshots = snapshots.iter().map(|snapshot| {
            let time = chrono::DateTime::from_timestamp(snapshot.created_at as i64, 0).unwrap();
            json!({
                "snapshotName": snapshot.name, "namespaceName": snapshot.warehouse,
                "status": snapshot.status.to_uppercase(),
                "snapshotCreateTime": time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            })
        });
        ApiAnswer::Json(json!({"snapshots": snapshots.collect::<Vec<_>>()}))
    }

    fn create_snapshot(&self, request: &ApiRequest) -> ApiAnswer {
        let namespace = request.text("namespaceName").unwrap_or_default();
        let name = request.text("snapshotName").unwrap_or_default();
        let mut account = self.account.lock();
        if !account.namespaces.iter().any(|known| known == namespace) {
            return not_found(namespace);
        }
        if account.snapshots.iter().any(|known| known.name == name) {
            return ApiAnswer::error("ConflictException", "the snapshot already exists");
        }
        account.begin_snapshot(name, namespace, false);
        ApiAnswer::Json(json!({"snapshot": {"snapshotName": name}}))
    }

    fn delete_snapshot(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("snapshotName").unwrap_or_default();
        let mut account = self.account.lock();
        let before = account.snapshots.len();
        account.snapshots.retain(|known| known.name != name);
        match account.snapshots.len() == before {
            true => not_found(name),
            false => ApiAnswer::Json(json!({"snapshot": {"snapshotName": name}})),
        }
    }
}
