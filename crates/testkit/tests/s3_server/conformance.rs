//! The test server behaves as S3 does where clients depend on it.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::sdk_client::SdkClient;
use testkit::s3_server::server::S3Server;

use crate::raw_http;

const MIN_PART_BYTES: usize = 5 << 20;

#[test]
fn listing_is_paginated() {
    let server = S3Server::with_faults(FaultPlan::new().with_page_size(3));
    let folder = server.bucket("music");
    for name in ["a", "b", "c", "d", "e", "f", "other"] {
        std::fs::create_dir_all(folder.join("in")).unwrap();
        std::fs::write(folder.join("in").join(name), name).unwrap();
    }
    server.add_folder_marker("music", "in/");
    let client = SdkClient::new(&server);
    let pages = client.list_pages("music", "in/").unwrap();
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
    assert_eq!(
        server.request_count(&RequestMatcher::operation(S3Operation::List)),
        3
    );
    assert_eq!(client.get("music", "in/").unwrap(), b"");
}

#[test]
fn page_has_at_most_1000_keys() {
    let server = S3Server::start();
    let folder = server.bucket("music");
    for number in 0..1001 {
        std::fs::write(folder.join(format!("{number:04}")), "").unwrap();
    }
    let client = SdkClient::new(&server);
    let more = client.s3.list_objects_v2().bucket("music").max_keys(5000);
    let page = client.execute(more.send()).unwrap();
    assert_eq!(page.contents().len(), 1000);
    assert_eq!(page.is_truncated(), Some(true));
    let pages = client.list_pages("music", "").unwrap();
    assert_eq!(pages.len(), 2);
}

#[test]
fn delimiter_groups_keys() {
    let server = S3Server::with_faults(FaultPlan::new().with_page_size(2));
    let client = SdkClient::new(&server);
    server.bucket("music");
    for key in ["out/1/a", "out/1/b", "out/2/a", "out/latest.json", "outer"] {
        client.put("music", key, b"").unwrap();
    }
    let list = client.s3.list_objects_v2().bucket("music").prefix("out/");
    let first = client.execute(list.clone().delimiter("/").send()).unwrap();
    let groups: Vec<_> = first.common_prefixes().iter().map(|p| p.prefix()).collect();
    assert_eq!(groups, [Some("out/1/"), Some("out/2/")]);
    let token = first.next_continuation_token().unwrap();
    let second = list.delimiter("/").continuation_token(token);
    let second = client.execute(second.send()).unwrap();
    assert_eq!(second.contents()[0].key(), Some("out/latest.json"));
    assert_eq!(second.next_continuation_token(), None);
}

#[test]
fn if_match_detects_changed_object() {
    let server = S3Server::start();
    let folder = server.bucket("music");
    let client = SdkClient::new(&server);
    client.put("music", "x", b"older").unwrap();
    let pages = client.list_pages("music", "").unwrap();
    let etag = pages[0].contents()[0].e_tag().unwrap().to_owned();
    let head = client.s3.head_object().bucket("music").key("x");
    let head = client.execute(head.send()).unwrap();
    assert_eq!(head.e_tag(), Some(etag.as_str()));

    let get = client
        .s3
        .get_object()
        .bucket("music")
        .key("x")
        .if_match(&etag);
    assert_eq!(client.execute_get(get.clone()).unwrap(), b"older");
    std::fs::write(folder.join("x"), "newer").unwrap();
    assert_eq!(
        client.execute_get(get.clone()).unwrap_err(),
        "PreconditionFailed"
    );
    std::fs::remove_file(folder.join("x")).unwrap();
    assert_eq!(client.execute_get(get).unwrap_err(), "NoSuchKey");
}

#[test]
fn range_get_returns_requested_bytes() {
    let server = S3Server::start();
    std::fs::write(server.bucket("music").join("x"), "0123456789").unwrap();
    let client = SdkClient::new(&server);
    let get = client.s3.get_object().bucket("music").key("x");
    for (range, bytes) in [
        ("bytes=0-0", "0"),
        ("bytes=3-5", "345"),
        ("bytes=7-", "789"),
        ("bytes=8-99", "89"),
        ("bytes=-2", "89"),
    ] {
        let got = client.execute_get(get.clone().range(range)).unwrap();
        assert_eq!(got, bytes.as_bytes(), "{range}");
    }
    let past_end = client.execute_get(get.range("bytes=10-"));
    assert_eq!(past_end.unwrap_err(), "InvalidRange");
}

#[test]
fn missing_key_and_missing_bucket_have_their_own_codes() {
    let server = S3Server::start();
    server.bucket("music");
    let client = SdkClient::new(&server);
    assert_eq!(client.get("music", "x").unwrap_err(), "NoSuchKey");
    assert_eq!(client.get("no-such", "x").unwrap_err(), "NoSuchBucket");
    assert_eq!(client.put("no-such", "x", b"").unwrap_err(), "NoSuchBucket");
    assert_eq!(
        client.list_pages("no-such", "").unwrap_err(),
        "NoSuchBucket"
    );
    assert_eq!(
        client.list_pages("music", "").unwrap()[0].contents().len(),
        0
    );
}

#[test]
fn wrong_or_missing_signature_is_rejected() {
    let server = S3Server::start();
    std::fs::write(server.bucket("music").join("x"), "x").unwrap();
    let wrong_client = SdkClient::with_secret(&server, "guessed");
    assert_eq!(
        wrong_client.get("music", "x").unwrap_err(),
        "SignatureDoesNotMatch"
    );
    let unsigned = raw_http::send_request(&server, "GET", "/music/x", b"");
    assert!(unsigned.head.starts_with("http/1.1 403"), "{unsigned:?}");
}

