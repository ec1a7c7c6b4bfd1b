//! Lists the edge cases of the log input.

use super::case::ExpectedOutcome::{Duplicate, Filtered, Kept, Rejected};
use super::case::RecordEdit::*;
use super::case::{EdgeCase, ExpectedOutcome, RecordEdit};

const HOME_PAGE: RecordEdit = Set("page", b"\"Home\"");

const fn case(outcome: ExpectedOutcome, edits: &'static [RecordEdit]) -> EdgeCase {
    EdgeCase { outcome, edits }
}
const fn syntax(edits: &'static [RecordEdit]) -> EdgeCase {
    case(Rejected("syntax"), edits)
}
const fn encoding(edits: &'static [RecordEdit]) -> EdgeCase {
    case(Rejected("encoding"), edits)
}
const fn wrong_type(edits: &'static [RecordEdit]) -> EdgeCase {
    case(Rejected("type"), edits)
}
const fn out_of_range(edits: &'static [RecordEdit]) -> EdgeCase {
    case(Rejected("range"), edits)
}
const fn missing(edits: &'static [RecordEdit]) -> EdgeCase {
    case(Rejected("missing"), edits)
}
const fn too_long(edits: &'static [RecordEdit]) -> EdgeCase {
    case(Rejected("too_long"), edits)
}
const fn nul(edits: &'static [RecordEdit]) -> EdgeCase {
    case(Rejected("nul"), edits)
}
const fn kept(edits: &'static [RecordEdit]) -> EdgeCase {
    case(Kept, edits)
}
const fn filtered(edits: &'static [RecordEdit]) -> EdgeCase {
    case(Filtered, edits)
}
const fn duplicate(edits: &'static [RecordEdit]) -> EdgeCase {
    case(Duplicate, edits)
}

