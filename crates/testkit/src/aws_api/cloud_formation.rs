//! CloudFormation: the operations on stacks, and what it refuses.

use std::collections::BTreeMap;

use crate::aws_api::request::{ApiAnswer, ApiRequest, escape_xml};
use crate::aws_api::server::AwsService;
use crate::aws_api::stack_state::{CloudAccount, StackState};

/// Creates, updates, describes and deletes the stacks of an account.
pub struct CloudFormation {
    account: CloudAccount,
}

impl CloudFormation {
    /// Creates the service of an account.
    pub fn new(account: &CloudAccount) -> Self {
        Self {
            account: account.clone(),
        }
    }
}

impl AwsService for CloudFormation {
    fn answer(&mut self, request: &ApiRequest) -> Option<ApiAnswer> {
        if request.service != "cloudformation" {
            return None;
        }
        Some(match request.action.as_str() {
            "CreateStack" => self.create(request),
            "UpdateStack" => self.update(request),
            "DeleteStack" => self.delete(request),
            "ContinueUpdateRollback" => self.continue_rollback(request),
            "DescribeStacks" => self.describe(request),
            "DescribeStackEvents" => self.events(request),
            "GetTemplate" => self.template(request),
            _ => return None,
        })
    }
}

impl CloudFormation {
    fn create(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("StackName").unwrap_or_default();
        let token = request.text("ClientRequestToken").unwrap_or_default();
        let mut account = self.account.lock();
        if let Some(stack) = account.find_stack(name) {
            if stack.token == token {
                return ApiAnswer::Xml(format!("<StackId>{}</StackId>", stack.id));
            }
            let message = format!("Stack [{name}] already exists");
            return ApiAnswer::error("AlreadyExistsException", message);
        }
        let (template, parameters) = match checked(request) {
            Ok(checked) => checked,
            Err(refused) => return refused,
        };
        let keeps_failed = request.text("OnFailure") == Some("DO_NOTHING");
        let tags = pairs(request, "Tags", "Key", "Value");
        let id = account.begin_create(name, &template, parameters, tags, keeps_failed, token);
        ApiAnswer::Xml(format!("<StackId>{id}</StackId>"))
    }

    fn update(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("StackName").unwrap_or_default();
        let mut account = self.account.lock();
        let Some(stack) = account.find_stack(name) else {
            return missing(name);
        };
        let (id, status) = (stack.id.clone(), stack.status.clone());
        let can_update = [
            "CREATE_COMPLETE",
            "UPDATE_COMPLETE",
            "UPDATE_ROLLBACK_COMPLETE",
        ];
        if !can_update.contains(&status.as_str()) {
            return ApiAnswer::error(
                "ValidationError",
                format!("Stack:{id} is in {status} state and can not be updated."),
            );
        }
        let (template, parameters) = match checked(request) {
            Ok(checked) => checked,
            Err(refused) => return refused,
        };
        if stack.template == template && stack.parameters == parameters {
            return ApiAnswer::error("ValidationError", "No updates are to be performed.");
        }
        account.begin_update(&id, &template, parameters);
        ApiAnswer::Xml(format!("<StackId>{id}</StackId>"))
    }

    fn delete(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("StackName").unwrap_or_default();
        let mut account = self.account.lock();
        let retained: Vec<String> = (1..)
            .map_while(|n| request.text(&format!("RetainResources.member.{n}")))
            .map(str::to_owned)
            .collect();
        if let Some(stack) = account.find_stack(name) {
            let (id, status) = (stack.id.clone(), stack.status.clone());
            if !retained.is_empty() && status != "DELETE_FAILED" {
                return ApiAnswer::error("ValidationError", "Cannot retain resources");
            }
            if !status.starts_with("DELETE_IN") && status != "DELETE_COMPLETE" {
                account.begin_delete(&id, &retained);
            }
        }
        ApiAnswer::Xml(String::new())
    }

    fn continue_rollback(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("StackName").unwrap_or_default();
        let mut account = self.account.lock();
        match account.find_stack(name) {
            None => missing(name),
            Some(stack) if stack.status == "UPDATE_ROLLBACK_FAILED" => {
                "UPDATE_ROLLBACK_IN_PROGRESS".clone_into(&mut stack.status);
                ApiAnswer::Xml(String::new())
            }
            Some(stack) => ApiAnswer::error(
                "ValidationError",
                format!("Stack:{} is in {} state", stack.id, stack.status),
            ),
        }
    }

    fn describe(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("StackName").unwrap_or_default();
        let mut account = self.account.lock();
        let Some(id) = account.find_stack(name).map(|stack| stack.id.clone()) else {
            return missing(name);
        };
        let stack = account.find_stack(&id).unwrap().clone();
        // What is done in the meantime is seen the next time.
        account.advance(&id);
        ApiAnswer::Xml(format!(
            "<Stacks><member>{}</member></Stacks>",
            to_xml(&stack)
        ))
    }

