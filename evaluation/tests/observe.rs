//! What linear layers take, against the Gram matrices of the reference.

use crate::{
    fixture::{example, preprocess, root, source, tensors, values, with_adapter},
    nli6,
};
use candle_core::Device;
use evaluation::{
    DecoderBase, DeviceChoice, Embedded, ImageModel, Images, InputObserver, Model, ModelError, ModelFamily,
    ModuleInputs, Observed, SplitSource, Watch,
};
use jobs::{DataFiles, DataSpec, InputRef, Precision, Rows, TextSpec};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

/// Sums of the inputs of every module that is observed.
#[derive(Default, PartialEq, Debug)]
struct Sums(BTreeMap<String, Sum>);

#[derive(Default, PartialEq, Debug)]
struct Sum {
    gram: Vec<f64>,
    sum: Vec<f64>,
    rows: usize,
}

impl InputObserver for Sums {
    fn observe(&mut self, inputs: &ModuleInputs<'_>) -> Result<(), ModelError> {
        let own = self.0.entry(inputs.modules().join(" ")).or_default();
        own.gram.resize(inputs.width().pow(2), 0.0);
        own.sum.resize(inputs.width(), 0.0);
        own.rows += inputs.rows();
        inputs.add_gram(&mut own.gram)?;
        inputs.add_sum(&mut own.sum)
    }
}

impl Sums {
    fn of<M: Model>(model: &M, examples: &M::Examples, modules: &[&str]) -> Self {
        let mut sums = Self::default();
        let watch = Watch::default();
        let modules: BTreeSet<String> = modules.iter().map(|name| (*name).to_owned()).collect();
        let mut states = model.states(examples, &watch).unwrap();
        for layer in 0..model.layers() {
            let observed = Observed { modules: &modules, observer: &mut sums };
            model.run_layer(layer, &mut states, Some(observed), &watch).unwrap();
        }
        sums
    }

    /// The largest relative distance of a mean Gram matrix from a golden, over all goldens.
    #[track_caller]
    fn expect(&self, golden: &str, prefix: &str, tolerance: f64) {
        let goldens = tensors(&root().join("testdata/statistics").join(golden));
        for (name, want) in &goldens {
            let module = format!("{prefix}{name}");
            let (_, sum) = self.0.iter().find(|(modules, _)| modules.split(' ').any(|own| own == module)).unwrap();
            let want = values(want);
            let mut off = 0.0;
            let mut norm = 0.0;
            assert_eq!(want.len(), sum.gram.len(), "{name}");
            for (sum, want) in sum.gram.iter().zip(&want) {
                off += (sum.to_owned() / self.rows() as f64 - f64::from(*want)).powi(2);
                norm += f64::from(*want).powi(2);
            }
            let relative = (off / norm).sqrt();
            assert!(relative <= tolerance, "{name}: {relative:e}");
        }
    }

    fn rows(&self) -> usize {
        let rows: BTreeSet<usize> = self.0.values().map(|sum| sum.rows).collect();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.into_iter().next().unwrap()
    }
}

fn first_of_mnist(model: &ImageModel, budget: u64) -> Embedded {
    let file = root().join("testdata/statistics/mini8/mnist/train-00000-of-00001.parquet");
    let rows = Rows::First { count: 256, of: Box::new(Rows::All) };
    let files = DataFiles::Parquet(vec![file]);
    let images = Images::read(&source(&files, &rows), &preprocess(), None).unwrap();
    model.embed(&Arc::new(images), budget, &Watch::default()).unwrap()
}

const MNIST: [&str; 5] = [
    "vision_model.encoder.layers.0.self_attn.q_proj",
    "vision_model.encoder.layers.0.self_attn.k_proj",
    "vision_model.encoder.layers.0.self_attn.out_proj",
    "vision_model.encoder.layers.5.self_attn.q_proj",
    "vision_model.encoder.layers.5.self_attn.out_proj",
];

fn mnist(base: &ImageModel, budget: u64) -> Sums {
    let model = with_adapter(base, &example("adapters/mnist"), 1.0);
    Sums::of(&model, &first_of_mnist(base, budget), &MNIST)
}

#[test]
fn gram_matrices_of_an_image_tower_are_the_references() {
    let composed = ImageModel::open_composed(&example("base"), &Device::Cpu, Precision::F32).unwrap();
    for base in [crate::fixture::base(), composed] {
        let sums = mnist(&base, u64::MAX);
        assert_eq!(sums.rows(), 256 * 17);
        assert_eq!(sums.0.len(), 4, "queries and keys share their inputs");
        sums.expect("gram_mnist_256.safetensors", "vision_model.", 1e-5);
    }
}

