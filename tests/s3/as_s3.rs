//! What a client may rely on with S3, it may rely on here.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::asked::{Kind, Which};
use crate::client::Client;
use crate::faults::{Fault, Faults};
use crate::server::Server;
use crate::wire;

const NEEDED_PART: usize = 5 << 20;

#[test]
fn a_listing_comes_in_pages() {
    let server = Server::faulty(Faults::new().page(3));
    let folder = server.bucket("music");
    for name in ["a", "b", "c", "d", "e", "f", "other"] {
        std::fs::create_dir_all(folder.join("in")).unwrap();
        std::fs::write(folder.join("in").join(name), name).unwrap();
    }
    server.mark("music", "in/");
    let client = Client::of(&server);
    let pages = client.pages("music", "in/").unwrap();
    let keys: Vec<Vec<&str>> = pages
        .iter()
        .map(|page| page.contents().iter().filter_map(|o| o.key()).collect())
        .collect();
    assert_eq!(
        keys,
        [
            vec!["in/", "in/a", "in/b"],
            vec!["in/c", "in/d", "in/e"],
            vec!["in/f", "in/other"]
        ]
    );
    for page in &pages[..2] {
        assert!(!page.next_continuation_token().unwrap().contains("in/"));
    }
    assert_eq!(pages[2].next_continuation_token(), None);
    assert_eq!(server.requests(&Which::kind(Kind::List)), 3);
    assert_eq!(client.get("music", "in/").unwrap(), b"");
}

#[test]
fn a_listing_without_limit_has_a_thousand_keys_a_page() {
    let server = Server::start();
    let folder = server.bucket("music");
    for number in 0..1001 {
        std::fs::write(folder.join(format!("{number:04}")), "").unwrap();
    }
    let client = Client::of(&server);
    let more = client.s3.list_objects_v2().bucket("music").max_keys(5000);
    let page = client.outcome(more.send()).unwrap();
    assert_eq!(page.contents().len(), 1000);
    assert_eq!(page.is_truncated(), Some(true));
    let pages = client.pages("music", "").unwrap();
    assert_eq!(pages.len(), 2);
}

#[test]
fn keys_are_grouped_by_a_delimiter() {
    let server = Server::faulty(Faults::new().page(2));
    let client = Client::of(&server);
    server.bucket("music");
    for key in ["out/1/a", "out/1/b", "out/2/a", "out/latest.json", "outer"] {
        client.put("music", key, b"").unwrap();
    }
    let list = client.s3.list_objects_v2().bucket("music").prefix("out/");
    let first = client.outcome(list.clone().delimiter("/").send()).unwrap();
    let groups: Vec<_> = first.common_prefixes().iter().map(|p| p.prefix()).collect();
    assert_eq!(groups, [Some("out/1/"), Some("out/2/")]);
    let token = first.next_continuation_token().unwrap();
    let second = list.delimiter("/").continuation_token(token);
    let second = client.outcome(second.send()).unwrap();
    assert_eq!(second.contents()[0].key(), Some("out/latest.json"));
    assert_eq!(second.next_continuation_token(), None);
}

#[test]
fn a_reader_notices_that_an_object_has_changed() {
    let server = Server::start();
    let folder = server.bucket("music");
    let client = Client::of(&server);
    client.put("music", "x", b"older").unwrap();
    let pages = client.pages("music", "").unwrap();
    let etag = pages[0].contents()[0].e_tag().unwrap().to_owned();
    let head = client.s3.head_object().bucket("music").key("x");
    let head = client.outcome(head.send()).unwrap();
    assert_eq!(head.e_tag(), Some(etag.as_str()));

    let get = client
        .s3
        .get_object()
        .bucket("music")
        .key("x")
        .if_match(&etag);
    assert_eq!(client.outcome_of_get(get.clone()).unwrap(), b"older");
    std::fs::write(folder.join("x"), "newer").unwrap();
    assert_eq!(
        client.outcome_of_get(get.clone()).unwrap_err(),
        "PreconditionFailed"
    );
    std::fs::remove_file(folder.join("x")).unwrap();
    assert_eq!(client.outcome_of_get(get).unwrap_err(), "NoSuchKey");
}

#[test]
fn ranges_are_read() {
    let server = Server::start();
    std::fs::write(server.bucket("music").join("x"), "0123456789").unwrap();
    let client = Client::of(&server);
    let get = client.s3.get_object().bucket("music").key("x");
    for (range, bytes) in [
        ("bytes=0-0", "0"),
        ("bytes=3-5", "345"),
        ("bytes=7-", "789"),
        ("bytes=8-99", "89"),
        ("bytes=-2", "89"),
    ] {
        let got = client.outcome_of_get(get.clone().range(range)).unwrap();
        assert_eq!(got, bytes.as_bytes(), "{range}");
    }
    let behind = client.outcome_of_get(get.range("bytes=10-"));
    assert_eq!(behind.unwrap_err(), "InvalidRange");
}

#[test]
fn what_is_not_there_has_its_own_codes() {
    let server = Server::start();
    server.bucket("music");
    let client = Client::of(&server);
    assert_eq!(client.get("music", "x").unwrap_err(), "NoSuchKey");
    assert_eq!(client.get("no-such", "x").unwrap_err(), "NoSuchBucket");
    assert_eq!(client.put("no-such", "x", b"").unwrap_err(), "NoSuchBucket");
    assert_eq!(client.pages("no-such", "").unwrap_err(), "NoSuchBucket");
    assert_eq!(client.pages("music", "").unwrap()[0].contents().len(), 0);
}

