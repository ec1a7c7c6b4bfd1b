//! The comments at the top of the scripts, which say how they are run. An empty line separates paragraphs.

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

Usage: psql -1 -f sql/{}/create.sql

{notes}

The merge state, in the tables state_*, is what a later load needs to know about earlier loads.",
        warehouse(dialect),
        folder(dialect)
    )
}

pub(super) fn drop(dialect: Dialect) -> String {
    format!(
        "Drops the star schema, the merge state and the load history in {}.

Usage: psql -1 -f sql/{}/drop.sql

A view that depends on a table makes the script fail. It is not dropped with the table.",
        warehouse(dialect),
        folder(dialect)
    )
}

pub(super) fn stage(dialect: Dialect) -> String {
    let usage = match dialect {
        Dialect::Redshift => {
            "Run everything in one session, with a -v for each :'name' in copy.sql.

Usage: psql -v run=ID -v iam_role=default -v songplays=s3://.../songplays.manifest ...
-f sql/redshift/stage.sql -f sql/redshift/copy.sql -f sql/redshift/merge.sql"
        }
        Dialect::Postgres => {
            "Run everything in one session: this file, then \\copy from any source that has the columns of a staging table, \
             then merge.sql.

Usage: psql -v run=ID -f sql/postgres/stage.sql -c \"\\copy staged_users from 'users.csv' csv\" ...
-f sql/postgres/merge.sql"
        }
    };
    format!(
        "Begins a load into {}: the transaction, its lock and the staging tables.

{usage}",
        warehouse(dialect)
    )
}

pub(super) fn refresh(dialect: Dialect) -> String {
    let readers = match dialect {
        Dialect::Redshift => {
            "Until it commits, readers see the old rows. The tables are emptied by DELETE, because TRUNCATE would commit \
             at once."
        }
        Dialect::Postgres => "Nothing is lost before it commits. Readers wait.",
    };
    format!(
        "Empties the star schema, the merge state and the load history, in the transaction of the load that fills them \
         again. {readers}

Run it between stage.sql and copy.sql."
    )
}

pub(super) fn copy(dialect: Dialect) -> String {
    match dialect {
        Dialect::Redshift => {
            "Copies the Parquet parts of a dataset into the staging tables. Each table is copied by its manifest, because \
             a prefix would also match longer names. The bucket must be in the region of the cluster. Leave out tables \
             without rows, because a COPY of no files is an error."
        }
        Dialect::Postgres => {
            "Copies the rows of a dataset into the staging tables.

After each statement the program sends the rows of the Parquet parts. In psql use \\copy instead, see stage.sql."
        }
    }
    .to_owned()
}

pub(super) fn count() -> String {
    "Counts the rows of the staging tables before they are merged.

Run it between copy.sql and merge.sql."
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
        "Merges the staging tables into the star schema and the merge state, and commits.

Every choice depends only on the content of the rows, by the same rules as within one run. So batches in any order have \
         the same result as one load of all of them, and a batch that is loaded again changes nothing.{blanks}"
    )
}

pub(super) fn verify(dialect: Dialect) -> String {
    match dialect {
        Dialect::Redshift => {
            "Counts the merged rows that are missing, by table. Every count must be 0.

Run it before the COMMIT at the end of merge.sql.

Redshift has no triggers or rules that could change the written rows, so it is enough to compare the keys."
        }
        Dialect::Postgres => {
            "Counts the merged rows that are missing or differ, by table. Every count must be 0. A trigger, a rule or row \
             security may drop or change the rows that a statement writes without an error.

Run it before the COMMIT at the end of merge.sql.

If no table has side effects (see tables_with_side_effects in stage.sql), the tables are not read again."
        }
    }
    .to_owned()
}
