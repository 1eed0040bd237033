use super::{
    ClipConfig, ModelError, ModuleProblem,
    host::kernels::{View, matmul},
    weights::transpose,
};
use std::collections::BTreeMap;

/// The update of one matrix `[outputs, inputs]`, row-major.
#[derive(Debug, Clone, Copy)]
pub enum Delta<'a> {
    /// The product `b · a`.
    LowRank {
        /// `[outputs, rank]`
        b: &'a [f32],
        /// `[rank, inputs]`
        a: &'a [f32],
        /// Columns of `b` and rows of `a`.
        rank: usize,
    },
    /// The update itself.
    Dense(&'a [f32]),
}

impl Delta<'_> {
    /// Checks that the numbers are finite and fill a matrix.
    pub(crate) fn check(self, outputs: usize, inputs: usize) -> Result<(), ModuleProblem> {
        let holds = |part, values: &[f32], expected: usize| {
            if values.len() != expected {
                return Err(ModuleProblem::Shape { part, found: values.len(), expected, outputs, inputs });
            }
            if values.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(ModuleProblem::NotFinite) }
        };
        match self {
            Self::Dense(values) => holds("update", values, outputs * inputs),
            Self::LowRank { b, a, rank } => {
                holds("lora_b", b, outputs * rank)?;
                holds("lora_a", a, rank * inputs)
            }
        }
    }
}

/// A matrix of an encoder block that updates reach; queries, keys and values lie side by side in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Site {
    Qkv,
    Out,
    Fc1,
    Fc2,
}

/// A matrix of the image tower that updates reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    Block(usize, Site),
    Projection,
}

/// Updates in the towers' layout `[inputs, outputs]`, zero where a fused matrix has no update.
pub(crate) type Updates = BTreeMap<Slot, Vec<f32>>;

/// A linear layer that can take an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name in the Hugging Face model, such as `vision_model.encoder.layers.0.self_attn.q_proj`.
    pub name: String,
    /// Rows of its matrix.
    pub outputs: usize,
    /// Columns of its matrix.
    pub inputs: usize,
}

struct Place {
    slot: Slot,
    outputs: usize,
    inputs: usize,
    /// First column and width of the fused matrix `[inputs, columns]`.
    column: usize,
    columns: usize,
}

const LINEARS: [&str; 6] =
    ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"];

/// Every linear layer of the image tower, in the model's order.
pub(crate) fn modules(config: &ClipConfig) -> Vec<Module> {
    let names = (0..config.vision.encoder.layers).flat_map(|layer| LINEARS.map(|name| block_name(layer, name)));
    names.chain(["visual_projection".to_owned()]).filter_map(|name| module(config, name)).collect()
}

impl ClipConfig {
    /// Checks that the image tower has a linear layer of that name, which takes updates.
    ///
    /// # Errors
    /// [`ModelError::Module`].
    pub fn check_module(&self, name: &str) -> Result<(), ModelError> {
        find(self, name).map(drop)
    }
}

fn module(config: &ClipConfig, name: String) -> Option<Module> {
    place(config, &name).map(|place| Module { name, outputs: place.outputs, inputs: place.inputs })
}

fn block_name(layer: usize, linear: &str) -> String {
    format!("vision_model.encoder.layers.{layer}.{linear}")
}

fn find(config: &ClipConfig, module: &str) -> Result<Place, ModelError> {
    let problem = || match module.split('.').next() {
        Some("text_model" | "text_projection") => ModuleProblem::TextTower,
        _ => ModuleProblem::Unknown { model: "image tower", example: block_name(0, LINEARS[0]) },
    };
    place(config, module).ok_or_else(|| ModelError::Module { module: module.to_owned(), problem: problem() })
}

fn place(config: &ClipConfig, module: &str) -> Option<Place> {
    let encoder = &config.vision.encoder;
    let (width, mlp) = (encoder.width, encoder.mlp_width);
    let whole = |slot, outputs, inputs| Place { slot, outputs, inputs, column: 0, columns: outputs };
    if module == "visual_projection" {
        return Some(whole(Slot::Projection, config.projection, width));
    }
    let (layer, linear) = module.strip_prefix("vision_model.encoder.layers.")?.split_once('.')?;
    let layer = layer.parse::<usize>().ok().filter(|n| *n < encoder.layers && n.to_string() == layer)?;
    let third = |n: usize| Place {
        slot: Slot::Block(layer, Site::Qkv),
        outputs: width,
        inputs: width,
        column: n * width,
        columns: 3 * width,
    };
    Some(match linear {
        "self_attn.q_proj" => third(0),
        "self_attn.k_proj" => third(1),
        "self_attn.v_proj" => third(2),
        "self_attn.out_proj" => whole(Slot::Block(layer, Site::Out), width, width),
        "mlp.fc1" => whole(Slot::Block(layer, Site::Fc1), mlp, width),
        "mlp.fc2" => whole(Slot::Block(layer, Site::Fc2), width, mlp),
        _ => return None,
    })
}

/// Brings updates into the towers' layout, after checking names and shapes.
pub(crate) fn arrange<'a, S: AsRef<str>>(
    config: &ClipConfig,
    updates: impl IntoIterator<Item = (S, Delta<'a>)>,
) -> Result<Updates, ModelError> {
    let mut arranged = Updates::new();
    let mut seen = std::collections::BTreeSet::new();
    for (name, delta) in updates {
        let name: &str = name.as_ref();
        let refuse = |problem| ModelError::Module { module: name.to_owned(), problem };
        let place = find(config, name)?;
        if !seen.insert(name.to_owned()) {
            return Err(refuse(ModuleProblem::Twice));
        }
        delta.check(place.outputs, place.inputs).map_err(refuse)?;
        let size = place.inputs * place.columns;
        let fused = arranged.entry(place.slot).or_insert_with(|| vec![0.0; size]);
        write(fused, &place, delta);
    }
    Ok(arranged)
}

fn write(fused: &mut [f32], place: &Place, delta: Delta<'_>) {
    let to = View::columns(place.inputs, place.columns, place.column, place.outputs);
    match delta {
        Delta::LowRank { b, a, rank } => {
            let a = (a, View::dense(rank, place.inputs).transposed());
            matmul((fused, to), false, 1.0, a, (b, View::dense(place.outputs, rank).transposed()));
        }
        Delta::Dense(values) => {
            let turned = transpose(values, place.outputs, place.inputs);
            for (fused, row) in fused.chunks_exact_mut(place.columns).zip(turned.chunks_exact(place.outputs)) {
                fused[place.column..place.column + place.outputs].copy_from_slice(row);
            }
        }
    }
}
