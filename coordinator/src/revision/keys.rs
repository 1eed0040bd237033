use jobs::{
    Baseline, Benchmark, CommandSpec, Ensemble, Evaluation, HeadSpec, InputRef, JointHeadSpec, Method, Parameter,
    PublishedFigures, Racing, Reference, Search, Sweep, Task, TaskAdapter, Values, Variant,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The content of a sweep, key by key, with names in place of list indices.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The values by key, spelled as in a sweep file.
    pub(super) values: BTreeMap<String, Entry>,
    /// The names in each list, in their order, by the list's key.
    pub(super) lists: BTreeMap<String, Vec<String>>,
}

/// The value of a key.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// The inputs that the key is about, by the names of their digests. Such a key has no other meaning. Empty for keys
    /// about no input.
    pub(super) inputs: Vec<String>,
}

/// Keys as they are stored, and as a sweep file has them.
const SPELLED: [(&str, &str); 2] = [(".data.text.columns", ".data.text_columns"), (".data.text.", ".data.")];

/// Fewer values of a parameter are not shown as a range.
const FEWEST: usize = 3;

impl Keys {
    pub(super) fn of(sweep: &Sweep) -> Self {
        let Sweep {
            name: _,
            base,
            tasks,
            evaluation,
            method,
            objective,
            goals,
            searches,
            baselines,
            learned,
            reference,
            ensembles,
            racing,
            subsets,
            variant,
        } = sweep;
        let mut keys = Self::default();
        let mut of_base = vec!["base".to_owned()];
        of_base.extend(evaluation.benchmark.command().map(|_| "base.files".to_owned()));
        keys.of_input("base", base, &of_base);
        keys.list("tasks", tasks.iter().map(|task| &task.name));
        tasks.iter().for_each(|task| keys.task(task, &sweep.splits_of(task)));
        keys.evaluation(evaluation);
        keys.method(*method);
        keys.put("metric.name", &objective.metric);
        keys.put("metric.goal", objective.goal);
        if !goals.is_empty() {
            keys.put("goals", goals);
        }
        keys.list("searches", searches.iter().map(|search| &search.name));
        searches.iter().for_each(|search| keys.search(search));
        let names = baselines.iter().map(|baseline| &baseline.name);
        keys.list("baselines", names.chain(ensembles.iter().map(|ensemble| &ensemble.name)));
        baselines.iter().for_each(|baseline| keys.baseline(baseline));
        for Ensemble { name, rule } in ensembles {
            keys.put(&format!("baselines.{name}.ensemble"), rule);
        }
        keys.list("learned", learned.iter().map(|learned| &learned.name));
        learned.iter().for_each(|learned| keys.put(&format!("learned.{}", learned.name), learned));
        reference.iter().for_each(|reference| keys.reference(reference));
        if let Some(Racing { error_rate, slice, indifference, round, seed }) = racing {
            keys.put("racing.error_rate", error_rate);
            if let Some(slice) = slice {
                keys.put("racing.slice", slice);
            }
            keys.put("racing.indifference", indifference);
            keys.put("racing.round", round);
            keys.put("racing.seed", seed);
        }
        if let Some(subsets) = subsets {
            keys.put("subsets", subsets);
        }
        if let Some(variant) = variant {
            keys.variant(variant);
        }
        keys
    }

    /// No job depends on it. It is compared because stored sweeps are found and shown by the variant in their manifest. The
    /// place alone is no change: the outcome of the next run has it.
    fn variant(&mut self, variant: &Variant) {
        let Variant { of, key, value, place: _ } = variant;
        self.put("variants.of", of);
        self.put("variants.key", key);
        self.put("variants.value", value);
    }

    fn task(&mut self, task: &Task, splits: &[&str]) {
        let Task { name, adapter, data, head, finetuned } = task;
        let at = |key: &str| format!("tasks.{name}.{key}");
        match adapter {
            TaskAdapter::Given(adapter) => self.of_input(&at("adapter"), adapter, &[format!("adapters.{name}")]),
            TaskAdapter::Train(training) => self.put(&at("adapter.train"), training.resolved()),
        }
        let of_data: Vec<String> = splits.iter().map(|split| format!("data.{name}.{split}")).collect();
        self.of_input(&at("data"), data, &of_data);
        // A joint head may be made from the heads of the tasks.
        let of_head = [format!("heads.{name}"), "joint".to_owned()];
        match head {
            Some(HeadSpec::File(head) | HeadSpec::Adapter(head)) => self.of_input(&at("head"), head, &of_head),
            Some(HeadSpec::Prompts { classes, templates }) => {
                self.of_input(&at("classes"), classes, &of_head);
                self.of_input(&at("templates"), templates, &of_head);
            }
            None => {}
        }
        self.put(&at("finetuned"), finetuned);
    }

    fn evaluation(&mut self, evaluation: &Evaluation) {
        let Evaluation { benchmark, select, report, statistics, precision } = evaluation;
        match benchmark {
            Benchmark::PerTask => self.put("evaluation.benchmark", "per_task"),
            Benchmark::Joint { files } => {
                self.put("evaluation.benchmark", "joint");
                if let Some(JointHeadSpec { head, map }) = files {
                    self.of_input("evaluation.head", head, &["joint".to_owned(), "joint.head".to_owned()]);
                    self.of_input("evaluation.map", map, &["joint".to_owned(), "joint.map".to_owned()]);
                }
            }
            Benchmark::Command(command) => self.command(command),
        }
        self.put("evaluation.select", select);
        self.put("evaluation.report", report);
        if let Some(statistics) = statistics {
            self.put("evaluation.statistics", statistics);
        }
        self.put("evaluation.precision", precision);
    }

