//! What sessions do on a device with memory of its own, run on the processor by the code that such devices run.

mod bench;

use bench::{Bench, MINI8, images, prepared};
use jobs::Subject;

const ENOUGH: u64 = 1 << 30;

#[test]
fn splits_are_read_ahead_on_a_device_and_not_on_the_processor() {
    let bench = Bench::new(MINI8, 3);
    let mut shared = images(&bench, ENOUGH, None);
    let scores = bench.scores(&mut shared, Subject::Base);
    assert_eq!(bench.splits_read_ahead(), 0, "the processor has enough to do");

    let mut apart = images(&bench, ENOUGH, Some(ENOUGH));
    assert_eq!(bench.scores(&mut apart, Subject::Base), scores);
    assert_eq!(bench.splits_read_ahead(), 2, "all but the first");
    assert_eq!(bench.scores(&mut apart, Subject::Base), scores);
    assert_eq!(bench.splits_read_ahead(), 2, "all are held");
}

#[test]
fn a_split_that_is_not_held_is_read_ahead_by_every_job() {
    let bench = Bench::new(MINI8, 3);
    let mut session = images(&bench, ENOUGH, Some(0));
    let scores = bench.scores(&mut session, Subject::Base);
    assert_eq!(bench.splits_read_ahead(), 2);
    assert_eq!(bench.scores(&mut session, Subject::Base), scores);
    assert_eq!(bench.splits_read_ahead(), 4);
}

#[test]
fn a_split_that_does_not_fit_beside_the_present_one_waits_for_its_turn() {
    let bench = Bench::new(MINI8, 2);
    // Nothing is held on the device, so that the images of the present split lie in the memory of the processor.
    let pixels = 3 * 32 * 32;
    let sizes: Vec<u64> = bench.scores(&mut images(&bench, ENOUGH, None), Subject::Base).iter().map(|s| s.n).collect();
    let both = (sizes[0] + sizes[1]) * pixels;
    let scores = bench.scores(&mut images(&bench, both, Some(0)), Subject::Base);
    assert_eq!(bench.splits_read_ahead(), 1);
    let mut tight = images(&bench, both - 1, Some(0));
    assert_eq!(bench.scores(&mut tight, Subject::Base), scores);
    assert_eq!(bench.splits_read_ahead(), 1, "it was read in its turn");
}

#[test]
fn a_split_that_cannot_be_read_fails_in_its_turn() {
    let bench = Bench::new(MINI8, 2);
    let mut session = images(&bench, ENOUGH, Some(ENOUGH));
    let error = prepared(&bench, &mut session, Subject::Base, |places| {
        let elsewhere = places.data.values().next().cloned();
        let second = places.data.values_mut().nth(1);
        *second.expect("there are two tasks") = elsewhere.expect("there are two tasks");
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("changed") || error.contains("digest"), "{error}");
    assert_eq!(bench.splits_read_ahead(), 0);
}