    fn events(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("StackName").unwrap_or_default();
        let mut account = self.account.lock();
        let Some(stack) = account.find_stack(name) else {
            return missing(name);
        };
        let events = stack.events.iter().rev();
        let events: String = events
            .map(|[resource, kind, status, reason]| {
                let reason = escape_xml(reason);
                format!(
                    "<member><EventId>1</EventId><StackId>{}</StackId><StackName>{}</StackName>\
                     <LogicalResourceId>{resource}</LogicalResourceId><ResourceType>{kind}</ResourceType>\
                     <Timestamp>2026-06-01T00:00:00Z</Timestamp><ResourceStatus>{status}</ResourceStatus>\
                     <ResourceStatusReason>{reason}</ResourceStatusReason></member>",
                    stack.id, stack.name
                )
            })
            .collect();
        ApiAnswer::Xml(format!("<StackEvents>{events}</StackEvents>"))
    }

    fn template(&self, request: &ApiRequest) -> ApiAnswer {
        let name = request.text("StackName").unwrap_or_default();
        match self.account.lock().find_stack(name) {
            Some(stack) => {
                let template = escape_xml(&stack.template);
                ApiAnswer::Xml(format!("<TemplateBody>{template}</TemplateBody>"))
            }
            None => missing(name),
        }
    }
}

fn missing(name: &str) -> ApiAnswer {
    let message = format!("Stack with id {name} does not exist");
    ApiAnswer::error("ValidationError", message)
}

/// Returns template and parameters, or the error of a request that CloudFormation refuses.
fn checked(request: &ApiRequest) -> Result<(String, BTreeMap<String, String>), ApiAnswer> {
    let template = request.text("TemplateBody").unwrap_or_default().to_owned();
    if template.len() > 51_200 {
        return Err(ApiAnswer::error("ValidationError", "template is too long"));
    }
    if request.text("Capabilities.member.1") != Some("CAPABILITY_NAMED_IAM") {
        let message = "Requires capabilities : [CAPABILITY_NAMED_IAM]";
        return Err(ApiAnswer::error(
            "InsufficientCapabilitiesException",
            message,
        ));
    }
    let parameters = pairs(request, "Parameters", "ParameterKey", "ParameterValue");
    let (_, section) = template.split_once("\nParameters:\n").unwrap();
    let (section, _) = section.split_once("\nRules:\n").unwrap();
    let lines = section.lines();
    let names: Vec<&str> = lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.trim().strip_suffix(':'))
        .collect();
    let unknown = parameters
        .keys()
        .find(|name| !names.contains(&name.as_str()));
    let absent = names.iter().find(|name| !parameters.contains_key(**name));
    if let Some(name) = unknown {
        let message = format!("Parameters: [{name}] do not exist in the template");
        return Err(ApiAnswer::error("ValidationError", message));
    }
    if let Some(name) = absent {
        let message = format!("Parameters: [{name}] must have values");
        return Err(ApiAnswer::error("ValidationError", message));
    }
    Ok((template, parameters))
}

/// Returns the pairs of a list of the form.
fn pairs(request: &ApiRequest, list: &str, key: &str, value: &str) -> BTreeMap<String, String> {
    let members = (1..).map_while(|n| {
        let field = |name: &str| request.text(&format!("{list}.member.{n}.{name}"));
        Some((field(key)?.to_owned(), field(value)?.to_owned()))
    });
    members.collect()
}

fn to_xml(stack: &StackState) -> String {
    let list = |name: &str, key: &str, value: &str, entries: &BTreeMap<String, String>| {
        let members: String = entries
            .iter()
            .map(|(k, v)| {
                let v = escape_xml(v);
                format!("<member><{key}>{k}</{key}><{value}>{v}</{value}></member>")
            })
            .collect();
        format!("<{name}>{members}</{name}>")
    };
    let outputs = match stack.status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" | "DELETE_FAILED" => {
            outputs(stack)
        }
        _ => BTreeMap::new(),
    };
    format!(
        "<StackId>{}</StackId><StackName>{}</StackName><CreationTime>2026-06-01T00:00:00Z</CreationTime>\
         <StackStatus>{}</StackStatus>{}{}{}",
        stack.id,
        stack.name,
        stack.status,
        list(
            "Parameters",
            "ParameterKey",
            "ParameterValue",
            &stack.parameters
        ),
        list("Outputs", "OutputKey", "OutputValue", &outputs),
        list("Tags", "Key", "Value", &stack.tags),
    )
}

fn outputs(stack: &StackState) -> BTreeMap<String, String> {
    let parameter = |name: &str| stack.parameters[name].clone();
    let name = parameter("Name");
    let is_cluster = parameter("WarehouseKind") == "cluster";
    let host = match is_cluster {
        true => format!("{name}.abc123.us-west-2.redshift.amazonaws.com"),
        false => format!("{name}.123456789012.us-west-2.redshift-serverless.amazonaws.com"),
    };
    let mut outputs = BTreeMap::from([
        ("Host".to_owned(), host),
        ("Port".to_owned(), parameter("Port")),
        ("DatabaseName".to_owned(), parameter("DatabaseName")),
        ("AdminUser".to_owned(), parameter("AdminUser")),
        (
            "RoleArn".to_owned(),
            format!("arn:aws:iam::123456789012:role/{name}-copy-us-west-2"),
        ),
    ]);
    if is_cluster {
        outputs.insert("PasswordSecretArn".to_owned(), secret_arn(&name));
    }
    outputs
}

/// Returns the ARN of the secret that Redshift manages for a warehouse.
pub(super) fn secret_arn(warehouse: &str) -> String {
    format!("arn:aws:secretsmanager:us-west-2:123456789012:secret:redshift!{warehouse}-admin")
}
