//! Takes the host names of Redshift apart.

/// A cluster or a workgroup of Redshift Serverless, as its host name tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClusterHost {
    /// The identifier of the cluster, or the name of the workgroup.
    pub name: String,
    /// The region.
    pub region: String,
    /// Whether it is a workgroup of Redshift Serverless.
    pub is_serverless: bool,
}

impl ClusterHost {
    /// Parses `CLUSTER.ID.REGION.redshift.amazonaws.com` or `WORKGROUP.ACCOUNT.REGION.redshift-serverless.amazonaws.com`,
    /// in China with `.cn`. Returns `None` for another name, such as that of a custom domain.
    pub(super) fn parse(host: &str) -> Option<Self> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let host = host.strip_suffix(".cn").unwrap_or(&host);
        let labels = host.strip_suffix(".amazonaws.com")?;
        let mut labels = labels.rsplit('.');
        let (service, region, _, name) = (
            labels.next()?,
            labels.next()?,
            labels.next()?,
            labels.next()?,
        );
        let is_serverless = match service {
            "redshift" => false,
            "redshift-serverless" => true,
            _ => return None,
        };
        // The names of VPC endpoints have more labels, and do not tell the cluster.
        let is_complete = labels.next().is_none() && ![region, name].contains(&"");
        is_complete.then(|| Self {
            name: name.to_owned(),
            region: region.to_owned(),
            is_serverless,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_tell_cluster_and_region() {
        let parse = |host| {
            let found = ClusterHost::parse(host)?;
            Some((found.name, found.region, found.is_serverless))
        };
        let expected = |name: &str, region: &str, is_serverless| {
            Some((name.to_owned(), region.to_owned(), is_serverless))
        };
        for (host, found) in [
            (
                "Music.abc123.us-west-2.redshift.amazonaws.com",
                expected("music", "us-west-2", false),
            ),
            (
                "music.123456789012.eu-west-1.redshift-serverless.amazonaws.com.",
                expected("music", "eu-west-1", true),
            ),
            (
                "music.abc123.cn-north-1.redshift.amazonaws.com.cn",
                expected("music", "cn-north-1", false),
            ),
            ("abc123.us-west-2.redshift.amazonaws.com", None),
            ("a.music.abc123.us-west-2.redshift.amazonaws.com", None),
            ("music.abc123.us-west-2.rds.amazonaws.com", None),
            ("warehouse.example.com", None),
            ("127.0.0.1", None),
            ("", None),
        ] {
            assert_eq!(parse(host), found, "{host}");
        }
    }
}
