use super::*;
use crate::contract::job;
use serde_json::{Value, json};

const TRACED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn queued() -> QueuedJob {
    QueuedJob {
        attempt: 3,
        losses: 2,
        deferrals: 7,
        trace_parent: Some(TRACED.to_owned()),
        ..QueuedJob::first(job(1), "mini8")
    }
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let message = encode(&queued(), "q");
    let mut body = serde_json::from_slice(&message.body).unwrap();
    change(&mut body);
    let refusal = decode(&serde_json::to_vec(&body).unwrap(), &message.properties);
    refusal.expect_err("it is no job").to_string()
}

#[test]
fn a_job_is_read_as_it_was_written() {
    let message = encode(&queued(), "q");
    assert_eq!(message.queue, "q");
    assert_eq!(decode(&message.body, &message.properties).unwrap(), queued());
}

#[test]
fn a_message_says_what_it_is() {
    let Message { body, properties, .. } = encode(&queued(), "q");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["version"], &body["sweep"]), (&json!(1), &json!("mini8")));
    assert_eq!(body["job"], serde_json::to_value(job(1)).unwrap());
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), job(1).id().to_string());
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), "bowline.job");
    assert_eq!(*properties.delivery_mode(), Some(2));
}

#[test]
fn a_message_contains_how_long_it_has_waited() {
    let mut message = encode(&queued(), "q");
    assert!(waited(&message.properties).is_some_and(|waited| waited < Duration::from_secs(5)));
    message.add_header(QUEUED, AMQPValue::LongLongInt(signed(now_ms() - 90_000)));
    assert_eq!(waited(&message.properties).map(|waited| waited.as_secs()), Some(90));
    // Written by a clock that is ahead of ours.
    message.add_header(QUEUED, AMQPValue::LongLongInt(signed(now_ms() + 90_000)));
    assert_eq!(waited(&message.properties), Some(Duration::ZERO));
    assert_eq!(waited(&BasicProperties::default()), None, "an older program does not write it");
}

#[test]
fn a_message_counts_how_often_it_was_deferred() {
    let message = encode(&queued(), "q").deferred().deferred().requeued();
    assert_eq!(deferrals(&message.properties), 9);
    assert_eq!(decode(&message.body, &message.properties).unwrap(), QueuedJob { deferrals: 9, ..queued() });
    assert_eq!(deferrals(&BasicProperties::default()), 0);
}

#[test]
fn an_invalid_trace_is_not_passed_on() {
    let mut message = encode(&queued(), "q");
    message.add_header(TRACE_PARENT, AMQPValue::LongString("x".repeat(LONGEST_TRACE_PARENT + 1).into()));
    assert_eq!(decode(&message.body, &message.properties).unwrap().trace_parent, None);
    message.add_header(TRACE_PARENT, AMQPValue::LongLongInt(1));
    assert_eq!(decode(&message.body, &message.properties).unwrap().trace_parent, None);
}

#[test]
fn what_is_no_job_is_refused_with_a_reason() {
    let properties = encode(&queued(), "q").properties;
    for body in ["", "hello", "{}", r#"{"version":"one"}"#] {
        let error = decode(body.as_bytes(), &properties).unwrap_err().to_string();
        assert!(error.starts_with("not a message of Bowline: "), "{error}");
    }
    let error = changed(|body| body["version"] = json!(2));
    assert_eq!(error, "a message of version 2, while this Bowline reads version 1");
    let error = changed(|body| body["colour"] = json!("red"));
    assert!(error.contains("cannot be read: unknown field `colour`"), "{error}");
    let error = changed(|body| drop(body["job"].as_object_mut().unwrap().remove("meaning")));
    assert!(error.contains("a document of version 1 has a `meaning` and no `spec`"), "{error}");
    let error = changed(|body| body["job"]["version"] = json!(7));
    assert!(error.starts_with("a job of version 7"), "{error}");
    let error = changed(|body| body["job"] = json!({"version": 7, "colour": "red"}));
    assert!(error.starts_with("a job of version 7"), "whatever else it contains: {error}");
    let error = changed(|body| body["job"]["meaning"]["split"] = json!("test"));
    assert!(error.starts_with(&format!("the message is named `{}`", job(1).id())), "{error}");
}

