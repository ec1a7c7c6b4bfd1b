//! Checks a warehouse from the login to the tables, and for Redshift whether its COPY can read the output.

use super::bucket_policy::check_policy;
use super::check::Outcome;
use super::check_id::CheckId;
use super::checkup::Checkup;
use super::cluster_host::ClusterHost;
use super::cluster_role::check_role;
use super::network::check_network;
use super::role_reads::copy_one_row;
use super::s3_access::BucketHeads;
use crate::aws::AwsOptions;
use crate::error::{Error, Result};
use crate::observer::WarningCollector;
use crate::storage::{Location, StoreOpener};
use crate::warehouse::WarehouseConfig;
use crate::warehouse::catalog::Catalog;
use crate::warehouse::connect::session::WarehouseSession;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::load::{
    LoadMode, ensure_privileges, ensure_tables_match, ensure_tables_not_emptied,
};

/// The oldest version of PostgreSQL that still got corrections when this was written.
const OLDEST_POSTGRES: u32 = 14;

/// The output that a load into Redshift reads.
#[derive(Debug)]
pub(crate) struct CopySource<'a> {
    /// The output.
    pub out: &'a Location,
    /// The answers of the buckets, if it is in S3.
    pub buckets: &'a BucketHeads,
    /// Opens the output.
    pub stores: &'a StoreOpener,
}

/// Checks a warehouse, and whether it can read `source` if that is given and it is Redshift.
///
/// # Errors
/// Returns an error if the checkup is to stop.
pub(crate) fn check_warehouse(
    checkup: &mut Checkup<'_>,
    warehouse: &WarehouseConfig,
    source: Option<&CopySource<'_>>,
    options: &AwsOptions,
) -> Result<()> {
    let connection = &warehouse.connection;
    check_network(checkup, connection)?;
    let mut opened = None;
    let needs = [
        CheckId::WarehouseDns,
        CheckId::WarehouseTcp,
        CheckId::WarehouseTls,
        CheckId::WarehouseCertificate,
    ];
    checkup.check(CheckId::WarehouseLogin, &needs, || {
        opened = Some(WarehouseSession::try_open(connection).map_err(|e| e.error)?);
        Ok(Outcome::ok(format!("logged in to {connection}")))
    })?;
    let mut session = Session(opened);
    check_server(checkup, &mut session, connection.dialect)?;
    check_tables(checkup, &mut session)?;
    match connection.dialect {
        Dialect::Postgres => Ok(()),
        Dialect::Redshift => check_copy(checkup, &mut session, warehouse, source, options),
    }
}

/// The session, if the login succeeded. Checks that need it are skipped otherwise.
struct Session(Option<WarehouseSession>);

impl Session {
    fn get(&mut self) -> Result<&mut WarehouseSession> {
        let session = self.0.as_mut();
        session.ok_or_else(|| Error::failed("there is no session"))
    }

    /// Returns the first field of the result of a query.
    fn query_text(&mut self, sql: &str) -> Result<String> {
        let rows = self.get()?.query(sql).map_err(|e| e.error)?;
        Ok(rows
            .into_iter()
            .flatten()
            .flatten()
            .next()
            .unwrap_or_default())
    }
}

fn check_server(checkup: &mut Checkup<'_>, session: &mut Session, dialect: Dialect) -> Result<()> {
    let needs = [CheckId::WarehouseLogin];
    checkup.check(CheckId::WarehouseVersion, &needs, || {
        let version = session.query_text("SELECT version()")?;
        Ok(judge_version(&version, dialect))
    })?;
    if dialect == Dialect::Redshift {
        // Redshift stores UTF-8 only, and its sessions are in UTC unless someone changes that.
        return Ok(());
    }
    checkup.check(CheckId::WarehouseEncoding, &needs, || {
        let encoding = session.query_text("SHOW server_encoding")?;
        Ok(match encoding.as_str() {
            "UTF8" => Outcome::ok("the database is encoded in UTF8"),
            _ => Outcome::failed(
                format!(
                    "the database is encoded in {encoding}, which lacks characters that titles and names have"
                ),
                "create another database: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
            ),
        })
    })?;
    checkup.check(CheckId::WarehouseTimeZone, &needs, || {
        let zone = session.query_text("SHOW TimeZone")?;
        Ok(Outcome::ok(match zone.as_str() {
            "UTC" | "Etc/UTC" | "GMT" => format!("sessions are in {zone}, as the times in the tables"),
            _ => format!(
                "sessions are in {zone}, and the times in the tables are UTC: compare them with now() AT TIME ZONE 'UTC'"
            ),
        }))
    })?;
    Ok(())
}

fn judge_version(version: &str, dialect: Dialect) -> Outcome {
    let words: Vec<&str> = version.split_whitespace().collect();
    let after = |name: &str| {
        let position = words.iter().position(|&word| word == name)?;
        words
            .get(position + 1)
            .map(|word| word.trim_end_matches(','))
    };
    if dialect == Dialect::Redshift {
        return Outcome::ok(format!(
            "Redshift {}",
            after("Redshift").unwrap_or_default()
        ));
    }
    let number = after("PostgreSQL").unwrap_or_default();
    let digits = number.split(|c: char| !c.is_ascii_digit()).next();
    match digits.and_then(|digits| digits.parse::<u32>().ok()) {
        Some(major) if major < OLDEST_POSTGRES => Outcome::warning(
            format!("PostgreSQL {number} gets no corrections any more"),
            "upgrade the server",
        ),
        _ => Outcome::ok(format!("PostgreSQL {number}")),
    }
}

