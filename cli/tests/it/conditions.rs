//! Stores that ignore the condition of a write.

use crate::{
    bowline::{Place, Ran},
    cluster::runtime,
};
use store::testing::{HttpFault, HttpFaults, S3Server};

#[test]
fn commands_that_store_results_refuse_a_store_that_ignores_conditions_unless_they_are_told_to_use_it() {
    let place = Place::new();
    let runtime = runtime();
    let faults = HttpFaults::none();
    faults.strike(u32::MAX, "PUT", "checks/", HttpFault::IgnoresCondition);
    std::fs::create_dir(place.path("s3")).unwrap();
    let server = runtime.block_on(S3Server::start(&place.path("s3"), faults.clone())).unwrap();
    server.bucket("bucket", "sweeps").unwrap();
    let run = |args: &[&str]| -> Ran {
        let mut command = place.command(&[args, &["--store", "s3://bucket/sweeps"]].concat());
        command.env("AWS_ENDPOINT_URL", server.endpoint()).env("AWS_REGION", "us-east-1");
        // Those of the server of tests.
        command.env("AWS_ACCESS_KEY_ID", "bowline").env("AWS_SECRET_ACCESS_KEY", "correct-horse-battery-staple");
        Place::ran(command)
    };
    let refused = run(&["run", "sweep.yaml", "--threads", "1"]);
    refused.fails(69, &["ignores the condition of a write", "--unconditional-store"]);
    // A broker is not even asked.
    let worker = ["worker", "--queue", "amqp://guest:guest@127.0.0.1:1", "--outage-limit", "1"];
    run(&worker).fails(69, &["ignores the condition of a write", "--unconditional-store"]);

    let evaluate = ["evaluate", "sweep.yaml", "--split", "validation", "--threads", "1"];
    run(&evaluate).fails(69, &["ignores the condition of a write", "--unconditional-store"]);

    let accepted = run(&["run", "sweep.yaml", "--threads", "1", "--unconditional-store"]);
    assert!(accepted.succeeds().stderr.contains("warning: the store"), "{}", accepted.stderr);
    let finish = ["finish", "small", "--threads", "1"];
    run(&finish).fails(69, &["ignores the condition of a write", "--unconditional-store"]);
    let accepted = run(&[&finish[..], &["--unconditional-store"]].concat());
    assert!(accepted.succeeds().stderr.contains("warning: the store"), "{}", accepted.stderr);
    let accepted = run(&[&evaluate[..], &["--unconditional-store"]].concat());
    assert!(accepted.succeeds().stderr.contains("warning: the store"), "{}", accepted.stderr);
    faults.end();
    let sound = run(&["run", "sweep.yaml", "--threads", "1"]);
    assert!(!sound.succeeds().stderr.contains("condition"), "{}", sound.stderr);
}
