//! Describes a star schema as data: the records that it is built from, its tables with their keys and references, and
//! the rule by which the rows of each table follow from the records.
//!
//! Everything else reads this description: the decoder and the kernels in [`star`](crate::star), the SQL of the
//! warehouses, the check of their catalogs, and the data dictionary. [`sparkify`] is the built-in model.

mod check;
mod column;
mod record;
mod rule;
pub(crate) mod sparkify;
mod star;
mod table;

pub use column::{AddedColumn, CalendarPart, ColumnSchema, ColumnType, EngineValue, ValueSource};
pub use record::{FieldType, RecordField, RecordFilter, RecordSchema};
pub(crate) use record::{StagingColumn, staging_column_name};
pub use rule::{FactRule, LookupRule, OrderTerm, PickRule, TableRule};
pub use star::Model;
pub use table::{Distribution, RedshiftLayout, Reference, TableSchema};
