use super::*;
use crate::{AdapterInput, JobKind, MergeNames, Preset, Recipe, WRITE_SEMANTICS, WriteFormat, WriteSpec};

fn spec() -> WriteSpec {
    WriteSpec {
        semantics: WRITE_SEMANTICS,
        base: Digest::of(b"base"),
        adapters: vec![AdapterInput { task: "mnist".to_owned(), digest: Digest::of(b"adapter") }],
        recipe: Box::new(Preset::KnotsTies.recipe()),
        statistics: Vec::new(),
        format: WriteFormat::Adapter,
        names: MergeNames { adapters: vec!["mnist-lora".to_owned()], ..MergeNames::default() },
    }
}

fn file(name: &str) -> ArtefactFile {
    ArtefactFile { name: name.to_owned(), digest: Digest::of(name.as_bytes()), size: 7 }
}

fn result(names: &[&str]) -> ArtefactResult {
    let spec = JobSpec::from(spec());
    ArtefactResult {
        job: spec.id(),
        spec,
        artefact: Artefact {
            files: names.iter().map(|name| file(name)).collect(),
            facts: BTreeMap::from([("rank".to_owned(), 32.0)]),
        },
        timings: Timings::default(),
        run: RunFacts {
            worker: "w".to_owned(),
            attempt: 1,
            device: "cpu".to_owned(),
            versions: BTreeMap::new(),
            commits: BTreeMap::new(),
            finished_ms: 1,
        },
    }
}

#[test]
fn an_artefact_reads_back_as_written() {
    let result = result(&["adapter_config.json", "adapter_model.safetensors"]);
    assert_eq!(result.check(), Ok(()));
    let text = serde_json::to_string(&result).unwrap();
    assert!(text.starts_with(r#"{"version":1,"job":""#), "{text}");
    assert_eq!(serde_json::from_str::<ArtefactResult>(&text).unwrap(), result);
    assert_eq!(result.artefact.size(), 14);
}

#[test]
fn files_that_lead_out_of_the_folder_or_come_twice_are_refused() {
    let refused = |names: &[&str]| result(names).check().unwrap_err().to_string();
    assert_eq!(refused(&[]), "it has no files");
    for name in ["../x", "/x", "a//b", ".hidden", "a/.b", "a\\b", "", "a\nb", "x/"] {
        assert!(refused(&[name]).contains("cannot be the name of a file"), "{name:?}");
    }
    assert!(refused(&["b", "a"]).contains("not sorted"));
    assert!(refused(&["a", "a"]).contains("named twice"));
    let mut result = result(&["a/b.json"]);
    assert_eq!(result.check(), Ok(()));
    result.artefact.facts.insert("rank".to_owned(), f64::NAN);
    assert_eq!(result.check().unwrap_err().to_string(), "`facts.rank` is NaN, and has to be a finite number from 0 on");
}

#[test]
fn a_learned_coefficient_may_be_negative_and_has_to_be_finite() {
    let mut result = result(&["coefficients.json"]);
    result.artefact.facts.insert("layer_weights/emoji/2".to_owned(), -0.04);
    result.artefact.facts.insert("weights/flags".to_owned(), -1.0);
    assert_eq!(result.check(), Ok(()));
    result.artefact.facts.insert("weights/flags".to_owned(), f64::INFINITY);
    let error = result.check().unwrap_err().to_string();
    assert_eq!(error, "`facts.weights/flags` is inf, and has to be a finite number");
}

#[test]
fn an_artefact_is_named_by_what_its_files_hold() {
    let one = result(&["a", "b"]).artefact;
    assert_eq!(one.digest(), result(&["a", "b"]).artefact.digest());
    assert_ne!(one.digest(), result(&["a"]).artefact.digest());
    let mut other = one.clone();
    other.files[0].digest = Digest::of(b"other");
    assert_ne!(one.digest(), other.digest());
    // As `inputs` does with a folder.
    let listed = vec![("a".to_owned(), Digest::of(b"a")), ("b".to_owned(), Digest::of(b"b"))];
    assert_eq!(one.digest(), Digest::of_json(&listed));
}

#[test]
fn whatever_decides_the_files_changes_the_id_of_what_writes_them() {
    let of = |change: &dyn Fn(&mut WriteSpec)| {
        let mut spec = spec();
        change(&mut spec);
        JobSpec::from(spec).id()
    };
    // A changed id means that what was written is written again: bump `WRITE_SEMANTICS` knowingly.
    let id = "5542a1432d1d3c01d4f35c180a8f166792251dd5515cc60a6ef3953b817e4d94";
    assert_eq!(of(&|_| {}).to_string(), id);
    let changes: [&dyn Fn(&mut WriteSpec); 7] = [
        &|spec| spec.semantics += 1,
        &|spec| spec.base = Digest::of(b"other"),
        &|spec| spec.adapters[0].digest = Digest::of(b"other"),
        &|spec| spec.adapters[0].task = "other".to_owned(),
        &|spec| *spec.recipe = Preset::KnotsTies.recipe().with_scaling(0.5),
        &|spec| spec.format = WriteFormat::Model,
        &|spec| spec.names.base_model = Some("openai/clip".to_owned()),
    ];
    let ids: BTreeSet<JobId> = changes.iter().map(|change| of(*change)).chain([of(&|_| {})]).collect();
    assert_eq!(ids.len(), 8);
}

#[test]
fn what_another_version_would_write_otherwise_is_told_from_ours() {
    assert_eq!(JobSpec::from(spec()).kind(), JobKind::Write);
    assert_eq!(JobSpec::from(spec()).check_semantics(), Ok(()));
    let later = WriteSpec { semantics: WRITE_SEMANTICS + 1, ..spec() };
    let error = JobSpec::from(later).check_semantics().unwrap_err();
    assert_eq!(error.to_string(), "the job's output is of semantics 2, while this Bowline computes semantics 1");
    let recipe = Box::new(Recipe { semantics: 7, ..Preset::KnotsTies.recipe() });
    let error = JobSpec::from(WriteSpec { recipe, ..spec() }).check_semantics().unwrap_err();
    assert_eq!(error.part, "recipe");
}
