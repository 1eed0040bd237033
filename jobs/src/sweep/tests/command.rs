use crate::{Benchmark, CommandModel, InputRef, Metric, PrecisionChoice, Sweep, SweepError};
use std::path::Path;

const FILE: &str = "
name: own
base: base
tasks:
  - {name: one, adapter: adapters/one}
  - {name: two, adapter: adapters/two, data: data/two.jsonl}
evaluation:
  command: [python3, eval.py, --fast]
  files: [eval.py, prompts/one.txt]
  environment: {SEED: 3, NAME: text}
  pass: [HF_HOME]
  write: model
  timeout: 1.5h
  memory: 8GiB
  select: dev
recipe: {preset: knots_ties}
";

fn read(overrides: &[&str]) -> Result<Sweep, SweepError> {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    Sweep::from_yaml(FILE, Path::new("/sweeps"), &overrides)
}

fn refused(overrides: &[&str]) -> String {
    read(overrides).unwrap_err().to_string()
}

#[test]
fn a_command_is_read_with_its_files_variables_and_limits() {
    let sweep = read(&[]).unwrap();
    let Benchmark::Command(command) = &sweep.evaluation.benchmark else { panic!("it is a command") };
    assert_eq!(command.argv, ["python3", "eval.py", "--fast"]);
    assert_eq!(command.files["prompts/one.txt"], InputRef::Path("/sweeps/prompts/one.txt".into()));
    let environment: Vec<_> = command.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(environment, ["NAME=text", "SEED=3"]);
    assert!(command.pass.contains("HF_HOME"));
    assert_eq!(command.write, CommandModel::Model);
    assert_eq!((command.limits.timeout_s, command.limits.memory_bytes), (Some(5400), Some(8 << 30)));
    assert_eq!((sweep.evaluation.select.as_str(), sweep.evaluation.report.as_str()), ("dev", "test"));
    assert_eq!(sweep.evaluation.precision, PrecisionChoice::F32);
    assert_eq!(sweep.objective.metric, Metric::MeanNormalisedAccuracy);
    assert!(sweep.has_denominators() && sweep.tasks[0].data.is_none() && sweep.tasks[1].data.is_some());
    let written = serde_json::to_value(&sweep).unwrap();
    assert_eq!(serde_json::from_value::<Sweep>(written).unwrap(), sweep);
}

#[test]
fn limits_have_units_and_files_may_have_names_of_their_own() {
    let limits = |overrides: &[&str]| read(overrides).unwrap().evaluation.benchmark.command().unwrap().limits;
    assert_eq!(limits(&["evaluation.timeout=90"]).timeout_s, Some(90));
    assert_eq!(limits(&["evaluation.timeout=0.5s"]).timeout_s, Some(1));
    assert_eq!(limits(&["evaluation.memory=500 MB"]).memory_bytes, Some(500_000_000));
    let files = "evaluation.files={eval.py: 's3://bucket/eval.py', a/b: /other/b}";
    let sweep = read(&[files]).unwrap();
    let command = sweep.evaluation.benchmark.command().unwrap();
    assert_eq!(command.files["eval.py"].to_string(), "s3://bucket/eval.py");
    for (limit, expected) in [
        ("evaluation.timeout=0", "`evaluation.timeout` is 0; write seconds"),
        ("evaluation.timeout=-1", "`evaluation.timeout` is -1; write seconds"),
        ("evaluation.timeout=nans", "`evaluation.timeout` is \"nans\"; write seconds"),
        ("evaluation.timeout=3 weeks", "`evaluation.timeout` is \"3 weeks\"; write seconds"),
        ("evaluation.memory=1000", "`evaluation.memory` is the number 1000; expected a text"),
        ("evaluation.memory=8G", "`evaluation.memory` is \"8G\"; write a number with a unit"),
        ("evaluation.memory=9e99GB", "`evaluation.memory` is \"9e99GB\"; write a number with a unit"),
    ] {
        assert!(refused(&[limit]).starts_with(expected), "{limit}: {}", refused(&[limit]));
    }
}

