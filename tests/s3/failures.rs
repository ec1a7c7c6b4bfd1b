//! Each fault is what it says.

use std::time::Duration;

use crate::asked::{Kind, Which};
use crate::client::Client;
use crate::faults::{Fault, Faults};
use crate::reply::Reply;
use crate::server::{ACCESS_KEY, Server};
use crate::wire::{Ending, Heard, ask, ask_until};

/// More than what a connection holds by itself.
const BIG: usize = 8 << 20;

/// A server with this fault for all but listings, with one object.
fn failing(fault: Fault) -> Server {
    let server = Server::faulty(
        Faults::new()
            .always(Which::kind(Kind::Get), fault.clone())
            .always(Which::kind(Kind::Put), fault),
    );
    std::fs::write(server.bucket("music").join("x"), vec![b'x'; BIG]).unwrap();
    server
}

/// What a server says to a proper GET of its object.
fn get(server: &Server) -> Heard {
    ask(server, "GET", &get_of(server), b"")
}

/// What a server says to a proper PUT of a new object.
fn put(server: &Server, length: usize) -> Heard {
    ask(server, "PUT", &put_of(server), &vec![b'n'; length])
}

fn get_of(server: &Server) -> String {
    Client::of(server).signed_get("music", "x")
}

fn put_of(server: &Server) -> String {
    Client::of(server).signed_put("music", "new")
}

#[test]
fn replies_have_the_words_of_s3() {
    for (reply, status, code, words) in [
        (
            Reply::slow_down(),
            503,
            "SlowDown",
            "reduce your request rate",
        ),
        (Reply::internal_error(), 500, "InternalError", "try again"),
        (
            Reply::request_timeout(),
            400,
            "RequestTimeout",
            "timeout period",
        ),
        (
            Reply::no_such_bucket("music"),
            404,
            "NoSuchBucket",
            "<BucketName>music</",
        ),
        (Reply::access_denied(), 403, "AccessDenied", "Access Denied"),
        (
            Reply::kms_denied("eu-west-1"),
            403,
            "AccessDenied",
            "kms:Decrypt",
        ),
        (
            Reply::kms_disabled("eu-west-1"),
            400,
            "KMS.DisabledException",
            "arn:aws:kms:eu-west-1:",
        ),
        (
            Reply::permanent_redirect("music", "eu-west-1"),
            301,
            "PermanentRedirect",
            "<Endpoint>music.s3.eu-west-1.amazonaws.com</",
        ),
        (
            Reply::wrong_region("us-east-1", "eu-west-1"),
            400,
            "AuthorizationHeaderMalformed",
            "<Region>eu-west-1</",
        ),
        (Reply::expired_token(), 400, "ExpiredToken", "has expired"),
        (
            Reply::invalid_access_key(ACCESS_KEY),
            403,
            "InvalidAccessKeyId",
            ACCESS_KEY,
        ),
        (
            Reply::wrong_signature(ACCESS_KEY),
            403,
            "SignatureDoesNotMatch",
            "<StringToSign>",
        ),
        (
            Reply::wrong_clock(),
            403,
            "RequestTimeTooSkewed",
            "<MaxAllowedSkewMilliseconds>",
        ),
        (Reply::archived(), 403, "InvalidObjectState", "GLACIER"),
        (
            Reply::conflict("x"),
            409,
            "ConditionalRequestConflict",
            "<Key>x</",
        ),
    ] {
        let server = failing(Fault::Reply(reply));
        let heard = get(&server);
        let body = String::from_utf8(heard.body.clone()).unwrap();
        assert!(
            heard.head.starts_with(&format!("http/1.1 {status} ")),
            "{heard:?}"
        );
        assert_eq!(heard.header("content-type"), Some("application/xml"));
        assert_eq!(heard.end, Ending::Complete);
        assert!(body.contains(words), "{body}");
        if ["PermanentRedirect", "AuthorizationHeaderMalformed"].contains(&code) {
            assert_eq!(heard.header("x-amz-bucket-region"), Some("eu-west-1"));
        }
        let client = Client::of(&server);
        assert_eq!(client.get("music", "x").unwrap_err(), code);
        assert_eq!(client.put("music", "new", b"new").unwrap_err(), code);
        assert!(!server.objects("music").contains_key("new"));
    }
}

