//! Spells doubles as C's `%.17g` does.

/// The number of significant digits.
const PRECISION: i32 = 17;

/// Returns the text of a double.
pub fn spell_double(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:.*e}", PRECISION as usize - 1);
    let (digits, exponent) = scientific.split_once('e').expect("it has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if !(-4..PRECISION).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        let digits = without_final_zeros(digits);
        return format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
    let decimals = usize::try_from(PRECISION - 1 - exponent).expect("it is not negative");
    without_final_zeros(&format!("{number:.decimals$}")).to_owned()
}

/// Cuts the zeros at the end of a fraction, and a fraction without digits.
fn without_final_zeros(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}
