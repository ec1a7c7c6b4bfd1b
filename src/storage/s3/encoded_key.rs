//! Decodes the keys of listings.

use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

/// Returns a key of a listing as it is. The response says whether the server has encoded it: some servers ignore the
/// request for it.
pub(super) fn decode_key(key: String, encoding: Option<&EncodingType>) -> String {
    if encoding != Some(&EncodingType::Url) || !key.contains(['%', '+']) {
        return key;
    }
    // A space is encoded as in forms; a plus sign is `%2B`.
    let spaces = key.replace('+', " ");
    match percent_decode_str(&spaces).decode_utf8() {
        Ok(decoded) => decoded.into_owned(),
        // Keys are UTF-8, so that the server has not encoded this one.
        Err(_) => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_only_if_the_response_says_so() {
        let url = Some(&EncodingType::Url);
        for (key, encoding, decoded) in [
            ("a%01b.json", url, "a\u{1}b.json"),
            ("a%EF%BF%BEb.json", url, "a\u{fffe}b.json"),
            ("a+b%2Bc%25d/e.json", url, "a b+c%d/e.json"),
            ("a%FF.json", url, "a%FF.json"),
            ("a%zz.json", url, "a%zz.json"),
            ("a+b%2B.json", None, "a+b%2B.json"),
        ] {
            assert_eq!(decode_key(key.to_owned(), encoding), decoded, "{key}");
        }
    }
}
