//! Names the checks.

use serde::{Serialize, Serializer};

/// A check. The names are an interface: monitoring may look for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckId {
    /// The versions of this program and of the machine.
    Versions,
    /// Region and credentials are configured.
    AwsConfiguration,
    /// S3 answers.
    S3Endpoint,
    /// The clock of this machine is that of S3.
    Clock,
    /// The credentials are valid, and whose they are.
    AwsCredentials,
    /// The buckets exist.
    Buckets,
    /// Requests go to the region of the buckets.
    BucketRegion,
    /// The songs can be listed.
    SongsList,
    /// A song object can be read.
    SongsRead,
    /// The logs can be listed.
    LogsList,
    /// A log object can be read.
    LogsRead,
    /// The JSONPaths file of the configuration file can be used.
    LogJsonpath,
    /// The output can be written.
    OutWrite,
    /// The output can be listed and read.
    OutRead,
    /// Objects have ETags that change with their contents.
    OutEtag,
    /// Writes on a condition are refused if the condition does not hold.
    OutConditionalPut,
    /// What was written can be removed.
    OutCleanUp,
    /// There is room on the disks.
    Disk,
    /// The name of the server has an address.
    WarehouseDns,
    /// The port of the server accepts connections.
    WarehouseTcp,
    /// The server encrypts connections.
    WarehouseTls,
    /// The certificate of the server is trusted and does not expire soon.
    WarehouseCertificate,
    /// The user can log in.
    WarehouseLogin,
    /// The version of the server is supported.
    WarehouseVersion,
    /// The database stores Unicode.
    WarehouseEncoding,
    /// The time zone of sessions.
    WarehouseTimeZone,
    /// The tables are there, and are those of this version.
    Tables,
    /// The user may run the statements of a load.
    Privileges,
    /// No table has lost its rows.
    TableRows,
    /// The cluster and the bucket of the output are in the same region.
    ClusterRegion,
    /// The policy of the bucket allows the requests of COPY.
    BucketPolicy,
    /// The role is attached to the cluster.
    ClusterRole,
    /// Redshift can read the output with the role.
    RoleReads,
}

impl CheckId {
    /// Returns the name of the check.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Versions => "versions",
            Self::AwsConfiguration => "aws-configuration",
            Self::S3Endpoint => "s3-endpoint",
            Self::Clock => "clock",
            Self::AwsCredentials => "aws-credentials",
            Self::Buckets => "buckets",
            Self::BucketRegion => "bucket-region",
            Self::SongsList => "songs-list",
            Self::SongsRead => "songs-read",
            Self::LogsList => "logs-list",
            Self::LogsRead => "logs-read",
            Self::LogJsonpath => "log-jsonpath",
            Self::OutWrite => "out-write",
            Self::OutRead => "out-read",
            Self::OutEtag => "out-etag",
            Self::OutConditionalPut => "out-conditional-put",
            Self::OutCleanUp => "out-clean-up",
            Self::Disk => "disk",
            Self::WarehouseDns => "warehouse-dns",
            Self::WarehouseTcp => "warehouse-tcp",
            Self::WarehouseTls => "warehouse-tls",
            Self::WarehouseCertificate => "warehouse-certificate",
            Self::WarehouseLogin => "warehouse-login",
            Self::WarehouseVersion => "warehouse-version",
            Self::WarehouseEncoding => "warehouse-encoding",
            Self::WarehouseTimeZone => "warehouse-time-zone",
            Self::Tables => "tables",
            Self::Privileges => "privileges",
            Self::TableRows => "table-rows",
            Self::ClusterRegion => "cluster-region",
            Self::BucketPolicy => "bucket-policy",
            Self::ClusterRole => "cluster-role",
            Self::RoleReads => "role-reads",
        }
    }
}

impl Serialize for CheckId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
