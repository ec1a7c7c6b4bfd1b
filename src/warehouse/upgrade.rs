//! Finds out how the tables of an older version differ from those of this version.
//!
//! The model says which names its tables had before, and which columns were added since. Everything else in a table
//! must be as expected: what a user has changed is not upgraded.

use super::catalog::{
    Catalog, CatalogColumn, column_mismatch, mismatch_error, missing_error, missing_tables,
};
use super::sql::generator::TableChange;
use crate::error::{Error, Result};
use crate::model::sparkify::SPARKIFY;
use crate::model::{ColumnSchema, TableSchema};

/// Returns the changes that make the tables in the catalog those of this version. There are none if no table is of an
/// older version.
///
/// # Errors
/// Returns an error if a table does not match, or if it exists by its old and by its new name and another one not by its
/// new name.
pub(super) fn plan_upgrade(catalog: &Catalog) -> Result<Vec<TableChange>> {
    let mut changes = Vec::new();
    let mut mismatch = None;
    // Loads need all tables by their new names, so those with old names are not in use then.
    let has_all_tables = missing_tables(catalog).is_empty();
    for table in SPARKIFY.warehouse_tables() {
        let mut names: Vec<&str> = match has_all_tables {
            true => Vec::new(),
            false => matching_former_names(catalog, table).collect(),
        };
        if catalog.contains_key(table.name) {
            names.insert(0, table.name);
        }
        let name = match names.as_slice() {
            [] => {
                mismatch = mismatch.or_else(|| former_mismatch(catalog, table));
                continue;
            }
            [name] => *name,
            [one, other, ..] => return Err(both_exist_error(one, other, table)),
        };
        let columns = catalog.get(name).map_or(&[][..], Vec::as_slice);
        let missing =
            missing_columns(table, columns).map_err(|reason| mismatch_error(name, reason))?;
        if let Some(from) = table.former_names.iter().find(|former| **former == name) {
            changes.push(TableChange::RenameTable {
                table: table.name,
                from,
            });
        }
        changes.extend(missing.iter().map(|column| TableChange::AddColumn {
            table: table.name,
            column: column.name,
        }));
    }
    let is_known = |table: &TableSchema| catalog.contains_key(table.name);
    match mismatch {
        // Only in a warehouse of sparkify a table with an old name is one of sparkify.
        Some(mismatch) if !changes.is_empty() || SPARKIFY.warehouse_tables().any(is_known) => {
            Err(mismatch)
        }
        _ => Ok(changes),
    }
}

/// Returns an error if the tables are of an older version.
pub(super) fn find_outdated_table(catalog: &Catalog) -> Option<Error> {
    match plan_upgrade(catalog) {
        Ok(changes) => changes.first().copied().map(outdated_error),
        Err(error) => Some(error),
    }
}

/// Returns an error if a table does not exist, does not match or is of an older version. The others do not matter.
pub(super) fn check_table(catalog: &Catalog, table: &TableSchema) -> Option<Error> {
    let Some(columns) = catalog.get(table.name) else {
        return Some(match matching_former_names(catalog, table).next() {
            Some(from) => outdated_error(TableChange::RenameTable {
                table: table.name,
                from,
            }),
            None => missing_error(table),
        });
    };
    match missing_columns(table, columns) {
        Ok(missing) => missing.first().map(|column| {
            outdated_error(TableChange::AddColumn {
                table: table.name,
                column: column.name,
            })
        }),
        Err(reason) => Some(mismatch_error(table.name, reason)),
    }
}

/// Builds the error for a warehouse of an older version, by the first change that it needs.
fn outdated_error(change: TableChange) -> Error {
    let reason = match change {
        TableChange::RenameTable { table, from } => {
            format!("table {from} is named {table} now")
        }
        TableChange::AddColumn { table, column } => {
            format!("table {table} has no column {column}")
        }
    };
    Error::failed("the warehouse was created by an older version")
        .with_reason(reason)
        .with_hint("upgrade it with sparkify create-tables --upgrade")
}

/// Returns the old names of a table by which it exists, with the columns of an older version.
pub(super) fn matching_former_names(
    catalog: &Catalog,
    table: &TableSchema,
) -> impl Iterator<Item = &'static str> {
    let names = table.former_names.iter().copied();
    names.filter(|name| {
        let columns = catalog.get(*name);
        columns.is_some_and(|columns| missing_columns(table, columns).is_ok())
    })
}

/// Returns the names of tables that have an old name, but not the columns of an older version. They may belong to
/// another program.
pub(super) fn foreign_former_names(catalog: &Catalog) -> Vec<&'static str> {
    let tables = SPARKIFY.warehouse_tables();
    let names = tables.flat_map(|table| {
        let names = table.former_names.iter().copied();
        names.filter(|name| {
            let columns = catalog.get(*name);
            columns.is_some_and(|columns| missing_columns(table, columns).is_err())
        })
    });
    names.collect()
}

/// Returns the columns that were added to a table since it was created.
///
/// # Errors
/// Returns the reason if the other columns do not match.
fn missing_columns(
    table: &TableSchema,
    actual: &[CatalogColumn],
) -> std::result::Result<&'static [ColumnSchema], String> {
    let is_added = |column: &ColumnSchema| column.added.is_some();
    let tail = table.columns.get(actual.len()..).unwrap_or_default();
    let added = match tail.iter().all(is_added) {
        true => tail,
        false => &[],
    };
    let others = &table.columns[..table.columns.len() - added.len()];
    match column_mismatch(others, actual) {
        None => Ok(added),
        Some(reason) => Err(reason),
    }
}

