//! Each fault is injected once, and nothing is lost. Skipped, with a message, where there is no RabbitMQ.

use std::{path::Path, time::Duration};
use testbed::{
    Broker,
    chaos::{Fault, Settings, run},
};

/// The thread of a test has a quarter of the stack of a program's main thread, and unoptimised futures need more.
const STACK_BYTES: usize = 8 << 20;

#[test]
fn nothing_is_lost_or_doubled_whatever_goes_wrong() {
    let run = || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            // A private broker, since the test kills it.
            let Some(mut broker) = Broker::start(&folder.path().join("broker")).await.unwrap() else {
                println!("skipped: no RabbitMQ can be started");
                return;
            };
            let settings = Settings {
                seed: 3,
                lasts: Duration::ZERO,
                workers: 4,
                job: Duration::from_millis(200),
                repeats: 1,
                racing: false,
                densities: 20,
                scalings: 20,
                limit: Duration::from_secs(900),
                programs: Path::new(env!("CARGO_BIN_EXE_sim-worker")).parent().unwrap().to_owned(),
                folder: folder.path().to_owned(),
            };
            let report = run(&settings, &mut broker).await.unwrap();
            println!("{report}");
            if !report.violations.is_empty() {
                panic!("{report}\nlogs and data are kept in {}", folder.keep().display());
            }
            let missing: Vec<_> = Fault::ALL.iter().filter(|fault| !report.injected().contains_key(fault)).collect();
            assert!(missing.is_empty(), "the sweep was over before these were injected: {missing:?}");
        });
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap();
}
