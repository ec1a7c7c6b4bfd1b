//! Computes 64-bit FNV-1a hashes as Redshift's `FNV_HASH` does. They are the keys of the star schema, so a
//! warehouse can compute the same keys.

/// The initial value of a hash.
const FNV_OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x100_0000_01b3;

/// Returns `FNV_HASH(value, seed)` (Amazon Redshift Database Developer Guide, "FNV_HASH function"). The
/// bytes of a number are little-endian, those of a text UTF-8.
#[inline]
fn fnv_hash(value: &[u8], seed: u64) -> u64 {
    value.iter().fold(seed, |hash, &b| {
        (hash ^ u64::from(b)).wrapping_mul(FNV_PRIME)
    })
}

/// Returns the key of an event:
/// `fnv_hash(item_in_session::int, fnv_hash(session_id::int, fnv_hash(ts::bigint, fnv_hash(user_id::int))))`.
#[inline]
pub(super) fn songplay_id(user_id: i32, ts: i64, session_id: i32, item_in_session: i32) -> i64 {
    let hash = fnv_hash(&user_id.to_le_bytes(), FNV_OFFSET_BASIS);
    let hash = fnv_hash(&ts.to_le_bytes(), hash);
    let hash = fnv_hash(&session_id.to_le_bytes(), hash);
    fnv_hash(&item_in_session.to_le_bytes(), hash).cast_signed()
}

/// Returns the key of the texts that an event and its song have in common:
/// `fnv_hash(artist_name, fnv_hash(0::smallint, fnv_hash(title)))`. The zero, which occurs in no text,
/// separates title and artist. The duration is not part of the key, because `FNV_HASH` of a double is not
/// documented; it is compared separately.
pub(super) fn song_key(title: &str, artist_name: &str) -> i64 {
    let hash = fnv_hash(title.as_bytes(), FNV_OFFSET_BASIS);
    let hash = fnv_hash(&0i16.to_le_bytes(), hash);
    fnv_hash(artist_name.as_bytes(), hash).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are from the AWS documentation of FNV_HASH.
    #[test]
    fn matches_hashes_documented_by_redshift() {
        let hash = |bytes: &[u8]| fnv_hash(bytes, FNV_OFFSET_BASIS).cast_signed();
        assert_eq!(hash(&1i32.to_le_bytes()), -5_968_735_742_475_085_980);
        assert_eq!(hash(&1i64.to_le_bytes()), -8_517_097_267_634_966_620);
        assert_eq!(hash(b"Amazon Redshift"), 7_783_490_368_944_507_294);
    }

    /// The values were computed by another implementation.
    #[test]
    fn song_keys_match_reference_values() {
        assert_eq!(song_key("Title", "Artist"), 1_465_977_823_591_457_354);
        assert_eq!(song_key("", ""), 590_684_067_820_433_389);
        assert_eq!(song_key("Café del Mar", "Björk"), 6_237_502_759_999_602_554);
        assert_ne!(song_key("ab", "c"), song_key("a", "bc"));
    }
}
