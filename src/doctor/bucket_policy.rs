//! Finds the statements of a bucket policy that break COPY of Parquet, which reads by presigned URLs that are up to an hour
//! old (Amazon Simple Storage Service User Guide, "Amazon S3 Signature Version 4 Authentication Specific Policy Keys").

use serde_json::Value;

use super::check::Outcome;
use crate::storage::s3::{BucketPolicy, S3Client};

/// How old the presigned URLs of COPY can be, in milliseconds.
const MAX_SIGNATURE_AGE_MS: f64 = 3_600_000.0;

/// Checks that no statement forbids the requests of COPY for the objects of a bucket below a prefix.
pub(super) fn check_policy(client: &S3Client, bucket: &str, prefix: &str) -> Outcome {
    let document = match client.bucket_policy(bucket) {
        BucketPolicy::None => return Outcome::ok(format!("bucket {bucket} has no policy")),
        BucketPolicy::Unreadable(error) => {
            return Outcome::unknown_because("the bucket policy", &error);
        }
        BucketPolicy::Document(document) => document,
    };
    match serde_json::from_str(&document) {
        Ok(policy) => judge_policy(&policy, bucket, prefix),
        Err(e) => Outcome::unknown(format!("the policy of bucket {bucket} is not JSON: {e}")),
    }
}

/// Whether a statement applies to the requests of COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Applies {
    No,
    /// It depends on what is not known here, such as who sends the request.
    Perhaps,
    Yes,
}

fn judge_policy(policy: &Value, bucket: &str, prefix: &str) -> Outcome {
    let statements = one_or_more(policy.get("Statement"));
    let object = format!("{bucket}/{prefix}probe.parquet");
    let denials = statements.into_iter().enumerate();
    let denials = denials.map(|(index, statement)| (index, statement, denies(statement, &object)));
    let worst = denials.max_by_key(|&(index, _, applies)| (applies, usize::MAX - index));
    let name = |index: usize, statement: &Value| match statement.get("Sid").and_then(Value::as_str)
    {
        Some(sid) if !sid.is_empty() => format!("statement {sid}"),
        _ => format!("statement {}", index + 1),
    };
    let remedy = "let the statement except the role of the cluster, or requests with s3:authType REST-QUERY-STRING and an \
                  s3:signatureAge of up to 3600000 ms";
    match worst {
        Some((index, statement, Applies::Yes)) => Outcome::failed(
            format!(
                "{} in the policy of bucket {bucket} denies presigned URLs that are up to an hour old, by which COPY reads \
                 Parquet",
                name(index, statement)
            ),
            remedy,
        ),
        Some((index, statement, Applies::Perhaps)) => Outcome::warning(
            format!(
                "{} in the policy of bucket {bucket} denies presigned URLs, by which COPY reads Parquet, on conditions that \
                 cannot be checked from here",
                name(index, statement)
            ),
            remedy,
        ),
        _ => Outcome::ok(format!(
            "the policy of bucket {bucket} allows presigned URLs"
        )),
    }
}

/// Returns whether a statement denies to read an object because of how the request is signed.
fn denies(statement: &Value, object: &str) -> Applies {
    let is_deny = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
    let Some(conditions) = statement.get("Condition").and_then(Value::as_object) else {
        return Applies::No;
    };
    if !is_deny || !concerns(statement, object) {
        return Applies::No;
    }
    let mut is_about_signature = false;
    // Everybody, unless the statement says otherwise. The principal of COPY is a session of the role.
    let principal = statement.get("Principal");
    let is_everybody = principal.is_some_and(|principal| {
        one_or_more(principal.get("AWS").or(Some(principal))).contains(&&Value::from("*"))
    });
    let mut applies = if is_everybody {
        Applies::Yes
    } else {
        Applies::Perhaps
    };
    for (operator, keys) in conditions {
        for (key, expected) in keys.as_object().into_iter().flatten() {
            is_about_signature |= key.to_ascii_lowercase().starts_with("s3:signature")
                || key.eq_ignore_ascii_case("s3:authType");
            applies = applies.min(is_met(operator, key, expected));
        }
    }
    match is_about_signature {
        true => applies,
        false => Applies::No,
    }
}

/// Returns whether a statement is about reading an object.
fn concerns(statement: &Value, object: &str) -> bool {
    let matches_any = |name: &str, matches: &dyn Fn(&str) -> bool| {
        let patterns = one_or_more(statement.get(name)).into_iter();
        patterns.filter_map(Value::as_str).any(matches)
    };
    let is_read = |pattern: &str| matches_pattern(&pattern.to_ascii_lowercase(), "s3:getobject");
    let is_object = |pattern: &str| match pattern.split_once(":::") {
        Some((_, pattern)) => matches_pattern(pattern, object),
        None => pattern == "*",
    };
    let has = |name: &str| statement.get(name).is_some();
    (matches_any("Action", &is_read) || has("NotAction") && !matches_any("NotAction", &is_read))
        && (matches_any("Resource", &is_object)
            || has("NotResource") && !matches_any("NotResource", &is_object))
}

