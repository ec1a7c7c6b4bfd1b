//! The awkward cases of the event log.

use super::Edit::*;
use super::Outcome::{Duplicate, Filtered, Kept, Rejected};
use super::{Case, Edit};

const HOME: Edit = Set("page", b"\"Home\"");

const fn case(outcome: super::Outcome, edits: &'static [Edit]) -> Case {
    Case { outcome, edits }
}
const fn syntax(edits: &'static [Edit]) -> Case {
    case(Rejected("syntax"), edits)
}
const fn encoding(edits: &'static [Edit]) -> Case {
    case(Rejected("encoding"), edits)
}
const fn kind(edits: &'static [Edit]) -> Case {
    case(Rejected("type"), edits)
}
const fn range(edits: &'static [Edit]) -> Case {
    case(Rejected("range"), edits)
}
const fn missing(edits: &'static [Edit]) -> Case {
    case(Rejected("missing"), edits)
}
const fn too_long(edits: &'static [Edit]) -> Case {
    case(Rejected("too_long"), edits)
}
const fn nul(edits: &'static [Edit]) -> Case {
    case(Rejected("nul"), edits)
}
const fn kept(edits: &'static [Edit]) -> Case {
    case(Kept, edits)
}
const fn filtered(edits: &'static [Edit]) -> Case {
    case(Filtered, edits)
}
const fn duplicate(edits: &'static [Edit]) -> Case {
    case(Duplicate, edits)
}

