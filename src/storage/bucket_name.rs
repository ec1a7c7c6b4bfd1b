//! Checks the names of buckets, and the ARNs of access points, which can be used instead of them.

/// What to write in place of the ARN of an access point, where Redshift reads.
pub(crate) const ACCESS_POINT_ALIAS_HINT: &str =
    "name the access point by its alias (s3://NAME-...-s3alias/prefix), or name the bucket";

/// The number of digits of an AWS account.
const ACCOUNT_DIGITS: usize = 12;

/// Returns true if the name of a bucket is the ARN of an access point.
pub(super) fn is_access_point_arn(bucket: &str) -> bool {
    bucket.starts_with("arn:")
}

/// Splits `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/KEY` into the ARN and the key.
///
/// # Errors
/// Returns a reason if the ARN is not that of an access point of a bucket.
pub(super) fn split_access_point(text: &str) -> Result<(&str, &str), String> {
    let invalid = || {
        Err(
            "invalid ARN: expected s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/prefix, or s3://bucket/prefix"
                .to_owned(),
        )
    };
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let [_arn, partition, service, region, account, resource] = fields[..] else {
        return invalid();
    };
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !partition.starts_with("aws") || ![partition, service, region].into_iter().all(is_plain) {
        return invalid();
    }
    match service {
        "s3" => {}
        "s3-outposts" => return Err("S3 on Outposts is not supported".to_owned()),
        "s3-object-lambda" => {
            return Err(
                "access points of S3 Object Lambda are not supported: name the access point or the bucket that it uses"
                    .to_owned(),
            );
        }
        "s3express" => {
            return Err(
                "name a directory bucket, or an access point of one, without its ARN: s3://NAME/prefix"
                    .to_owned(),
            );
        }
        _ => return invalid(),
    }
    let access_point = resource
        .strip_prefix("accesspoint")
        .and_then(|rest| rest.strip_prefix(['/', ':']));
    let Some(access_point) = access_point else {
        return match region.is_empty() && account.is_empty() {
            true => Err("name a bucket without its ARN: s3://bucket/prefix".to_owned()),
            false => invalid(),
        };
    };
    let name = access_point.split('/').next().unwrap_or_default();
    let is_name = !name.is_empty() && name.bytes().all(is_bucket_name_byte);
    let is_account = account.len() == ACCOUNT_DIGITS && account.bytes().all(|b| b.is_ascii_digit());
    // A multi-region access point has no region, and an alias that ends so.
    if !is_name || !is_account || region.is_empty() != name.ends_with(".mrap") {
        return invalid();
    }
    let key = access_point.get(name.len() + 1..).unwrap_or_default();
    let arn_length = text.len() - access_point.len() + name.len();
    Ok((&text[..arn_length], key))
}

/// Returns true for the characters in names of buckets, old ones included. None of them has a meaning of its
/// own in a URL.
pub(super) fn is_bucket_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_points_are_split_into_arn_and_key() {
        for (arn, key) in [
            (
                "arn:aws:s3:eu-west-1:123456789012:accesspoint/etl",
                "logs/2018/",
            ),
            ("arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/etl", "a"),
            (
                "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint:etl",
                "a:b/c",
            ),
            (
                "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
                "logs",
            ),
        ] {
            assert_eq!(split_access_point(&format!("{arn}/{key}")), Ok((arn, key)));
            assert_eq!(split_access_point(arn), Ok((arn, "")));
            assert_eq!(split_access_point(&format!("{arn}/")), Ok((arn, "")));
        }
    }

    #[test]
    fn other_arns_are_refused_in_words() {
        for (arn, words) in [
            (
                "arn:aws:s3:::music/logs",
                "without its ARN: s3://bucket/prefix",
            ),
            (
                "arn:aws:s3-outposts:eu-west-1:123456789012:outpost/op-1/accesspoint/etl",
                "Outposts",
            ),
            (
                "arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/etl",
                "Object Lambda",
            ),
            (
                "arn:aws:s3express:eu-west-1:123456789012:bucket/a--x-s3",
                "s3://NAME/prefix",
            ),
            ("arn:aws:s3:eu-west-1:123456789012:job/1", "invalid ARN"),
            ("arn:aws:s3:eu-west-1:12345:accesspoint/etl", "invalid ARN"),
            (
                "arn:aws:s3:eu-west-1:123456789012:accesspoint/",
                "invalid ARN",
            ),
            ("arn:aws:s3::123456789012:accesspoint/etl", "invalid ARN"),
            (
                "arn:aws:s3:eu-west-1:123456789012:accesspoint/a.mrap",
                "invalid ARN",
            ),
            (
                "arn:aws:s3:eu/west:123456789012:accesspoint/etl",
                "invalid ARN",
            ),
            ("arn:aws:sns:eu-west-1:123456789012:topic", "invalid ARN"),
            ("arn:secret@bucket", "invalid ARN"),
            ("arn:", "invalid ARN"),
        ] {
            let reason = split_access_point(arn).unwrap_err();
            assert!(reason.contains(words), "{arn}: {reason}");
        }
    }
}
