//! What the server is told to be: a bucket with a policy, a directory bucket, one with encrypted objects.

use std::fs;
use std::path::Path;

use aws_sdk_s3::types::EncodingType;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::policy::Policy;
use testkit::s3_server::sdk_client::SdkClient;
use testkit::s3_server::server::S3Server;

fn write(bucket: &Path, key: &str) {
    let path = bucket.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, key).unwrap();
}

#[test]
fn policy_denies_what_it_does_not_allow() {
    let policy = Policy::new()
        .allow_list("music", "in/*")
        .allow("s3:GetObject", "music/in/*");
    let server = S3Server::with_faults(FaultPlan::new().with_policy(policy));
    let bucket = server.bucket("music");
    write(&bucket, "in/a");
    write(&bucket, "other/a");
    let client = SdkClient::new(&server);
    assert!(client.list_pages("music", "in/").is_ok());
    assert_eq!(client.get("music", "in/a").unwrap(), b"in/a");
    for prefix in ["in", "", "other/"] {
        assert_eq!(
            client.list_pages("music", prefix).unwrap_err(),
            "AccessDenied"
        );
    }
    // Whether an object exists is a secret of those who may list the bucket.
    for key in ["other/a", "in/absent"] {
        assert_eq!(client.get("music", key).unwrap_err(), "AccessDenied");
    }
    assert_eq!(
        client.put("music", "in/b", b"").unwrap_err(),
        "AccessDenied"
    );
}

#[test]
fn directory_bucket_lists_folders_in_no_particular_order() {
    let server = S3Server::with_faults(FaultPlan::new().with_page_size(3));
    let name = "music--use1-az4--x-s3";
    let bucket = server.bucket(name);
    let mut expected: Vec<String> = (0..9).map(|number| format!("in/{number}")).collect();
    for key in &expected {
        write(&bucket, key);
    }
    let client = SdkClient::new(&server);
    assert_eq!(
        client.list_pages(name, "in/1").unwrap_err(),
        "InvalidArgument"
    );
    let pages = client.list_pages(name, "in/").unwrap();
    let objects = pages.iter().flat_map(|page| page.contents());
    let mut keys: Vec<_> = objects
        .map(|object| object.key().unwrap().to_owned())
        .collect();
    assert!(!keys.is_sorted(), "{keys:?}");
    keys.sort();
    expected.sort();
    assert_eq!(keys, expected);
    let etag = pages[0].contents()[0].e_tag().unwrap();
    assert!(etag.contains("opaque"), "{etag}");
}

#[test]
fn keys_are_encoded_on_request() {
    let key = "in/a\u{1}+b c%.json";
    for (faults, expected) in [
        (FaultPlan::new(), "in/a%01%2Bb+c%25.json"),
        (FaultPlan::new().ignore_encoding_type(), "in/d+e.json"),
    ] {
        let server = S3Server::with_faults(faults);
        let key = if expected.contains('%') {
            key
        } else {
            expected
        };
        write(&server.bucket("music"), key);
        let client = SdkClient::new(&server);
        let list = client.s3.list_objects_v2().bucket("music");
        let page = client
            .execute(list.encoding_type(EncodingType::Url).send())
            .unwrap();
        assert_eq!(page.contents()[0].key(), Some(expected));
        assert_eq!(page.encoding_type().is_some(), expected.contains('%'));
    }
}

#[test]
fn encrypted_object_needs_its_key() {
    let server = S3Server::with_faults(FaultPlan::new().encrypt("music/in/", [7; 32]));
    write(&server.bucket("music"), "in/a");
    let client = SdkClient::new(&server);
    assert_eq!(client.get("music", "in/a").unwrap_err(), "InvalidRequest");
    // The base64 texts of 32 bytes of 7 and of their MD5 digest, and those of another key.
    let other = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";
    let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let digest = "y4HAEFCYWuvAXWFTtA1Qpg==";
    for (key, expected) in [
        (key, Ok(b"in/a".to_vec())),
        (other, Err("AccessDenied".to_owned())),
    ] {
        let get = client.s3.get_object().bucket("music").key("in/a");
        let get = get.sse_customer_algorithm("AES256").sse_customer_key(key);
        assert_eq!(
            client.execute_get(get.sse_customer_key_md5(digest)),
            expected
        );
    }
}
