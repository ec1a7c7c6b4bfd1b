//! A value of a record or a row, in the order by which records are chosen: null last, text bytewise, doubles in total
//! order.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A value. Values of one column have the same variant, or are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value<'a> {
    /// An integer of any width, or a time.
    Integer(i64),
    /// A double.
    Double(TotalOrderF64),
    /// A text.
    Text(&'a str),
    /// A null, which is ordered last.
    Null,
}

#[expect(clippy::panic, reason = "the model says the type of each column")]
impl<'a> Value<'a> {
    /// Returns true for null.
    #[inline]
    pub(crate) fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns an integer by which values of one column are ordered, except that different values can have the same. All
    /// texts of the column begin with the same `common_bytes` bytes.
    #[inline]
    pub(super) fn order_prefix(self, common_bytes: usize) -> u64 {
        const SIGN: u64 = 1 << 63;
        match self {
            Self::Integer(value) => value.cast_unsigned() ^ SIGN,
            // In IEEE total order the bits of negative doubles are in falling order.
            Self::Double(value) => match value.0.to_bits() {
                bits if bits & SIGN != 0 => !bits,
                bits => bits ^ SIGN,
            },
            Self::Text(value) => {
                let rest = &value.as_bytes()[common_bytes..];
                let mut first = [0; 8];
                let len = rest.len().min(first.len());
                first[..len].copy_from_slice(&rest[..len]);
                u64::from_be_bytes(first)
            }
            Self::Null => u64::MAX,
        }
    }

    /// Returns the number of bytes with which both texts begin; 0 for values that are not texts.
    pub(super) fn common_bytes(self, other: Self) -> usize {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => {
                let pairs = a.bytes().zip(b.bytes());
                pairs.take_while(|(a, b)| a == b).count()
            }
            _ => 0,
        }
    }

    /// Returns an integer; `None` for null.
    ///
    /// # Panics
    /// Panics if the value has another type.
    pub(super) fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(value),
            Self::Null => None,
            Self::Double(_) | Self::Text(_) => panic!("a column of integers has integers"),
        }
    }

    /// Returns a double; `None` for null.
    ///
    /// # Panics
    /// Panics if the value has another type.
    pub(super) fn double(self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(value.0),
            Self::Null => None,
            Self::Integer(_) | Self::Text(_) => panic!("a column of doubles has doubles"),
        }
    }

    /// Returns a text; `None` for null.
    ///
    /// # Panics
    /// Panics if the value has another type.
    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(value) => Some(value),
            Self::Null => None,
            Self::Integer(_) | Self::Double(_) => panic!("a column of texts has texts"),
        }
    }
}

impl Hash for Value<'_> {
    /// Hashes the value without its type, because the values of one column have one type.
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Integer(value) => state.write_i64(*value),
            Self::Double(value) => state.write_u64(value.0.to_bits()),
            Self::Text(value) => value.hash(state),
            Self::Null => {}
        }
    }
}

/// A double that is compared in IEEE total order; JSON has no NaN, and -0.0 is stored as 0.0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TotalOrderF64(pub f64);

impl PartialEq for TotalOrderF64 {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for TotalOrderF64 {}

impl PartialOrd for TotalOrderF64 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TotalOrderF64 {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_ordered_by_what_follows_their_common_beginning() {
        let texts = ["song-0000001", "song-0000002", "song-0000002x", "song-1"].map(Value::Text);
        let common = texts.map(|text| text.common_bytes(texts[0]));
        assert_eq!(common, [12, 11, 11, 5]);
        assert!(texts.is_sorted_by(|a, b| a.order_prefix(5) < b.order_prefix(5)));
        assert_eq!(Value::Integer(1).common_bytes(Value::Integer(1)), 0);
    }

    #[test]
    fn null_is_last_in_every_type() {
        let double = |value| Value::Double(TotalOrderF64(value));
        let columns = [
            [double(-0.0), double(0.0), double(f64::MAX), Value::Null],
            [
                Value::Text(""),
                Value::Text("a"),
                Value::Text("é"),
                Value::Null,
            ],
            [
                Value::Integer(i64::MIN),
                Value::Integer(0),
                Value::Integer(i64::MAX),
                Value::Null,
            ],
        ];
        for values in columns {
            assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
            assert!(values.is_sorted_by_key(|value| value.order_prefix(0)));
        }
    }
}
