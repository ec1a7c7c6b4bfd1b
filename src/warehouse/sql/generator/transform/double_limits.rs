//! The decimal digits of the two numbers between which a double is neither infinite nor zero.
//!
//! A positive number is written as 0.DIGITS times a power of ten, where the first and the last of the digits are not zero.
//! Digits of the same power are compared as texts.

/// A positive number in decimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    /// The digits.
    pub digits: String,
    /// The power of ten.
    pub power: i32,
}

/// Returns the smallest number that a double cannot hold: 2^1024 - 2^970, halfway between the largest double and the next
/// power of two. It is rounded to infinity.
pub(super) fn overflow_limit() -> Decimal {
    let digits = multiplied((1 << 54) - 1, 2, 970);
    Decimal {
        power: digits.len() as i32,
        digits: digits.trim_end_matches('0').to_owned(),
    }
}

/// Returns the largest number that is rounded to zero: 2^-1075, half of the smallest double.
pub(super) fn underflow_limit() -> Decimal {
    // 2^-1075 is 5^1075 times 10^-1075.
    let digits = multiplied(1, 5, 1075);
    Decimal {
        power: digits.len() as i32 - 1075,
        digits,
    }
}

/// Returns the digits of a number that is multiplied `times` times by a small factor.
fn multiplied(number: u64, factor: u8, times: usize) -> String {
    // The last digit is the first one here.
    let mut digits: Vec<u8> = number.to_string().bytes().rev().map(|d| d - b'0').collect();
    for _ in 0..times {
        let mut carry = 0;
        for digit in &mut digits {
            let product = *digit * factor + carry;
            (*digit, carry) = (product % 10, product / 10);
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    digits.iter().rev().map(|d| char::from(b'0' + d)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(digits: &str, power: i32) -> f64 {
        format!("0.{digits}e{power}").parse().unwrap()
    }

    /// Returns the digits of the next smaller number with as many digits.
    fn decremented(digits: &str) -> String {
        let (rest, last) = digits.split_at(digits.len() - 1);
        let last: u8 = last.parse().unwrap();
        format!("{rest}{}", last - 1)
    }

    #[test]
    fn numbers_from_the_overflow_limit_on_are_infinite() {
        let Decimal { digits, power } = overflow_limit();
        assert_eq!(parse(&digits, power), f64::INFINITY);
        assert_eq!(parse(&decremented(&digits), power), f64::MAX);
        assert_eq!(power, 309);
    }

    #[test]
    fn numbers_up_to_the_underflow_limit_are_zero() {
        let Decimal { digits, power } = underflow_limit();
        assert_eq!(parse(&digits, power), 0.0);
        assert_eq!(parse(&format!("{digits}1"), power), f64::from_bits(1));
        assert_eq!(power, -323);
    }
}
