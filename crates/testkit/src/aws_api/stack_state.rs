//! The state of an account that the services share: stacks, and the warehouses that their resources are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many resources a stack makes or deletes each time that it is described.
const RESOURCES_PER_POLL: usize = 7;

/// An account, which the services share.
#[derive(Clone, Default)]
pub struct CloudAccount {
    state: Arc<Mutex<AccountState>>,
}

impl CloudAccount {
    /// Returns the state.
    pub fn lock(&self) -> MutexGuard<'_, AccountState> {
        self.state.lock().unwrap()
    }
}

/// Everything in an account.
#[derive(Default)]
pub struct AccountState {
    /// All stacks that there ever were, in order.
    pub stacks: Vec<StackState>,
    /// Clusters by name.
    pub clusters: BTreeMap<String, ClusterState>,
    /// Workgroups by name, with their base and maximum capacity.
    pub workgroups: BTreeMap<String, (String, String)>,
    /// Namespaces.
    pub namespaces: Vec<String>,
    /// Snapshots.
    pub snapshots: Vec<SnapshotState>,
    /// Usage limits: id, ARN of the workgroup, amount.
    pub usage_limits: Vec<(String, String, i64)>,
    /// A resource that cannot be made or changed, and the reason. It applies until it is removed.
    pub failing_resource: Option<(String, String)>,
    /// A resource that cannot be deleted, and the reason.
    pub undeletable_resource: Option<(String, String)>,
    ids: usize,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterState {
    /// Such as `available` or `pausing`.
    pub status: String,
    pub node_type: String,
    pub nodes: String,
}

/// A snapshot, which is available once it has been described.
#[derive(Debug, Clone)]
pub struct SnapshotState {
    pub name: String,
    /// The cluster or namespace.
    pub warehouse: String,
    pub is_cluster: bool,
    pub status: String,
    pub created_at: u64,
}

/// A stack.
#[derive(Debug, Clone)]
pub struct StackState {
    pub id: String,
    pub name: String,
    pub status: String,
    pub template: String,
    pub parameters: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// The events, the oldest first: resource, type, status, reason.
    pub events: Vec<[String; 4]>,
    /// The token of the request that began the last operation.
    pub token: String,
    keeps_failed: bool,
    /// What is still to be made, changed or deleted.
    pending: VecDeque<(String, String)>,
    /// The resources that are there.
    made: Vec<(String, String)>,
    before_update: BTreeMap<String, String>,
}

impl StackState {
    /// Returns the resources that are there.
    pub fn resources(&self) -> Vec<&str> {
        self.made.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn event(&mut self, resource: &(String, String), status: &str, reason: &str) {
        let (name, kind) = resource.clone();
        self.events
            .push([name, kind, status.to_owned(), reason.to_owned()]);
    }

    fn set_status(&mut self, status: &str, reason: &str) {
        self.status = status.to_owned();
        let stack = (self.name.clone(), "AWS::CloudFormation::Stack".to_owned());
        self.event(&stack, status, reason);
    }

    fn name_parameter(&self) -> String {
        self.parameters["Name"].clone()
    }
}

impl AccountState {
    /// Returns a new id.
    pub fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("{:08}", self.ids)
    }

    /// Returns the stack of a name that is not deleted, or that of an id.
    pub fn find_stack(&mut self, name_or_id: &str) -> Option<&mut StackState> {
        let is_live = |stack: &StackState| stack.status != "DELETE_COMPLETE";
        let mut stacks = self.stacks.iter_mut();
        stacks.find(|stack| stack.id == name_or_id || (stack.name == name_or_id && is_live(stack)))
    }

    /// Returns the stacks that are not deleted.
    pub fn live_stacks(&self) -> Vec<&StackState> {
        let stacks = self.stacks.iter();
        stacks
            .filter(|stack| stack.status != "DELETE_COMPLETE")
            .collect()
    }

