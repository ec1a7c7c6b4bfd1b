//! Stacks that fail, and stacks of others.

use testkit::aws_api::{ApiAnswer, ApiFault};

use crate::infra::{CLUSTER, Cloud};

fn fail(cloud: &Cloud, resource: &str, reason: &str) {
    cloud.account.lock().failing_resource = Some((resource.to_owned(), reason.to_owned()));
}

#[test]
fn failed_creation_is_rolled_back_with_its_reason() {
    let cloud = Cloud::new();
    fail(&cloud, "Workgroup", "Not enough free addresses.");
    let up = cloud.up(&["--quiet"]);
    let reason = "Workgroup (AWS::RedshiftServerless::Workgroup): Not enough free addresses; everything was rolled back";
    up.assert_failure(1, &["cannot create stack 'sparkify'", reason]);
    let status = cloud.exec(&["infra", "status"]);
    assert_eq!(status.code, Some(1), "{status:?}");
    assert!(status.stdout.contains("ROLLBACK_COMPLETE"), "{status:?}");
    assert!(
        status.stdout.contains("Not enough free addresses"),
        "{status:?}"
    );

    // The remains are removed, and the stack is created again.
    cloud.account.lock().failing_resource = None;
    cloud.up(&["--quiet"]).assert_success();
    let account = cloud.account.lock();
    assert_eq!(account.live_stacks().len(), 1);
    assert_eq!(account.stacks.len(), 2);
}

#[test]
fn failed_creation_can_be_kept() {
    let cloud = Cloud::new();
    fail(&cloud, "Cluster", "No capacity.");
    let up = cloud.up(&[&CLUSTER[..], &["--quiet", "--on-failure", "keep"]].concat());
    up.assert_failure(
        1,
        &["No capacity", "is kept and may cost money", "infra down"],
    );
    assert_eq!(
        cloud.account.lock().live_stacks()[0].status,
        "CREATE_FAILED"
    );
    let down = cloud.exec(&["infra", "down", "--yes", "--quiet"]);
    down.assert_success();
    assert!(cloud.account.lock().is_empty());
}

#[test]
fn failed_update_is_rolled_back() {
    let cloud = Cloud::new();
    cloud.up(&["--quiet"]).assert_success();
    fail(&cloud, "Workgroup", "The quota is exceeded.");
    let update = ["infra", "up", "--yes", "--quiet", "--max-capacity", "16"];
    cloud.exec(&update).assert_failure(
        1,
        &[
            "cannot update stack",
            "quota is exceeded",
            "the warehouse is as before",
        ],
    );
    cloud.account.lock().failing_resource = None;
    cloud.exec(&update).assert_success();
    assert_eq!(cloud.account.lock().workgroups["sparkify"].1, "16");
}

#[test]
fn failed_deletion_names_the_resource() {
    let cloud = Cloud::new();
    cloud.up(&["--quiet"]).assert_success();
    let undeletable = ("SecurityGroup".to_owned(), "It is in use.".to_owned());
    cloud.account.lock().undeletable_resource = Some(undeletable);
    let down = ["infra", "down", "--yes", "--quiet"];
    let retain = ["--retain", "SecurityGroup"];
    let with_retain = [&down[..], &retain].concat();
    cloud
        .exec(&with_retain)
        .assert_failure(2, &["--retain has no effect", "CREATE_COMPLETE"]);
    let failed = cloud.exec(&down);
    failed.assert_failure(
        1,
        &[
            "SecurityGroup (AWS::EC2::SecurityGroup): It is in use",
            "--retain SecurityGroup",
        ],
    );
    cloud
        .up(&["--quiet"])
        .assert_failure(1, &["It is in use", "infra down"]);
    cloud.exec(&with_retain).assert_success();
    let account = cloud.account.lock();
    assert!(account.is_empty());
    // The second one had no warehouse to take another snapshot of.
    assert_eq!(account.snapshots.len(), 1);
}

#[test]
fn stack_of_somebody_else_is_never_touched() {
    let cloud = Cloud::new();
    cloud.up(&["--quiet"]).assert_success();
    cloud.account.lock().stacks[0].tags.clear();
    for command in ["up", "status", "pause", "resume", "down"] {
        let output = cloud.exec(&["infra", command]);
        let words = ["stack 'sparkify' is not one of sparkify's", "--stack"];
        output.assert_failure(1, &words);
    }
    assert_eq!(cloud.changes(), ["CreateStack", "CreateUsageLimit"]);
}

#[test]
fn missing_permission_is_named() {
    let cloud = Cloud::new();
    let denied = ApiAnswer::Error {
        status: 403,
        code: "AccessDenied".to_owned(),
        message: "not authorized".to_owned(),
    };
    cloud.api.inject("CreateStack", ApiFault::Answer(denied));
    cloud
        .up(&["--quiet"])
        .assert_failure(1, &["AccessDenied", "cloudformation:CreateStack"]);
}

#[test]
fn rollback_that_failed_is_continued() {
    let cloud = Cloud::new();
    cloud.up(&["--quiet"]).assert_success();
    "UPDATE_ROLLBACK_FAILED".clone_into(&mut cloud.account.lock().stacks[0].status);
    let status = cloud.exec(&["infra", "status"]);
    assert_eq!(status.code, Some(1), "{status:?}");
    let update = ["infra", "up", "--yes", "--quiet", "--max-capacity", "16"];
    cloud.exec(&update).assert_success();
    assert_eq!(cloud.account.lock().workgroups["sparkify"].1, "16");
}
