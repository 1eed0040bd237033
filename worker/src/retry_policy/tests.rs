use super::*;
use crate::CommandError;

fn limits() -> Limits {
    Limits { attempts: 3, losses: 5, back_off: Duration::from_secs(1), ..Limits::default() }
}

fn changed() -> JobError {
    JobError::Changed { place: "/data".to_owned(), expected: String::new(), found: String::new(), file: None }
}

fn tried(machines: usize, has_untried: bool, seconds: u64) -> Option<MachinesTried> {
    Some(MachinesTried { machines, has_untried, lasting: Duration::from_secs(seconds) })
}

#[test]
fn a_transient_failure_is_tried_again_with_growing_pauses_until_attempts_run_out() {
    let error = JobError::Panicked("gone".to_owned());
    assert_eq!(after_failure(&error, 1, None, &limits()), AfterFailure::Retry(Duration::from_secs(1)));
    assert_eq!(after_failure(&error, 2, None, &limits()), AfterFailure::Retry(Duration::from_secs(2)));
    assert_eq!(after_failure(&error, 3, None, &limits()), AfterFailure::DeadLetter);
}

#[test]
fn a_fault_of_the_worker_is_permanent_if_there_is_no_other_worker() {
    assert_eq!(after_failure(&changed(), 1, None, &limits()), AfterFailure::DeadLetter);
}

#[test]
fn a_failure_of_a_machine_is_not_permanent_while_an_untried_machine_is_alive() {
    for error in [changed(), JobError::TimedOut(Duration::ZERO), JobError::LoadTimedOut(Duration::ZERO)] {
        for (attempt, machines, seconds) in [(1, 1, 0), (3, 1, 500), (40, 1, 9000), (9, 3, 9000), (9, 11, 9000)] {
            let next = after_failure(&error, attempt, tried(machines, true, seconds), &limits());
            assert!(matches!(next, AfterFailure::Retry(_)), "{error}: {attempt} {machines}");
        }
    }
}

#[test]
fn what_a_command_does_is_tried_as_often_as_attempts_say_however_many_machines_are_there() {
    let tail = String::new;
    for (error, last) in [
        (CommandError::TimedOut { limit: Duration::ZERO, tail: tail() }, 3),
        (CommandError::TryAgain { tail: tail() }, 3),
        (CommandError::Signal { signal: 9, tail: tail() }, 3),
        (CommandError::Signal { signal: 11, tail: tail() }, 1),
        (CommandError::TooMuchMemory { found: 2, limit: 1, tail: tail() }, 1),
    ] {
        let error = JobError::Command(error);
        for attempt in 1..5 {
            let next = after_failure(&error, attempt, tried(1, true, 0), &limits());
            assert_eq!(matches!(next, AfterFailure::Retry(_)), attempt < last, "{error}: {attempt}");
        }
    }
    let source = std::io::Error::from_raw_os_error(2);
    let start = JobError::Command(CommandError::Start { program: "python".to_owned(), source });
    assert!(
        matches!(after_failure(&start, 9, tried(1, true, 0), &limits()), AfterFailure::Retry(_)),
        "one may have it"
    );
}

#[test]
fn a_job_of_the_only_machine_waits_for_another_one_to_start() {
    assert!(matches!(after_failure(&changed(), 9, tried(1, false, 119), &limits()), AfterFailure::Retry(_)));
    assert_eq!(after_failure(&changed(), 9, tried(1, false, 121), &limits()), AfterFailure::DeadLetter);
    assert!(matches!(after_failure(&changed(), 2, tried(1, false, 121), &limits()), AfterFailure::Retry(_)));
    assert_eq!(
        after_failure(&changed(), 3, tried(3, false, 5), &limits()),
        AfterFailure::DeadLetter,
        "three machines tried"
    );
}

#[test]
fn replaced_machines_do_not_keep_a_job_for_ever() {
    assert_eq!(after_failure(&changed(), 30, tried(12, true, 5), &limits()), AfterFailure::DeadLetter);
    assert_eq!(after_failure(&changed(), 30, tried(1, true, 24 * 3600), &limits()), AfterFailure::DeadLetter, "a day");
    assert!(!is_lost(30, tried(19, true, 5), &limits()) && is_lost(30, tried(20, true, 5), &limits()));
}

#[test]
fn losses_count_machines_and_not_processes() {
    assert!(!is_lost(4, tried(4, false, 500), &limits()), "below the limit");
    assert!(!is_lost(50, tried(1, true, 9000), &limits()), "a machine that has not tried is alive");
    assert!(!is_lost(50, tried(1, false, 60), &limits()), "one may start");
    assert!(is_lost(50, tried(1, false, 130), &limits()));
    assert!(is_lost(5, tried(5, false, 1), &limits()));
    assert!(is_lost(5, None, &limits()) && !is_lost(4, None, &limits()));
}

#[test]
fn pauses_do_not_grow_for_ever() {
    let limits = Limits { attempts: 20, ..limits() };
    let error = JobError::Panicked("gone".to_owned());
    assert_eq!(after_failure(&error, 12, None, &limits), AfterFailure::Retry(Duration::from_secs(60)));
}

#[test]
fn bad_input_is_never_tried_again() {
    for tried in [None, tried(1, true, 0)] {
        assert_eq!(after_failure(&JobError::Incomplete(String::new()), 1, tried, &limits()), AfterFailure::DeadLetter);
    }
}

#[test]
fn a_cancelled_job_leaves_no_failure_behind() {
    assert_eq!(after_failure(&JobError::Cancelled("s".to_owned()), 3, None, &limits()), AfterFailure::Discard);
}

#[test]
fn an_interrupted_job_goes_back_without_counting() {
    assert_eq!(after_failure(&JobError::Interrupted, 3, None, &limits()), AfterFailure::Return);
    let rests = JobError::Rests(crate::StateFile::new().unwrap());
    assert_eq!(after_failure(&rests, 3, None, &limits()), AfterFailure::Return);
}

#[test]
fn the_message_of_a_lost_job_names_its_machines_and_guesses_nothing() {
    let lost = |losses, machines: &[&str]| {
        let machines = machines.iter().map(|&name| name.to_owned()).collect();
        JobError::Lost { losses, machines }.to_string()
    };
    let rest = "workers took the job and did not settle it";
    assert_eq!(lost(5, &["a", "b"]), format!("the job was lost 5 times on 2 machines, `a`, `b`: {rest}"));
    assert_eq!(lost(7, &["a"]), format!("the job was lost 7 times on one machine, `a`: {rest}"));
    assert_eq!(lost(1, &[]), format!("the job was lost once: {rest}"));
}
