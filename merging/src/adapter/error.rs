use std::{error::Error, io, path::PathBuf};

/// Why an adapter cannot be merged as PEFT would run it.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A file could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The configuration is not JSON of the right form.
    #[error("the adapter configuration `{path}` is not valid")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The configuration asks for something that is not a plain LoRA update.
    #[error("`{key}` is `{value}` in `{path}`: {because}")]
    Unsupported {
        /// The configuration.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value, as JSON.
        value: String,
        /// Why that cannot be merged.
        because: &'static str,
    },
    /// The weights file is truncated, corrupt or of an unknown form.
    #[error("the weights `{path}` are truncated or corrupt")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What its reader says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The weights file is whole, and of a form that is not read.
    #[error("the weights `{path}` are not read")]
    WeightsForm {
        /// The file.
        path: PathBuf,
        /// What form it is.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The pickle names code to be run.
    #[error("the pickle `{path}` calls `{callable}`, which loading weights does not need; nothing was executed")]
    PickleCode {
        /// The file.
        path: PathBuf,
        /// The Python name.
        callable: String,
    },
    /// A tensor has a type that is not a float of at most 64 bits.
    #[error("`{tensor}` in `{path}` has the type {dtype}; expected F32, F16 or BF16")]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
    },
    /// A tensor is none of those that make up a LoRA update.
    #[error("`{tensor}` in `{path}` cannot be merged: {because}")]
    UnexpectedTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Why.
        because: String,
    },
    /// The keys hold the factors of several adapters.
    #[error("`{path}` holds several adapters, {}: save each in a folder of its own", list(.names))]
    SeveralAdapters {
        /// The file.
        path: PathBuf,
        /// Their names in the keys.
        names: Vec<String>,
    },
    /// Two tensors are the same but for what wrappers put into names.
    #[error("`{other}` and `{tensor}` in `{path}` are the same factor but for the names of wrappers")]
    SameKey {
        /// The file.
        path: PathBuf,
        /// One tensor.
        tensor: String,
        /// The other.
        other: String,
    },
    /// One factor is there without the other.
    #[error("`{path}` holds `{present}` but not `{tensor}`")]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor that is not there.
        tensor: String,
        /// Its partner.
        present: String,
    },
    /// No weight of the base bears the module's name.
    #[error("`{tensor}` in `{path}` matches no weight of the base `{base}`: {because}")]
    Unmatched {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The base's folder.
        base: PathBuf,
        /// Why, as far as that can be seen.
        because: String,
    },
    /// The adapter is of another side of the model than the weight that bears its name.
    #[error(
        "`{path}` is an adapter of {adapters}, but the base's only weight for `{tensor}` is `{weight}`, of its {bases}"
    )]
    OtherTower {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The adapter's side, and the class that its `auto_mapping` says.
        adapters: String,
        /// The base's weight.
        weight: String,
        /// The weight's side.
        bases: &'static str,
    },
    /// More than one weight of the base bears the module's name.
    #[error(
        "`{tensor}` in `{path}` matches several weights of the base, {}, and `auto_mapping` in its `adapter_config.json` {says}: \
         set its `base_model_class` to the class that was trained",
        list(.candidates)
    )]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The weights.
        candidates: Vec<String>,
        /// What the configuration says of the class: "names no class", or which.
        says: String,
    },
    /// Two modules of the adapter update the same weight.
    #[error("`{module}` and `{other}` in `{path}` both update `{target}`")]
    Twice {
        /// The file.
        path: PathBuf,
        /// One module.
        module: String,
        /// The other.
        other: String,
        /// The base's module.
        target: String,
    },
    /// A tensor's shape does not fit its partner.
    #[error("`{tensor}` in `{path}` has the shape {found:?}, expected {expected}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that fits, with the reason.
        expected: String,
    },
    /// The update's shape is not that of the base's weight.
    #[error(
        "`{module}` in `{path}` updates a weight of shape {update:?}, but `{weight}` of the base is {found:?}: \
         is it an adapter of another base?"
    )]
    OtherBase {
        /// The file.
        path: PathBuf,
        /// The adapter's module.
        module: String,
        /// The update's shape.
        update: [usize; 2],
        /// The base's weight.
        weight: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor holds NaN or an infinity.
    #[error("`{tensor}` in `{path}` holds {value}")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The first such value.
        value: f32,
    },
    /// The weights file is valid and holds nothing.
    #[error("`{path}` holds no tensors: the adapter's weights were not saved")]
    NoTensors {
        /// The file.
        path: PathBuf,
    },
    /// The configuration says another rank than the factors have, so that α/r is either of two.
    #[error("`{key}` is `{value}` in `{path}`, but the factors of `{module}` have the rank {found}")]
    Rank {
        /// The configuration.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What it says of the module.
        value: String,
        /// The adapter's module.
        module: String,
        /// The rank of its factors.
        found: usize,
    },
    /// The base has several weights of the module's name, none of which has the update's shape.
    #[error(
        "`{module}` in `{path}` updates a weight of shape {update:?}, which none of the base's weights of that name has, {}: \
         is it an adapter of another base?",
        .candidates.join(", ")
    )]
    NoneFits {
        /// The file.
        path: PathBuf,
        /// The adapter's module.
        module: String,
        /// The update's shape.
        update: [usize; 2],
        /// The weights with their shapes.
        candidates: Vec<String>,
    },
    /// The whole adapter changes nothing.
    #[error("every update in `{path}` is zero: the adapter was not trained, or its weights were not saved")]
    ZeroUpdate {
        /// The file.
        path: PathBuf,
    },
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
