//! CLIP, whose image tower is evaluated.

use super::{
    Configuration, ExampleCount, ExampleKind, Examples, ImageResidency, InputSite, MemoryNeed, Model, ModelFamily,
    Placement, SplitError, SplitMemory, SplitSource, TextLimits, TriedOut,
};
use crate::{
    BlockShape, ClipConfig, Delta, Deltas, DeviceChoice, Embedded, Features, GradientTower, Head, ImageModel,
    ImageStates, Images, Limits, MakeExamples, ModelError, ModelKind, Module, Observed, PerTaskScore, Preprocess,
    Readout, ScoreError, Sequences, Source, TextModel, TrainExamples, TransferCounts, Watch, accuracy, model, notes,
    open_device, score,
};
use jobs::{Digest, Precision, TrainFamily};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Blank images that a model is tried on.
const TRIED: usize = 64;

/// Layers of an image tower that count as large: ViT-L has 24, ViT-B 12.
const LARGE_LAYERS: usize = 24;

/// A resident CLIP model.
pub struct ClipBase {
    folder: PathBuf,
    model: ImageModel,
    /// What happens to images before the model sees them.
    preprocess: Preprocess,
    /// Opened when a head has to be made of class names.
    text: Option<TextModel>,
}

impl ModelFamily for ClipBase {
    type Model = ImageModel;
    type Split = Images;
    type Examples = Embedded;

    const DESCRIPTION: &'static str = "a CLIP model, which looks at images";
    const READS: ExampleKind = ExampleKind::Images;
    const PRECISIONS: &'static [Precision] = &[Precision::F32, Precision::Bf16, Precision::F16];
    const KEPT_MERGES: usize = 2;
    const KEPT_SPLITS: usize = usize::MAX;
    const TAKES_ADAPTER_HEADS: bool = false;
    const HAS_JOINT_BENCHMARK: bool = true;

    fn configuration(folder: &Path) -> Result<Box<dyn Configuration>, ModelError> {
        Ok(Box::new(ClipConfig::read(&folder.join("config.json"))?))
    }

    fn outline(folder: &Path) -> Result<Box<dyn Configuration>, ModelError> {
        let preprocess = Preprocess::of(folder)?;
        let config = model::outlined(folder)?;
        let expected = config.vision.image_size;
        match preprocess.edges().into_iter().flatten().find(|edge| *edge as usize != expected) {
            Some(found) => Err(ModelError::ImageSize { found: found as usize, expected }),
            None => Ok(Box::new(config)),
        }
    }

    fn notes(folder: &Path) -> Result<Vec<String>, ModelError> {
        let path = folder.join("config.json");
        let mut noted: Vec<String> = notes::unknown(&path, &ClipConfig::unknown_keys(&path)?).collect();
        noted.extend(Preprocess::notes(folder)?);
        noted.extend(notes::tokenizer(folder, false));
        Ok(noted)
    }

    fn open(folder: &Path, device: DeviceChoice, precision: Precision) -> Result<Self, ModelError> {
        let model = ImageModel::open_in(folder, &open_device(device)?, precision)?;
        Ok(Self { folder: folder.to_owned(), model, preprocess: Preprocess::of(folder)?, text: None })
    }

    fn model(&self) -> &ImageModel {
        &self.model
    }

    fn read(&self, source: &SplitSource<'_>, limits: Limits) -> Result<Images, SplitError> {
        let SplitSource { files, spec, rows, cache } = *source;
        if spec.text.is_some() {
            return Err(SplitError::Kind { found: ExampleKind::Texts });
        }
        let source = Source { files, image_column: &spec.image_column, label_column: &spec.label_column, rows };
        Ok(Images::read_within(&source, &self.preprocess, cache, limits)?)
    }

    fn split_memory(&self, split: &Images) -> SplitMemory {
        let prepared_bytes = self.model.embedded_bytes_per_image().saturating_mul(split.len() as u64);
        SplitMemory { read_bytes: split.memory_bytes(), prepared_bytes }
    }

    fn absent_classes(split: &Images) -> Vec<&str> {
        split.absent_classes()
    }

    fn example_digests(split: &Images) -> Vec<Digest> {
        (0..split.len()).map(|image| Digest::of(split.pixels(image))).collect()
    }

    fn train_family(&self) -> TrainFamily {
        Configuration::train_family(self.model.config())
    }

    fn prepare(&self, split: Images, budget_bytes: u64, watch: &Watch<'_>) -> Result<Embedded, ModelError> {
        self.model.embed(&Arc::new(split), budget_bytes, watch)
    }

    fn gradient_tower(&self) -> Result<GradientTower<f32>, ModelError> {
        GradientTower::open_clip(&self.folder)
    }

    fn sequences(&self, examples: &Embedded, watch: &Watch<'_>) -> Result<Sequences, ModelError> {
        self.model.sequences(examples, watch)
    }

