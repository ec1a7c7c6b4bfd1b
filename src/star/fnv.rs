//! Computes 64-bit FNV-1a hashes as Redshift's `FNV_HASH` does. They are the keys of the star schema, so a
//! warehouse can compute the same keys.

/// The initial value of a hash.
const FNV_OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x100_0000_01b3;

/// `FNV_HASH` of one value after the other, each with the hash of those before it as its seed (Amazon Redshift Database
/// Developer Guide, "FNV_HASH function").
#[derive(Debug, Clone, Copy)]
pub(crate) struct FnvHash(u64);

impl Default for FnvHash {
    fn default() -> Self {
        Self(FNV_OFFSET_BASIS)
    }
}

impl FnvHash {
    /// Adds a value. The bytes of a number are little-endian, those of a text UTF-8.
    #[inline]
    pub(crate) fn write(&mut self, value: &[u8]) {
        for &byte in value {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
    }

    /// Returns the hash.
    #[inline]
    pub(crate) fn finish(&self) -> i64 {
        self.0.cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(values: &[&[u8]]) -> i64 {
        let mut hash = FnvHash::default();
        values.iter().for_each(|value| hash.write(value));
        hash.finish()
    }

    /// The values are from the AWS documentation of FNV_HASH.
    #[test]
    fn matches_hashes_documented_by_redshift() {
        assert_eq!(hash(&[&1i32.to_le_bytes()]), -5_968_735_742_475_085_980);
        assert_eq!(hash(&[&1i64.to_le_bytes()]), -8_517_097_267_634_966_620);
        assert_eq!(hash(&[b"Amazon Redshift"]), 7_783_490_368_944_507_294);
    }
}
