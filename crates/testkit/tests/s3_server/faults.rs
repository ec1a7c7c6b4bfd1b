//! The test server injects each fault as documented.

use std::time::Duration;

use testkit::s3_server::error_response::S3ErrorResponse;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::sdk_client::SdkClient;
use testkit::s3_server::server::{ACCESS_KEY, S3Server};

use crate::raw_http::{ObservedEnd, RawResponse, send_request, send_request_until};

/// More bytes than the socket buffers of a connection hold.
const LARGE_BODY_BYTES: usize = 8 << 20;

/// Starts a server with one object, which injects this fault into everything but listings.
fn server_with_fault(fault: Fault) -> S3Server {
    let server = S3Server::with_faults(
        FaultPlan::new()
            .always(RequestMatcher::operation(S3Operation::Get), fault.clone())
            .always(RequestMatcher::operation(S3Operation::Put), fault),
    );
    std::fs::write(
        server.bucket("music").join("x"),
        vec![b'x'; LARGE_BODY_BYTES],
    )
    .unwrap();
    server
}

/// Sends a signed GET of the object and returns the response.
fn raw_get(server: &S3Server) -> RawResponse {
    send_request(server, "GET", &presigned_get(server), b"")
}

/// Sends a signed PUT of a new object and returns the response.
fn raw_put(server: &S3Server, length: usize) -> RawResponse {
    send_request(server, "PUT", &presigned_put(server), &vec![b'n'; length])
}

fn presigned_get(server: &S3Server) -> String {
    SdkClient::new(server).presign_get("music", "x")
}

fn presigned_put(server: &S3Server) -> String {
    SdkClient::new(server).presign_put("music", "new")
}

#[test]
fn error_responses_match_s3() {
    for (error, status, code, words) in [
        (
            S3ErrorResponse::slow_down(),
            503,
            "SlowDown",
            "reduce your request rate",
        ),
        (
            S3ErrorResponse::internal_error(),
            500,
            "InternalError",
            "try again",
        ),
        (
            S3ErrorResponse::request_timeout(),
            400,
            "RequestTimeout",
            "timeout period",
        ),
        (
            S3ErrorResponse::no_such_bucket("music"),
            404,
            "NoSuchBucket",
            "<BucketName>music</",
        ),
        (
            S3ErrorResponse::access_denied(),
            403,
            "AccessDenied",
            "Access Denied",
        ),
        (
            S3ErrorResponse::kms_denied("eu-west-1"),
            403,
            "AccessDenied",
            "kms:Decrypt",
        ),
        (
            S3ErrorResponse::kms_disabled("eu-west-1"),
            400,
            "KMS.DisabledException",
            "arn:aws:kms:eu-west-1:",
        ),
        (
            S3ErrorResponse::permanent_redirect("music", "eu-west-1"),
            301,
            "PermanentRedirect",
            "<Endpoint>music.s3.eu-west-1.amazonaws.com</",
        ),
        (
            S3ErrorResponse::wrong_region("us-east-1", "eu-west-1"),
            400,
            "AuthorizationHeaderMalformed",
            "<Region>eu-west-1</",
        ),
        (
            S3ErrorResponse::expired_token(),
            400,
            "ExpiredToken",
            "has expired",
        ),
        (
            S3ErrorResponse::invalid_access_key(ACCESS_KEY),
            403,
            "InvalidAccessKeyId",
            ACCESS_KEY,
        ),
        (
            S3ErrorResponse::signature_mismatch(ACCESS_KEY),
            403,
            "SignatureDoesNotMatch",
            "<StringToSign>",
        ),
        (
            S3ErrorResponse::clock_skew(),
            403,
            "RequestTimeTooSkewed",
            "<MaxAllowedSkewMilliseconds>",
        ),
        (
            S3ErrorResponse::archived(),
            403,
            "InvalidObjectState",
            "GLACIER",
        ),
        (
            S3ErrorResponse::conflict("x"),
            409,
            "ConditionalRequestConflict",
            "<Key>x</",
        ),
    ] {
        let server = server_with_fault(Fault::Error(error));
        let response = raw_get(&server);
        let body = String::from_utf8(response.body.clone()).unwrap();
        assert!(
            response.head.starts_with(&format!("http/1.1 {status} ")),
            "{response:?}"
        );
        assert_eq!(response.header("content-type"), Some("application/xml"));
        assert_eq!(response.end, ObservedEnd::Complete);
        assert!(body.contains(words), "{body}");
        if ["PermanentRedirect", "AuthorizationHeaderMalformed"].contains(&code) {
            assert_eq!(response.header("x-amz-bucket-region"), Some("eu-west-1"));
        }
        let client = SdkClient::new(&server);
        assert_eq!(client.get("music", "x").unwrap_err(), code);
        assert_eq!(client.put("music", "new", b"new").unwrap_err(), code);
        assert!(!server.objects("music").contains_key("new"));
    }
}