#[test]
fn a_job_that_writes_is_sent_as_version_2_which_older_programs_defer() {
    let evaluation = job(1);
    let meaning = evaluation.spec().as_evaluation().unwrap();
    let write = jobs::WriteSpec {
        semantics: jobs::WRITE_SEMANTICS,
        base: meaning.base,
        adapters: meaning.adapters.clone(),
        recipe: Box::new(jobs::Preset::KnotsTies.recipe()),
        statistics: Vec::new(),
        format: jobs::WriteFormat::Adapter,
        names: jobs::MergeNames::default(),
    };
    let write = Job::new(write, evaluation.places);
    let message = encode(&QueuedJob { attempt: 3, ..QueuedJob::first(write.clone(), "mini8") }, "q");
    let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!((&body["version"], &body["job"]["version"]), (&json!(1), &json!(2)));
    assert_eq!(decode(&message.body, &message.properties).unwrap().job, write);
}

#[test]
fn a_message_for_a_sweep_that_no_store_can_hold_is_refused() {
    for sweep in ["", "..", "../x", "a/b", ".h", "a\nb", "a\0b", "caf\u{e9}", "\u{1b}[2J", &"x".repeat(300)] {
        let error = changed(|body| body["sweep"] = json!(sweep));
        assert!(error.ends_with("which is no name of a sweep"), "{error}");
        assert!(error.len() < 500 && !error.contains(char::is_control), "{error:?}");
    }
}

#[test]
fn a_message_without_its_counts_is_refused() {
    let Message { body, properties, .. } = encode(&queued(), "q");
    for (header, value) in [
        (ATTEMPT, AMQPValue::LongLongInt(0)),
        (ATTEMPT, AMQPValue::LongLongInt(-1)),
        (LOSSES, AMQPValue::LongString("two".into())),
    ] {
        let mut message = Message { queue: String::new(), body: body.clone(), properties: properties.clone() };
        message.add_header(header, value);
        let error = decode(&message.body, &message.properties).unwrap_err().to_string();
        assert_eq!(error, format!("the header `{header}` is missing or no count"));
    }
    let bare = BasicProperties::default().with_message_id(job(1).id().to_string().into());
    assert!(matches!(decode(&body, &bare), Err(DecodeError::Count { header: ATTEMPT })));
}

#[test]
fn a_count_is_read_however_wide_it_was_written() {
    for value in [AMQPValue::LongInt(9), AMQPValue::LongUInt(9), AMQPValue::ShortInt(9), AMQPValue::ShortShortUInt(9)] {
        let mut message = encode(&queued(), "q");
        message.add_header(ATTEMPT, value);
        assert_eq!(decode(&message.body, &message.properties).unwrap().attempt, 9);
    }
}

#[test]
fn a_long_reason_is_cut_at_a_character() {
    let message = encode(&queued(), "q").with_reason(&"ä".repeat(LONGEST_REASON));
    let headers = message.properties.headers().clone().unwrap();
    let Some(AMQPValue::LongString(reason)) = headers.inner().get(REASON) else { panic!("{headers:?}") };
    assert_eq!(reason.to_string(), "ä".repeat(LONGEST_REASON / 2));
    assert_eq!(decode(&message.body, &message.properties).unwrap(), queued(), "the rest is as it was");
}

#[test]
fn a_back_off_lasts_no_longer_than_it_was_given_however_clocks_differ() {
    let delay = Duration::from_secs(60);
    let mut message = encode(&queued(), "q").held_for(delay);
    let left = remaining(&message.properties);
    assert!(left > Duration::from_secs(50) && left <= delay + Duration::from_millis(1), "{left:?}");
    // Written by a clock an hour ahead of ours.
    message.add_header(DUE, AMQPValue::LongLongInt(signed(now_ms() + 3_660_000)));
    assert_eq!(remaining(&message.properties), delay + Duration::from_millis(1));
    // By one an hour behind.
    message.add_header(DUE, AMQPValue::LongLongInt(signed(now_ms() - 3_540_000)));
    assert_eq!(remaining(&message.properties), Duration::ZERO);
    assert_eq!(remaining(&BasicProperties::default()), Duration::ZERO);
}

#[test]
fn no_back_off_outlasts_what_a_broker_allows() {
    let message = encode(&queued(), "q").held_for(Duration::from_secs(86_400));
    assert!(remaining(&message.properties) <= LONGEST_BACK_OFF);
}
