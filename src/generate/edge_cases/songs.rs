//! Lists the edge cases of the song input. Each case is written to a file of its own.

use super::case::ExpectedOutcome::{Kept, Rejected};
use super::case::RecordEdit::*;
use super::case::{EdgeCase, RecordEdit};

const fn rejected(reason: &'static str, edits: &'static [RecordEdit]) -> EdgeCase {
    EdgeCase {
        outcome: Rejected(reason),
        edits,
    }
}
const fn kept(edits: &'static [RecordEdit]) -> EdgeCase {
    EdgeCase {
        outcome: Kept,
        edits,
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Every kind of reject, and unusual records that are accepted.
pub(super) const CASES: &[EdgeCase] = &[
    rejected("syntax", &[Truncate(33)]),
    rejected("syntax", &[DropLast(1), CleanAfter(b"\n\"torn\"\n")]),
    rejected("syntax", &[DropFirst]),
    rejected("syntax", &[AppendMember(b"")]),
    rejected("syntax", &[Set("year", b"02004")]),
    rejected("syntax", &[Set("duration", b"NaN")]),
    rejected("syntax", &[Set("title", b"\"raw\x02control\"")]),
    rejected("syntax", &[NestTo(129)]),
    rejected("syntax", &[Replace(b"null")]),
    rejected(
        "not_json",
        &[Replace(b"<Error><Code>AccessDenied</Code></Error>")],
    ),
    rejected("not_json", &[Replace(b"\xff\xfe{\0}\0")]),
    rejected("encoding", &[Set("title", b"\"Latin caf\xe9\"")]),
    rejected("encoding", &[Set("num_songs", b"\"\xff\"")]),
    rejected("encoding", &[Set("artist_name", b"\"\\ud800\"")]),
    rejected("encoding", &[Set("artist_location", b"\"\\udc00\\ud800\"")]),
    rejected("nul", &[Set("title", b"\"a\\u0000b\"")]),
    rejected("nul", &[Set("artist_location", b"\"\\u0000\"")]),
    rejected("type", &[Set("artist_name", b"{\"name\":\"x\"}")]),
    rejected("type", &[Set("title", b"[]")]),
    rejected("type", &[Set("year", b"2004.5")]),
    rejected("type", &[Set("year", b"\"soon\"")]),
    rejected("type", &[Set("duration", b"\"3:38\"")]),
    rejected("type", &[Set("artist_latitude", b"true")]),
    rejected("type", &[Set("artist_longitude", b"\"12E\"")]),
    rejected("range", &[Set("year", b"2147483648")]),
    rejected("range", &[Set("year", b"\"1e10\"")]),
    rejected("range", &[Set("duration", b"1e400")]),
    rejected("range", &[Set("artist_latitude", b"\"-1e400\"")]),
    rejected("missing", &[Set("song_id", b"null")]),
    rejected("missing", &[RemoveField("artist_id")]),
    rejected("missing", &[Set("title", b"null")]),
    rejected("missing", &[RenameKey("artist_name", "artist")]),
    rejected("missing", &[Set("duration", b"\"\"")]),
    rejected("missing", &[RemoveField("duration")]),
    rejected("too_long", &[FillText("song_id", "S", 33)]),
    rejected("too_long", &[FillText("artist_id", "A", 33)]),
    rejected("too_long", &[FillText("title", "\u{fc}", 513)]),
    rejected("too_long", &[FillText("artist_name", "x", 1025)]),
    rejected("too_long", &[FillText("artist_location", "x", 1025)]),
    // Unusual layout.
    kept(&[BytesAfter(b"\n")]),
    kept(&[BytesAfter(b"\r\n")]),
    kept(&[PrettyPrint, BytesAfter(b"\n\n")]),
    kept(&[BytesBefore(BOM)]),
    kept(&[BytesBefore(b"\xef\xbb\xbf\r\n"), PrettyPrint]),
    kept(&[BytesBefore(b"\n\n \t"), ReverseFields]),
    kept(&[CleanAfter(b" ")]),
    kept(&[CleanAfter(b"\r\n")]),
    kept(&[PrettyPrint, CleanAfter(b"\n")]),
    // Unusual keys.
    kept(&[
        PrependMember(b"\"title\":{},\"duration\":null"),
        AppendMember(b"\"tags\":[{\"title\":[\"\\ud800\"]}]"),
    ]),
    kept(&[
        RenameKey("title", "\\u0074itle"),
        RenameKey("song_id", "song\\u005fid"),
    ]),
    kept(&[AppendMember(b"\"title\":\"Second Thought\"")]),
    kept(&[NestTo(128)]),
    // Unusual values.
    kept(&[Set("artist_name", b"112"), Set("title", b"1.50")]),
    kept(&[
        Set("artist_name", b"true"),
        Set("title", b"\"\""),
        Set("artist_location", b"3"),
    ]),
    kept(&[
        Quote("year"),
        Quote("duration"),
        Set("artist_latitude", b"\"12.5\""),
        Set("artist_longitude", b"\"-3e1\""),
    ]),
    kept(&[
        LengthenNumber("year", ".0"),
        LengthenNumber("duration", "0e0"),
    ]),
    kept(&[
        Set("year", b"null"),
        Set("artist_location", b"null"),
        RemoveField("num_songs"),
    ]),
    kept(&[
        RemoveField("year"),
        RemoveField("artist_location"),
        RemoveField("artist_latitude"),
        RemoveField("artist_longitude"),
    ]),
    kept(&[
        Set("year", b"\"\""),
        Set("artist_latitude", b"\"\""),
        Set("artist_longitude", b"7.5"),
    ]),
    kept(&[Set("year", b"-2147483648"), Set("duration", b"0")]),
    kept(&[
        FillText("artist_location", "Z\u{fc}rich \u{1f3b5}", 2),
        Set("artist_name", b"\"\\ud83c\\udfb5\""),
    ]),
    kept(&[
        EscapeText("title"),
        EscapeText("artist_name"),
        EscapeText("song_id"),
    ]),
    kept(&[
        FillText("title", "x", 1024),
        FillText("artist_location", "\u{fc}", 512),
    ]),
    kept(&[Set("num_songs", b"\"\\ud800\\u0000\"")]),
    // The previous song again, with other values and the same artist.
    kept(&[ReusePrevious]),
    kept(&[ReusePrevious, Set("title", b"\"~ Later\"")]),
    kept(&[ReusePrevious, Set("title", b"\" Earlier\"")]),
    kept(&[ReusePrevious, RemoveField("year")]),
    kept(&[ReusePrevious, Set("duration", b"1.5")]),
    kept(&[ReusePrevious, Set("artist_name", b"\"! First of all\"")]),
    kept(&[
        ReusePrevious,
        Set("artist_location", b"\"Zenith, ZZ\""),
        Set("artist_latitude", b"1.5"),
        Set("artist_longitude", b"null"),
    ]),
    // Another song of the previous artist: coordinates take precedence over a location, and a location over none.
    kept(&[
        SAME_ARTIST,
        Set("artist_location", b"\"\""),
        Set("artist_latitude", b"1.5"),
        Set("artist_longitude", b"-2"),
    ]),
    kept(&[
        SAME_ARTIST,
        Set("artist_location", b"\"Aleph, AA\""),
        Set("artist_latitude", b"2.5"),
        Set("artist_longitude", b"3"),
    ]),
    kept(&[
        SAME_ARTIST,
        Set("artist_location", b"\"Nadir, NN\""),
        Set("artist_latitude", b"null"),
    ]),
    kept(&[
        SAME_ARTIST,
        RemoveField("artist_location"),
        Set("artist_name", b"\"Also Known As\""),
    ]),
];

const SAME_ARTIST: RecordEdit = CopyFields(&["artist_id", "artist_name"]);