#[test]
fn an_upload_may_fail_after_the_head_of_the_answer() {
    let late = Reply::new(200, "InternalError", "We encountered an internal error.");
    let fault = Fault::Reply(late);
    let server = Server::faulty(Faults::new().first(1, Which::kind(Kind::CompleteUpload), fault));
    server.bucket("music");
    let client = Client::of(&server);
    let id = client.begin("music", "x");
    let upload = ("music", "x", id.as_str());
    let part = client.part(upload, 1, vec![1]).unwrap();
    let failed = client.complete(upload, vec![part.clone()]);
    assert_eq!(failed.unwrap_err(), "InternalError");
    client.complete(upload, vec![part]).unwrap();
}

#[test]
fn a_cut_answer_is_shorter_than_it_says() {
    let heard = get(&failing(Fault::Cut));
    assert!(heard.head.starts_with("http/1.1 200 "));
    assert_eq!((heard.length(), heard.end), (BIG, Ending::Closed));
    assert!(heard.body.len() < BIG);
}

#[test]
fn a_small_answer_is_cut_to_the_byte() {
    let cut = Faults::new().always(Which::kind(Kind::Get), Fault::Cut);
    let server = Server::faulty(cut);
    std::fs::write(server.bucket("music").join("x"), "0123456789").unwrap();
    let heard = get(&server);
    assert_eq!((heard.length(), heard.body.as_slice()), (10, &b"01234"[..]));
    assert_eq!(heard.end, Ending::Closed);

    std::fs::write(server.bucket("music").join("x"), "").unwrap();
    let heard = get(&server);
    assert_eq!((heard.head.as_str(), heard.end), ("", Ending::Closed));
}

#[test]
fn a_listing_is_cut_as_well() {
    let cut = Faults::new().first(1, Which::kind(Kind::List), Fault::Cut);
    let server = Server::faulty(cut);
    server.bucket("music");
    let client = Client::of(&server);
    assert_eq!(client.pages("music", "").unwrap_err(), "no answer");
    client.pages("music", "").unwrap();
}

#[test]
fn a_cut_upload_leaves_no_object() {
    let server = failing(Fault::Cut);
    let heard = put(&server, BIG);
    assert_eq!((heard.head.as_str(), heard.end), ("", Ending::Closed));
    assert!(!server.objects("music").contains_key("new"));
}

#[test]
fn a_stalled_answer_stops_in_the_middle() {
    let server = failing(Fault::Stall);
    let heard = ask_until(&server, "GET", &get_of(&server), b"", BIG / 2);
    assert_eq!((heard.length(), heard.end), (BIG, Ending::Silent));
    assert_eq!(heard.body.len(), BIG / 2);
}

#[test]
fn a_stalled_upload_is_not_answered() {
    for length in [3, BIG] {
        let server = failing(Fault::Stall);
        let heard = ask_until(&server, "PUT", &put_of(&server), &vec![b'n'; length], 0);
        assert_eq!((heard.head.as_str(), heard.end), ("", Ending::Silent));
        assert!(!server.objects("music").contains_key("new"));
    }
}

#[test]
fn silence_has_not_even_a_head() {
    let server = failing(Fault::Silence);
    for (method, target) in [("GET", get_of(&server)), ("PUT", put_of(&server))] {
        let heard = ask_until(&server, method, &target, b"nnn", 0);
        assert_eq!((heard.head.as_str(), heard.end), ("", Ending::Silent));
    }
    assert!(!server.objects("music").contains_key("new"));
}

#[test]
fn a_dropped_connection_has_no_answer() {
    let server = failing(Fault::Drop);
    for heard in [get(&server), put(&server, 3), put(&server, BIG)] {
        assert_eq!((heard.head.as_str(), heard.end), ("", Ending::Closed));
    }
    assert!(!server.objects("music").contains_key("new"));
}

