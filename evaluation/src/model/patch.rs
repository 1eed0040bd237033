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
pub(crate) enum BlockMatrix {
    Qkv,
    Out,
    Fc1,
    Fc2,
}

/// A matrix of the image tower that updates reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TowerMatrix {
    Block(usize, BlockMatrix),
    Projection,
}

/// Updates in the towers' layout `[inputs, outputs]`, zero where a fused matrix has no update.
pub(crate) type Updates = BTreeMap<TowerMatrix, Vec<f32>>;

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

/// The columns of a matrix that are a module's.
struct ModuleRange {
    matrix: TowerMatrix,
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

/// The linear layers of one encoder layer, or with `layer` one past the last the projection: name, matrix and inputs.
pub(crate) fn modules_of(config: &ClipConfig, layer: usize) -> Vec<(String, TowerMatrix, usize)> {
    let names = if layer < config.vision.encoder.layers {
        LINEARS.map(|linear| block_name(layer, linear)).to_vec()
    } else {
        vec!["visual_projection".to_owned()]
    };
    let found = |name: String| locate(config, &name).map(|range| (name, range.matrix, range.inputs));
    names.into_iter().filter_map(found).collect()
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

/// The matrix that an update of a module changes.
pub(crate) fn matrix_of(config: &ClipConfig, module: &str) -> Result<TowerMatrix, ModelError> {
    find(config, module).map(|range| range.matrix)
}

fn module(config: &ClipConfig, name: String) -> Option<Module> {
    locate(config, &name).map(|range| Module { name, outputs: range.outputs, inputs: range.inputs })
}

fn block_name(layer: usize, linear: &str) -> String {
    format!("vision_model.encoder.layers.{layer}.{linear}")
}

fn find(config: &ClipConfig, module: &str) -> Result<ModuleRange, ModelError> {
    let problem = || match module.split('.').next() {
        Some("text_model" | "text_projection") => ModuleProblem::TextTower,
        _ => ModuleProblem::Unknown { model: "image tower", example: block_name(0, LINEARS[0]) },
    };
    locate(config, module).ok_or_else(|| ModelError::Module { module: module.to_owned(), problem: problem() })
}

fn locate(config: &ClipConfig, module: &str) -> Option<ModuleRange> {
    let encoder = &config.vision.encoder;
    let width = encoder.width;
    let mlp = encoder.mlp_width;
    let whole = |matrix, outputs, inputs| ModuleRange { matrix, outputs, inputs, column: 0, columns: outputs };
    if module == "visual_projection" {
        return Some(whole(TowerMatrix::Projection, config.projection, width));
    }
    let (layer, linear) = module.strip_prefix("vision_model.encoder.layers.")?.split_once('.')?;
    let layer = layer.parse::<usize>().ok().filter(|n| *n < encoder.layers && n.to_string() == layer)?;
    let third = |n: usize| ModuleRange {
        matrix: TowerMatrix::Block(layer, BlockMatrix::Qkv),
        outputs: width,
        inputs: width,
        column: n * width,
        columns: 3 * width,
    };
    Some(match linear {
        "self_attn.q_proj" => third(0),
        "self_attn.k_proj" => third(1),
        "self_attn.v_proj" => third(2),
        "self_attn.out_proj" => whole(TowerMatrix::Block(layer, BlockMatrix::Out), width, width),
        "mlp.fc1" => whole(TowerMatrix::Block(layer, BlockMatrix::Fc1), mlp, width),
        "mlp.fc2" => whole(TowerMatrix::Block(layer, BlockMatrix::Fc2), width, mlp),
        _ => return None,
    })
}

/// The update of one module: of some columns of a matrix in the towers' layout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UpdatePart<'a> {
    /// Its first column, and the columns of the whole matrix.
    pub(crate) column: usize,
    pub(crate) columns: usize,
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    pub(crate) delta: Delta<'a>,
}

/// Updates by the matrix that they are for, each matrix's in the order of their columns.
pub(crate) type Arrangement<'a> = BTreeMap<TowerMatrix, Vec<UpdatePart<'a>>>;

/// Finds the matrices of updates, after checking names and shapes.
pub(crate) fn arrange<'a, S: AsRef<str>>(
    config: &ClipConfig,
    updates: impl IntoIterator<Item = (S, Delta<'a>)>,
) -> Result<Arrangement<'a>, ModelError> {
    let mut arranged = Arrangement::new();
    for (name, delta) in updates {
        let name: &str = name.as_ref();
        let refuse = |problem| ModelError::Module { module: name.to_owned(), problem };
        let ModuleRange { matrix, outputs, inputs, column, columns } = find(config, name)?;
        delta.check(outputs, inputs).map_err(refuse)?;
        let parts = arranged.entry(matrix).or_default();
        let place = parts.partition_point(|part| part.column < column);
        if parts.get(place).is_some_and(|part| part.column == column) {
            return Err(refuse(ModuleProblem::Twice));
        }
        parts.insert(place, UpdatePart { column, columns, outputs, inputs, delta });
    }
    Ok(arranged)
}

/// Multiplies updates out, in the towers' layout.
pub(crate) fn multiplied_out(arranged: &Arrangement<'_>) -> Updates {
    let mut updates = Updates::new();
    for (id, parts) in arranged {
        for part in parts {
            let fused = updates.entry(*id).or_insert_with(|| vec![0.0; part.inputs * part.columns]);
            write(fused, part);
        }
    }
    updates
}

fn write(fused: &mut [f32], part: &UpdatePart<'_>) {
    let UpdatePart { column, columns, outputs, inputs, delta } = *part;
    let to = View::columns(inputs, columns, column, outputs);
    match delta {
        Delta::LowRank { b, a, rank } => {
            let a = (a, View::dense(rank, inputs).transposed());
            matmul((fused, to), false, 1.0, a, (b, View::dense(outputs, rank).transposed()));
        }
        Delta::Dense(values) => {
            let turned = transpose(values, outputs, inputs);
            for (fused, row) in fused.chunks_exact_mut(columns).zip(turned.chunks_exact(outputs)) {
                fused[column..column + outputs].copy_from_slice(row);
            }
        }
    }
}