#[test]
fn only_who_has_the_secret_gets_in() {
    let server = Server::start();
    std::fs::write(server.bucket("music").join("x"), "x").unwrap();
    let stranger = Client::with_secret(&server, "guessed");
    assert_eq!(
        stranger.get("music", "x").unwrap_err(),
        "SignatureDoesNotMatch"
    );
    let unsigned = wire::ask(&server, "GET", "/music/x", b"");
    assert!(unsigned.head.starts_with("http/1.1 403"), "{unsigned:?}");
}

#[test]
fn an_upload_in_parts_is_there_when_it_is_complete() {
    let server = Server::start();
    server.bucket("music");
    let client = Client::of(&server);
    let id = client.begin("music", "x");
    let upload = ("music", "x", id.as_str());
    let one = client.part(upload, 1, vec![1; NEEDED_PART]).unwrap();
    let two = client.part(upload, 2, vec![2; 3]).unwrap();
    assert_eq!(server.objects("music").len(), 0);
    assert_eq!(server.unfinished("music"), ["x"]);
    let uploads = client.s3.list_multipart_uploads().bucket("music");
    let uploads = client.outcome(uploads.send()).unwrap();
    assert_eq!(uploads.uploads()[0].upload_id(), Some(id.as_str()));

    let twisted = vec![two.clone(), one.clone()];
    assert_eq!(
        client.complete(upload, twisted).unwrap_err(),
        "InvalidPartOrder"
    );
    let other = client.part(upload, 2, vec![3; 3]).unwrap();
    let stale = vec![one.clone(), two];
    assert_eq!(client.complete(upload, stale).unwrap_err(), "InvalidPart");
    client.complete(upload, vec![one, other]).unwrap();
    assert_eq!(server.unfinished("music"), [""; 0]);
    assert_eq!(
        server.objects("music")["x"],
        [vec![1; NEEDED_PART], vec![3; 3]].concat()
    );
    let listed = client.pages("music", "").unwrap();
    let etag = listed[0].contents()[0].e_tag().unwrap();
    assert!(etag.ends_with("-2\""), "{etag}");
    assert_eq!(
        client.complete(upload, Vec::new()).unwrap_err(),
        "NoSuchUpload"
    );
}

#[test]
fn small_parts_and_dead_uploads_are_refused() {
    let server = Server::start();
    server.bucket("music");
    let client = Client::of(&server);
    let id = client.begin("music", "x");
    let upload = ("music", "x", id.as_str());
    let one = client.part(upload, 1, vec![1; NEEDED_PART - 1]).unwrap();
    let two = client.part(upload, 2, vec![2; 3]).unwrap();
    assert_eq!(
        client.complete(upload, vec![one, two]).unwrap_err(),
        "EntityTooSmall"
    );
    let abort = client.s3.abort_multipart_upload().bucket("music").key("x");
    let abort = abort.upload_id(&id);
    client.outcome(abort.clone().send()).unwrap();
    assert_eq!(client.part(upload, 1, vec![1]).unwrap_err(), "NoSuchUpload");
    assert_eq!(client.outcome(abort.send()).unwrap_err(), "NoSuchUpload");
    assert_eq!(
        (
            server.unfinished("music").len(),
            server.objects("music").len()
        ),
        (0, 0)
    );
}

#[test]
fn of_two_who_write_what_must_not_be_there_one_does() {
    let late = Fault::Late(std::time::Duration::from_millis(20));
    let server = Server::faulty(Faults::new().always(Which::any(), late));
    server.bucket("music");
    let client = Client::of(&server);
    let put = |text: &'static str| {
        let put = client.s3.put_object().bucket("music").key("x");
        put.body(ByteStream::from_static(text.as_bytes()))
    };
    let (one, two) = client.wait(async {
        tokio::join!(
            put("one").if_none_match("*").send(),
            put("two").if_none_match("*").send()
        )
    });
    assert!(one.is_ok() != two.is_ok());
    let winner = if one.is_ok() { "one" } else { "two" };
    assert_eq!(client.get("music", "x").unwrap(), winner.as_bytes());

    let etag = one.or(two).unwrap().e_tag.unwrap();
    client.outcome(put("next").if_match(&etag).send()).unwrap();
    let stale = client.outcome(put("late").if_match(etag).send());
    assert_eq!(stale.unwrap_err(), "PreconditionFailed");
    assert_eq!(server.objects("music")["x"], b"next");
}

#[test]
fn a_public_server_asks_nobody_who_he_is() {
    let server = Server::public(Faults::new());
    std::fs::write(server.bucket("music").join("x"), "x").unwrap();
    let unsigned = wire::ask(&server, "GET", "/music/x", b"");
    assert_eq!(unsigned.body, b"x");
    let client = Client::of(&server);
    assert_eq!(client.get("music", "x").unwrap_err(), "NotImplemented");
}

#[test]
fn of_several_objects_those_that_may_not_be_removed_stay() {
    let server = Server::faulty(Faults::new().keep(".keep"));
    let folder = server.bucket("music");
    let keys = ["a", "b.keep", "c"];
    let objects = keys.map(|key| {
        std::fs::write(folder.join(key), key).unwrap();
        ObjectIdentifier::builder().key(key).build().unwrap()
    });
    let client = Client::of(&server);
    let all = Delete::builder().set_objects(Some(objects.to_vec()));
    let delete = client.s3.delete_objects().bucket("music");
    let answer = client.outcome(delete.delete(all.build().unwrap()).send());
    let answer = answer.unwrap();
    let errors: Vec<_> = answer
        .errors()
        .iter()
        .map(|e| (e.key(), e.code()))
        .collect();
    assert_eq!(errors, [(Some("b.keep"), Some("AccessDenied"))]);
    assert_eq!(server.objects("music").len(), 1);
}
