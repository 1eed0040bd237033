//! Files that change between being hashed and the end of a job.

use inputs::Inputs;
use jobs::{InputRef, Subject, Sweep, TaskScore};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Once},
};
use tempfile::TempDir;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use worker::{AttemptContext, Engine, EngineSettings, JobError};

/// What happens to a file once it was hashed, before it is read.
struct Meddling {
    /// One of the files that are read then.
    file: String,
    meddle: Box<dyn FnOnce() + Send>,
}

static MEDDLING: Mutex<Vec<Meddling>> = Mutex::new(Vec::new());

/// Listens to the event between hashing and reading.
struct Listener;

struct Files(String);

impl Visit for Files {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "files" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "worker::engine::attempt" && metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        let mut files = Files(String::new());
        event.record(&mut files);
        let meddle = {
            let mut waiting = MEDDLING.lock().unwrap();
            let found = waiting.iter().position(|meddling| files.0.contains(&meddling.file));
            found.map(|found| waiting.remove(found).meddle)
        };
        if let Some(meddle) = meddle {
            meddle();
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Has `meddle` done once when `file` was hashed and is to be read.
fn before_reading(file: &Path, meddle: impl FnOnce() + Send + 'static) {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| tracing::subscriber::set_global_default(Listener).unwrap());
    let file = file.display().to_string();
    MEDDLING.lock().unwrap().push(Meddling { file, meddle: Box::new(meddle) });
}

/// A sweep over a copy of all inputs of two language tasks.
struct Place {
    folder: TempDir,
    inputs: Arc<Inputs>,
    engine: Engine,
}

impl Place {
    fn new() -> Self {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nli6");
        let folder = TempDir::new().unwrap();
        for part in ["base", "adapters/rte", "adapters/sick", "data/rte", "data/sick", "heads"] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
            for entry in fs::read_dir(example.join(part)).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, folder.path().join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
        for shard in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
            halve(&folder.path().join("base").join(shard));
        }
        let inputs = Arc::new(Inputs::new(inputs::Settings { is_offline: true, ..Default::default() }));
        let settings = EngineSettings {
            device: Default::default(),
            threads: Some(1),
            image_bytes: 0,
            cache: None,
            memory_bytes: None,
        };
        Self { engine: Engine::new(settings, Arc::clone(&inputs)).unwrap(), inputs, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sweep(&self) -> Sweep {
        let task = |name: &str| {
            let data = format!("{{source: data/{name}, convention: {name}}}");
            format!("  - {{name: {name}, adapter: adapters/{name}, data: {data}, head: heads/{name}.safetensors}}\n")
        };
        let tasks = [task("rte"), task("sick")].concat();
        let text = format!("name: x\nbase: base\ntasks:\n{tasks}evaluation: {{}}\nrecipe: {{preset: ties}}\n");
        Sweep::from_yaml(&text, self.folder.path(), &[]).unwrap()
    }

    /// A job of the sweep as the files are now.
    fn job(&self, subject: Subject) -> jobs::Job {
        let frozen = coordinator::freeze(self.sweep(), &self.inputs).unwrap();
        frozen.job(frozen.meaning(subject, "test"))
    }

    fn compute(&mut self, job: &jobs::Job) -> Result<Vec<TaskScore>, JobError> {
        self.engine.compute(job, &AttemptContext::default()).map(|computed| computed.output.scores().unwrap().scores)
    }
}

/// Rewrites the numbers of a file in half their width: such weights stay mapped.
fn halve(path: &Path) {
    let content = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&content).unwrap();
    let half = |bytes: &[u8]| bytes.chunks_exact(4).flat_map(|number| [number[2], number[3]]).collect::<Vec<u8>>();
    let tensors: Vec<_> =
        file.tensors().into_iter().map(|(name, view)| (name, view.shape().to_vec(), half(view.data()))).collect();
    let views =
        tensors.iter().map(|(name, shape, bytes)| (name, TensorView::new(Dtype::BF16, shape.clone(), bytes).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Turns all numbers in the second half of a file around in their sign, in place.
fn overwrite(path: &Path) -> Vec<u8> {
    let content = fs::read(path).unwrap();
    let mut changed = content.clone();
    let half = changed.len() / 2;
    changed[half..].iter_mut().skip(1).step_by(2).for_each(|byte| *byte ^= 0x80);
    fs::write(path, &changed).unwrap();
    content
}

fn is_changed(error: &JobError, file: &Path) {
    let chain = jobs::error_chain(error);
    assert!(matches!(error, JobError::FileChanged(_)), "{chain}");
    assert!(chain.contains(&format!("`{}` has changed since it was hashed", file.display())), "{chain}");
    assert!(error.is_retryable() && error.blame() == jobs::Blame::Machine);
}

#[test]
fn a_base_that_is_overwritten_during_a_job_gives_no_result_and_the_job_succeeds_once_it_is_restored() {
    let mut place = Place::new();
    let job = place.job(Subject::Base);
    let undisturbed = place.compute(&job).unwrap();

    // The data of the second task are read when the first has been evaluated, with the base in use.
    let mut place = Place::new();
    let job = place.job(Subject::Base);
    let weights = place.path("base/model-00002-of-00002.safetensors");
    let content = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&content);
    let file = weights.clone();
    before_reading(&place.path("data/sick"), move || *kept.lock().unwrap() = overwrite(&file));
    is_changed(&place.compute(&job).unwrap_err(), &weights);

    // The next attempt opens the base anew, and finds that it is another.
    let error = place.compute(&job).unwrap_err();
    assert!(matches!(&error, JobError::Changed { place, .. } if place.ends_with("base")), "{error}");
    let chain = jobs::error_chain(&error);
    assert!(
        chain.ends_with("model-00002-of-00002.safetensors` has changed since it was hashed: it was written to"),
        "{chain}"
    );

    fs::write(&weights, &*content.lock().unwrap()).unwrap();
    assert_eq!(place.compute(&job).unwrap(), undisturbed);
}

#[test]
fn a_base_that_is_overwritten_between_jobs_is_opened_again() {
    let mut place = Place::new();
    let job = place.job(Subject::Base);
    let undisturbed = place.compute(&job).unwrap();
    let weights = place.path("base/model-00001-of-00002.safetensors");
    let content = overwrite(&weights);
    assert!(matches!(place.compute(&job).unwrap_err(), JobError::Changed { .. }));
    fs::write(&weights, content).unwrap();
    assert_eq!(place.compute(&job).unwrap(), undisturbed);
}

#[test]
fn what_is_swapped_between_hashing_and_reading_is_refused_by_name() {
    for (read, swapped) in [
        ("base", "base/model-00001-of-00002.safetensors"),
        ("base", "base/config.json"),
        ("adapters/rte", "adapters/rte/adapter_model.safetensors"),
        ("adapters/sick", "adapters/sick/adapter_config.json"),
        ("heads/rte.safetensors", "heads/rte.safetensors"),
        // The tokenizer is the base's, and is read with the data that need it first.
        ("data/rte", "base/tokenizer.json"),
    ] {
        let mut place = Place::new();
        let recipe = jobs::RecipeSpec { preset: Some("ties".to_owned()), ..Default::default() }.resolve().unwrap();
        let job = place.job(Subject::Merge { recipe: Box::new(recipe) });
        let path = place.path(swapped);
        let file = path.clone();
        before_reading(&place.path(read), move || {
            // Another file with the same content, or one that was changed and put back, is not what was hashed either.
            let copy = file.with_extension("new");
            fs::copy(&file, &copy).unwrap();
            fs::rename(&copy, &file).unwrap();
        });
        is_changed(&place.compute(&job).unwrap_err(), &path);
        assert!(place.compute(&job).is_ok(), "{swapped}: the content is the same");
    }
}

#[test]
fn data_that_are_swapped_between_hashing_and_reading_are_refused_by_name() {
    let mut place = Place::new();
    let job = place.job(Subject::Base);
    let data = place.path("data/rte/validation.jsonl");
    let file = data.clone();
    before_reading(&data, move || fs::write(&file, fs::read(&file).unwrap()).unwrap());
    is_changed(&place.compute(&job).unwrap_err(), &data);
    assert!(place.compute(&job).is_ok());
}

#[test]
#[ignore = "measures; run it alone"]
fn checking_all_files_of_a_base_takes_less_than_a_millisecond() {
    let place = Place::new();
    let located = place.inputs.model(&InputRef::Path(place.path("base"))).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        located.files_in_use.check().unwrap();
    }
    println!("{} files: {:?} each time", located.files_in_use.len(), start.elapsed() / 1000);
}
