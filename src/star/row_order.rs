//! Compares rows by an order of the model.

use std::cmp::Ordering;

use super::record_columns::{Integers, RecordColumns};
use super::row_column::{Row, RowColumn};
use super::value::Value;
use crate::model::OrderTerm;

/// An order of rows, by the positions of their columns.
#[derive(Debug, Clone)]
pub(crate) struct RowOrder {
    terms: Vec<RowOrderTerm>,
}

/// A term of an order, by the positions of columns.
#[derive(Debug, Clone)]
enum RowOrderTerm {
    Ascending(usize),
    Descending(usize),
    AllPresent(Vec<usize>),
    NonEmpty(usize),
}

impl RowOrder {
    /// Returns an order of the model for rows with the named columns.
    ///
    /// # Panics
    /// Panics if a column of the order has no such name.
    #[expect(clippy::expect_used, reason = "a model is consistent")]
    pub(super) fn new(terms: &[OrderTerm], column_names: &[&str]) -> Self {
        let position = |name: &&str| {
            let position = column_names.iter().position(|column| column == name);
            position.expect("a column of an order belongs to the table or its state")
        };
        let term = |term: &OrderTerm| match term {
            OrderTerm::Ascending(column) => RowOrderTerm::Ascending(position(column)),
            OrderTerm::Descending(column) => RowOrderTerm::Descending(position(column)),
            OrderTerm::AllPresent(columns) => {
                RowOrderTerm::AllPresent(columns.iter().map(position).collect())
            }
            OrderTerm::NonEmpty(column) => RowOrderTerm::NonEmpty(position(column)),
        };
        Self {
            terms: terms.iter().map(term).collect(),
        }
    }

    /// Returns the order that compares rows by `columns` after all its other terms.
    pub(super) fn then_by(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.terms
            .extend(columns.into_iter().map(RowOrderTerm::Ascending));
        self
    }

    /// Returns the order of rows that have equal values in the columns for which `are_equal` is true.
    pub(super) fn without_columns(&self, are_equal: impl Fn(usize) -> bool) -> Self {
        let is_needed = |term: &&RowOrderTerm| match term {
            RowOrderTerm::Ascending(column)
            | RowOrderTerm::Descending(column)
            | RowOrderTerm::NonEmpty(column) => !are_equal(*column),
            RowOrderTerm::AllPresent(columns) => !columns.iter().all(|&column| are_equal(column)),
        };
        Self {
            terms: self.terms.iter().filter(is_needed).cloned().collect(),
        }
    }

    /// Returns the integers of records by which the order begins, if it does so. `columns` are those of the rows.
    pub(super) fn leading_integers<'a>(
        &self,
        columns: &[RowColumn],
        records: &'a RecordColumns,
    ) -> Option<LeadingIntegers<'a>> {
        let (column, is_descending) = match self.terms.first()? {
            RowOrderTerm::Ascending(column) => (*column, false),
            RowOrderTerm::Descending(column) => (*column, true),
            RowOrderTerm::AllPresent(_) | RowOrderTerm::NonEmpty(_) => return None,
        };
        let integers = match &columns[column] {
            RowColumn::Field(field) | RowColumn::Timestamp(field) => {
                records.column(*field).integers()?
            }
            RowColumn::Hash(_) => return None,
        };
        Some(LeadingIntegers {
            integers,
            is_descending,
        })
    }

    /// Compares two rows. The first row of an order is the one that is picked.
    #[inline]
    pub(crate) fn compare<'a>(&self, a: &impl Row<'a>, b: &impl Row<'a>) -> Ordering {
        for term in &self.terms {
            let order = match term {
                RowOrderTerm::Ascending(column) => a.value(*column).cmp(&b.value(*column)),
                RowOrderTerm::Descending(column) => b.value(*column).cmp(&a.value(*column)),
                RowOrderTerm::AllPresent(columns) => {
                    lacks_any(a, columns).cmp(&lacks_any(b, columns))
                }
                RowOrderTerm::NonEmpty(column) => {
                    lacks_text(a, *column).cmp(&lacks_text(b, *column))
                }
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}

/// Integers by which records can be compared before their rows are, because most orders are decided there.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeadingIntegers<'a> {
    integers: Integers<'a>,
    is_descending: bool,
}

impl LeadingIntegers<'_> {
    /// Compares two records. If they are equal, the rest of the order decides.
    #[inline(always)]
    pub(super) fn compare(self, a: u32, b: u32) -> Ordering {
        let order = self.integers.at(a).cmp(&self.integers.at(b));
        match self.is_descending {
            true => order.reverse(),
            false => order,
        }
    }
}

fn lacks_any<'a>(row: &impl Row<'a>, columns: &[usize]) -> bool {
    columns.iter().any(|&column| row.value(column).is_null())
}

fn lacks_text<'a>(row: &impl Row<'a>, column: usize) -> bool {
    matches!(row.value(column), Value::Null | Value::Text(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Values<'a>(&'a [Value<'a>]);

    impl<'a> Row<'a> for Values<'a> {
        fn value(&self, column: usize) -> Value<'a> {
            self.0[column]
        }
    }

    const INTEGERS: [Value<'_>; 3] = [Value::Integer(1), Value::Integer(2), Value::Null];

    /// Asserts that each row of one column is before the next one.
    #[track_caller]
    fn assert_order(term: OrderTerm, values: &[Value<'_>]) {
        let order = RowOrder::new(&[term], &["a"]);
        let rows: Vec<_> = values.chunks(1).map(Values).collect();
        let is_less = |a: &Values<'_>, b: &Values<'_>| order.compare(a, b) == Ordering::Less;
        assert!(rows.is_sorted_by(is_less), "{term:?}");
    }

    #[test]
    fn terms_order_rows() {
        assert_order(OrderTerm::Ascending("a"), &INTEGERS);
        assert_order(
            OrderTerm::Descending("a"),
            &[Value::Integer(2), Value::Integer(1)],
        );
        assert_order(OrderTerm::AllPresent(&["a"]), &INTEGERS[1..]);
        assert_order(
            OrderTerm::NonEmpty("a"),
            &[Value::Text("x"), Value::Text("")],
        );
        assert_order(OrderTerm::NonEmpty("a"), &[Value::Text("x"), Value::Null]);
    }

    #[test]
    fn later_terms_break_ties() {
        let order = RowOrder::new(&[OrderTerm::Ascending("a")], &["a", "b"]).then_by([1]);
        let (x, y) = ([INTEGERS[0], INTEGERS[1]], [INTEGERS[0], INTEGERS[2]]);
        assert_eq!(order.compare(&Values(&x), &Values(&y)), Ordering::Less);
        let rest = order.without_columns(|column| column == 0);
        assert_eq!(rest.compare(&Values(&x), &Values(&y)), Ordering::Less);
        let none = order.without_columns(|_| true);
        assert_eq!(none.compare(&Values(&x), &Values(&y)), Ordering::Equal);
    }

    #[test]
    #[should_panic(expected = "a column of an order belongs to the table or its state")]
    fn unknown_column_fails_loudly() {
        RowOrder::new(&[OrderTerm::Ascending("b")], &["a"]);
    }
}
