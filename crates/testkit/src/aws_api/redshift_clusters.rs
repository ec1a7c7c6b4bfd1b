//! Redshift: the clusters of an account, their snapshots, and the secrets that Redshift manages.

use serde_json::json;

use crate::aws_api::cloud_formation::secret_arn;
use crate::aws_api::request::{ApiAnswer, ApiRequest};
use crate::aws_api::server::AwsService;
use crate::aws_api::stack_state::{CloudAccount, ClusterState, SnapshotState};

/// Describes, pauses and resumes the clusters of an account, and takes their snapshots.
pub struct RedshiftClusters {
    account: CloudAccount,
}

impl RedshiftClusters {
    /// Creates the service of an account.
    pub fn new(account: &CloudAccount) -> Self {
        Self {
            account: account.clone(),
        }
    }
}

impl AwsService for RedshiftClusters {
    fn answer(&mut self, request: &ApiRequest) -> Option<ApiAnswer> {
        Some(match (request.service.as_str(), request.action.as_str()) {
            ("redshift", "DescribeClusters") => self.describe(request),
            ("redshift", "PauseCluster") => self.change(request, "available", "pausing"),
            ("redshift", "ResumeCluster") => self.change(request, "paused", "resuming"),
            ("redshift", "CreateClusterSnapshot") => self.create_snapshot(request),
            ("redshift", "DescribeClusterSnapshots") => self.snapshots(request),
            ("redshift", "DeleteClusterSnapshot") => self.delete_snapshot(request),
            ("secretsmanager", "DescribeSecret") => self.describe_secret(request),
            _ => return None,
        })
    }
}

impl RedshiftClusters {
    fn describe(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("ClusterIdentifier").unwrap_or_default();
        let mut account = self.account.lock();
        let Some(cluster) = account.clusters.get_mut(name) else {
            return not_found(name);
        };
        let cluster_xml = to_xml(name, cluster);
        match cluster.status.as_str() {
            "pausing" => "paused".clone_into(&mut cluster.status),
            "resuming" => "available".clone_into(&mut cluster.status),
            _ => {}
        }
        ApiAnswer::Xml(format!(
            "<Clusters><Cluster>{cluster_xml}</Cluster></Clusters>"
        ))
    }

    fn change(&self, request: &ApiRequest, from: &str, to: &str) -> ApiAnswer {
        let name = request.text("ClusterIdentifier").unwrap_or_default();
        let mut account = self.account.lock();
        match account.clusters.get_mut(name) {
            None => not_found(name),
            Some(cluster) if cluster.status != from => {
                let message = format!("cluster {name} is {}", cluster.status);
                ApiAnswer::error("InvalidClusterState", message)
            }
            Some(cluster) => {
                to.clone_into(&mut cluster.status);
                ApiAnswer::Xml(format!("<Cluster>{}</Cluster>", to_xml(name, cluster)))
            }
        }
    }

    fn create_snapshot(&self, request: &ApiRequest) -> ApiAnswer {
        let cluster = request.text("ClusterIdentifier").unwrap_or_default();
        let name = request.text("SnapshotIdentifier").unwrap_or_default();
        let mut account = self.account.lock();
        match account.clusters.get(cluster) {
            None => return not_found(cluster),
            Some(state) if state.status != "available" => {
                let message = format!("cluster {cluster} is {}", state.status);
                return ApiAnswer::error("InvalidClusterState", message);
            }
            Some(_) => {}
        }
        if account.snapshots.iter().any(|known| known.name == name) {
            let message = format!("snapshot {name} already exists");
            return ApiAnswer::error("ClusterSnapshotAlreadyExists", message);
        }
        account.begin_snapshot(name, cluster, true);
        ApiAnswer::Xml(format!(
            "<Snapshot><SnapshotIdentifier>{name}</SnapshotIdentifier></Snapshot>"
        ))
    }

    fn snapshots(&self, request: &ApiRequest) -> ApiAnswer {
        let cluster = request.text("ClusterIdentifier").unwrap_or_default();
        let snapshots = self.account.lock().describe_snapshots(true);
        let snapshots = snapshots.iter().filter(|known| known.warehouse == cluster);
        let snapshots: String = snapshots.map(snapshot_xml).collect();
        ApiAnswer::Xml(format!("<Snapshots>{snapshots}</Snapshots>"))
    }

    fn delete_snapshot(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("SnapshotIdentifier").unwrap_or_default();
        let mut account = self.account.lock();
        let before = account.snapshots.len();
        account.snapshots.retain(|known| known.name != name);
        match account.snapshots.len() == before {
            true => ApiAnswer::error("ClusterSnapshotNotFound", name),
            false => ApiAnswer::Xml(String::new()),
        }
    }

    fn describe_secret(&self, request: &ApiRequest) -> ApiAnswer {
        let arn = request.text("SecretId").unwrap_or_default();
        let account = self.account.lock();
        let mut warehouses = account.clusters.keys().chain(&account.namespaces);
        match warehouses.any(|name| secret_arn(name) == arn) {
            true => ApiAnswer::Json(json!({"ARN": arn})),
            false => ApiAnswer::error("ResourceNotFoundException", "there is no such secret"),
        }
    }
}

fn not_found(name: &str) -> ApiAnswer {
    ApiAnswer::Error {
        status: 404,
        code: "ClusterNotFound".to_owned(),
        message: format!("Cluster {name} not found."),
    }
}

fn to_xml(name: &str, cluster: &ClusterState) -> String {
    let ClusterState {
        status,
        node_type,
        nodes,
    } = cluster;
    let secret = secret_arn(name);
    format!(
        "<ClusterIdentifier>{name}</ClusterIdentifier><NodeType>{node_type}</NodeType>\
         <ClusterStatus>{status}</ClusterStatus><NumberOfNodes>{nodes}</NumberOfNodes>\
         <Endpoint><Address>{name}.abc123.us-west-2.redshift.amazonaws.com</Address><Port>5439</Port></Endpoint>\
         <MasterPasswordSecretArn>{secret}</MasterPasswordSecretArn>"
    )
}

fn snapshot_xml(snapshot: &SnapshotState) -> String {
    let SnapshotState {
        name,
        warehouse,
        status,
        created_at,
        ..
    } = snapshot;
    let created = chrono::DateTime::from_timestamp(*created_at as i64, 0).unwrap();
    let created = created.format("%Y-%m-%dT%H:%M:%SZ");
    format!(
        "<Snapshot><SnapshotIdentifier>{name}</SnapshotIdentifier><ClusterIdentifier>{warehouse}</ClusterIdentifier>\
         <SnapshotCreateTime>{created}</SnapshotCreateTime><Status>{status}</Status><SnapshotType>manual</SnapshotType>\
         <TotalBackupSizeInMegaBytes>42</TotalBackupSizeInMegaBytes></Snapshot>"
    )
}
