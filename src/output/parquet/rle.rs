//! Packing: small numbers as Parquet's hybrid of runs and bit packing
//! (<https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>).

/// Values that repeat so often are a run; fewer are packed.
const RUN: usize = 8;

/// Appends `values`, each of which fits `width` bits.
pub(super) fn pack(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let mut rest = values;
    // How much of `rest` is looked through and will be packed.
    let mut packed = 0;
    while let Some((&value, tail)) = rest.get(packed..).and_then(<[u32]>::split_first) {
        let run = 1 + tail.iter().take_while(|&&other| other == value).count();
        // Only the last packed stretch may end off a group of eight.
        let fill = packed.next_multiple_of(8) - packed;
        if run >= RUN + fill {
            let (before, after) = rest.split_at(packed + fill);
            pack_bits(before, width, out);
            let left = run - fill;
            repeat(left, value, width, out);
            rest = after.get(left..).unwrap_or_default();
            packed = 0;
        } else {
            packed += run;
        }
    }
    pack_bits(rest, width, out);
}

/// Appends `value` so many times, as a run.
pub(super) fn repeat(times: usize, value: u32, width: u32, out: &mut Vec<u8>) {
    varint((times as u64) << 1, out);
    let bytes = width.div_ceil(8) as usize;
    out.extend(value.to_le_bytes().iter().take(bytes));
}

fn pack_bits(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * width as usize;
    let (mut bits, mut held) = (0u64, 0);
    for &value in values {
        bits |= u64::from(value) << held;
        held += width;
        if held >= 32 {
            out.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            held -= 32;
        }
    }
    out.extend_from_slice(&bits.to_le_bytes());
    // The last group is filled up with zeros, and what was one byte too many goes.
    out.resize(end, 0);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
