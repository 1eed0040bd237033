//! The matrices of a layer, their names and shapes.

use super::DecoderConfig;
use crate::{ModelError, Module, ModuleProblem};

/// A matrix of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ModuleKind {
    Query,
    Key,
    Value,
    Out,
    Gate,
    Up,
    Down,
}

/// A layer and one of its matrices.
pub(crate) type ModuleId = (usize, ModuleKind);

impl ModuleKind {
    /// All of them, in the model's order and in that of their numbers.
    pub(crate) const ALL: [Self; 7] =
        [Self::Query, Self::Key, Self::Value, Self::Out, Self::Gate, Self::Up, Self::Down];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Query => "self_attn.q_proj",
            Self::Key => "self_attn.k_proj",
            Self::Value => "self_attn.v_proj",
            Self::Out => "self_attn.o_proj",
            Self::Gate => "mlp.gate_proj",
            Self::Up => "mlp.up_proj",
            Self::Down => "mlp.down_proj",
        }
    }

    /// Outputs and inputs.
    pub(crate) fn shape(self, config: &DecoderConfig) -> [usize; 2] {
        let width = config.width;
        let queries = config.query_width();
        let mlp = config.mlp_width;
        match self {
            Self::Query => [queries, width],
            Self::Key | Self::Value => [config.kv_width(), width],
            Self::Out => [width, queries],
            Self::Gate | Self::Up => [mlp, width],
            Self::Down => [width, mlp],
        }
    }

    /// The first of the matrices that take the same rows as this one.
    pub(crate) fn first_of_inputs(self) -> Self {
        match self {
            Self::Query | Self::Key | Self::Value => Self::Query,
            Self::Out => Self::Out,
            Self::Gate | Self::Up => Self::Gate,
            Self::Down => Self::Down,
        }
    }

    /// Whether the layer adds a bias after the matrix.
    pub(crate) fn has_bias(self, config: &DecoderConfig) -> bool {
        match self {
            Self::Query | Self::Key | Self::Value => config.biases.inputs,
            Self::Out => config.biases.output,
            Self::Gate | Self::Up | Self::Down => config.biases.mlp,
        }
    }
}

/// The name of a matrix in the Hugging Face model, such as `model.layers.0.self_attn.q_proj`.
pub(crate) fn name((layer, kind): ModuleId) -> String {
    format!("model.layers.{layer}.{}", kind.name())
}

fn parse(config: &DecoderConfig, module: &str) -> Option<ModuleId> {
    let (layer, linear) = module.strip_prefix("model.layers.")?.split_once('.')?;
    let layer = layer.parse::<usize>().ok().filter(|n| *n < config.layers && n.to_string() == layer)?;
    ModuleKind::ALL.into_iter().find(|kind| kind.name() == linear).map(|kind| (layer, kind))
}

/// The matrix of that name, or what the model has in its stead.
pub(crate) fn find(config: &DecoderConfig, module: &str) -> Result<ModuleId, ModelError> {
    let example = || name((0, ModuleKind::Query));
    let unknown = || ModuleProblem::Unknown { model: "language model", example: example() };
    parse(config, module).ok_or_else(|| ModelError::Module { module: module.to_owned(), problem: unknown() })
}

/// The linear layers of one layer: name, the first of those that take the same rows, and inputs.
pub(crate) fn modules_of(config: &DecoderConfig, layer: usize) -> impl Iterator<Item = (String, ModuleKind, usize)> {
    ModuleKind::ALL.into_iter().map(move |kind| {
        let [_, inputs] = kind.shape(config);
        (name((layer, kind)), kind.first_of_inputs(), inputs)
    })
}

/// Every linear layer, in the model's order.
pub(crate) fn modules(config: &DecoderConfig) -> Vec<Module> {
    let module = |layer, kind: ModuleKind| {
        let [outputs, inputs] = kind.shape(config);
        Module { name: name((layer, kind)), outputs, inputs }
    };
    (0..config.layers).flat_map(|layer| ModuleKind::ALL.map(|kind| module(layer, kind))).collect()
}