fn check_tables(checkup: &mut Checkup<'_>, session: &mut Session) -> Result<()> {
    let mut found: Option<Catalog> = None;
    checkup.check(CheckId::Tables, &[CheckId::WarehouseLogin], || {
        let session = session.get()?;
        let catalog = found.insert(ensure_tables_match(session).map_err(|e| e.error)?);
        Ok(Outcome::ok(format!(
            "all {} tables are there, and are those of this version",
            catalog.len()
        )))
    })?;
    checkup.check(CheckId::Privileges, &[CheckId::Tables], || {
        let warnings = WarningCollector::default();
        let catalog = found.as_ref().cloned().unwrap_or_default();
        let session = session.get()?;
        ensure_privileges(session, &LoadMode::Incremental, &catalog, &warnings)
            .map_err(|e| e.error)?;
        Ok(match warnings.warnings().first() {
            None => Outcome::ok("the user may run the statements of a load"),
            Some(warning) => match warning.split_once("; ask for ") {
                Some((message, grants)) => Outcome::warning(message, format!("ask for {grants}")),
                None => Outcome::warning(warning, "ask the owner of the tables"),
            },
        })
    })?;
    checkup.check(CheckId::TableRows, &[CheckId::Privileges], || {
        ensure_tables_not_emptied(session.get()?).map_err(|e| e.error)?;
        Ok(Outcome::ok("no table has lost its rows"))
    })?;
    Ok(())
}

/// Checks what COPY needs to read the output.
fn check_copy(
    checkup: &mut Checkup<'_>,
    session: &mut Session,
    warehouse: &WarehouseConfig,
    source: Option<&CopySource<'_>>,
    options: &AwsOptions,
) -> Result<()> {
    let mut hosts = warehouse.connection.hosts.iter();
    let host = hosts.find_map(|host| ClusterHost::parse(&host.host));
    checkup.check(CheckId::ClusterRole, &[], || {
        check_role(&warehouse.iam_role, host.as_ref(), options)
    })?;
    let Some(source) = source else {
        return Ok(());
    };
    let Location::S3 { bucket, prefix } = source.out else {
        return Ok(());
    };
    let needs = [CheckId::BucketRegion];
    checkup.check(CheckId::ClusterRegion, &needs, || {
        let bucket_region = source
            .buckets
            .get(bucket)
            .and_then(|head| head.region.as_deref());
        Ok(compare_regions(bucket, bucket_region, host.as_ref()))
    })?;
    checkup.check(CheckId::BucketPolicy, &needs, || {
        let client = source.stores.s3_client()?;
        let prefix = format!("{}/", prefix.trim_end_matches('/'));
        Ok(check_policy(
            &client,
            bucket,
            prefix.trim_start_matches('/'),
        ))
    })?;
    let needs = [
        CheckId::OutWrite,
        CheckId::OutCleanUp,
        CheckId::WarehouseLogin,
        CheckId::ClusterRegion,
        CheckId::BucketPolicy,
        CheckId::ClusterRole,
    ];
    checkup.check(CheckId::RoleReads, &needs, || {
        warehouse.ensure_can_load_from(source.out)?;
        copy_one_row(
            session.get()?,
            source.stores,
            source.out,
            &warehouse.iam_role,
        )
    })?;
    Ok(())
}

/// COPY of Parquet cannot read from another region, and has no parameter for it.
fn compare_regions(
    bucket: &str,
    bucket_region: Option<&str>,
    host: Option<&ClusterHost>,
) -> Outcome {
    let (Some(bucket_region), Some(host)) = (bucket_region, host) else {
        return Outcome::unknown(match host {
            None => {
                "the host name does not tell the region of the cluster; role-reads tells whether COPY reaches the bucket"
            }
            Some(_) => "the server does not tell the region of the bucket",
        });
    };
    let region = &host.region;
    match bucket_region == region {
        true => Outcome::ok(format!("bucket {bucket} and the cluster are in {region}")),
        false => Outcome::failed(
            format!(
                "bucket {bucket} is in {bucket_region} and the cluster in {region}, but COPY of Parquet reads only from its own region"
            ),
            format!("choose an --out in a bucket in {region}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckStatus;

    #[test]
    fn old_versions_are_warned_about() {
        for (version, dialect, status, message) in [
            (
                "PostgreSQL 15.3 (Debian 15.3-1) on x86_64-pc-linux-gnu",
                Dialect::Postgres,
                CheckStatus::Ok,
                "PostgreSQL 15.3",
            ),
            (
                "PostgreSQL 18beta1, compiled by gcc",
                Dialect::Postgres,
                CheckStatus::Ok,
                "PostgreSQL 18beta1",
            ),
            (
                "PostgreSQL 9.6.24 on x86_64",
                Dialect::Postgres,
                CheckStatus::Warning,
                "PostgreSQL 9.6.24 gets no corrections any more",
            ),
            (
                "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2, Redshift 1.0.61687",
                Dialect::Redshift,
                CheckStatus::Ok,
                "Redshift 1.0.61687",
            ),
        ] {
            let outcome = judge_version(version, dialect);
            assert_eq!(
                (outcome.status, outcome.message.as_str()),
                (status, message)
            );
        }
    }

    #[test]
    fn regions_of_cluster_and_bucket_must_be_equal() {
        let host = ClusterHost::parse("music.abc123.us-west-2.redshift.amazonaws.com");
        let status = |region, host| compare_regions("b", region, host).status;
        assert_eq!(status(Some("us-west-2"), host.as_ref()), CheckStatus::Ok);
        assert_eq!(
            status(Some("us-east-1"), host.as_ref()),
            CheckStatus::Failed
        );
        assert_eq!(status(None, host.as_ref()), CheckStatus::Unknown);
        assert_eq!(status(Some("us-west-2"), None), CheckStatus::Unknown);
    }
}