#[test]
fn a_script_that_is_no_declared_file_is_refused_since_no_id_would_cover_it() {
    for command in ["[python3, other.py]", "[./run]", "[bin/run]", "[python3, /opt/eval.py]", "[sh, ../eval.sh]"] {
        let error = refused(&[&format!("evaluation.command={command}")]);
        assert!(error.contains("which is not among `evaluation.files`"), "{command}: {error}");
    }
    for command in ["[/usr/bin/python3, eval.py]", "[lm_eval, --tasks, x]", "[./eval.py]", "[python3, -m, module]"] {
        read(&[&format!("evaluation.command={command}")]).unwrap();
    }
    assert!(refused(&["evaluation.command=[]"]).starts_with("`evaluation.command` names no program"));
    assert!(refused(&["evaluation.command=python3 eval.py"]).contains("expected a list"));
}

#[test]
fn what_has_no_effect_beside_a_command_or_without_one_is_refused_by_name() {
    for (change, expected) in [
        ("evaluation.benchmark=joint", "`evaluation.benchmark` has no effect beside `evaluation.command`"),
        ("evaluation.statistics=train", "`evaluation.statistics` has no effect"),
        ("evaluation.precision=f32", "`evaluation.precision` has no effect"),
        ("evaluation.map=map.json", "`evaluation.map` has no effect"),
        ("tasks.one.classes=[a, b]", "`tasks[0].classes` has no effect"),
        ("tasks.one.data={source: data}", "`tasks[0].data` is no reference"),
        ("evaluation.pass=[SEED]", "`evaluation.pass[0]` is `SEED`, to which `evaluation.environment` gives a value"),
        ("evaluation.pass=[BOWLINE_BASE]", "`evaluation.pass[0]` begins with `BOWLINE_`"),
        ("evaluation.environment={A: [1]}", "`evaluation.environment.A` is a list; expected a text or a number"),
        ("evaluation.files=[eval.py, eval.py]", "`evaluation.files[1]` is `eval.py` a second time"),
        (
            "evaluation.files={eval.py: a, eval.py/x: b}",
            "`evaluation.files` has `eval.py` as a file, and as the folder",
        ),
        ("recipe={preset: regmean}", "`evaluation.command` evaluates the models, and `regmean` merges by"),
        ("recipe={preset: regmean_plus_plus}", "`evaluation.command` evaluates the models, and a recipe merges layer"),
        ("learned=[{split: train}]", "`learned[0]` needs models that Bowline runs itself"),
        ("baselines=[{ensemble: max}]", "`baselines[0].ensemble`"),
        ("metric={name: joint_hits@3}", "`metric.name` counts hits among joint labels"),
    ] {
        let error = refused(&[change]);
        assert!(error.starts_with(expected), "{change}: {error}");
    }
    let without = FILE.replace("  command: [python3, eval.py, --fast]\n", "");
    let error = Sweep::from_yaml(&without, Path::new("/sweeps"), &[]).unwrap_err().to_string();
    assert!(error.starts_with("`tasks[0]` needs `data`"), "{error}");
}

#[test]
fn a_portfolio_beside_a_command_has_no_preset_that_needs_our_own_models() {
    let file = FILE.replace("recipe: {preset: knots_ties}", "method: portfolio");
    let sweep = Sweep::from_yaml(&file, Path::new("/sweeps"), &[]).unwrap();
    let presets = sweep.searches[0].parameters[0].values.listed().unwrap();
    assert!(presets.iter().any(|name| name == "ties"));
    for name in ["regmean", "regmean_plus_plus", "fisher"] {
        assert!(presets.iter().all(|preset| preset != name), "{name}");
    }
    assert!(sweep.statistics_rows().is_empty() && sweep.layerwise_needs().is_empty());
}