    /// Begins to create a stack.
    #[allow(
        clippy::too_many_arguments,
        reason = "they are the parameters of the request"
    )]
    pub fn begin_create(
        &mut self,
        name: &str,
        template: &str,
        parameters: BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
        keeps_failed: bool,
        token: &str,
    ) -> String {
        let id = self.new_id();
        let id = format!("arn:aws:cloudformation:us-west-2:123456789012:stack/{name}/{id}-0000");
        let mut stack = StackState {
            id: id.clone(),
            name: name.to_owned(),
            status: String::new(),
            template: template.to_owned(),
            pending: resources(template, &parameters),
            before_update: parameters.clone(),
            parameters,
            tags,
            events: Vec::new(),
            token: token.to_owned(),
            keeps_failed,
            made: Vec::new(),
        };
        stack.set_status("CREATE_IN_PROGRESS", "User Initiated");
        self.stacks.push(stack);
        id
    }

    /// Begins to update a stack.
    pub fn begin_update(&mut self, id: &str, template: &str, parameters: BTreeMap<String, String>) {
        let stack = self.find_stack(id).unwrap();
        stack.before_update = std::mem::replace(&mut stack.parameters, parameters);
        template.clone_into(&mut stack.template);
        let warehouse = ["Workgroup", "Cluster"];
        let made = stack.made.iter();
        let changed = made.filter(|(name, _)| warehouse.contains(&name.as_str()));
        stack.pending = changed.cloned().collect();
        stack.set_status("UPDATE_IN_PROGRESS", "User Initiated");
    }

    /// Begins to delete a stack, except some resources.
    pub fn begin_delete(&mut self, id: &str, retained: &[String]) {
        let stack = self.find_stack(id).unwrap();
        stack.made.retain(|(name, _)| !retained.contains(name));
        stack.pending = stack.made.iter().rev().cloned().collect();
        stack.set_status("DELETE_IN_PROGRESS", "User Initiated");
    }

    /// Does the next step of a stack, as CloudFormation does in the meantime.
    pub fn advance(&mut self, id: &str) {
        let Some(index) = self.stacks.iter().position(|stack| stack.id == id) else {
            return;
        };
        let mut stack = self.stacks[index].clone();
        match stack.status.as_str() {
            "CREATE_IN_PROGRESS" => self.advance_creation(&mut stack, "CREATE"),
            "UPDATE_IN_PROGRESS" => self.advance_creation(&mut stack, "UPDATE"),
            "DELETE_IN_PROGRESS" => self.advance_deletion(&mut stack, "DELETE"),
            "ROLLBACK_IN_PROGRESS" => self.advance_deletion(&mut stack, "ROLLBACK"),
            "UPDATE_ROLLBACK_IN_PROGRESS" => {
                stack.parameters = stack.before_update.clone();
                stack.set_status("UPDATE_ROLLBACK_COMPLETE", "");
            }
            _ => {}
        }
        self.stacks[index] = stack;
    }

    fn advance_creation(&mut self, stack: &mut StackState, verb: &str) {
        for _ in 0..RESOURCES_PER_POLL {
            let Some(resource) = stack.pending.pop_front() else {
                return stack.set_status(&format!("{verb}_COMPLETE"), "");
            };
            stack.event(&resource, &format!("{verb}_IN_PROGRESS"), "");
            let failing = self.failing_resource.clone();
            let failing = failing.filter(|(name, _)| *name == resource.0);
            if let Some((_, reason)) = failing {
                stack.event(&resource, &format!("{verb}_FAILED"), &reason);
                if let Some(next) = stack.pending.pop_front() {
                    let reason = "Resource creation cancelled";
                    stack.event(&next, &format!("{verb}_FAILED"), reason);
                }
                let reason = format!("The following resource(s) failed: [{}].", resource.0);
                stack.pending = stack.made.iter().rev().cloned().collect();
                return match (verb, stack.keeps_failed) {
                    ("UPDATE", _) => stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", &reason),
                    (_, true) => stack.set_status("CREATE_FAILED", &reason),
                    (_, false) => stack.set_status("ROLLBACK_IN_PROGRESS", &reason),
                };
            }
            self.make(stack, &resource.0);
            stack.event(&resource, &format!("{verb}_COMPLETE"), "");
            if verb == "CREATE" {
                stack.made.push(resource);
            }
        }
    }

    fn advance_deletion(&mut self, stack: &mut StackState, verb: &str) {
        for _ in 0..RESOURCES_PER_POLL {
            let Some(resource) = stack.pending.pop_front() else {
                return stack.set_status(&format!("{verb}_COMPLETE"), "");
            };
            let failing = self.undeletable_resource.clone();
            let failing = failing.filter(|(name, _)| *name == resource.0);
            if let Some((_, reason)) = failing {
                stack.event(&resource, "DELETE_FAILED", &reason);
                return stack.set_status(&format!("{verb}_FAILED"), "some resources failed");
            }
            self.unmake(stack, &resource.0);
            stack.event(&resource, "DELETE_COMPLETE", "");
            stack.made.retain(|made| *made != resource);
        }
    }

    /// Makes the warehouse that a resource is, or changes it.
    fn make(&mut self, stack: &StackState, resource: &str) {
        let name = stack.name_parameter();
        let parameter = |name: &str| stack.parameters.get(name).cloned().unwrap_or_default();
        match resource {
            "Namespace" => self.namespaces.push(name),
            "Workgroup" => {
                let capacity = (parameter("BaseCapacity"), parameter("MaxCapacity"));
                self.workgroups.insert(name, capacity);
            }
            "Cluster" => {
                let cluster = ClusterState {
                    status: "available".to_owned(),
                    node_type: parameter("NodeType"),
                    nodes: parameter("NodeCount"),
                };
                self.clusters.insert(name, cluster);
            }
            _ => {}
        }
    }

    fn unmake(&mut self, stack: &StackState, resource: &str) {
        let name = stack.name_parameter();
        match resource {
            "Namespace" => self.namespaces.retain(|namespace| *namespace != name),
            "Workgroup" => drop(self.workgroups.remove(&name)),
            "Cluster" => drop(self.clusters.remove(&name)),
            _ => {}
        }
    }

    /// Begins to take a snapshot.
    pub fn begin_snapshot(&mut self, name: &str, warehouse: &str, is_cluster: bool) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.snapshots.push(SnapshotState {
            name: name.to_owned(),
            warehouse: warehouse.to_owned(),
            is_cluster,
            status: "creating".to_owned(),
            created_at: now.as_secs(),
        });
    }

    /// Returns the snapshots of clusters or of namespaces. Those that are being taken are available the next time.
    pub fn describe_snapshots(&mut self, is_cluster: bool) -> Vec<SnapshotState> {
        let of_kind = self.snapshots.iter_mut();
        let of_kind = of_kind.filter(|snapshot| snapshot.is_cluster == is_cluster);
        of_kind
            .map(|snapshot| {
                let seen = snapshot.clone();
                "available".clone_into(&mut snapshot.status);
                seen
            })
            .collect()
    }

    /// Returns true if nothing is left that costs money, besides snapshots.
    pub fn is_empty(&self) -> bool {
        self.live_stacks().is_empty()
            && self.clusters.is_empty()
            && self.workgroups.is_empty()
            && self.namespaces.is_empty()
            && self.usage_limits.is_empty()
    }
}