#[test]
fn complete_upload_can_fail_with_status_200() {
    let late = S3ErrorResponse::new(200, "InternalError", "We encountered an internal error.");
    let fault = Fault::Error(late);
    let server = S3Server::with_faults(FaultPlan::new().first_n(
        1,
        RequestMatcher::operation(S3Operation::CompleteUpload),
        fault,
    ));
    server.bucket("music");
    let client = SdkClient::new(&server);
    let id = client.create_upload("music", "x");
    let upload = ("music", "x", id.as_str());
    let part = client.upload_part(upload, 1, vec![1]).unwrap();
    let failed = client.complete_upload(upload, vec![part.clone()]);
    assert_eq!(failed.unwrap_err(), "InternalError");
    client.complete_upload(upload, vec![part]).unwrap();
}

#[test]
fn truncated_response_is_shorter_than_content_length() {
    let response = raw_get(&server_with_fault(Fault::Truncate));
    assert!(response.head.starts_with("http/1.1 200 "));
    assert_eq!(
        (response.content_length(), response.end),
        (LARGE_BODY_BYTES, ObservedEnd::Closed)
    );
    assert!(response.body.len() < LARGE_BODY_BYTES);
}

#[test]
fn small_response_is_truncated_exactly() {
    let cut = FaultPlan::new().always(RequestMatcher::operation(S3Operation::Get), Fault::Truncate);
    let server = S3Server::with_faults(cut);
    std::fs::write(server.bucket("music").join("x"), "0123456789").unwrap();
    let response = raw_get(&server);
    assert_eq!(
        (response.content_length(), response.body.as_slice()),
        (10, &b"01234"[..])
    );
    assert_eq!(response.end, ObservedEnd::Closed);

    std::fs::write(server.bucket("music").join("x"), "").unwrap();
    let response = raw_get(&server);
    assert_eq!(
        (response.head.as_str(), response.end),
        ("", ObservedEnd::Closed)
    );
}

#[test]
fn listing_can_be_truncated() {
    let cut = FaultPlan::new().first_n(
        1,
        RequestMatcher::operation(S3Operation::List),
        Fault::Truncate,
    );
    let server = S3Server::with_faults(cut);
    server.bucket("music");
    let client = SdkClient::new(&server);
    assert_eq!(client.list_pages("music", "").unwrap_err(), "no answer");
    client.list_pages("music", "").unwrap();
}

#[test]
fn truncated_upload_leaves_no_object() {
    let server = server_with_fault(Fault::Truncate);
    let response = raw_put(&server, LARGE_BODY_BYTES);
    assert_eq!(
        (response.head.as_str(), response.end),
        ("", ObservedEnd::Closed)
    );
    assert!(!server.objects("music").contains_key("new"));
}

#[test]
fn stalled_response_stops_halfway() {
    let server = server_with_fault(Fault::Stall);
    let response = send_request_until(
        &server,
        "GET",
        &presigned_get(&server),
        b"",
        LARGE_BODY_BYTES / 2,
    );
    assert_eq!(
        (response.content_length(), response.end),
        (LARGE_BODY_BYTES, ObservedEnd::Stalled)
    );
    assert_eq!(response.body.len(), LARGE_BODY_BYTES / 2);
}

#[test]
fn stalled_upload_gets_no_response() {
    for length in [3, LARGE_BODY_BYTES] {
        let server = server_with_fault(Fault::Stall);
        let response = send_request_until(
            &server,
            "PUT",
            &presigned_put(&server),
            &vec![b'n'; length],
            0,
        );
        assert_eq!(
            (response.head.as_str(), response.end),
            ("", ObservedEnd::Stalled)
        );
        assert!(!server.objects("music").contains_key("new"));
    }
}

#[test]
fn hanging_request_gets_no_response_head() {
    let server = server_with_fault(Fault::Hang);
    for (method, target) in [
        ("GET", presigned_get(&server)),
        ("PUT", presigned_put(&server)),
    ] {
        let response = send_request_until(&server, method, &target, b"nnn", 0);
        assert_eq!(
            (response.head.as_str(), response.end),
            ("", ObservedEnd::Stalled)
        );
    }
    assert!(!server.objects("music").contains_key("new"));
}