/// Every kind of reject, and everything odd that is none.
pub(super) const CASES: &[Case] = &[
    // Torn records. What follows a missing brace makes sure that the error is on a line of its own.
    syntax(&[Keep(12)]),
    syntax(&[Chop(2)]),
    syntax(&[Chop(1), Then(b"\n\"torn\"\n")]),
    syntax(&[Behead]),
    // Nearly JSON.
    syntax(&[Last(b"")]),
    syntax(&[Last(b""), Last(b"\"x\":1")]),
    syntax(&[Last(b"'x':1")]),
    syntax(&[Last(b"x:1")]),
    syntax(&[Last(b"\"x\" 1")]),
    syntax(&[Last(b"\"x\":1 \"y\":2")]),
    syntax(&[Last(b"\"x\":")]),
    syntax(&[Last(b"\"x\":True")]),
    syntax(&[Last(b"\"x\":tru")]),
    syntax(&[Last(b"\"x\":[1,]")]),
    syntax(&[Last(b"\"x\":[1}")]),
    syntax(&[Last(b"/* x */\"x\":1")]),
    syntax(&[Last(b"\x0c\"x\":1")]),
    syntax(&[Set("length", b"NaN")]),
    syntax(&[Set("length", b"-Infinity")]),
    syntax(&[Set("length", b".5")]),
    syntax(&[Set("length", b"218.")]),
    syntax(&[Set("itemInSession", b"01")]),
    syntax(&[Set("itemInSession", b"+1")]),
    syntax(&[HOME, Set("registration", b"1540e")]),
    syntax(&[Set("location", b"\"raw\x01control\"")]),
    syntax(&[Set("location", b"\"raw\ttab\"")]),
    syntax(&[Set("location", b"\"raw\0nul\"")]),
    syntax(&[Set("location", b"\"two\nlines\"")]),
    syntax(&[Set("song", b"\"\\x41\"")]),
    syntax(&[Set("song", b"\"\\u12G4\"")]),
    syntax(&[Nest(129)]),
    // Not objects.
    syntax(&[Instead(b"~[{\"page\":\"NextSong\"}]")]),
    syntax(&[Instead(b"-- log rotated --")]),
    syntax(&[Instead(
        b"Traceback (most recent call last):\n  File \"web.php\", line 1\n\n}",
    )]),
    syntax(&[Instead(b"null")]),
    syntax(&[Instead(b"]")]),
    // Not UTF-8, whatever the field and the page; half a surrogate pair, where the text is kept.
    encoding(&[Set("location", b"\"Latin caf\xe9\"")]),
    encoding(&[Set("location", b"\"cut \xe2\x82\"")]),
    encoding(&[Set("auth", b"\"overlong \xc0\xaf\"")]),
    encoding(&[Set("lastName", b"\"CESU \xed\xa0\x80\"")]),
    encoding(&[Set("firstName", b"\"too high \xf4\x90\x80\x80\"")]),
    encoding(&[HOME, Set("userAgent", b"\"\xff\"")]),
    encoding(&[Last(b"\"\xfe\":1")]),
    encoding(&[Set("location", b"\"\\ud800\"")]),
    encoding(&[Set("userAgent", b"\"\\udfff tail\"")]),
    encoding(&[Set("firstName", b"\"\\ud83dx\"")]),
    encoding(&[Set("lastName", b"\"\\ude00\\ud83d\"")]),
    encoding(&[Set("level", b"\"\\ud83d\\u0041\"")]),
    nul(&[Set("location", b"\"a\\u0000b\"")]),
    nul(&[Set("userAgent", b"\"\\u0000\"")]),
    nul(&[Set("level", b"\"free\\u0000\"")]),
    kind(&[Set("level", b"[\"free\"]")]),
    kind(&[Set("location", b"{\"city\":\"Elsewhere\"}")]),
    kind(&[Set("userAgent", b"{}")]),
    kind(&[Set("userId", b"[]")]),
    kind(&[Set("ts", b"{\"$date\":1541016707796}")]),
    kind(&[Set("length", b"[218.5]")]),
    kind(&[Set("userId", b"\"twenty\"")]),
    kind(&[Set("userId", b"\"26a\"")]),
    kind(&[Set("userId", b"\"0x1A\"")]),
    kind(&[Set("userId", b"\"007\"")]),
    kind(&[Set("length", b"\"3:38\"")]),
    kind(&[Set("length", b"\"Infinity\"")]),
    kind(&[Set("length", b"true")]),
    kind(&[Set("sessionId", b"false")]),
    kind(&[Set("itemInSession", b"\"true\"")]),
    kind(&[Set("itemInSession", b"1.5")]),
    kind(&[Set("itemInSession", b"5e-1")]),
    kind(&[Set("sessionId", b"\"7.25\"")]),
    kind(&[Set("ts", b"1541016707796.5")]),
    range(&[Set("ts", b"253402300800000")]),
    range(&[Set("ts", b"-62135596800001")]),
    range(&[Set("ts", b"9223372036854775808")]),
    range(&[Set("ts", b"1e30")]),
    range(&[Set("userId", b"\"2147483648\"")]),
    range(&[Set("userId", b"-2147483649")]),
    range(&[Set("sessionId", b"4294967296")]),
    range(&[Set(
        "sessionId",
        b"123456789012345678901234567890123456789012345678901234567890",
    )]),
    range(&[Set("itemInSession", b"1e10")]),
    range(&[Set("length", b"1e400")]),
    range(&[Set("length", b"\"-1e400\"")]),
    missing(&[Set("userId", b"null")]),
    missing(&[Set("userId", b"\"\"")]),
    missing(&[Without("userId")]),
    missing(&[Set("ts", b"null")]),
    missing(&[Without("ts")]),
    missing(&[Set("sessionId", b"\"\"")]),
    missing(&[Without("sessionId")]),
    missing(&[Set("itemInSession", b"null")]),
    missing(&[Set("level", b"null")]),
    missing(&[Without("level")]),
    missing(&[Rename("level", "Level")]),
    missing(&[Last(b"\"userId\":null")]),
    too_long(&[Fill("level", "x", 17)]),
    too_long(&[Fill("gender", "\\u00e9", 9)]),
    too_long(&[Fill("firstName", "x", 257)]),
    too_long(&[Fill("lastName", "x", 257)]),
    too_long(&[Fill("location", "\u{fc}", 257)]),
    too_long(&[Fill("location", "x", 70_000)]),
    too_long(&[Fill("userAgent", "x", 1025)]),
    // Odd layout.
    kept(&[End(b"\r\n")]),
    kept(&[Pretty]),
    kept(&[Pretty, Last(b"\"x\": [\n{\n},\n{\"page\":\"Home\"}\n]")]),
    kept(&[Pretty, End(b"\r\n\r\n")]),
    kept(&[Start(b"\n \t\r\n"), End(b"\n\n")]),
    kept(&[Then(b" ")]),
    kept(&[Then(b"\t")]),
    kept(&[Then(b"\r\n")]),
    kept(&[Reverse]),
    // Keys that are unknown, repeated or spelt oddly; the last one counts.
    kept(&[Last(
        b"\"x\":{\"level\":{\"page\":[1,{\"page\":null}]}},\"\":0",
    )]),
    kept(&[First(
        b"\"level\":{\"x\":1},\"userId\":\"\",\"page\":\"Home\"",
    )]),
    kept(&[First(b"\"location\":\"\\ud800\",\"ts\":1e999")]),
    kept(&[Last(b"\"location\":\"Second Thought, WA\"")]),
    filtered(&[Last(b"\"page\":\"Home\"")]),
    kept(&[
        Rename("page", "\\u0070age"),
        Rename("userId", "user\\u0049d"),
        Rename("ts", "\\u0074\\u0073"),
    ]),
    kept(&[
        Rename("song", "\\u0073ong"),
        Rename("length", "l\\u0065ngth"),
    ]),
    kept(&[
        Rename("auth", "Page"),
        Rename("method", "userid"),
        Rename("status", "page "),
    ]),
    // Numbers as text and text as numbers.
    kept(&[
        Unquote("userId"),
        Quote("ts"),
        Quote("sessionId"),
        Quote("itemInSession"),
        Quote("length"),
    ]),
    kept(&[
        Suffix("ts", ".0"),
        Suffix("sessionId", "e0"),
        Suffix("userId", ".0"),
        Suffix("length", "0"),
    ]),
    kept(&[
        Suffix("ts", "0e-1"),
        Suffix("itemInSession", "0E-1"),
        Suffix("length", "e+0"),
    ]),
    kept(&[
        Quote("ts"),
        Suffix("ts", ".000"),
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
    // Empty, null and absent.
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
        Without("location"),
        Without("userAgent"),
        Without("lastName"),
        Without("artist"),
        Without("auth"),
    ]),
    // Text of all kinds.
    kept(&[Set(
        "location",
        b"\"\\ud83c\\udfb5 Note Town, \\uD834\\uDD1E\"",
    )]),
    kept(&[Fill(
        "location",
        "Z\u{fc}rich \u{1f3b5} \u{2028}\u{feff}",
        2,
    )]),
    kept(&[Set("location", b"\"\\b\\f\\n\\r\\t\\\"\\\\\\/\x7f{}[],:\"")]),
    kept(&[
        Spell("page"),
        Spell("song"),
        Spell("artist"),
        Spell("level"),
        Spell("userId"),
    ]),
    kept(&[Set("page", b"\"Next\\u0053ong\"")]),
    // Limits, from within.
    kept(&[Nest(128)]),
    kept(&[Set("ts", b"253402300799999")]),
    kept(&[Set("ts", b"-62135596800000")]),
    kept(&[Set("ts", b"0")]),
    kept(&[Set("sessionId", b"2147483647")]),
    kept(&[Set("sessionId", b"-2147483648")]),
    kept(&[Fill("level", "x", 16), Fill("gender", "\\u00e9", 8)]),
    kept(&[
        Fill("location", "\u{fc}", 256),
        Fill("userAgent", "x", 1024),
    ]),
    // Fields that are ignored may hold anything.
    kept(&[
        Set("auth", b"\"\\ud800\""),
        Set("method", b"\"\\u0000\""),
        Set("status", b"{}"),
    ]),
    kept(&[
        Set("registration", b"-1e999"),
        Last(b"\"x\":\"\\udc00\""),
        Fill("auth", "x", 2_000),
    ]),
    // So may events on other pages.
    filtered(&[
        HOME,
        Set("location", b"\"\\ud800\\u0000\""),
        Set("level", b"null"),
    ]),
    filtered(&[
        HOME,
        Set("ts", b"{}"),
        Set("userId", b"\"nobody\""),
        Set("length", b"1e400"),
    ]),
    filtered(&[HOME, Fill("userAgent", "x", 2_000), Without("sessionId")]),
    filtered(&[Set("page", b"\"nextsong\"")]),
    filtered(&[Set("page", b"\"NextSong \"")]),
    filtered(&[Set("page", b"\"\"")]),
    filtered(&[Set("page", b"null")]),
    filtered(&[Set("page", b"5")]),
    filtered(&[Without("page")]),
    filtered(&[Instead(b"{}")]),
    filtered(&[Instead(b"{ \r\n }")]),
    // Delivered again.
    duplicate(&[Again]),
    duplicate(&[Again, Last(b"\"delivery\":2")]),
    duplicate(&[
        Again,
        Set("status", b"503"),
        Set("location", b"\"Elsewhere, ZZ\""),
    ]),
    duplicate(&[Again, Unquote("userId"), Suffix("ts", ".0"), Reverse]),
    duplicate(&[Again, Pretty]),
];
