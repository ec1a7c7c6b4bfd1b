//! Checks the way to S3: configuration, endpoint, clock, credentials, buckets and their regions.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::aws_identity::check_identity;
use super::check::Outcome;
use super::check_id::CheckId;
use super::checkup::Checkup;
use crate::aws::AwsOptions;
use crate::error::{Error, Result};
use crate::storage::StoreOpener;
use crate::storage::s3::{BucketHead, S3Client};

/// S3 refuses a request whose time differs more than this from its own (`MaxAllowedSkewMilliseconds` of the error
/// RequestTimeTooSkewed).
const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::minutes(15);

/// A clock that is synchronised is off by less. One that is not drifts on.
const UNUSUAL_CLOCK_SKEW: TimeDelta = TimeDelta::minutes(1);

/// The buckets that answered, each with its answer.
pub(crate) type BucketHeads = BTreeMap<String, BucketHead>;

/// Checks the way to these buckets, at least one. Returns their answers.
///
/// # Errors
/// Returns an error if the checkup is to stop.
pub(crate) fn check_s3_access(
    checkup: &mut Checkup<'_>,
    stores: &StoreOpener,
    options: &AwsOptions,
    buckets: &[String],
) -> Result<BucketHeads> {
    let mut client = None;
    checkup.check(CheckId::AwsConfiguration, &[], || {
        let client = client.insert(stores.s3_client()?);
        Ok(Outcome::ok(describe_configuration(client, options)))
    })?;
    let mut heads = BucketHeads::new();
    let mut clock = None;
    checkup.check(CheckId::S3Endpoint, &[CheckId::AwsConfiguration], || {
        let client = configured(&client)?;
        for bucket in buckets {
            let asked_at = Utc::now();
            let head = client.head_bucket(bucket)?;
            clock = head
                .server_time
                .map(|server| ClockReading::new(asked_at, Utc::now(), server))
                .or(clock);
            heads.insert(bucket.clone(), head);
        }
        let endpoint = client.endpoint();
        Ok(Outcome::ok(match endpoint.custom {
            Some(url) => format!("{url} answers"),
            None => format!("S3 in {} answers", endpoint.region),
        }))
    })?;
    checkup.check(CheckId::Clock, &[CheckId::S3Endpoint], || {
        Ok(match clock {
            Some(clock) => clock.judge(),
            None => Outcome::unknown("the answers of the server have no time"),
        })
    })?;
    let needs = [CheckId::S3Endpoint, CheckId::Clock];
    checkup.check(CheckId::AwsCredentials, &needs, || {
        let bucket = buckets.first().map_or("", String::as_str);
        check_identity(configured(&client)?, options, bucket)
    })?;
    checkup.check(CheckId::Buckets, &[CheckId::AwsCredentials], || {
        let missing = heads.iter().find(|(_, head)| head.status == 404);
        Ok(match missing {
            Some((bucket, _)) => Outcome::failed(
                format!("bucket {bucket} does not exist"),
                "check the bucket name, or create the bucket",
            ),
            None => Outcome::ok(format!("found {}", names(&heads))),
        })
    })?;
    checkup.check(CheckId::BucketRegion, &[CheckId::Buckets], || {
        let region = configured(&client)?.endpoint().region;
        Ok(check_regions(&heads, &region))
    })?;
    Ok(heads)
}

/// The client exists if the check of the configuration passed.
fn configured(client: &Option<Arc<S3Client>>) -> Result<&S3Client> {
    client
        .as_deref()
        .ok_or_else(|| Error::failed("cannot use S3"))
}

fn describe_configuration(client: &S3Client, options: &AwsOptions) -> String {
    let endpoint = client.endpoint();
    let credentials = match options.no_sign_request {
        true => "no credentials",
        false => "credentials found",
    };
    format!("region {}, {credentials}", endpoint.region)
}

fn names(heads: &BucketHeads) -> String {
    heads.keys().cloned().collect::<Vec<_>>().join(", ")
}

