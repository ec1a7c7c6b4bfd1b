//! Lets Redshift copy one row from the output with the role of a load.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};

use super::check::Outcome;
use super::probe_objects::ProbeObjects;
use crate::error::{Error, Result};
use crate::output::{CopyManifest, ParquetCompression, PartWriter};
use crate::storage::{Location, PutMode, StoreOpener};
use crate::warehouse::connect::session::WarehouseSession;
use crate::warehouse::iam_role::IamRole;
use crate::warehouse::sql::literal::quote_literal;

/// The object with one row.
const PART: &str = "probe.parquet";

/// The manifest that names it.
const MANIFEST: &str = "probe.manifest";

/// The temporary table that the row is copied into. It ends with the session at the latest.
const TABLE: &str = "sparkify_doctor_probe";

/// Writes a row, copies it by a manifest as a load does, and removes it.
///
/// # Errors
/// Returns an error if one of the steps fails.
pub(super) fn copy_one_row(
    session: &mut WarehouseSession,
    stores: &StoreOpener,
    out: &Location,
    role: &IamRole,
) -> Result<Outcome> {
    let mut probe = ProbeObjects::open(stores, out)?;
    write_row(&mut probe)?;
    let url = quote_literal(&probe.store().absolute_name(MANIFEST))?;
    let copy = format!("COPY {TABLE}\nFROM {url} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST");
    let copied = copy_and_count(session, &copy);
    // The transaction can have failed already.
    let _ = session.execute("ROLLBACK");
    let rows = copied?;
    probe.remove()?;
    match rows.as_deref() {
        Some("1") => Ok(Outcome::ok(format!(
            "Redshift copied a row from {out} with {role}"
        ))),
        _ => Err(Error::failed("COPY of one row did not load one row")),
    }
}

fn write_row(probe: &mut ProbeObjects) -> Result<()> {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let rows = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![Arc::new(Int64Array::from(vec![1]))],
    );
    let rows = rows.map_err(Error::from_arrow)?;
    let name = probe.store().display(PART);
    let file = probe.store_for(PART).create(PART)?;
    let mut part = PartWriter::new(file, name, 0, schema, ParquetCompression::default())?;
    part.write(&rows)?;
    let bytes = part.close()?.bytes;
    let url = probe.store().absolute_name(PART);
    let manifest = CopyManifest::new([(url, bytes)].into_iter());
    let manifest = serde_json::to_vec(&manifest)
        .map_err(|e| Error::failed("cannot write a manifest").with_source(e))?;
    let _ = probe
        .store_for(MANIFEST)
        .put(MANIFEST, manifest, PutMode::Overwrite)?;
    Ok(())
}

/// Copies the row into a temporary table in a transaction, and returns the number of rows in the table.
fn copy_and_count(session: &mut WarehouseSession, copy: &str) -> Result<Option<String>> {
    let failed = |error: Error| {
        Error::failed("Redshift cannot copy from the output")
            .with_reason(error.description())
            .with_hint(match error.hint() {
                Some(hint) => format!("{hint}; {ROLE_HINT}"),
                None => ROLE_HINT.to_owned(),
            })
            .caused_by(error)
    };
    let statements = [
        "BEGIN".to_owned(),
        format!("CREATE TEMP TABLE {TABLE} (id BIGINT NOT NULL)"),
    ];
    for sql in &statements {
        session.execute(sql).map_err(|e| e.error)?;
    }
    session.copy_from_s3(copy, 0).map_err(|e| failed(e.error))?;
    let rows = session
        .query(&format!("SELECT COUNT(*) FROM {TABLE}"))
        .map_err(|e| e.error)?;
    Ok(rows.into_iter().flatten().flatten().next())
}

/// What a role needs to read the output.
const ROLE_HINT: &str = "check that the role is attached to the cluster, that its trust policy names redshift.amazonaws.com, \
     and that it allows s3:GetObject and s3:ListBucket for the output";
