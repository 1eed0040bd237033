//! Decoders that classify texts: Llama and the families like it.

use super::{
    Configuration, ExampleCount, ExampleKind, Examples, ImageResidency, InputSite, MemoryNeed, Model, ModelFamily,
    Placement, SplitError, SplitMemory, SplitSource, TextLimits, TriedOut,
};
use crate::{
    BlockShape, ClassError, DecoderConfig, DecoderDeltas, DecoderModel, DecoderPlacement, Delta, DeviceChoice,
    Features, GradientTower, Head, HostBytes, Limits, MakeExamples, ModelError, ModelKind, Module, Observed,
    PairTokenizer, PerTaskScore, PlacedTexts, Readout, ScoreError, Sequences, TextClasses, TextSource, TextStates,
    Texts, TrainExamples, TransferCounts, Watch, classify, decoder, notes, open_device, score,
};
use files::MappedFile;
use jobs::{Digest, Precision, TrainFamily};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Made-up texts that a model is tried on, and the tokens of each.
const TRIED_TEXTS: usize = 8;
const TRIED_TOKENS: usize = 32;

/// A resident decoder.
pub struct DecoderBase {
    folder: PathBuf,
    model: DecoderModel,
    tokenizer: PathBuf,
}

/// The texts of a task on one split, with what the sweep file says of their classes.
#[derive(Debug)]
pub struct TokenisedSplit {
    texts: Texts,
    /// Classes of the head that the data set does not have.
    masked: Vec<u32>,
    classes: Option<TextClasses>,
    /// Bytes that the ids take on a device, once prepared; 0 where they have no place.
    place_bytes: u64,
    /// The ids on the device, as soon as they have their place there.
    placed: OnceLock<PlacedTexts>,
}

impl DecoderBase {
    /// Opens a base like [`open`](ModelFamily::open) on the processor, but composed of the operations that other devices run, so that tests see
    /// what these are sent. Slower there.
    ///
    /// # Errors
    /// As [`open`](ModelFamily::open).
    pub fn open_composed(folder: &Path, precision: Precision) -> Result<Self, ModelError> {
        let model = DecoderModel::open_composed(folder, &open_device(DeviceChoice::Cpu)?, precision)?;
        Ok(Self { folder: folder.to_owned(), model, tokenizer: folder.join("tokenizer.json") })
    }
}

impl ModelFamily for DecoderBase {
    type Model = DecoderModel;
    type Split = TokenisedSplit;
    type Examples = TokenisedSplit;

    const DESCRIPTION: &'static str = "a language model, which reads texts";
    const READS: ExampleKind = ExampleKind::Texts;
    const PRECISIONS: &'static [Precision] = &[Precision::F32, Precision::Bf16, Precision::F16];
    // A dense merge of a large model takes gigabytes: there is room for one.
    const KEPT_MERGES: usize = 1;
    const KEPT_SPLITS: usize = 64;
    const TAKES_ADAPTER_HEADS: bool = true;
    const HAS_JOINT_BENCHMARK: bool = false;

    fn configuration(folder: &Path) -> Result<Box<dyn Configuration>, ModelError> {
        Ok(Box::new(DecoderConfig::read(&folder.join("config.json"))?))
    }

    fn outline(folder: &Path) -> Result<Box<dyn Configuration>, ModelError> {
        Ok(Box::new(decoder::outlined(folder)?))
    }

    fn notes(folder: &Path) -> Result<Vec<String>, ModelError> {
        let path = folder.join("config.json");
        let mut noted: Vec<String> = notes::unknown(&path, &DecoderConfig::unknown_keys(&path)?).collect();
        let lacks_padding = DecoderConfig::read(&path)?.pad_token.is_none();
        noted.extend(notes::tokenizer(folder, lacks_padding));
        Ok(noted)
    }

    fn open(folder: &Path, device: DeviceChoice, precision: Precision) -> Result<Self, ModelError> {
        let model = DecoderModel::open(folder, &open_device(device)?, precision)?;
        Ok(Self { folder: folder.to_owned(), model, tokenizer: folder.join("tokenizer.json") })
    }

    fn model(&self) -> &DecoderModel {
        &self.model
    }

    fn mapped_files(&self) -> Vec<&MappedFile> {
        self.model.mapped_files().collect()
    }