#[test]
fn of_a_lost_answer_the_work_is_done() {
    let server = failing(Fault::Lose);
    let heard = put(&server, 3);
    assert_eq!((heard.head.as_str(), heard.end), ("", Ending::Closed));
    assert_eq!(server.objects("music")["new"], b"nnn");
}

#[test]
fn late_answers_overlap() {
    let late = Fault::Late(Duration::from_millis(100));
    let server = Server::faulty(Faults::new().always(Which::any(), late));
    std::fs::write(server.bucket("music").join("x"), "x").unwrap();
    let client = Client::of(&server);
    let get = || client.s3.get_object().bucket("music").key("x").send();
    let (one, two, three) = client.wait(async { tokio::join!(get(), get(), get()) });
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    client.get("music", "x").unwrap();
    assert_eq!(server.most_gets_at_once(), 3);
    assert_eq!(server.connections(), 3);
}

#[test]
fn the_first_requests_are_counted_for_each_key() {
    let slow = Fault::Reply(Reply::slow_down());
    let server = Server::faulty(
        Faults::new()
            .first(2, Which::kind(Kind::Get), slow.clone())
            .always(Which::kind(Kind::Put).of_key("part-00001"), slow),
    );
    let folder = server.bucket("music");
    std::fs::write(folder.join("x"), "x").unwrap();
    std::fs::write(folder.join("y"), "y").unwrap();
    let client = Client::of(&server);
    for key in ["x", "y"] {
        for _ in 0..2 {
            assert_eq!(client.get("music", key).unwrap_err(), "SlowDown");
        }
        client.get("music", key).unwrap();
    }
    client.put("music", "run/part-00000", b"").unwrap();
    for _ in 0..3 {
        let refused = client.put("music", "run/part-00001", b"").unwrap_err();
        assert_eq!(refused, "SlowDown");
    }
    assert_eq!(server.faults(), 7);
}

#[test]
fn something_can_be_done_when_a_request_comes() {
    let server = Server::faulty(Faults::new().at(
        2,
        Which::kind(Kind::Get).of_key("x"),
        |buckets| std::fs::remove_file(buckets.join("music/x")).unwrap(),
    ));
    let folder = server.bucket("music");
    std::fs::write(folder.join("x"), "x").unwrap();
    std::fs::write(folder.join("y"), "y").unwrap();
    let client = Client::of(&server);
    client.get("music", "x").unwrap();
    client.get("music", "y").unwrap();
    client.get("music", "y").unwrap();
    assert_eq!(client.get("music", "x").unwrap_err(), "NoSuchKey");
    assert_eq!(
        (client.get("music", "y").unwrap(), server.faults()),
        (b"y".into(), 0)
    );
}

/// How each of the repeated reads of some objects ends under a seed.
fn fates(seed: u64) -> Vec<Result<Vec<u8>, String>> {
    let odds = vec![
        (0.25, Fault::Reply(Reply::slow_down())),
        (0.25, Fault::Cut),
        (0.25, Fault::Drop),
    ];
    let server = Server::faulty(Faults::new().by_chance(seed, 2, odds));
    let folder = server.bucket("music");
    let client = Client::of(&server);
    let mut fates = Vec::new();
    for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        std::fs::write(folder.join(key), "0123456789").unwrap();
        let times: Vec<_> = (0..4).map(|_| client.get("music", key)).collect();
        assert!(times.iter().filter(|fate| fate.is_err()).count() <= 2);
        fates.extend(times);
    }
    let failed = fates.iter().filter(|fate| fate.is_err()).count();
    assert_eq!(server.faults(), failed);
    fates
}

#[test]
fn chance_follows_the_seed() {
    let some = fates(1);
    assert_eq!(some, fates(1));
    assert_ne!(some, fates(2));
    for word in ["SlowDown", "body", "no answer"] {
        assert!(some.contains(&Err(word.to_owned())), "no {word}: {some:?}");
    }
}