/// Every kind of reject, and unusual records that are accepted.
pub(super) const CASES: &[EdgeCase] = &[
    // Truncated records. The text after a missing brace makes sure that the error is on a line of its own.
    syntax(&[Truncate(12)]),
    syntax(&[DropLast(2)]),
    syntax(&[DropLast(1), CleanAfter(b"\n\"torn\"\n")]),
    syntax(&[DropFirst]),
    // Not quite JSON.
    syntax(&[AppendMember(b"")]),
    syntax(&[AppendMember(b""), AppendMember(b"\"x\":1")]),
    syntax(&[AppendMember(b"'x':1")]),
    syntax(&[AppendMember(b"x:1")]),
    syntax(&[AppendMember(b"\"x\" 1")]),
    syntax(&[AppendMember(b"\"x\":1 \"y\":2")]),
    syntax(&[AppendMember(b"\"x\":")]),
    syntax(&[AppendMember(b"\"x\":True")]),
    syntax(&[AppendMember(b"\"x\":tru")]),
    syntax(&[AppendMember(b"\"x\":[1,]")]),
    syntax(&[AppendMember(b"\"x\":[1}")]),
    syntax(&[AppendMember(b"/* x */\"x\":1")]),
    syntax(&[AppendMember(b"\x0c\"x\":1")]),
    syntax(&[Set("length", b"NaN")]),
    syntax(&[Set("length", b"-Infinity")]),
    syntax(&[Set("length", b".5")]),
    syntax(&[Set("length", b"218.")]),
    syntax(&[Set("itemInSession", b"01")]),
    syntax(&[Set("itemInSession", b"+1")]),
    syntax(&[HOME_PAGE, Set("registration", b"1540e")]),
    syntax(&[Set("location", b"\"raw\x01control\"")]),
    syntax(&[Set("location", b"\"raw\ttab\"")]),
    syntax(&[Set("location", b"\"raw\0nul\"")]),
    syntax(&[Set("location", b"\"two\nlines\"")]),
    syntax(&[Set("song", b"\"\\x41\"")]),
    syntax(&[Set("song", b"\"\\u12G4\"")]),
    syntax(&[NestTo(129)]),
    // Not objects.
    syntax(&[Replace(b"~[{\"page\":\"NextSong\"}]")]),
    syntax(&[Replace(b"-- log rotated --")]),
    syntax(&[Replace(
        b"Traceback (most recent call last):\n  File \"web.php\", line 1\n\n}",
    )]),
    syntax(&[Replace(b"null")]),
    syntax(&[Replace(b"]")]),
    // Invalid UTF-8 in any field and on any page, and lone surrogates in kept texts.
    encoding(&[Set("location", b"\"Latin caf\xe9\"")]),
    encoding(&[Set("location", b"\"cut \xe2\x82\"")]),
    encoding(&[Set("auth", b"\"overlong \xc0\xaf\"")]),
    encoding(&[Set("lastName", b"\"CESU \xed\xa0\x80\"")]),
    encoding(&[Set("firstName", b"\"too high \xf4\x90\x80\x80\"")]),
    encoding(&[HOME_PAGE, Set("userAgent", b"\"\xff\"")]),
    encoding(&[AppendMember(b"\"\xfe\":1")]),
    encoding(&[Set("location", b"\"\\ud800\"")]),
    encoding(&[Set("userAgent", b"\"\\udfff tail\"")]),
    encoding(&[Set("firstName", b"\"\\ud83dx\"")]),
    encoding(&[Set("lastName", b"\"\\ude00\\ud83d\"")]),
    encoding(&[Set("level", b"\"\\ud83d\\u0041\"")]),
    nul(&[Set("location", b"\"a\\u0000b\"")]),
    nul(&[Set("userAgent", b"\"\\u0000\"")]),
    nul(&[Set("level", b"\"free\\u0000\"")]),
    wrong_type(&[Set("level", b"[\"free\"]")]),
    wrong_type(&[Set("location", b"{\"city\":\"Elsewhere\"}")]),
    wrong_type(&[Set("userAgent", b"{}")]),
    wrong_type(&[Set("userId", b"[]")]),
    wrong_type(&[Set("ts", b"{\"$date\":1541016707796}")]),
    wrong_type(&[Set("length", b"[218.5]")]),
    wrong_type(&[Set("userId", b"\"twenty\"")]),
    wrong_type(&[Set("userId", b"\"26a\"")]),
    wrong_type(&[Set("userId", b"\"0x1A\"")]),
    wrong_type(&[Set("userId", b"\"007\"")]),
    wrong_type(&[Set("length", b"\"3:38\"")]),
    wrong_type(&[Set("length", b"\"Infinity\"")]),
    wrong_type(&[Set("length", b"true")]),
    wrong_type(&[Set("sessionId", b"false")]),
    wrong_type(&[Set("itemInSession", b"\"true\"")]),
    wrong_type(&[Set("itemInSession", b"1.5")]),
    wrong_type(&[Set("itemInSession", b"5e-1")]),
    wrong_type(&[Set("sessionId", b"\"7.25\"")]),
    wrong_type(&[Set("ts", b"1541016707796.5")]),
    out_of_range(&[Set("ts", b"253402300800000")]),
    out_of_range(&[Set("ts", b"-62135596800001")]),
    out_of_range(&[Set("ts", b"9223372036854775808")]),
    out_of_range(&[Set("ts", b"1e30")]),
    out_of_range(&[Set("userId", b"\"2147483648\"")]),
    out_of_range(&[Set("userId", b"-2147483649")]),
    out_of_range(&[Set("sessionId", b"4294967296")]),
    out_of_range(&[Set(
        "sessionId",
        b"123456789012345678901234567890123456789012345678901234567890",
    )]),
    out_of_range(&[Set("itemInSession", b"1e10")]),
    out_of_range(&[Set("length", b"1e400")]),
    out_of_range(&[Set("length", b"\"-1e400\"")]),
    missing(&[Set("userId", b"null")]),
    missing(&[Set("userId", b"\"\"")]),
    missing(&[RemoveField("userId")]),
    missing(&[Set("ts", b"null")]),
    missing(&[RemoveField("ts")]),
    missing(&[Set("sessionId", b"\"\"")]),
    missing(&[RemoveField("sessionId")]),
    missing(&[Set("itemInSession", b"null")]),
    missing(&[Set("level", b"null")]),
    missing(&[RemoveField("level")]),
    missing(&[RenameKey("level", "Level")]),
    missing(&[AppendMember(b"\"userId\":null")]),
    too_long(&[FillText("level", "x", 17)]),
    too_long(&[FillText("gender", "\\u00e9", 9)]),
    too_long(&[FillText("firstName", "x", 257)]),
    too_long(&[FillText("lastName", "x", 257)]),
    too_long(&[FillText("location", "\u{fc}", 257)]),
    too_long(&[FillText("location", "x", 70_000)]),
    too_long(&[FillText("userAgent", "x", 1025)]),
    // Unusual layout.
    kept(&[BytesAfter(b"\r\n")]),
    kept(&[PrettyPrint]),
    kept(&[
        PrettyPrint,
        AppendMember(b"\"x\": [\n{\n},\n{\"page\":\"Home\"}\n]"),
    ]),
    kept(&[PrettyPrint, BytesAfter(b"\r\n\r\n")]),
    kept(&[BytesBefore(b"\n \t\r\n"), BytesAfter(b"\n\n")]),
    kept(&[CleanAfter(b" ")]),
    kept(&[CleanAfter(b"\t")]),
    kept(&[CleanAfter(b"\r\n")]),
    kept(&[ReverseFields]),
    // Unknown, repeated and escaped keys. The last one of a repeated key counts.
    kept(&[AppendMember(
        b"\"x\":{\"level\":{\"page\":[1,{\"page\":null}]}},\"\":0",
    )]),
    kept(&[PrependMember(
        b"\"level\":{\"x\":1},\"userId\":\"\",\"page\":\"Home\"",
    )]),
    kept(&[PrependMember(b"\"location\":\"\\ud800\",\"ts\":1e999")]),
    kept(&[AppendMember(b"\"location\":\"Second Thought, WA\"")]),
    filtered(&[AppendMember(b"\"page\":\"Home\"")]),
    kept(&[
        RenameKey("page", "\\u0070age"),
        RenameKey("userId", "user\\u0049d"),
        RenameKey("ts", "\\u0074\\u0073"),
    ]),
    kept(&[
        RenameKey("song", "\\u0073ong"),
        RenameKey("length", "l\\u0065ngth"),
    ]),
    kept(&[
        RenameKey("auth", "Page"),
        RenameKey("method", "userid"),
        RenameKey("status", "page "),
    ]),
    // Numbers as text, and text as numbers.
    kept(&[
        Unquote("userId"),
        Quote("ts"),
        Quote("sessionId"),
        Quote("itemInSession"),
        Quote("length"),
    ]),
    kept(&[
        LengthenNumber("ts", ".0"),
        LengthenNumber("sessionId", "e0"),
        LengthenNumber("userId", ".0"),
        LengthenNumber("length", "0"),
    ]),
    kept(&[
        LengthenNumber("ts", "0e-1"),
        LengthenNumber("itemInSession", "0E-1"),
        LengthenNumber("length", "e+0"),
    ]),
    kept(&[
        Quote("ts"),
        LengthenNumber("ts", ".000"),
        Set("itemInSession", b"1e3"),
    ]),
    kept(&[
        Set("song", b"112"),
        Set("artist", b"1.50"),
        Set("location", b"-0.0e1"),
    ]),
    kept(&[
        Set("song", b"true"),
        Set("firstName", b"false"),
        Set("gender", b"0"),
        Set("level", b"1"),
    ]),
    kept(&[Set("length", b"\"\"")]),
    kept(&[Set("length", b"1e-400")]),
    kept(&[Set(
        "length",
        b"218.9317900000000000000000000000000000000000000000000001",
    )]),
    // Empty, null and missing values.
    kept(&[
        Set("location", b"\"\""),
        Set("firstName", b"\"\""),
        Set("userAgent", b"\"\""),
        Set("level", b"\"\""),
    ]),
    kept(&[
        Set("location", b"null"),
        Set("gender", b"null"),
        Set("song", b"null"),
        Set("length", b"null"),
    ]),
    kept(&[
        RemoveField("location"),
        RemoveField("userAgent"),
        RemoveField("lastName"),
        RemoveField("artist"),
        RemoveField("auth"),
    ]),
    // Text of all kinds.
    kept(&[Set(
        "location",
        b"\"\\ud83c\\udfb5 Note Town, \\uD834\\uDD1E\"",
    )]),
    kept(&[FillText(
        "location",
        "Z\u{fc}rich \u{1f3b5} \u{2028}\u{feff}",
        2,
    )]),
    kept(&[Set("location", b"\"\\b\\f\\n\\r\\t\\\"\\\\\\/\x7f{}[],:\"")]),
    kept(&[
        EscapeText("page"),
        EscapeText("song"),
        EscapeText("artist"),
        EscapeText("level"),
        EscapeText("userId"),
    ]),
    kept(&[Set("page", b"\"Next\\u0053ong\"")]),
    // Values at the limits.
    kept(&[NestTo(128)]),
    kept(&[Set("ts", b"253402300799999")]),
    kept(&[Set("ts", b"-62135596800000")]),
    kept(&[Set("ts", b"0")]),
    kept(&[Set("sessionId", b"2147483647")]),
    kept(&[Set("sessionId", b"-2147483648")]),
    kept(&[FillText("level", "x", 16), FillText("gender", "\\u00e9", 8)]),
    kept(&[
        FillText("location", "\u{fc}", 256),
        FillText("userAgent", "x", 1024),
    ]),
    // Ignored fields may have any value.
    kept(&[
        Set("auth", b"\"\\ud800\""),
        Set("method", b"\"\\u0000\""),
        Set("status", b"{}"),
    ]),
    kept(&[
        Set("registration", b"-1e999"),
        AppendMember(b"\"x\":\"\\udc00\""),
        FillText("auth", "x", 2_000),
    ]),
    // Events on other pages may have any value too.
    filtered(&[
        HOME_PAGE,
        Set("location", b"\"\\ud800\\u0000\""),
        Set("level", b"null"),
    ]),
    filtered(&[
        HOME_PAGE,
        Set("ts", b"{}"),
        Set("userId", b"\"nobody\""),
        Set("length", b"1e400"),
    ]),
    filtered(&[
        HOME_PAGE,
        FillText("userAgent", "x", 2_000),
        RemoveField("sessionId"),
    ]),
    filtered(&[Set("page", b"\"nextsong\"")]),
    filtered(&[Set("page", b"\"NextSong \"")]),
    filtered(&[Set("page", b"\"\"")]),
    filtered(&[Set("page", b"null")]),
    filtered(&[Set("page", b"5")]),
    filtered(&[RemoveField("page")]),
    filtered(&[Replace(b"{}")]),
    filtered(&[Replace(b"{ \r\n }")]),
    // Repeated deliveries.
    duplicate(&[ReusePrevious]),
    duplicate(&[ReusePrevious, AppendMember(b"\"delivery\":2")]),
    duplicate(&[
        ReusePrevious,
        Set("status", b"503"),
        Set("location", b"\"Elsewhere, ZZ\""),
    ]),
    duplicate(&[
        ReusePrevious,
        Unquote("userId"),
        LengthenNumber("ts", ".0"),
        ReverseFields,
    ]),
    duplicate(&[ReusePrevious, PrettyPrint]),
];