    fn read(&self, source: &SplitSource<'_>, _limits: Limits) -> Result<TokenisedSplit, SplitError> {
        let SplitSource { files, spec, rows, cache } = *source;
        let text = spec.text.as_ref().ok_or(SplitError::Kind { found: ExampleKind::Images })?;
        let config = self.model.config();
        // A `max_length` above the positions cuts at these; without one, nothing is cut.
        let positions = u32::try_from(config.positions).unwrap_or(u32::MAX);
        let longest = text.max_length.map(|length| length.min(positions));
        let tokenizer = PairTokenizer::open(&self.tokenizer, longest)?;
        let source = TextSource { files, spec: text, label_column: &spec.label_column, rows };
        let texts = Texts::read(&source, &tokenizer, cache)?;
        let classes = source.classes()?;
        texts.check_vocabulary(&tokenizer, config.vocabulary)?;
        texts.check_positions(config.positions)?;
        let masked = text.mask_classes.iter().copied().collect();
        Ok(TokenisedSplit { texts, masked, classes, place_bytes: 0, placed: OnceLock::new() })
    }

    // In the memory of the processor token ids are small, a million of them four megabytes: they count for nothing there, and are kept by
    // number.
    fn split_memory(&self, split: &TokenisedSplit) -> SplitMemory {
        SplitMemory { read_bytes: 0, prepared_bytes: self.model.placed_bytes(&split.texts) }
    }

    fn example_digests(split: &TokenisedSplit) -> Vec<Digest> {
        let bytes = |text| split.texts.ids(text).iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>();
        (0..split.texts.len()).map(|text| Digest::of(&bytes(text))).collect()
    }

    fn train_family(&self) -> TrainFamily {
        TrainFamily::Texts
    }

    fn prepare(
        &self,
        split: TokenisedSplit,
        budget_bytes: u64,
        _watch: &Watch<'_>,
    ) -> Result<TokenisedSplit, ModelError> {
        let prepared = TokenisedSplit { place_bytes: self.model.placed_bytes(&split.texts), ..split };
        self.place(&prepared, budget_bytes)?;
        Ok(prepared)
    }

    fn place(&self, examples: &TokenisedSplit, budget_bytes: u64) -> Result<(), ModelError> {
        if examples.placed.get().is_none()
            && let Some(placed) = self.model.place(&examples.texts, budget_bytes)?
        {
            // Where another thread was faster, its copy stays.
            drop(examples.placed.set(placed));
        }
        Ok(())
    }

    fn gradient_tower(&self) -> Result<GradientTower<f32>, ModelError> {
        GradientTower::open_decoder(&self.folder)
    }

    fn sequences(&self, examples: &TokenisedSplit, _watch: &Watch<'_>) -> Result<Sequences, ModelError> {
        self.model.sequences(&examples.texts)
    }

    fn train_examples(&self, examples: TokenisedSplit) -> Result<TrainExamples, ModelError> {
        let TokenisedSplit { texts, .. } = examples;
        let tokens = self.model.embedded_tokens(&texts)?;
        let model = self.model.clone();
        // Texts have no augmentation; token ids are small, and their embeddings are not.
        let make: MakeExamples = Box::new(move |places, _| {
            let taken = places.iter().map(|text| (texts.ids(*text).to_vec(), texts.labels()[*text]));
            model.sequences(&Texts::new(taken))
        });
        Ok(TrainExamples::PerStep { tokens, make })
    }

    fn try_out(&self) -> Result<TriedOut, ModelError> {
        self.model.try_out(TRIED_TEXTS, TRIED_TOKENS)?;
        Ok(TriedOut { count: TRIED_TEXTS * TRIED_TOKENS, unit: "tokens" })
    }
}

impl Model for DecoderModel {
    type Deltas = DecoderDeltas;
    type Examples = TokenisedSplit;
    type States = TextStates;

    fn modules(&self) -> Vec<Module> {
        self.modules()
    }

    fn check_module(&self, name: &str) -> Result<(), ModelError> {
        self.config().check_module(name)
    }

    fn deltas<'a>(&self, updates: impl IntoIterator<Item = (&'a str, Delta<'a>)>) -> Result<DecoderDeltas, ModelError> {
        self.deltas(updates)
    }

    fn patched(&self, deltas: &DecoderDeltas, scaling: f64) -> Result<Self, ModelError> {
        self.patched(deltas, scaling)
    }

    fn features(&self, examples: &TokenisedSplit, watch: &Watch<'_>) -> Result<Features, ModelError> {
        match examples.placed.get() {
            Some(placed) => self.features_of_placed(&examples.texts, placed, watch),
            None => self.features(&examples.texts, watch),
        }
    }

    fn transfers(&self) -> Option<TransferCounts> {
        self.transfers()
    }

    fn layers(&self) -> usize {
        self.config().layers
    }

    fn states(&self, examples: &TokenisedSplit, _watch: &Watch<'_>) -> Result<TextStates, ModelError> {
        self.states(&examples.texts)
    }

    fn run_layer(
        &self,
        layer: usize,
        states: &mut TextStates,
        observed: Option<Observed<'_>>,
        watch: &Watch<'_>,
    ) -> Result<(), ModelError> {
        self.run_layer(layer, states, observed, watch)
    }

    fn describe(&self) -> String {
        let DecoderConfig { family, layers, width, vocabulary, .. } = self.config();
        format!("{family}, {layers} layers of width {width}, {vocabulary} token ids")
    }
}

