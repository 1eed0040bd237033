//! Documents as they were written before there were other kinds of jobs than evaluations.

use crate::{
    AdapterInput, Artefact, ArtefactResult, Blame, Digest, FailureRecord, InputLocations, InputRef, Job, JobResult,
    JobSpec, Meaning, MergeNames, Precision, Preset, RecipeSpec, StatisticsSpec, Subject, TextSpec, Timings,
    UnknownVersion, WRITE_SEMANTICS, WriteFormat, WriteSpec,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MEANING: &str = r#"{"evaluation":1,"base":"{d}","subject":"base","adapters":[],"tasks":[{"name":"mnist","data":"{d}","head":"{d}"}],"benchmark":"per_task","split":"test","precision":"f32"}"#;
const RUN: &str = r#"{"worker":"w","attempt":1,"device":"cpu","versions":{"bowline":"0.1.0"},"finished_ms":1}"#;

fn digest() -> String {
    Digest::of(b"content").to_string()
}

fn meaning() -> String {
    MEANING.replace("{d}", &digest())
}

/// The job's id, from the text that was hashed before: the canonical JSON of the meaning and nothing around it.
fn id() -> String {
    let value: Value = serde_json::from_str(&meaning()).unwrap();
    Digest::of(crate::canonical_json(&value).as_bytes()).to_string()
}

fn places() -> InputLocations {
    InputLocations {
        base: InputRef::Path("/base".into()),
        adapters: BTreeMap::new(),
        data: BTreeMap::new(),
        heads: BTreeMap::new(),
        joint: None,
        slices: Vec::new(),
        command: None,
    }
}

fn write() -> JobSpec {
    JobSpec::Write(WriteSpec {
        semantics: WRITE_SEMANTICS,
        base: Digest::of(b"base"),
        adapters: vec![AdapterInput { task: "mnist".to_owned(), digest: Digest::of(b"adapter") }],
        recipe: Box::new(Preset::KnotsTies.recipe()),
        statistics: Vec::new(),
        format: WriteFormat::Adapter,
        names: MergeNames::default(),
    })
}

#[test]
fn a_result_of_version_1_is_read_and_written_as_it_was() {
    let text = format!(
        r#"{{"version":1,"job":"{}","meaning":{},"scores":[{{"task":"mnist","n":3,"correct":2}}],"timings":{{"load_s":0.0,"align_s":0.0,"merge_s":0.0,"evaluate_s":1.5}},"run":{RUN}}}"#,
        id(),
        meaning()
    );
    let result: JobResult = serde_json::from_str(&text).unwrap();
    assert_eq!(result.check(), Ok(()));
    assert_eq!(result.job, result.meaning.id());
    assert_eq!(result.scores[0].correct, 2);
    assert_eq!(serde_json::to_string(&result).unwrap(), text);
    let later = text.replacen(r#""version":1"#, r#""version":3,"output":{}"#, 1);
    let error = serde_json::from_str::<JobResult>(&later).unwrap_err();
    assert_eq!(UnknownVersion::in_error(&error), Some(UnknownVersion { found: 3, oldest: 1, newest: 2 }));
}

#[test]
fn a_failure_of_version_1_becomes_one_of_an_evaluation() {
    // As the first programs wrote it: without sweep, blame and machine.
    let text = format!(
        r#"{{"version":1,"job":"{}","meaning":{},"attempt":3,"is_final":true,"errors":["no","why"],"worker":"w","failed_ms":7}}"#,
        id(),
        meaning()
    );
    let failure: FailureRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(failure.spec.id(), failure.job);
    assert!(failure.spec.as_evaluation().is_some());
    assert_eq!(failure.blame, None);
    assert_eq!(serde_json::to_string(&failure).unwrap(), text);
}

#[test]
fn a_failure_of_another_kind_is_of_version_2() {
    let failure = FailureRecord {
        job: write().id(),
        spec: write(),
        attempt: 1,
        sweep: Some("s".to_owned()),
        is_final: false,
        blame: Some(Blame::Machine),
        errors: vec!["no".to_owned()],
        worker: "w".to_owned(),
        machine: None,
        failed_ms: 7,
    };
    let text = serde_json::to_string(&failure).unwrap();
    assert!(text.starts_with(r#"{"version":2,"job":""#) && text.contains(r#""spec":{"write":{"#), "{text}");
    assert_eq!(serde_json::from_str::<FailureRecord>(&text).unwrap(), failure);
    let wrong = text.replacen(r#""version":2"#, r#""version":1"#, 1);
    let error = serde_json::from_str::<FailureRecord>(&wrong).unwrap_err().to_string();
    assert_eq!(error, "a document of version 1 has a `meaning` and no `spec`");
}

#[test]
fn the_message_of_an_evaluation_is_what_it_was_and_that_of_another_kind_is_of_version_2() {
    let text = format!(
        r#"{{"version":1,"meaning":{},"places":{{"base":{{"path":"/base"}},"adapters":{{}},"data":{{}},"heads":{{}}}}}}"#,
        meaning()
    );
    let job: Job = serde_json::from_str(&text).unwrap();
    assert_eq!(job.id().to_string(), id());
    assert_eq!(serde_json::to_string(&job).unwrap(), text);
    let job = Job::new(write(), places());
    let message = serde_json::to_value(&job).unwrap();
    assert_eq!(message["version"], 2);
    assert_eq!(message["spec"]["write"]["format"], "adapter");
    assert_eq!(serde_json::from_value::<Job>(message.clone()).unwrap(), job);
    let mut wrong = message.clone();
    wrong["version"] = json!(4);
    let error = serde_json::from_str::<Job>(&wrong.to_string()).unwrap_err();
    assert!(error.to_string().contains("version"), "{error}");
    let mut wrong = message;
    wrong["meaning"] = serde_json::from_str(&meaning()).unwrap();
    let error = serde_json::from_value::<Job>(wrong).unwrap_err().to_string();
    assert_eq!(error, "a document of version 2 has a `spec` and no `meaning`");
}

#[test]
fn a_kind_that_is_not_known_is_refused_by_its_name() {
    let text =
        format!(r#"{{"version":2,"spec":{{"dance":{{}}}},"places":{}}}"#, serde_json::to_string(&places()).unwrap());
    let error = serde_json::from_str::<Job>(&text).unwrap_err().to_string();
    assert!(error.contains("unknown variant `dance`, expected one of `evaluate`, `write`, `statistics`"), "{error}");
}

fn with_recipe(recipe: Value, statistics: Value) -> Meaning {
    let recipe = serde_json::from_value::<RecipeSpec>(recipe).unwrap().resolve().unwrap();
    let mut meaning: Value = serde_json::from_str(&meaning()).unwrap();
    meaning["subject"] = json!({"merge": {"recipe": recipe}});
    meaning["statistics"] = statistics;
    serde_json::from_value(meaning).unwrap()
}

fn version(document: &impl Serialize) -> u64 {
    serde_json::to_value(document).unwrap()["version"].as_u64().unwrap()
}

/// Fails unless the message of the job, its failure, and its result or artefact are of these versions, and are read as
/// what was written.
fn check_versions(spec: &JobSpec, of_job: u64, of_output: u64) {
    let job = Job::new(spec.clone(), places());
    assert_eq!(version(&job), of_job, "{spec:?}");
    assert_eq!(serde_json::from_value::<Job>(serde_json::to_value(&job).unwrap()).unwrap(), job);
    let failure = FailureRecord {
        job: spec.id(),
        spec: spec.clone(),
        attempt: 1,
        sweep: None,
        is_final: true,
        blame: None,
        errors: vec!["no".to_owned()],
        worker: "w".to_owned(),
        machine: None,
        failed_ms: 7,
    };
    assert_eq!(version(&failure), of_job);
    assert_eq!(serde_json::from_value::<FailureRecord>(serde_json::to_value(&failure).unwrap()).unwrap(), failure);
    let run = serde_json::from_str(RUN).unwrap();
    let job = spec.id();
    let timings = Timings::default();
    if let Some(meaning) = spec.as_evaluation() {
        let result = JobResult { job, meaning: meaning.clone(), scores: Vec::new(), merge: None, timings, run };
        assert_eq!(version(&result), of_output);
        assert_eq!(serde_json::from_value::<JobResult>(serde_json::to_value(&result).unwrap()).unwrap(), result);
    } else {
        let artefact = Artefact { files: Vec::new(), facts: BTreeMap::new() };
        let result = ArtefactResult { job, spec: spec.clone(), artefact, timings, run };
        assert_eq!(version(&result), of_output);
        assert_eq!(serde_json::from_value::<ArtefactResult>(serde_json::to_value(&result).unwrap()).unwrap(), result);
    }
}

#[test]
fn jobs_that_older_programs_cannot_read_are_of_a_version_that_they_leave_to_newer_ones() {
    let none = json!([]);
    check_versions(&with_recipe(json!({"preset": "knots_ties"}), none.clone()).into(), 1, 1);
    check_versions(&with_recipe(json!({"preset": "tsv"}), none.clone()).into(), 1, 1);
    check_versions(&write(), 2, 1);
    for recipe in [
        json!({"preset": "slerp"}),
        json!({"preset": "knots_ties", "output_rank": 4}),
        json!({"preset": "core_ties", "space": "core_qr"}),
    ] {
        let meaning = with_recipe(recipe, none.clone());
        let Subject::Merge { recipe } = meaning.subject.clone() else { panic!("a merge") };
        check_versions(&meaning.into(), 3, 2);
        let JobSpec::Write(spec) = write() else { panic!("a job that writes") };
        check_versions(&JobSpec::Write(WriteSpec { recipe, ..spec }), 3, 2);
    }
    let input = json!([{"task": "mnist", "job": digest()}]);
    check_versions(&with_recipe(json!({"preset": "regmean"}), input.clone()).into(), 3, 2);
    check_versions(&with_recipe(json!({"preset": "knots_ties"}), input).into(), 3, 2);
    let share = crate::TaskShare { examples: 9, weight: 0.5 };
    let slice = crate::Slice { seed: 1, sequence_of: None, from: 0, to: 4, tasks: vec![share] };
    let whole = with_recipe(json!({"preset": "knots_ties"}), json!([]));
    check_versions(&Meaning { slice: Some(slice), ..whole }.into(), 3, 2);
    let statistics: StatisticsSpec = serde_json::from_value(json!({
        "semantics": 1, "evaluation": 1, "base": digest(), "adapter": {"task": "mnist", "digest": digest()},
        "data": digest(), "split": "train", "examples": 8, "what": "grams", "precision": "f32",
    }))
    .unwrap();
    check_versions(&JobSpec::Statistics(statistics), 3, 2);
}

#[test]
fn a_message_that_names_slices_is_one_that_older_programs_leave_to_newer_ones() {
    let job = Job::new(with_recipe(json!({"preset": "knots_ties"}), json!([])), places());
    let id = job.id();
    let mut with_slices = job;
    with_slices.places.slices = vec![id];
    assert_eq!((version(&with_slices), with_slices.id()), (3, id), "the id is that of the job without slices");
    assert_eq!(serde_json::from_value::<Job>(serde_json::to_value(&with_slices).unwrap()).unwrap(), with_slices);
}

#[test]
fn a_message_of_images_in_16_bits_is_one_that_older_programs_leave_to_newer_ones() {
    let mut meaning: Meaning = serde_json::from_str(&meaning()).unwrap();
    let version_with = |meaning: &Meaning, data: &Value| {
        let mut places = places();
        places.data.insert("mnist".to_owned(), serde_json::from_value(data.clone()).unwrap());
        let job = Job::new(meaning.clone(), places);
        assert_eq!(serde_json::from_value::<Job>(serde_json::to_value(&job).unwrap()).unwrap(), job);
        version(&job)
    };
    let images = json!({"source": InputRef::Path("/data".into()), "image_column": "image", "label_column": "label"});
    let mut texts = images.clone();
    texts["text"] = json!(TextSpec { columns: vec!["text".to_owned()], ..TextSpec::default() });
    assert_eq!((version_with(&meaning, &images), version_with(&meaning, &texts)), (1, 1));
    for precision in [Precision::Bf16, Precision::F16] {
        meaning.precision = precision;
        assert_eq!((version_with(&meaning, &images), version_with(&meaning, &texts)), (3, 1), "{precision:?}");
    }
}