/// Returns whether a presigned request of COPY meets a condition.
fn is_met(operator: &str, key: &str, expected: &Value) -> Applies {
    let operator = operator.to_ascii_lowercase();
    let operator = operator.rsplit(':').next().unwrap_or_default();
    let operator = operator.strip_suffix("ifexists").unwrap_or(operator);
    let expected = one_or_more(Some(expected)).into_iter();
    let expected: Vec<String> = expected
        .map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
        .collect();
    let actual = match key.to_ascii_lowercase().as_str() {
        "s3:signatureage" => return is_age_met(operator, &expected),
        "s3:authtype" => "REST-QUERY-STRING",
        "s3:signatureversion" => "AWS4-HMAC-SHA256",
        "aws:securetransport" => "true",
        _ => return Applies::Perhaps,
    };
    let equals = expected.iter().any(|text| match operator {
        "stringlike" | "stringnotlike" => matches_pattern(text, actual),
        _ => text.eq_ignore_ascii_case(actual),
    });
    match operator {
        "stringequals" | "stringequalsignorecase" | "stringlike" | "bool" if equals => Applies::Yes,
        "stringnotequals" | "stringnotequalsignorecase" | "stringnotlike" if !equals => {
            Applies::Yes
        }
        "null" if expected == ["false"] => Applies::Yes,
        _ => Applies::No,
    }
}

/// Returns whether the age of a presigned URL of COPY can meet a condition.
fn is_age_met(operator: &str, expected: &[String]) -> Applies {
    let ages = expected.iter().filter_map(|text| text.parse::<f64>().ok());
    let is_met = match operator {
        "numericgreaterthan" | "numericgreaterthanequals" => {
            ages.into_iter().any(|limit| limit < MAX_SIGNATURE_AGE_MS)
        }
        // A new URL has almost no age.
        "numericlessthan" | "numericlessthanequals" => ages.into_iter().any(|limit| limit > 0.0),
        _ => return Applies::Perhaps,
    };
    if is_met { Applies::Yes } else { Applies::No }
}

/// Returns the elements of an array, or the value itself.
fn one_or_more(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}

/// Returns true if a text matches a pattern in which `*` is any text and `?` is any character.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on if what follows the last * does not match.
    let mut resume = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                resume = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match resume {
                Some((star, from)) => {
                    resume = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::doctor::CheckStatus;

    fn status(statement: &Value) -> CheckStatus {
        judge_policy(&json!({"Statement": statement}), "music", "star/").status
    }

    /// Returns a statement that denies everything on a condition, with other fields.
    fn deny(condition: &Value, fields: &Value) -> Value {
        let mut statement = json!({
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": "arn:aws:s3:::music/*",
            "Condition": condition,
        });
        let fields: Map<String, Value> = fields.as_object().unwrap().clone();
        statement.as_object_mut().unwrap().extend(fields);
        statement
    }

    #[test]
    fn conditions_on_signatures_break_copy() {
        use CheckStatus::{Failed, Ok, Warning};
        for (condition, expected) in [
            (
                json!({"StringNotEquals": {"s3:authType": "REST-HEADER"}}),
                Failed,
            ),
            (
                json!({"StringEquals": {"s3:AuthType": ["POST", "REST-QUERY-STRING"]}}),
                Failed,
            ),
            (
                json!({"StringLikeIfExists": {"s3:authType": "REST-QUERY-*"}}),
                Failed,
            ),
            (json!({"StringEquals": {"s3:authType": "REST-HEADER"}}), Ok),
            (
                json!({"StringNotEquals": {"s3:authType": ["REST-HEADER", "REST-QUERY-STRING"]}}),
                Ok,
            ),
            (
                json!({"NumericGreaterThan": {"s3:signatureAge": "600000"}}),
                Failed,
            ),
            (
                json!({"NumericGreaterThan": {"s3:signatureAge": 3_599_999}}),
                Failed,
            ),
            (
                json!({"NumericGreaterThan": {"s3:signatureAge": 3_600_000}}),
                Ok,
            ),
            (json!({"StringEquals": {"s3:signatureversion": "AWS"}}), Ok),
            (
                json!({"StringNotEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}),
                Ok,
            ),
            (
                json!({"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}),
                Failed,
            ),
            (json!({"Bool": {"aws:SecureTransport": "false"}}), Ok),
            (
                json!({"NumericGreaterThan": {"s3:signatureAge": 1000}, "Bool": {"aws:SecureTransport": "false"}}),
                Ok,
            ),
            (
                json!({
                    "NumericGreaterThan": {"s3:signatureAge": 1000},
                    "StringNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/redshift"}
                }),
                Warning,
            ),
        ] {
            let statement = deny(&condition, &json!({}));
            assert_eq!(status(&statement), expected, "{condition}");
        }
    }

    #[test]
    fn other_statements_do_not() {
        let condition = json!({"StringNotEquals": {"s3:authType": "REST-HEADER"}});
        for (fields, expected) in [
            (json!({}), CheckStatus::Failed),
            (json!({"Effect": "Allow"}), CheckStatus::Ok),
            (
                json!({"Action": ["s3:PutObject", "s3:List*"]}),
                CheckStatus::Ok,
            ),
            (
                json!({"Action": ["s3:PutObject", "s3:get*"]}),
                CheckStatus::Failed,
            ),
            (
                json!({"Resource": "arn:aws:s3:::music/logs/*"}),
                CheckStatus::Ok,
            ),
            (
                json!({"Resource": ["arn:aws:s3:::music", "arn:aws:s3:::music/st?r/*"]}),
                CheckStatus::Failed,
            ),
            (json!({"Resource": "*"}), CheckStatus::Failed),
            (json!({"Principal": {"AWS": "*"}}), CheckStatus::Failed),
            (
                json!({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}),
                CheckStatus::Warning,
            ),
        ] {
            let statement = deny(&condition, &fields);
            assert_eq!(status(&statement), expected, "{fields}");
            let others = json!([deny(&json!({}), &json!({})), statement]);
            assert_eq!(status(&others), expected, "{fields}");
        }
        assert_eq!(status(&json!([])), CheckStatus::Ok);
    }

    #[test]
    fn patterns_have_two_wildcards() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c?", "abbcbcd", true),
            ("a*c", "abx", false),
            ("a?", "a", false),
            ("", "a", false),
            ("**", "abc", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        }
    }
}