impl HostBytes for TokenisedSplit {
    fn host_bytes(&self) -> u64 {
        (size_of::<u32>() * self.texts.tokens()) as u64
    }
}

impl Examples for TokenisedSplit {
    fn count(&self) -> ExampleCount {
        ExampleCount::Texts { texts: self.texts.len(), tokens: self.texts.tokens() }
    }

    fn select(&self, places: &[u64]) -> Result<Self, ModelError> {
        let Self { texts, masked, classes, place_bytes: _, placed: _ } = self;
        let texts = texts.select(places);
        Ok(Self { texts, masked: masked.clone(), classes: classes.clone(), place_bytes: 0, placed: OnceLock::new() })
    }

    fn truncated(&self) -> usize {
        self.texts.truncated()
    }

    fn kept_bytes(&self) -> Option<u64> {
        Some(self.placed.get().map_or(0, PlacedTexts::bytes))
    }

    fn unplaced_bytes(&self) -> u64 {
        if self.placed.get().is_some() { 0 } else { self.place_bytes }
    }

    fn check_head(&self, head: &Head) -> Result<(), ClassError> {
        match (&self.classes, head.names()) {
            (Some(classes), Some(names)) => {
                let labels: BTreeSet<u32> = self.texts.labels().iter().copied().collect();
                classes.check_head(names, labels).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn score(&self, features: &Features, head: &Head) -> Result<PerTaskScore, ScoreError> {
        classify(features, head, &self.masked)
    }

    fn readout(&self, head: &Head) -> Readout {
        Readout::of_states(head, &self.masked)
    }

    fn class_count(&self) -> Option<usize> {
        let named = self.classes.iter().flat_map(TextClasses::labels);
        let labels = self.texts.labels().iter().chain(&self.masked).chain(named);
        labels.max().map(|last| *last as usize + 1)
    }

    fn class_rows(&self, head: &Head) -> Result<Vec<usize>, ScoreError> {
        score::label_rows(self.texts.labels(), None, head)
    }
}

impl Configuration for DecoderConfig {
    fn kind(&self) -> ModelKind {
        ModelKind::Language
    }

    fn width(&self) -> (usize, &'static str) {
        (self.width, "hidden_size")
    }

    fn modules(&self) -> Vec<Module> {
        decoder::modules(self)
    }

    fn input_sites(&self) -> Vec<InputSite> {
        let layers = 0..self.layers;
        layers.flat_map(|layer| InputSite::of_layer(layer, decoder::modules_of(self, layer))).collect()
    }

    fn check_module(&self, name: &str) -> Result<(), ModelError> {
        self.check_module(name)
    }

    fn memory(&self, place: Placement, adapted: &[&str]) -> Result<Option<MemoryNeed>, ModelError> {
        let Placement { on_host, precision, threads, longest } = place;
        let stored = self.stored.unwrap_or(precision);
        let longest = longest.min(self.positions);
        self.memory(DecoderPlacement { on_host, precision, stored, threads, longest }, adapted).map(Some)
    }

    fn image_residency(&self, _precision: Precision, _adapted: &[&str]) -> Result<Option<ImageResidency>, ModelError> {
        Ok(None)
    }

    fn kept_merges(&self) -> usize {
        DecoderBase::KEPT_MERGES
    }

    fn text_limits(&self) -> Option<TextLimits> {
        Some(TextLimits { vocabulary: self.vocabulary, positions: self.positions })
    }

    fn has_text_tower(&self) -> bool {
        false
    }

    fn train_family(&self) -> TrainFamily {
        TrainFamily::Texts
    }

    fn blocks(&self) -> BlockShape {
        BlockShape {
            layers: self.layers,
            width: self.width,
            query_width: self.query_width(),
            kv_width: self.kv_width(),
            heads: self.heads,
            mlp_width: self.mlp_width,
            is_gated: true,
        }
    }

    fn example_tokens(&self) -> Option<usize> {
        None
    }
}