    fn train_examples(&self, examples: Embedded) -> Result<TrainExamples, ModelError> {
        let model = self.model.clone();
        let tokens = vec![model.config().vision.tokens(); examples.len()];
        let make: MakeExamples =
            Box::new(move |places, augmentation| model.augmented_sequences(&examples, places, augmentation));
        Ok(TrainExamples::PerStep { tokens, make })
    }

    fn text_tower(&mut self) -> Result<Option<&TextModel>, ModelError> {
        if self.text.is_none() {
            self.text = Some(TextModel::open(&self.folder)?);
        }
        Ok(self.text.as_ref())
    }

    fn try_out(&self) -> Result<TriedOut, ModelError> {
        self.model.try_out(TRIED)?;
        Ok(TriedOut { count: TRIED, unit: "images" })
    }
}

impl Model for ImageModel {
    type Deltas = Deltas;
    type Examples = Embedded;
    type States = ImageStates;

    fn modules(&self) -> Vec<Module> {
        self.modules()
    }

    fn check_module(&self, name: &str) -> Result<(), ModelError> {
        self.config().check_module(name)
    }

    fn deltas<'a>(&self, updates: impl IntoIterator<Item = (&'a str, Delta<'a>)>) -> Result<Deltas, ModelError> {
        self.deltas(updates)
    }

    fn patched(&self, deltas: &Deltas, scaling: f64) -> Result<Self, ModelError> {
        self.patched(deltas, scaling)
    }

    fn features(&self, examples: &Embedded, watch: &Watch<'_>) -> Result<Features, ModelError> {
        self.features(examples, watch)
    }

    fn transfers(&self) -> Option<TransferCounts> {
        self.transfers()
    }

    fn layers(&self) -> usize {
        self.layers()
    }

    fn states(&self, examples: &Embedded, watch: &Watch<'_>) -> Result<ImageStates, ModelError> {
        self.states(examples, watch)
    }

    fn run_layer(
        &self,
        layer: usize,
        states: &mut ImageStates,
        observed: Option<Observed<'_>>,
        watch: &Watch<'_>,
    ) -> Result<(), ModelError> {
        self.run_layer(layer, states, observed, watch)
    }

    fn describe(&self) -> String {
        let vision = &self.config().vision;
        let encoder = &vision.encoder;
        format!("CLIP image tower, {} px, {} layers of width {}", vision.image_size, encoder.layers, encoder.width)
    }
}

impl Examples for Embedded {
    fn count(&self) -> ExampleCount {
        ExampleCount::Images(self.len())
    }

    fn select(&self, places: &[u64]) -> Result<Self, ModelError> {
        self.select(places)
    }

    fn kept_bytes(&self) -> Option<u64> {
        self.is_held().then(|| self.bytes())
    }

    fn score(&self, features: &Features, head: &Head) -> Result<PerTaskScore, ScoreError> {
        accuracy(features, head)
    }

    fn readout(&self, head: &Head) -> Readout {
        Readout::of_units(head)
    }

    fn class_rows(&self, head: &Head) -> Result<Vec<usize>, ScoreError> {
        score::label_rows(self.labels(), self.classes(), head)
    }
}

impl Configuration for ClipConfig {
    fn kind(&self) -> ModelKind {
        ModelKind::Clip
    }

    fn width(&self) -> (usize, &'static str) {
        (self.projection, "projection_dim")
    }

    fn modules(&self) -> Vec<Module> {
        model::patch::modules(self)
    }

    fn input_sites(&self) -> Vec<InputSite> {
        // The projection comes after the last layer.
        let layers = 0..=self.vision.encoder.layers;
        layers.flat_map(|layer| InputSite::of_layer(layer, model::patch::modules_of(self, layer))).collect()
    }

    fn check_module(&self, name: &str) -> Result<(), ModelError> {
        self.check_module(name)
    }

    // What a device takes is its residency, and in `f32` a tower is small.
    fn memory(&self, place: Placement, adapted: &[&str]) -> Result<Option<MemoryNeed>, ModelError> {
        let Placement { on_host, precision, threads, longest: _ } = place;
        if on_host { self.host_memory(precision, threads, adapted) } else { Ok(None) }
    }

    fn image_residency(&self, precision: Precision, adapted: &[&str]) -> Result<Option<ImageResidency>, ModelError> {
        self.residency(precision, adapted).map(Some)
    }

    fn kept_merges(&self) -> usize {
        ClipBase::KEPT_MERGES
    }

    fn text_limits(&self) -> Option<TextLimits> {
        None
    }

    fn has_text_tower(&self) -> bool {
        true
    }

    fn train_family(&self) -> TrainFamily {
        if self.vision.encoder.layers >= LARGE_LAYERS { TrainFamily::LargeImages } else { TrainFamily::Images }
    }

    fn blocks(&self) -> BlockShape {
        let encoder = &self.vision.encoder;
        BlockShape {
            layers: encoder.layers,
            width: encoder.width,
            query_width: encoder.width,
            kv_width: encoder.width,
            heads: encoder.heads,
            mlp_width: encoder.mlp_width,
            is_gated: false,
        }
    }

    fn example_tokens(&self) -> Option<usize> {
        Some(self.vision.tokens())
    }
}
