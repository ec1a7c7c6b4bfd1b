//! Encodes small integers in Parquet's hybrid of run-length encoding and bit packing
//! (<https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>).

/// Minimum number of equal values that are encoded as a run. Shorter repetitions are bit-packed.
const MIN_RLE_RUN: usize = 8;

/// Appends `values`, each of which fits `width` bits.
pub(super) fn encode_hybrid(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let mut rest = values;
    // Number of values at the start of `rest` that will be bit-packed.
    let mut pending = 0;
    while let Some((&value, tail)) = rest.get(pending..).and_then(<[u32]>::split_first) {
        let run = 1 + tail.iter().take_while(|&&other| other == value).count();
        // Only the last bit-packed stretch may end within a group of eight.
        let padding = pending.next_multiple_of(8) - pending;
        if run >= MIN_RLE_RUN + padding {
            let (before, after) = rest.split_at(pending + padding);
            put_bit_packed(before, width, out);
            let repeats = run - padding;
            put_rle_run(repeats, value, width, out);
            rest = &after[repeats..];
            pending = 0;
        } else {
            pending += run;
        }
    }
    put_bit_packed(rest, width, out);
}

/// Appends `count` times `value`, as a run.
pub(super) fn put_rle_run(count: usize, value: u32, width: u32, out: &mut Vec<u8>) {
    put_varint((count as u64) << 1, out);
    let bytes = width.div_ceil(8) as usize;
    out.extend(value.to_le_bytes().iter().take(bytes));
}

fn put_bit_packed(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    put_varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * width as usize;
    let (mut buffer, mut buffered_bits) = (0u64, 0);
    for &value in values {
        buffer |= u64::from(value) << buffered_bits;
        buffered_bits += width;
        if buffered_bits >= 32 {
            out.extend_from_slice(&(buffer as u32).to_le_bytes());
            buffer >>= 32;
            buffered_bits -= 32;
        }
    }
    out.extend_from_slice(&buffer.to_le_bytes());
    // Pads the last group with zeros, and removes excess bytes of the buffer.
    out.resize(end, 0);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
