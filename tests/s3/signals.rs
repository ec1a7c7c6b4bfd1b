//! SIGINT and SIGTERM during a run in a bucket: nothing of the run is left, and nothing is published by halves.

use std::thread::sleep;
use std::time::{Duration, Instant};

use testkit::cli::output::CommandOutput;
use testkit::cli::stopped_command::{
    STOP_SIGNALS, Signal, StopOutcome, random_moments, stop_command,
};
use testkit::dataset::published_run::PublishedRun;
use testkit::s3_server::faults::{Fault, FaultPlan};
use testkit::s3_server::request::{RequestMatcher, S3Operation};
use testkit::s3_server::server::S3Server;

use crate::support::commands::{run_command, sparkify};
use crate::support::sample_bucket::{RUN_ARGS, server_with_input};

#[test]
fn signal_at_any_moment_leaves_nothing_of_the_run() {
    // The requests take so long that each moment meets some of them.
    let slow = FaultPlan::new()
        .always(
            RequestMatcher::operation(S3Operation::Get),
            Fault::Delay(Duration::from_millis(20)),
        )
        .always(
            RequestMatcher::operation(S3Operation::Put),
            Fault::Delay(Duration::from_millis(20)),
        );
    let server = S3Server::with_faults(slow);
    let bucket = server.bucket("music");
    // Without the edge cases, whose warnings would come before the line of the signal.
    let mut generate = sparkify(&server, &["generate", "--quiet", "--out"]);
    generate
        .arg(&bucket)
        .args(["--events=60000", "--songs=40", "--files=8"]);
    CommandOutput::run(&mut generate).assert_success();
    let run = || {
        run_command(
            &server,
            "s3://music/song_data",
            "s3://music/log_data",
            "s3://music/dataset",
        )
    };
    let started = Instant::now();
    CommandOutput::run(&mut run()).assert_success();
    let duration = started.elapsed();
    let mut stops = 0;
    for signal in STOP_SIGNALS {
        for moment in random_moments(duration) {
            let before = server.objects("music");
            let (outcome, output) = stop_command(&mut run(), signal, || sleep(moment));
            match outcome {
                StopOutcome::Finished => {
                    let inputs = ["s3://music/song_data", "s3://music/log_data"];
                    let latest = PublishedRun::read_latest(&server, "music", "dataset", &inputs);
                    assert!(latest.is_some());
                }
                StopOutcome::Stopped => {
                    stops += 1;
                    let message = "s3://music/dataset is unchanged";
                    assert!(output.stderr.contains(message), "{output:?}");
                    assert!(server.objects("music") == before, "{output:?}");
                    assert_eq!(server.unfinished_uploads("music"), Vec::<String>::new());
                }
                StopOutcome::NotBegun | StopOutcome::Forced => {}
            }
        }
    }
    assert!(stops > 0);
    CommandOutput::run(&mut run()).assert_success();
}

/// A server that does not answer does not keep the command from ending.
#[test]
fn signal_stops_a_run_that_waits_for_a_response() {
    for operation in [S3Operation::List, S3Operation::Get, S3Operation::Put] {
        let hanging = FaultPlan::new().always(RequestMatcher::operation(operation), Fault::Hang);
        let server = server_with_input(hanging);
        let waits = || {
            while server.request_count(&RequestMatcher::operation(operation)) == 0 {
                sleep(Duration::from_millis(1));
            }
        };
        let mut command = sparkify(&server, &RUN_ARGS);
        let (outcome, output) = stop_command(&mut command, Signal::TERM, waits);
        match operation {
            // The requests that clean up hang, too.
            S3Operation::Put => assert_ne!(outcome, StopOutcome::Finished, "{output:?}"),
            _ => assert_eq!(outcome, StopOutcome::Stopped, "{operation:?}: {output:?}"),
        }
    }
}
