//! Compares rows by an order of the model.

use std::cmp::Ordering;

use super::record_columns::RecordColumns;
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

    /// Returns an integer for each record, by which records can be compared before their rows are: the smaller one comes
    /// first, and equal ones are undecided. `columns` are those of the rows.
    pub(super) fn leading_integers(
        &self,
        columns: &[RowColumn],
        records: &RecordColumns,
    ) -> Vec<i64> {
        let integers = |column: usize| match &columns[column] {
            RowColumn::Field(field) | RowColumn::Timestamp(field) => {
                records.column(*field).required_integers()
            }
            RowColumn::Hash(_) => None,
        };
        let leading = match self.terms.first() {
            Some(RowOrderTerm::Ascending(column)) => integers(*column),
            Some(RowOrderTerm::Descending(column)) => {
                let values = integers(*column);
                values.map(|values| values.into_iter().map(|value| !value).collect())
            }
            Some(RowOrderTerm::AllPresent(_) | RowOrderTerm::NonEmpty(_)) | None => None,
        };
        leading.unwrap_or_else(|| vec![0; records.num_rows()])
    }

    /// Compares two rows. The first row of an order is the one that is picked.
    #[inline]
    pub(crate) fn compare(&self, a: &impl Row, b: &impl Row) -> Ordering {
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

fn lacks_any(row: &impl Row, columns: &[usize]) -> bool {
    columns.iter().any(|&column| row.value(column).is_null())
}

fn lacks_text(row: &impl Row, column: usize) -> bool {
    matches!(row.value(column), Value::Null | Value::Text(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Values<'a>(&'a [Value<'a>]);

    impl Row for Values<'_> {
        fn value(&self, column: usize) -> Value<'_> {
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