/// Returns the resources of a template in the block style, for these parameters.
fn resources(template: &str, parameters: &BTreeMap<String, String>) -> VecDeque<(String, String)> {
    let is = |name: &str, value: &str| parameters.get(name).is_some_and(|text| text == value);
    let (_, section) = template.split_once("\nResources:\n").unwrap();
    let (section, _) = section.split_once("\nOutputs:\n").unwrap();
    let mut resources: VecDeque<(String, String)> = VecDeque::new();
    for line in section.lines() {
        let text = line.trim();
        match line.len() - line.trim_start().len() {
            2 if text.ends_with(':') && !text.starts_with('#') => {
                resources.push_back((text.trim_end_matches(':').to_owned(), String::new()));
            }
            4 if text.starts_with("Type: ") => {
                resources.back_mut().unwrap().1 = text["Type: ".len()..].to_owned();
            }
            4 if text.starts_with("Condition: ") => {
                let is_made = match &text["Condition: ".len()..] {
                    "IsServerless" => is("WarehouseKind", "serverless"),
                    "IsCluster" => is("WarehouseKind", "cluster"),
                    "HasAlarm" => !is("AlarmEmail", ""),
                    other => panic!("unknown condition {other}"),
                };
                if !is_made {
                    resources.pop_back();
                }
            }
            _ => {}
        }
    }
    resources.retain(|(_, kind)| !kind.is_empty());
    resources
}