fn check_regions(heads: &BucketHeads, region: &str) -> Outcome {
    // A server that answers nevertheless takes requests for any region.
    let is_refused = |head: &BucketHead| matches!(head.status, 301 | 307 | 400);
    let other = heads.iter().find_map(|(bucket, head)| {
        let actual = head.region.as_deref()?;
        (is_refused(head) && actual != region).then_some((bucket, actual))
    });
    if let Some((bucket, actual)) = other {
        return Outcome::failed(
            format!("bucket {bucket} is in region {actual}, and requests go to {region}"),
            format!(
                "set --region {actual} or AWS_REGION; songs, logs and output must be in one region"
            ),
        );
    }
    if let Some((bucket, head)) = heads.iter().find(|(_, head)| is_refused(head)) {
        return Outcome::failed(
            format!(
                "the server refuses requests for bucket {bucket} (HTTP {})",
                head.status
            ),
            "check --region or AWS_REGION",
        );
    }
    if heads.values().all(|head| head.region.is_none()) {
        return Outcome::unknown("the server does not tell the regions of buckets");
    }
    Outcome::ok(format!("requests go to {region}, where the buckets are"))
}

/// The clocks of this machine and of the server at the same time.
#[derive(Debug, Clone, Copy)]
struct ClockReading {
    here: DateTime<Utc>,
    server: DateTime<Utc>,
}

impl ClockReading {
    /// The server read its clock between the request and the answer, and tells whole seconds.
    fn new(asked_at: DateTime<Utc>, answered_at: DateTime<Utc>, server: DateTime<Utc>) -> Self {
        Self {
            here: asked_at + (answered_at - asked_at) / 2,
            server: server + TimeDelta::milliseconds(500),
        }
    }

    fn judge(self) -> Outcome {
        let skew = self.here - self.server;
        let direction = if skew < TimeDelta::zero() {
            "behind"
        } else {
            "ahead of"
        };
        let message = format!(
            "the clock of this machine is {} s {direction} that of S3",
            skew.abs().num_seconds()
        );
        let remedy =
            "synchronise the clock of this machine, for example with chrony or systemd-timesyncd";
        match skew.abs() {
            skew if skew > MAX_CLOCK_SKEW => Outcome::failed(
                format!("{message}, and S3 refuses requests above 900 s"),
                remedy,
            ),
            skew if skew > UNUSUAL_CLOCK_SKEW => Outcome::warning(message, remedy),
            _ => Outcome::ok(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckStatus;

    #[test]
    fn clocks_may_differ_by_a_minute() {
        let here = DateTime::parse_from_rfc3339("2026-11-30T12:00:00Z");
        let here = here.unwrap().to_utc();
        for (seconds, expected) in [
            (0, CheckStatus::Ok),
            (59, CheckStatus::Ok),
            (-59, CheckStatus::Ok),
            (62, CheckStatus::Warning),
            (-899, CheckStatus::Warning),
            (902, CheckStatus::Failed),
            (-902, CheckStatus::Failed),
        ] {
            let server = here + TimeDelta::seconds(seconds);
            let outcome = ClockReading::new(here, here, server).judge();
            assert_eq!(outcome.status, expected, "{seconds}");
        }
    }

    #[test]
    fn only_a_refused_region_is_wrong() {
        let heads = |status, region: Option<&str>| {
            let head = BucketHead {
                status,
                region: region.map(str::to_owned),
                server_time: None,
            };
            BucketHeads::from([("music".to_owned(), head)])
        };
        for (status, region, expected) in [
            (200, Some("us-west-2"), CheckStatus::Ok),
            (200, Some("eu-west-1"), CheckStatus::Ok),
            (403, Some("us-west-2"), CheckStatus::Ok),
            (200, None, CheckStatus::Unknown),
            (301, Some("eu-west-1"), CheckStatus::Failed),
            (400, Some("eu-west-1"), CheckStatus::Failed),
            (400, None, CheckStatus::Failed),
        ] {
            let outcome = check_regions(&heads(status, region), "us-west-2");
            assert_eq!(outcome.status, expected, "{status} {region:?}");
        }
    }
}