#[test]
fn multipart_upload_is_visible_once_completed() {
    let server = S3Server::start();
    server.bucket("music");
    let client = SdkClient::new(&server);
    let id = client.create_upload("music", "x");
    let upload = ("music", "x", id.as_str());
    let one = client
        .upload_part(upload, 1, vec![1; MIN_PART_BYTES])
        .unwrap();
    let two = client.upload_part(upload, 2, vec![2; 3]).unwrap();
    assert_eq!(server.objects("music").len(), 0);
    assert_eq!(server.unfinished_uploads("music"), ["x"]);
    let uploads = client.s3.list_multipart_uploads().bucket("music");
    let uploads = client.execute(uploads.send()).unwrap();
    assert_eq!(uploads.uploads()[0].upload_id(), Some(id.as_str()));

    let reversed = vec![two.clone(), one.clone()];
    assert_eq!(
        client.complete_upload(upload, reversed).unwrap_err(),
        "InvalidPartOrder"
    );
    let other = client.upload_part(upload, 2, vec![3; 3]).unwrap();
    let stale = vec![one.clone(), two];
    assert_eq!(
        client.complete_upload(upload, stale).unwrap_err(),
        "InvalidPart"
    );
    client.complete_upload(upload, vec![one, other]).unwrap();
    assert_eq!(server.unfinished_uploads("music"), [""; 0]);
    assert_eq!(
        server.objects("music")["x"],
        [vec![1; MIN_PART_BYTES], vec![3; 3]].concat()
    );
    let listed = client.list_pages("music", "").unwrap();
    let etag = listed[0].contents()[0].e_tag().unwrap();
    assert!(etag.ends_with("-2\""), "{etag}");
    assert_eq!(
        client.complete_upload(upload, Vec::new()).unwrap_err(),
        "NoSuchUpload"
    );
}

#[test]
fn small_parts_and_aborted_uploads_are_rejected() {
    let server = S3Server::start();
    server.bucket("music");
    let client = SdkClient::new(&server);
    let id = client.create_upload("music", "x");
    let upload = ("music", "x", id.as_str());
    let one = client
        .upload_part(upload, 1, vec![1; MIN_PART_BYTES - 1])
        .unwrap();
    let two = client.upload_part(upload, 2, vec![2; 3]).unwrap();
    assert_eq!(
        client.complete_upload(upload, vec![one, two]).unwrap_err(),
        "EntityTooSmall"
    );
    let abort = client.s3.abort_multipart_upload().bucket("music").key("x");
    let abort = abort.upload_id(&id);
    client.execute(abort.clone().send()).unwrap();
    assert_eq!(
        client.upload_part(upload, 1, vec![1]).unwrap_err(),
        "NoSuchUpload"
    );
    assert_eq!(client.execute(abort.send()).unwrap_err(), "NoSuchUpload");
    assert_eq!(
        (
            server.unfinished_uploads("music").len(),
            server.objects("music").len()
        ),
        (0, 0)
    );
}

#[test]
fn conditional_put_has_one_winner() {
    let late = Fault::Delay(std::time::Duration::from_millis(20));
    let server = S3Server::with_faults(FaultPlan::new().always(RequestMatcher::any(), late));
    server.bucket("music");
    let client = SdkClient::new(&server);
    let put = |text: &'static str| {
        let put = client.s3.put_object().bucket("music").key("x");
        put.body(ByteStream::from_static(text.as_bytes()))
    };
    let (one, two) = client.block_on(async {
        tokio::join!(
            put("one").if_none_match("*").send(),
            put("two").if_none_match("*").send()
        )
    });
    assert!(one.is_ok() != two.is_ok());
    let winner = if one.is_ok() { "one" } else { "two" };
    assert_eq!(client.get("music", "x").unwrap(), winner.as_bytes());

    let etag = one.or(two).unwrap().e_tag.unwrap();
    client.execute(put("next").if_match(&etag).send()).unwrap();
    let stale = client.execute(put("late").if_match(etag).send());
    assert_eq!(stale.unwrap_err(), "PreconditionFailed");
    assert_eq!(server.objects("music")["x"], b"next");
}

#[test]
fn anonymous_server_requires_no_signature() {
    let server = S3Server::anonymous(FaultPlan::new());
    std::fs::write(server.bucket("music").join("x"), "x").unwrap();
    let unsigned = raw_http::send_request(&server, "GET", "/music/x", b"");
    assert_eq!(unsigned.body, b"x");
    let client = SdkClient::new(&server);
    assert_eq!(client.get("music", "x").unwrap_err(), "NotImplemented");
}

#[test]
fn batch_delete_keeps_denied_objects() {
    let server = S3Server::with_faults(FaultPlan::new().deny_delete(".keep"));
    let folder = server.bucket("music");
    let keys = ["a", "b.keep", "c"];
    let objects = keys.map(|key| {
        std::fs::write(folder.join(key), key).unwrap();
        ObjectIdentifier::builder().key(key).build().unwrap()
    });
    let client = SdkClient::new(&server);
    let all = Delete::builder().set_objects(Some(objects.to_vec()));
    let delete = client.s3.delete_objects().bucket("music");
    let answer = client.execute(delete.delete(all.build().unwrap()).send());
    let answer = answer.unwrap();
    let errors: Vec<_> = answer
        .errors()
        .iter()
        .map(|e| (e.key(), e.code()))
        .collect();
    assert_eq!(errors, [(Some("b.keep"), Some("AccessDenied"))]);
    assert_eq!(server.objects("music").len(), 1);
}
