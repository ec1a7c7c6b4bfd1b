//! The comments at the top of the scripts, which say how they are run. An empty line separates paragraphs.

use super::temp_table::staged_name;
use crate::model::{Model, TableSchema};
use crate::warehouse::dialect::Dialect;

fn folder(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Redshift => "redshift",
        Dialect::Postgres => "postgres",
    }
}

fn warehouse(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Redshift => "Amazon Redshift",
        Dialect::Postgres => "PostgreSQL",
    }
}

pub(super) fn create(dialect: Dialect) -> String {
    let notes = match dialect {
        Dialect::Redshift => {
            "VARCHAR lengths count bytes. Redshift does not enforce keys, so the load does. The column encodings are left \
             to Redshift (ENCODE AUTO), because a COPY of Parquet does not choose any."
        }
        Dialect::Postgres => {
            "Text is compared bytewise (COLLATE \"C\"), because the choice between two records must not depend on a \
             locale. The lengths are the same as in Redshift, where they count bytes; here they count characters. Foreign \
             keys are enforced."
        }
    };
    format!(
        "Creates the star schema, the merge state and the load history in {}.

Usage: psql -v ON_ERROR_STOP=1 -1 -f sql/{}/create.sql

{notes}

The merge state, in the tables state_*, is what a later load needs to know about earlier loads.",
        warehouse(dialect),
        folder(dialect)
    )
}

pub(super) fn drop(dialect: Dialect) -> String {
    format!(
        "Drops the star schema, the merge state and the load history in {}.

Usage: psql -v ON_ERROR_STOP=1 -1 -f sql/{}/drop.sql

A view that depends on a table makes the script fail. It is not dropped with the table.",
        warehouse(dialect),
        folder(dialect)
    )
}

pub(super) fn upgrade(dialect: Dialect) -> String {
    let notes = match dialect {
        Dialect::Redshift => {
            "Redshift adds one column in a statement. A column that is NOT NULL needs a default, which stays; no load uses it."
        }
        Dialect::Postgres => {
            "The tables are not written anew, so the size of the load history does not matter."
        }
    };
    format!(
        "Upgrades the tables of version 0.1.0 in {}. All rows stay.

Usage: psql -v ON_ERROR_STOP=1 -1 -f sql/{}/upgrade.sql

{notes}

sparkify create-tables --upgrade does the same, and upgrades older tables too, whose names it changes.",
        warehouse(dialect),
        folder(dialect)
    )
}

pub(super) fn stage(model: &Model, dialect: Dialect) -> String {
    let sources = match dialect {
        Dialect::Redshift => {
            "Each variable of a table is its COPY manifest. The variable iam_role is default or, with quotes of its own, the \
             ARN of a role: -v iam_role=\"'arn:aws:iam::123456789012:role/NAME'\"."
        }
        Dialect::Postgres => {
            "Each CSV file has the columns of its staging table, in their order, without a header. Null is an empty field \
             without quotes. Another source that \\copy can read does as well."
        }
    };
    format!(
        "Begins a load into {}: the transaction, its lock and the staging tables.

Run all files of a load by one call of psql, because they need one session. The first error ends psql. Without \
         commit.sql nothing is changed: run the command without it first, and read the counts.

Usage:
{}

ID is the id of the run that wrote the rows, which its report has under run. For rows that are from no run it is any \
         text of at most 64 bytes that {} does not have yet.

{sources}

For a full refresh, add -f sql/{}/refresh.sql after stage.sql.",
        warehouse(dialect),
        usage(model, dialect),
        model.load_history.name,
        folder(dialect)
    )
}

/// Returns the command that loads with the scripts.
fn usage(model: &Model, dialect: Dialect) -> String {
    let script = |name: &str| format!("-f sql/{}/{name}.sql", folder(dialect));
    let tables = model.dataset_tables_by_dependency().into_iter();
    let mut arguments: Vec<String> = Vec::new();
    match dialect {
        Dialect::Redshift => {
            arguments.push("-v iam_role=default".to_owned());
            arguments.extend(tables.map(manifest_variable));
            arguments.extend([script("stage"), script("copy")]);
        }
        Dialect::Postgres => {
            arguments.push(script("stage"));
            arguments.extend(tables.map(copy_from_csv));
        }
    }
    arguments.extend(["count", "merge", "verify", "commit"].map(script));
    format!("psql -v run=ID \\\n    {}", arguments.join(" \\\n    "))
}

