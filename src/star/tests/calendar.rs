//! The calendar.

use arrow_array::Int16Array;

use super::shops::SHOPS;
use crate::star::kernels::StarKernels;
use crate::star::record_columns::{FieldColumn, RecordColumns};
use crate::star::value::Value;

#[test]
fn calendar_has_the_parts_of_the_model() {
    let kernels = StarKernels::new(&SHOPS);
    let rows = kernels.calendar.build(&[-1, 0, 86_400_000]).unwrap();
    let columns = RecordColumns::new(&rows.project(&[0]).unwrap()).unwrap();
    assert!(matches!(columns.column(0), FieldColumn::Int64(_)));
    assert_eq!(columns.column(0).value(0), Value::Integer(-1000));
    let years: &Int16Array = rows.column(1).as_any().downcast_ref().unwrap();
    assert_eq!(years.values(), &[1969, 1970, 1970]);
}
