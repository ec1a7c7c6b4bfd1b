//! Commands that are killed, stopped or cut off at any request, and repeated: there are never two stacks, and never a
//! forgotten one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use testkit::aws_api::ApiFault;
use testkit::cli::output::{CommandOutput, wait_for_output};

use crate::infra::{CLUSTER, Cloud, UP};

const DOWN: [&str; 4] = ["infra", "down", "--yes", "--quiet"];

/// Runs a command that gets a signal when its request with this number was executed and before it is answered.
fn signal_at(cloud: &Cloud, arguments: &[&str], number: usize, signal: Signal) -> CommandOutput {
    let process: Arc<OnceLock<u32>> = Arc::default();
    let known = process.clone();
    cloud.api.after_request(number, move || {
        let pid = Pid::from_raw(*known.wait() as i32).unwrap();
        // The command may have ended.
        let _ = kill_process(pid, signal);
        // The response comes after the signal has been handled.
        std::thread::sleep(Duration::from_millis(100));
    });
    let child = cloud.command(arguments).spawn().unwrap();
    process.set(child.id()).unwrap();
    wait_for_output(Duration::from_secs(120), child)
}

/// Kills `up` at each of its requests in turn, and repeats it; then the same with `down`.
fn kill_everywhere(kind: &[&str]) {
    let up = [&UP, &["--quiet"][..], kind].concat();
    let mut number = 1;
    loop {
        let cloud = Cloud::new();
        let killed = signal_at(&cloud, &up, number, Signal::KILL);
        let is_done = killed.code == Some(0);
        cloud.exec(&up).assert_success();
        let complete = cloud.config();
        assert!(complete.contains("PASSWORD_SECRET = arn:"), "{number}");
        {
            let account = cloud.account.lock();
            assert_eq!(account.stacks.len(), 1, "killed at {number}");
            let is_cluster = !account.clusters.is_empty();
            assert_eq!(account.usage_limits.len(), usize::from(!is_cluster));
        }
        // The requests are counted from 1 again.
        let cloud = Cloud::with_account(cloud.account.clone());
        let killed = signal_at(&cloud, &DOWN, number, Signal::KILL);
        let is_down_done = killed.code == Some(0);
        cloud.exec(&DOWN).assert_success();
        let account = cloud.account.lock();
        assert!(account.is_empty(), "killed at {number}");
        assert_eq!(account.snapshots.len(), 1, "killed at {number}");
        if is_done && is_down_done {
            break;
        }
        number += 1;
    }
    // Otherwise the requests would prove nothing.
    assert!(number > 8, "{number}");
}

#[test]
fn serverless_survives_a_kill_at_every_request() {
    kill_everywhere(&[]);
}

#[test]
fn cluster_survives_a_kill_at_every_request() {
    kill_everywhere(&CLUSTER);
}

#[test]
fn lost_responses_and_connections_do_no_harm() {
    for fault in [ApiFault::LoseResponse, ApiFault::Disconnect] {
        let cloud = Cloud::new();
        for action in [
            "CreateStack",
            "DescribeStacks",
            "DescribeStackEvents",
            "CreateUsageLimit",
            "CreateSnapshot",
            "DeleteUsageLimit",
            "DeleteStack",
        ] {
            cloud.api.inject(action, fault.clone());
        }
        cloud.up(&["--quiet"]).assert_success();
        cloud.exec(&DOWN).assert_success();
        let account = cloud.account.lock();
        assert!(account.is_empty(), "{fault:?}");
        assert_eq!((account.stacks.len(), account.snapshots.len()), (1, 1));
    }
}

#[test]
fn signal_says_what_is_left_and_what_to_do() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let up = [&UP[..], &["--quiet"]].concat();
        let cloud = Cloud::new();
        let first = signal_at(&cloud, &up, 1, signal);
        first.assert_failure(code, &["nothing was changed"]);
        // The fourth request describes the stack that the second one created.
        let cloud = Cloud::new();
        let stopped = signal_at(&cloud, &up, 4, signal);
        let words = [
            "goes on being created on AWS",
            "infra down --stack sparkify",
        ];
        stopped.assert_failure(code, &words);
        cloud.exec(&up).assert_success();
        assert_eq!(cloud.account.lock().stacks.len(), 1);
    }
}
