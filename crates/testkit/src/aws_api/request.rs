//! Requests and answers in the two protocols that the services use: forms with XML, and JSON.

use std::collections::BTreeMap;

use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A request to one of the services.
#[derive(Debug, Clone)]
pub struct ApiRequest {
    /// The name of the service in the signature, such as `cloudformation`.
    pub service: String,
    /// The operation, such as `DescribeStacks`.
    pub action: String,
    /// The access key that signed the request.
    pub access_key_id: String,
    /// The region in the signature.
    pub region: String,
    /// The fields of a form, such as `Parameters.member.1.ParameterKey`. Empty for a request in JSON.
    pub form: BTreeMap<String, String>,
    /// The body of a request in JSON, or null.
    pub json: Value,
}

impl ApiRequest {
    /// Parses a request, or returns `None` if it is not signed or names no operation.
    pub(super) fn parse(head: &Parts, body: &[u8]) -> Option<Self> {
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = header("authorization")?;
        let (_, scope) = authorization.split_once("Credential=")?;
        let mut scope = scope.split(['/', ',']);
        let access_key_id = scope.next()?.to_owned();
        let region = scope.nth(1)?.to_owned();
        let service = scope.next()?.to_owned();
        let (action, form, json) = match header("x-amz-target") {
            Some(target) => {
                let (_, action) = target.rsplit_once('.')?;
                let json = serde_json::from_slice(body).ok()?;
                (action.to_owned(), BTreeMap::new(), json)
            }
            None => {
                let form = parse_form(body);
                (form.get("Action")?.clone(), form, Value::Null)
            }
        };
        Some(Self {
            service,
            action,
            access_key_id,
            region,
            form,
            json,
        })
    }

    /// Returns a field of the form, or a text of the JSON object.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.form.get(name) {
            Some(value) => Some(value),
            None => self.json.get(name)?.as_str(),
        }
    }

    /// Returns true if the request is in JSON.
    pub fn is_json(&self) -> bool {
        !self.json.is_null()
    }
}

fn parse_form(body: &[u8]) -> BTreeMap<String, String> {
    let body = String::from_utf8_lossy(body);
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let fields = body.split('&').filter_map(|field| field.split_once('='));
    fields
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// The answer of a service.
#[derive(Debug, Clone)]
pub enum ApiAnswer {
    /// The content of the element `<ActionResult>`, as XML.
    Xml(String),
    /// A JSON object.
    Json(Value),
    /// An error with its HTTP status, code and message.
    Error {
        status: u16,
        code: String,
        message: String,
    },
}

impl ApiAnswer {
    /// Returns an error of the client, with status 400.
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self::Error {
            status: 400,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// Returns status, content type and body of the response.
    pub(super) fn render(&self, request: &ApiRequest) -> (u16, &'static str, String) {
        const JSON: &str = "application/x-amz-json-1.1";
        let action = &request.action;
        match self {
            Self::Xml(content) => {
                let body = format!(
                    "<{action}Response xmlns=\"http://example.com/\"><{action}Result>{content}</{action}Result>\
                     <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
                );
                (200, "text/xml", body)
            }
            Self::Json(value) => (200, JSON, value.to_string()),
            Self::Error {
                status,
                code,
                message,
            } => match request.is_json() {
                true => {
                    let body = serde_json::json!({"__type": code, "message": message});
                    (*status, JSON, body.to_string())
                }
                false => {
                    let message = escape_xml(message);
                    let body = format!(
                        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                         <RequestId>1</RequestId></ErrorResponse>"
                    );
                    (*status, "text/xml", body)
                }
            },
        }
    }
}

/// Escapes a text for XML.
pub(super) fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
