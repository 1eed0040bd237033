//! What sessions do on a device with memory of its own, run on the processor by the code that such devices run.

use super::super::FamilySession;
use super::bench::{Bench, EvaluatedBase, TEXT_WIDTH, counted, images, texts};
use jobs::StatisticsKind;

const ENOUGH: u64 = 1 << 30;

#[test]
fn splits_are_read_ahead_on_a_device_and_not_on_the_processor() {
    let bench = Bench::of_images(3);
    let mut shared = images(&bench, ENOUGH, None);
    let scores = bench.scores(&mut shared);
    assert_eq!(bench.splits_read_ahead(), 0, "the processor has enough to do");

    let mut apart = images(&bench, ENOUGH, Some(ENOUGH));
    assert_eq!(bench.scores(&mut apart), scores);
    assert_eq!(bench.splits_read_ahead(), 2, "all but the first");
    assert_eq!(bench.scores(&mut apart), scores);
    assert_eq!(bench.splits_read_ahead(), 2, "all are held");
}

#[test]
fn a_split_that_is_not_held_is_read_ahead_by_every_job() {
    let bench = Bench::of_images(3);
    let mut session = images(&bench, ENOUGH, Some(0));
    let scores = bench.scores(&mut session);
    assert_eq!(bench.splits_read_ahead(), 2);
    assert_eq!(bench.scores(&mut session), scores);
    assert_eq!(bench.splits_read_ahead(), 4);
}

#[test]
fn a_split_that_does_not_fit_beside_the_present_one_waits_for_its_turn() {
    let bench = Bench::of_images(2);
    // Nothing is held on the device, so that the images of the present split lie in the memory of the processor.
    let pixels = 3 * 32 * 32;
    let sizes: Vec<u64> = bench.scores(&mut images(&bench, ENOUGH, None)).iter().map(|s| s.n).collect();
    let both = (sizes[0] + sizes[1]) * pixels;
    let scores = bench.scores(&mut images(&bench, both, Some(0)));
    assert_eq!(bench.splits_read_ahead(), 1);
    let mut tight = images(&bench, both - 1, Some(0));
    assert_eq!(bench.scores(&mut tight), scores);
    assert_eq!(bench.splits_read_ahead(), 1, "it was read in its turn");
}

#[test]
fn a_split_that_cannot_be_read_fails_in_its_turn() {
    let bench = Bench::of_images(2);
    let mut session = images(&bench, ENOUGH, Some(ENOUGH));
    let mut job = bench.job();
    let elsewhere = job.places.data.values().next().cloned();
    let second = job.places.data.values_mut().nth(1);
    *second.expect("there are two tasks") = elsewhere.expect("there are two tasks");
    let error = job.scores(&bench, &mut session).unwrap_err().to_string();
    assert!(error.contains("changed") || error.contains("digest"), "{error}");
    assert_eq!(bench.splits_read_ahead(), 0);
}

/// A job on some of the tasks alone.
fn of_task(bench: &Bench, name: &str) -> EvaluatedBase {
    let mut job = bench.job();
    job.meaning.tasks.retain(|task| task.name == name);
    job
}

#[test]
fn texts_without_room_on_a_device_are_placed_once_there_is_some() {
    let bench = Bench::of_texts(2);
    let mut roomy = texts(&bench, ENOUGH);
    let scores = bench.scores(&mut roomy);
    let both = roomy.splits.held_bytes();
    let nothing = counted(&mut roomy, |session| assert_eq!(bench.scores(session), scores));
    assert_eq!(nothing.up_bytes, 0, "texts and heads are on the device");

    let mut tight = texts(&bench, both - 1);
    assert_eq!(bench.scores(&mut tight), scores);
    let first = tight.splits.held_bytes();
    assert!((1..both).contains(&first), "the first task has its place: {first} of {both}");
    let again = counted(&mut tight, |session| assert_eq!(bench.scores(session), scores));
    assert_eq!(again.up_bytes, both - first, "nothing makes room for the other one in a job that needs both");

    let sick = of_task(&bench, "sick");
    let found = |session: &mut _| assert_eq!(sick.scores(&bench, session).unwrap(), scores[1..]);
    let placed = counted(&mut tight, found);
    assert_eq!((placed.up_bytes, tight.splits.held_bytes()), (both - first, both - first));
    assert_eq!(counted(&mut tight, found).up_bytes, 0, "it stays there");
}

#[test]
fn images_without_room_on_a_device_are_held_there_once_there_is_some() {
    let bench = Bench::of_images(2);
    let mut roomy = images(&bench, ENOUGH, Some(ENOUGH));
    let scores = bench.scores(&mut roomy);
    let both = roomy.splits.held_bytes();
    let first = both / (scores[0].n + scores[1].n) * scores[0].n;
    // Neither tokens nor pixels of the second task fit beside the first.
    let mut tight = images(&bench, ENOUGH, Some(first + 1));
    assert_eq!(bench.scores(&mut tight), scores);
    assert_eq!(tight.splits.held_bytes(), first);
    let name = scores[1].task.clone();
    let second = of_task(&bench, &name);
    assert_eq!(second.scores(&bench, &mut tight).unwrap(), scores[1..]);
    assert!(tight.splits.held_bytes() > 0);
    let again = counted(&mut tight, |session| assert_eq!(second.scores(&bench, session).unwrap(), scores[1..]));
    assert_eq!(again.up_bytes, 0);
}

#[test]
fn tuning_on_all_examples_sends_texts_once_and_leaves_their_place_to_evaluations() {
    let bench = Bench::of_texts(1);
    let mut session = texts(&bench, ENOUGH);
    let settings = &bench.frozen.sweep().learned[0].settings;
    let spec = bench.frozen.tune_spec("select", None, settings).unwrap();
    let meaning = spec.as_evaluation();
    let places = bench.frozen.job(spec.clone()).places;
    let tune = |session: &mut FamilySession<_>| {
        drop(bench.attempt(&meaning, &places, |attempt| session.tune(attempt, &spec)).unwrap());
    };
    let sent = counted(&mut session, tune);
    assert!(sent.up_bytes > 0);
    assert_eq!(sent.up_bytes * TEXT_WIDTH, sent.down_bytes, "an id for each embedding that comes back");
    assert_eq!(session.splits.held_bytes(), 0);

    // The same split, which is held and gets its place now.
    let first = counted(&mut session, |session| drop(bench.scores(session)));
    assert!(session.splits.held_bytes() > 0 && first.up_bytes >= session.splits.held_bytes());
    assert_eq!(counted(&mut session, |session| drop(bench.scores(session))).up_bytes, 0);
    assert_eq!(counted(&mut session, tune).up_bytes, sent.up_bytes);
}

#[test]
fn statistics_send_texts_once() {
    let bench = Bench::of_texts(1);
    let mut session = texts(&bench, ENOUGH);
    let spec = bench.frozen.statistics("snli", "select", 4, StatisticsKind::Fisher).unwrap();
    let meaning = spec.as_evaluation();
    let places = bench.frozen.job(spec.clone()).places;
    let sent = counted(&mut session, |session| {
        drop(bench.attempt(&meaning, &places, |attempt| session.make_statistics(attempt, &spec)).unwrap());
    });
    assert!(sent.up_bytes > 0);
    assert_eq!(sent.up_bytes * TEXT_WIDTH, sent.down_bytes, "an id for each embedding that comes back");
}