/// Returns the error for a table with an old name whose columns are of no version that can be upgraded.
fn former_mismatch(catalog: &Catalog, table: &TableSchema) -> Option<Error> {
    table.former_names.iter().find_map(|name| {
        let reason = missing_columns(table, catalog.get(*name)?).err()?;
        Some(
            Error::failed(format!("table {name} cannot be upgraded"))
                .with_reason(reason)
                .with_hint(format!(
                    "recreate all tables with sparkify create-tables --drop, which leaves {name}, and fill them with \
                     sparkify run --full-refresh"
                )),
        )
    })
}

fn both_exist_error(one: &str, other: &str, table: &TableSchema) -> Error {
    Error::failed(format!("tables {one} and {other} both exist"))
        .with_reason(format!("they are the table {} of two versions", table.name))
        .with_hint("drop the one that is not in use")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::catalog::current_catalog;

    /// The tables before version 0.1.0.
    fn first_catalog() -> Catalog {
        let mut catalog = released_catalog();
        for (from, to) in [
            ("state_users", "ledger_users"),
            ("state_artists", "ledger_artists"),
            ("state_songs", "ledger_songs"),
            ("state_songplays", "ledger_songplays"),
            ("load_history", "loads"),
        ] {
            let columns = catalog.remove(from).unwrap();
            catalog.insert(to.to_owned(), columns);
        }
        catalog
    }

    /// The tables of version 0.1.0.
    fn released_catalog() -> Catalog {
        let mut catalog = current_catalog();
        catalog.get_mut("load_history").unwrap().truncate(5);
        catalog
    }

    fn plan_error(catalog: &Catalog) -> String {
        plan_upgrade(catalog).unwrap_err().to_string()
    }

    fn other_column(name: &str) -> CatalogColumn {
        CatalogColumn {
            name: name.to_owned(),
            type_name: "bigint".to_owned(),
            not_null: false,
        }
    }

    #[test]
    fn tables_are_renamed_and_columns_added() {
        let changes = plan_upgrade(&released_catalog()).unwrap();
        assert_eq!(changes.len(), 5, "{changes:?}");
        let changes = plan_upgrade(&first_catalog()).unwrap();
        let renamed = changes
            .iter()
            .filter(|change| matches!(change, TableChange::RenameTable { .. }));
        assert_eq!((renamed.count(), changes.len()), (5, 10));
        let outdated = find_outdated_table(&first_catalog()).unwrap().to_string();
        assert!(
            outdated.contains(
                "created by an older version: table ledger_users is named state_users now"
            ),
            "{outdated}"
        );
        // A killed creation or another program may have added some of the columns.
        let mut partly = released_catalog();
        let kind = current_catalog()["load_history"][5].clone();
        partly.get_mut("load_history").unwrap().push(kind);
        assert_eq!(plan_upgrade(&partly).unwrap().len(), 4);
    }

    #[test]
    fn matching_tables_need_no_upgrade() {
        let current = current_catalog();
        for catalog in [Catalog::new(), current] {
            assert_eq!(plan_upgrade(&catalog).unwrap(), []);
            assert!(find_outdated_table(&catalog).is_none());
        }
    }

    /// Another program may have a table with such a name.
    #[test]
    fn other_tables_with_old_names_do_not_matter() {
        let mut catalog = Catalog::new();
        catalog.insert("loads".to_owned(), vec![other_column("weight")]);
        assert_eq!(plan_upgrade(&catalog).unwrap(), []);
        let mut catalog = released_catalog();
        catalog.insert("loads".to_owned(), vec![other_column("weight")]);
        assert_eq!(plan_upgrade(&catalog).unwrap().len(), 5);
    }

    #[test]
    fn changed_tables_are_not_upgraded() {
        let mut catalog = released_catalog();
        let history = catalog.get_mut("load_history").unwrap();
        history.push(other_column("note"));
        let error = plan_error(&catalog);
        assert!(
            error.contains("table load_history does not match: column 6 is `note bigint`"),
            "{error}"
        );
        let mut catalog = released_catalog();
        catalog.get_mut("songs").unwrap().push(other_column("note"));
        let error = plan_error(&catalog);
        assert!(error.contains("table songs does not match"), "{error}");
        let mut catalog = first_catalog();
        catalog.get_mut("ledger_songs").unwrap()[0] = other_column("title_hash");
        let error = plan_error(&catalog);
        for words in [
            "table ledger_songs cannot be upgraded: column 1 is `title_hash bigint`",
            "--drop",
            "--full-refresh",
        ] {
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(find_outdated_table(&catalog).unwrap().to_string(), error);
    }

    #[test]
    fn a_table_with_both_names_is_an_error() {
        let mut catalog = first_catalog();
        let users = catalog["ledger_users"].clone();
        catalog.insert("state_users".to_owned(), users);
        let error = plan_error(&catalog);
        assert!(
            error.contains("tables state_users and ledger_users both exist"),
            "{error}"
        );
    }

    #[test]
    fn old_names_beside_all_new_ones_do_not_matter() {
        let mut catalog = first_catalog();
        catalog.extend(released_catalog());
        let changes = plan_upgrade(&catalog).unwrap();
        assert_eq!(changes, plan_upgrade(&released_catalog()).unwrap());
        catalog.extend(current_catalog());
        assert_eq!(plan_upgrade(&catalog).unwrap(), []);
        assert!(find_outdated_table(&catalog).is_none());
    }
}