#[test]
fn disconnected_request_gets_no_response() {
    let server = server_with_fault(Fault::Disconnect);
    for response in [
        raw_get(&server),
        raw_put(&server, 3),
        raw_put(&server, LARGE_BODY_BYTES),
    ] {
        assert_eq!(
            (response.head.as_str(), response.end),
            ("", ObservedEnd::Closed)
        );
    }
    assert!(!server.objects("music").contains_key("new"));
}

#[test]
fn lost_response_still_applies_request() {
    let server = server_with_fault(Fault::LoseResponse);
    let response = raw_put(&server, 3);
    assert_eq!(
        (response.head.as_str(), response.end),
        ("", ObservedEnd::Closed)
    );
    assert_eq!(server.objects("music")["new"], b"nnn");
}

#[test]
fn delayed_responses_overlap() {
    let late = Fault::Delay(Duration::from_millis(100));
    let server = S3Server::with_faults(FaultPlan::new().always(RequestMatcher::any(), late));
    std::fs::write(server.bucket("music").join("x"), "x").unwrap();
    let client = SdkClient::new(&server);
    let get = || client.s3.get_object().bucket("music").key("x").send();
    let (one, two, three) = client.block_on(async { tokio::join!(get(), get(), get()) });
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    client.get("music", "x").unwrap();
    assert_eq!(server.max_concurrent_gets(), 3);
    assert_eq!(server.connection_count(), 3);
}

#[test]
fn first_n_faults_are_counted_per_key() {
    let slow = Fault::Error(S3ErrorResponse::slow_down());
    let server = S3Server::with_faults(
        FaultPlan::new()
            .first_n(2, RequestMatcher::operation(S3Operation::Get), slow.clone())
            .always(
                RequestMatcher::operation(S3Operation::Put).with_key_suffix("part-00001"),
                slow,
            ),
    );
    let folder = server.bucket("music");
    std::fs::write(folder.join("x"), "x").unwrap();
    std::fs::write(folder.join("y"), "y").unwrap();
    let client = SdkClient::new(&server);
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
    assert_eq!(server.fault_count(), 7);
}

#[test]
fn hook_runs_on_nth_request() {
    let server = S3Server::with_faults(FaultPlan::new().on_nth(
        2,
        RequestMatcher::operation(S3Operation::Get).with_key_suffix("x"),
        |buckets| std::fs::remove_file(buckets.join("music/x")).unwrap(),
    ));
    let folder = server.bucket("music");
    std::fs::write(folder.join("x"), "x").unwrap();
    std::fs::write(folder.join("y"), "y").unwrap();
    let client = SdkClient::new(&server);
    client.get("music", "x").unwrap();
    client.get("music", "y").unwrap();
    client.get("music", "y").unwrap();
    assert_eq!(client.get("music", "x").unwrap_err(), "NoSuchKey");
    assert_eq!(
        (client.get("music", "y").unwrap(), server.fault_count()),
        (b"y".into(), 0)
    );
}

/// Returns the results of repeated reads of some objects with this seed.
fn read_outcomes(seed: u64) -> Vec<Result<Vec<u8>, String>> {
    let odds = vec![
        (0.25, Fault::Error(S3ErrorResponse::slow_down())),
        (0.25, Fault::Truncate),
        (0.25, Fault::Disconnect),
    ];
    let server = S3Server::with_faults(FaultPlan::new().at_random(seed, 2, odds));
    let folder = server.bucket("music");
    let client = SdkClient::new(&server);
    let mut fates = Vec::new();
    for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        std::fs::write(folder.join(key), "0123456789").unwrap();
        let times: Vec<_> = (0..4).map(|_| client.get("music", key)).collect();
        assert!(times.iter().filter(|fate| fate.is_err()).count() <= 2);
        fates.extend(times);
    }
    let failed = fates.iter().filter(|fate| fate.is_err()).count();
    assert_eq!(server.fault_count(), failed);
    fates
}

#[test]
fn random_faults_are_determined_by_seed() {
    let some = read_outcomes(1);
    assert_eq!(some, read_outcomes(1));
    assert_ne!(some, read_outcomes(2));
    for word in ["SlowDown", "body", "no answer"] {
        assert!(some.contains(&Err(word.to_owned())), "no {word}: {some:?}");
    }
}
