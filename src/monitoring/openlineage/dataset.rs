//! Names the datasets of a job as OpenLineage's naming conventions say.

use serde::Serialize;

use crate::storage::Location;
use crate::warehouse::connect::config::ConnectionConfig;
use crate::warehouse::dialect::Dialect;

/// The name of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct DatasetName {
    namespace: String,
    name: String,
}

impl DatasetName {
    /// Names a folder or a file: `s3://bucket` and the key, or `file` and the absolute path.
    pub(super) fn of_location(location: &Location) -> Self {
        match location {
            Location::S3 { bucket, prefix } => Self {
                namespace: format!("s3://{bucket}"),
                name: match prefix.trim_end_matches('/') {
                    "" => "/".to_owned(),
                    key => key.to_owned(),
                },
            },
            Location::Local(_) => Self {
                namespace: "file".to_owned(),
                name: location.resolve_links().to_string(),
            },
        }
    }

    /// Names a table of a warehouse: `redshift://cluster.region:port` or `postgres://host:port`, and
    /// `database.schema.table`.
    pub(super) fn of_table(connection: &ConnectionConfig, table: &str) -> Self {
        let scheme = match connection.dialect {
            Dialect::Redshift => "redshift",
            Dialect::Postgres => "postgres",
        };
        // Which of several servers will be used is not known before the job begins.
        let host = connection.hosts.first();
        let cluster = host.and_then(|host| cluster_and_region(&host.host));
        let authority = match (host, cluster) {
            (Some(host), Some(cluster)) if connection.dialect == Dialect::Redshift => {
                format!("{cluster}:{}", host.port)
            }
            (Some(host), _) if host.socket_dir().is_some() => format!("localhost:{}", host.port),
            (host, _) => host.map_or_else(String::new, ToString::to_string),
        };
        let options = connection.options.as_deref();
        let schema = options.and_then(first_schema).unwrap_or("public");
        Self {
            namespace: format!("{scheme}://{authority}"),
            name: format!("{}.{schema}.{table}", connection.database),
        }
    }
}

/// Returns `cluster.region` for the host name of a Redshift cluster, which has a part of the account between the two.
/// A serverless workgroup is named in the same way.
fn cluster_and_region(host: &str) -> Option<String> {
    let host = host.strip_suffix(".amazonaws.com")?;
    let parts: Vec<_> = host.split('.').collect();
    match parts[..] {
        [cluster, _, region, "redshift" | "redshift-serverless"] => {
            Some(format!("{cluster}.{region}"))
        }
        _ => None,
    }
}

/// Returns the schema that the options of a session set by `-c search_path=`.
fn first_schema(options: &str) -> Option<&str> {
    let (_, path) = options.rsplit_once("search_path=")?;
    let schema = path.split([',', ' ']).next()?.trim_matches('"');
    Some(schema).filter(|schema| !schema.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::connect::config::ConnectionFlags;

    fn table(url: &str) -> (String, String) {
        let flags = ConnectionFlags {
            url: Some(url),
            ..ConnectionFlags::default()
        };
        let connection = ConnectionConfig::resolve(flags, None, |_| None, &mut Vec::new());
        let name = DatasetName::of_table(&connection.unwrap().unwrap(), "users");
        (name.namespace, name.name)
    }

    #[test]
    fn tables_are_named_by_server_and_schema() {
        for (url, namespace, name) in [
            (
                "postgres://etl@db.example/music",
                "postgres://db.example:5432",
                "music.public.users",
            ),
            (
                "postgres://etl@a:1,b:2/music?options=-c%20search_path%3Dstar,public",
                "postgres://a:1",
                "music.star.users",
            ),
            (
                "postgres://etl@/music?host=/run/postgresql&port=5433",
                "postgres://localhost:5433",
                "music.public.users",
            ),
            (
                "redshift://etl@nightly.abc123xyz789.us-west-2.redshift.amazonaws.com:5439/dev",
                "redshift://nightly.us-west-2:5439",
                "dev.public.users",
            ),
            (
                "redshift://etl@tunnel.example:5440/dev",
                "redshift://tunnel.example:5440",
                "dev.public.users",
            ),
        ] {
            assert_eq!(table(url), (namespace.to_owned(), name.to_owned()), "{url}");
        }
    }

    #[test]
    fn locations_are_named_by_bucket_or_absolute_path() {
        let s3 = |prefix: &str| Location::S3 {
            bucket: "lake".to_owned(),
            prefix: prefix.to_owned(),
        };
        for (prefix, name) in [("", "/"), ("log_data/", "log_data"), ("a/b", "a/b")] {
            let dataset = DatasetName::of_location(&s3(prefix));
            assert_eq!(dataset.namespace, "s3://lake");
            assert_eq!(dataset.name, name);
        }
        let dataset = DatasetName::of_location(&Location::Local("src".into()));
        assert_eq!(dataset.namespace, "file");
        let is_absolute = dataset.name.starts_with('/') && dataset.name.ends_with("/src");
        assert!(is_absolute, "{dataset:?}");
    }
}