#[test]
fn sums_depend_neither_on_the_threads_nor_on_what_is_held() {
    let base = crate::fixture::base();
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let one = pool(1).install(|| mnist(&base, u64::MAX));
    assert_eq!(one, pool(3).install(|| mnist(&base, u64::MAX)));
    assert_eq!(one, mnist(&base, 0), "embedded again for every run");
}

/// Every kind of module, also those that no adapter of the fixtures has, on both towers.
#[test]
fn all_modules_of_an_image_tower_are_observed_and_the_towers_agree() {
    let base = crate::fixture::base();
    let composed = ImageModel::open_composed(&example("base"), &Device::Cpu, Precision::F32).unwrap();
    let modules = base.modules();
    let names: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
    let [host, composed] = [&base, &composed].map(|base| Sums::of(base, &first_of_mnist(base, u64::MAX), &names));
    let seen: BTreeSet<&str> = host.0.keys().flat_map(|modules| modules.split(' ')).collect();
    assert_eq!(seen, names.into_iter().collect());
    for (module, sum) in &host.0 {
        let other = &composed.0[module];
        assert_eq!(sum.rows, if module == "visual_projection" { 256 } else { 256 * 17 }, "{module}");
        assert_eq!(sum.rows, other.rows, "{module}");
        for (own, other) in [(&sum.gram, &other.gram), (&sum.sum, &other.sum)] {
            let norm = own.iter().map(|x| x * x).sum::<f64>().sqrt();
            let off = own.iter().zip(other).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
            assert!(off <= 1e-4 * norm, "{module}: {:e}", off / norm);
        }
    }
}

#[test]
fn layers_run_one_by_one_are_the_model() {
    // The projection takes the normed class tokens: its Gram matrix with itself is that of the features.
    let base = crate::fixture::base();
    let examples = first_of_mnist(&base, u64::MAX);
    let sums = Sums::of(&base, &examples, &["visual_projection"]);
    let features = base.features(&examples, &Watch::default()).unwrap();
    let weight = &tensors(&example("base/model.safetensors"))["visual_projection.weight"];
    let (outputs, inputs) = weight.dims2().unwrap();
    let weight = values(weight);
    let sum = &sums.0["visual_projection"].sum;
    for output in 0..outputs {
        let want: f64 = features.values().unwrap().iter().skip(output).step_by(outputs).map(|x| f64::from(*x)).sum();
        let row = &weight[output * inputs..][..inputs];
        let got: f64 = row.iter().zip(sum).map(|(w, x)| f64::from(*w) * x).sum();
        assert!((got - want).abs() <= 1e-3 * (1.0 + want.abs()), "{output}: {got} against {want}");
    }
}

fn rte() -> (DataFiles, DataSpec) {
    let file = root().join("testdata/statistics/nli6/rte/train.jsonl");
    let text = TextSpec { columns: vec!["text1".to_owned(), "text2".to_owned()], ..TextSpec::default() };
    let spec = DataSpec {
        source: InputRef::Path(PathBuf::from("data")),
        image_column: "image".to_owned(),
        label_column: "label".to_owned(),
        text: Some(text),
        splits: BTreeMap::new(),
    };
    (DataFiles::Jsonl(vec![file]), spec)
}

#[test]
fn gram_matrices_of_a_language_model_are_the_references() {
    let base = DecoderBase::open(&nli6::example("base"), DeviceChoice::Cpu, Precision::F32).unwrap();
    let (files, spec) = rte();
    let rows = Rows::First { count: 256, of: Box::new(Rows::All) };
    let source = SplitSource { files: &files, spec: &spec, rows: &rows, cache: None };
    let texts = base.read(&source, evaluation::Limits::default()).unwrap();
    let modules = ["q_proj", "k_proj", "v_proj", "o_proj"].map(|name| format!("model.layers.0.self_attn.{name}"));
    let modules = modules.each_ref().map(String::as_str);
    let composed =
        evaluation::DecoderModel::open_composed(&nli6::example("base"), &Device::Cpu, Precision::F32).unwrap();
    for base in [base.model(), &composed] {
        let sums = Sums::of(&nli6::with_adapter(base, "rte"), &texts, &modules);
        sums.expect("gram_nli6_rte_256_layer0.safetensors", "", 1e-5);
    }
}