    fn command(&mut self, command: &CommandSpec) {
        let CommandSpec { argv, files, environment, pass, write, limits } = command;
        self.put("evaluation.command", argv);
        for (name, file) in files {
            self.of_input(&format!("evaluation.files.{name}"), file, &[format!("command.{name}")]);
        }
        for (name, value) in environment {
            self.put(&format!("evaluation.environment.{name}"), value);
        }
        self.put("evaluation.pass", pass);
        self.put("evaluation.write", write);
        self.put("evaluation.timeout", limits.timeout_s);
        self.put("evaluation.memory", limits.memory_bytes);
    }

    fn method(&mut self, method: Method) {
        self.put("method", method.name());
        if let Some(trials) = method.trials() {
            self.put("trials", trials);
        }
        if let Some(seed) = method.seed() {
            self.put("seed", seed);
        }
    }

    fn search(&mut self, search: &Search) {
        let Search { name, recipe, parameters, trials, replicates } = search;
        self.put(&format!("searches.{name}.recipe"), recipe);
        // A linear search goes through them in order.
        self.list(&format!("searches.{name}.parameters"), parameters.iter().map(|parameter| &parameter.key));
        for Parameter { key, values } in parameters {
            self.insert(format!("searches.{name}.{key}"), shortened(values), &[]);
        }
        if let Some(trials) = trials {
            self.put(&format!("searches.{name}.trials"), trials);
        }
        if let Some(replicates) = replicates {
            self.put(&format!("searches.{name}.replicates"), replicates);
        }
    }

    fn baseline(&mut self, baseline: &Baseline) {
        let Baseline { name, recipe, replicates } = baseline;
        self.put(&format!("baselines.{name}"), recipe);
        if let Some(replicates) = replicates {
            self.put(&format!("baselines.{name}.replicates"), replicates);
        }
    }

    fn reference(&mut self, reference: &Reference) {
        let Reference { figures, methods } = reference;
        let PublishedFigures { source, metric, tasks, rows, notes } = figures;
        self.put("reference.source", source);
        if let Some(metric) = metric {
            self.put("reference.metric", metric);
        }
        self.put("reference.tasks", tasks);
        self.list("reference.rows", rows.iter().map(|row| &row.method));
        rows.iter().for_each(|row| self.put(&format!("reference.rows.{}", row.method), row));
        self.put("reference.notes", notes);
        methods.iter().for_each(|(row, method)| self.put(&format!("reference.published.{row}"), method));
    }

    fn list<'a>(&mut self, key: &str, names: impl Iterator<Item = &'a String>) {
        self.lists.insert(key.to_owned(), names.cloned().collect());
    }

    /// A key about no input, with all keys below it.
    fn put(&mut self, key: &str, value: impl Serialize) {
        self.of_input(key, value, &[]);
    }

    /// A key about `inputs`, with all keys below it.
    fn of_input(&mut self, key: &str, value: impl Serialize, inputs: &[String]) {
        let value = serde_json::to_value(value).expect("plain data with texts as keys");
        match reference(&value).unwrap_or(value) {
            Value::Object(entries) => {
                entries.into_iter().for_each(|(below, value)| self.of_input(&format!("{key}.{below}"), value, inputs));
            }
            value => self.insert(SPELLED.iter().fold(key.to_owned(), spelled), value, inputs),
        }
    }

    fn insert(&mut self, key: String, value: Value, inputs: &[String]) {
        self.values.insert(key, Entry { value, inputs: inputs.to_vec() });
    }
}

/// The reference of an input as a sweep file has it, if the value is one.
fn reference(value: &Value) -> Option<Value> {
    let entries = value.as_object().filter(|entries| entries.len() == 1)?;
    let reference: InputRef = serde_json::from_value(Value::Object(entries.clone())).ok()?;
    Some(reference.to_string().into())
}

fn spelled(key: String, (stored, written): &(&str, &str)) -> String {
    key.replacen(stored, written, 1)
}

/// The values of a parameter, as a range if they form one.
fn shortened(values: &Values) -> Value {
    match values {
        Values::Continuous { min, max, log } => json!({"min": min, "max": max, "log": log}),
        Values::List(values) => range(values).unwrap_or_else(|| json!(values)),
    }
}

/// Numbers with equal differences, as a range.
fn range(values: &[Value]) -> Option<Value> {
    let numbers: Vec<f64> = values.iter().map(Value::as_f64).collect::<Option<_>>()?;
    let first = *numbers.first()?;
    let last = *numbers.last()?;
    let step = (last - first) / (numbers.len() - 1) as f64;
    let is_even = |pair: &[f64]| (pair[1] - pair[0] - step).abs() <= step.abs() * 1e-6;
    if numbers.len() < FEWEST || step <= 0.0 || !numbers.windows(2).all(is_even) {
        return None;
    }
    // Removes the rounding errors of the sums that ranges consist of.
    let step = (step * 1e12).round() / 1e12;
    Some(json!({"min": values.first(), "max": values.last(), "step": step}))
}