fn manifest_variable(table: &TableSchema) -> String {
    let (name, dir) = (table.name, table.dir);
    format!("-v {name}=s3://BUCKET/PREFIX/ID/{dir}.manifest")
}

fn copy_from_csv(table: &TableSchema) -> String {
    let (name, staged) = (table.name, staged_name(table));
    format!("-c \"\\copy {staged} from '{name}.csv' csv\"")
}

pub(super) fn refresh(dialect: Dialect) -> String {
    let (readers, alone) = match dialect {
        Dialect::Redshift => (
            "Until the load commits, readers see the old rows. The tables are emptied by DELETE, because TRUNCATE would commit \
             at once.",
            "Without stage.sql before it in the same session, it would empty the tables at once and for good.",
        ),
        Dialect::Postgres => (
            "Nothing is lost before the load commits. Readers wait until then.",
            "Without stage.sql before it in the same session, its first statement fails, and nothing is deleted.",
        ),
    };
    format!(
        "Empties the star schema, the merge state and the load history, in the transaction of the load that fills them \
         again. {readers}

Usage: after stage.sql and before the rows are copied, in the same session; stage.sql has the whole command.

{alone}"
    )
}

pub(super) fn copy(dialect: Dialect) -> String {
    match dialect {
        Dialect::Redshift => {
            "Copies the Parquet parts of a dataset into the staging tables. Each table is copied by its manifest, because \
             a prefix would also match longer names. The bucket must be in the region of the cluster. Leave out tables \
             without rows, because a COPY of no files is an error.

Usage: after stage.sql and before count.sql, in the same session; stage.sql has the whole command."
        }
        Dialect::Postgres => {
            "Copies the rows of a dataset into the staging tables.

Usage: only by the program, which sends the rows of the Parquet parts in the binary format after each statement. psql \
             uses \\copy instead; stage.sql has the whole command."
        }
    }
    .to_owned()
}

pub(super) fn count() -> String {
    "Counts the rows of the staging tables before they are merged.

Usage: after the rows are copied and before merge.sql, in the same session; stage.sql has the whole command.

psql goes on whatever the counts are, so read them before you commit: leave out commit.sql at first, or run the files \
     by \\i in an interactive session. If a count is not as expected, do not run commit.sql."
        .to_owned()
}

pub(super) fn merge(dialect: Dialect) -> String {
    let blanks = match dialect {
        Dialect::Redshift => {
            "

Redshift ignores trailing blanks when it compares texts. CHR(1), the smallest character, is appended to make them \
             significant, and keeps the order by bytes. Ids are compared without it: ids that differ only in trailing \
             blanks are one id here, and the row that is taken has its own spelling of the id."
        }
        Dialect::Postgres => "",
    };
    format!(
        "Merges the staging tables into the star schema and the merge state.

Usage: after count.sql and before verify.sql, in the same session; stage.sql has the whole command.

Every choice depends only on the content of the rows, by the same rules as within one run. So batches in any order have \
         the same result as one load of all of them, and a batch that is loaded again changes nothing.{blanks}"
    )
}

pub(super) fn verify(dialect: Dialect) -> String {
    let (what, reason) = match dialect {
        Dialect::Redshift => (
            "Counts the merged rows that are missing, by table.",
            "Redshift has no triggers or rules that could change the written rows, so it is enough to compare the keys.",
        ),
        Dialect::Postgres => (
            "Counts the merged rows that are missing or differ, by table. A trigger, a rule or row security may drop or \
             change the rows that a statement writes without an error.",
            "If no table has side effects (see tables_with_side_effects in stage.sql), the tables are not read again.",
        ),
    };
    format!(
        "{what}

Usage: after merge.sql and before commit.sql, in the same session; stage.sql has the whole command.

Every count must be 0. psql goes on whatever the counts are. If one is not 0, do not run commit.sql.

{reason}"
    )
}

pub(super) fn commit() -> String {
    "Commits a load. Without it, the load changes nothing.

Usage: after verify.sql, in the same session; stage.sql has the whole command."
        .to_owned()
}
