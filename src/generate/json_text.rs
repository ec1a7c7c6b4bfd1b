//! Appends JSON text to a buffer without the cost of `fmt`.

/// Appends text that is already JSON.
pub(super) fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends a whole number.
pub(super) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20]; // u64::MAX has 20
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    // used <= digits.len(), so the slice is in bounds.
    out.extend_from_slice(&digits[digits.len() - used..]);
}

/// Appends a number of hundred-thousandths as the shortest decimal fraction, in the format of Python's `repr`:
/// 21_893_179 as `218.93179`, 21_800_000 as `218.0`.
pub(super) fn push_hundred_thousandths(out: &mut Vec<u8>, number: u64) {
    push_number(out, number / 100_000);
    out.push(b'.');
    let mut rest = number % 100_000;
    let mut unit = 10_000;
    loop {
        out.push(b'0' + (rest / unit) as u8); // rest < 10 * unit
        rest %= unit;
        unit /= 10;
        if rest == 0 {
            break; // reached with unit 1 at the latest
        }
    }
}

/// Appends an identifier of 18 characters: a prefix of two, five letters, `1`, and ten hexadecimal digits of `number`,
/// which must be below 2^40. Different numbers have different identifiers.
pub(super) fn push_identifier(out: &mut Vec<u8>, prefix: &str, letters: [u8; 5], number: u64) {
    push(out, prefix);
    out.extend(letters.map(letter));
    out.push(b'1');
    out.extend(
        (0..10)
            .rev()
            .map(|digit| match (number >> (4 * digit)) as u8 & 15 {
                digit @ 0..10 => b'0' + digit,
                digit => b'A' + digit - 10,
            }),
    );
}

/// Returns a capital letter for any number.
pub(super) fn letter(number: u8) -> u8 {
    b'A' + number % 26
}
