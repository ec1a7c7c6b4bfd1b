//! What a simulator is like: its kind, its login, and the rules that can be switched.

use std::path::PathBuf;

use crate::redshift_simulator::protocol::SqlError;

/// The user who can log in, besides those that are added to the logins of a server.
pub const USER: &str = "loader";
/// The password of that user: a unique string, so that outputs can be searched for it.
pub const PASSWORD: &str = "ThisWarehousePasswordMustNeverBeSeen1";
/// The region of the cluster.
pub const CLUSTER_REGION: &str = "us-west-2";

/// The kind of warehouse that a server simulates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WarehouseKind {
    /// Redshift, with all its rules.
    #[default]
    Redshift,
    /// PostgreSQL, with fault injection only.
    Postgres,
}

/// The authentication method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMethod {
    /// A password hashed with MD5.
    #[default]
    Md5,
    /// A cleartext password.
    Cleartext,
    /// Redshift's own method 13, as for passwords that are stored as `sha256|…`.
    Sha256,
}

/// The isolation level of transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Snapshot isolation, as in new clusters.
    #[default]
    Snapshot,
    /// Serializable isolation, as in older clusters: conflicts are error 1023.
    Serializable,
}

impl IsolationLevel {
    /// Returns the error of a transaction that conflicts with another one.
    pub fn conflict_error(self) -> SqlError {
        match self {
            Self::Serializable => SqlError::new("XX000", "1023").with_detail(
                "Serializable isolation violation on table - 100123, transactions forming the cycle \
                 are: 1001, 1002 (pid:101)",
            ),
            Self::Snapshot => SqlError::new(
                "XX000",
                "could not complete because of conflict with concurrent transaction",
            ),
        }
    }
}

/// The codecs that COPY reads inside Parquet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadableCodecs {
    /// The codecs that the documentation of COPY and Spectrum names (Snappy and gzip), and uncompressed data.
    /// bzip2 does not exist inside Parquet, and field reports say that zstd is rejected.
    #[default]
    Documented,
    /// All codecs that the Parquet reader supports, as a later release of Redshift may do.
    Any,
}

/// The spelling of a number that COPY FROM JSON loads into a text column. It is not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberSpelling {
    /// The text of the file.
    #[default]
    AsWritten,
    /// The text of C's `%.17g` for the nearest double.
    ThroughDouble,
}

/// The value that COPY FROM JSON loads for a key that occurs several times. It is not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepeatedKeys {
    First,
    #[default]
    Last,
}

/// The settings of a server.
#[derive(Clone, Debug, Default)]
pub struct SimulatorSettings {
    pub kind: WarehouseKind,
    pub method: AuthMethod,
    pub isolation: IsolationLevel,
    /// The directory with one directory for each bucket, in which the files are the objects.
    pub buckets: PathBuf,
    /// The buckets that are in another region than the cluster, and their regions.
    pub other_region_buckets: Vec<(String, String)>,
    pub codecs: ReadableCodecs,
    pub number_spelling: NumberSpelling,
    pub repeated_keys: RepeatedKeys,
    /// The number of queries of the load error views for which they do not show the errors of the COPY before them.
    pub lagging_error_views: usize,
}
