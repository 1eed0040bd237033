mod file;

pub(crate) use file::{Described, WeightFile};

use super::{ClipConfig, EncoderConfig, ModelError, Module, patch};
use crate::{
    limits::{INDEX_BYTES, read_small},
    transient::without_backtrace,
};
use candle_core::{DType, Device};
use jobs::WeightIndex;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The weight files of a model folder: `model.safetensors`, or the shards that an index lists.
pub(crate) struct Weights {
    files: Vec<Arc<WeightFile>>,
    /// Tensor to file, from the index; `None` for a single file.
    index: Option<(PathBuf, BTreeMap<String, usize>)>,
}

impl Weights {
    /// Opens the files without reading the weights: `model.safetensors` if it is there, or else the shards that
    /// `model.safetensors.index.json` names. A model's digest is made of the same files, so no others may be read.
    pub(crate) fn open(folder: &Path) -> Result<Self, ModelError> {
        let single = folder.join("model.safetensors");
        let index = folder.join("model.safetensors.index.json");
        let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json"].map(|name| folder.join(name));
        if !single.is_file()
            && !index.is_file()
            && let Some(path) = pickled.into_iter().find(|path| path.is_file())
        {
            return Err(ModelError::Pickled { path });
        }
        if single.is_file() || !index.is_file() {
            return Ok(Self { files: vec![Arc::new(WeightFile::open(&single)?)], index: None });
        }
        let text =
            read_small(&index, INDEX_BYTES).map_err(|source| ModelError::Read { path: index.clone(), source })?;
        let parsed = WeightIndex::from_json(&text).map_err(|source| ModelError::Json {
            path: index.clone(),
            what: "index of weights",
            source,
        })?;
        let names = parsed.shards();
        let files = names.iter().map(|name| WeightFile::open(&folder.join(name)).map(Arc::new));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let place = |file: &str| names.binary_search(&file).expect("every name of the index is among its shards");
        let tensors = parsed.files.iter().map(|(key, file)| (key.clone(), place(file))).collect();
        Ok(Self { files, index: Some((index, tensors)) })
    }

    /// True if there is a tensor of that name.
    pub(crate) fn has(&self, key: &str) -> bool {
        match &self.index {
            None => self.files[0].has(key),
            Some((_, tensors)) => tensors.contains_key(key),
        }
    }

    /// The files that were opened.
    pub(crate) fn files(&self) -> &[Arc<WeightFile>] {
        &self.files
    }

    /// Finds a tensor and its file, and checks the tensor's shape.
    pub(crate) fn find(&self, key: &str, shape: &[usize]) -> Result<(&Arc<WeightFile>, Described), ModelError> {
        let missing =
            |path: &Path| ModelError::MissingTensor { path: path.into(), key: key.into(), expected: shape.to_vec() };
        let file = match &self.index {
            None => &self.files[0],
            Some((index, tensors)) => &self.files[*tensors.get(key).ok_or_else(|| missing(index))?],
        };
        let found = file.find(key).ok_or_else(|| missing(file.path()))?;
        if found.shape == shape {
            return Ok((file, found));
        }
        Err(ModelError::TensorShape {
            path: file.path().into(),
            key: key.into(),
            found: found.shape,
            expected: shape.to_vec(),
        })
    }

    /// Reads a tensor as `f32`, after checking its shape.
    pub(crate) fn get(&self, key: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let (file, tensor) = self.find(key, shape)?;
        let tensor = file.load(&tensor, &Device::Cpu)?;
        let read = || tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1();
        read().map_err(|source| file::unreadable(file.path(), without_backtrace(source)))
    }

    /// Reads a linear layer's weight `[outputs, inputs]` as `[inputs, outputs]`, the layout the towers multiply by.
    pub(crate) fn linear(&self, key: &str, outputs: usize, inputs: usize) -> Result<Vec<f32>, ModelError> {
        Ok(transpose(&self.get(&format!("{key}.weight"), &[outputs, inputs])?, outputs, inputs))
    }
}

/// Turns a row-major `[rows, columns]` matrix into `[columns, rows]`.
pub(crate) fn transpose(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut turned = vec![0.0; matrix.len()];
    for (r, row) in matrix.chunks_exact(columns.max(1)).enumerate() {
        for (c, value) in row.iter().enumerate() {
            turned[c * rows + r] = *value;
        }
    }
    turned
}

/// A matrix `[inputs, outputs]` and a bias `[outputs]`, as read.
pub(crate) struct LinearWeights {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// The scale and shift of a layer norm, as read.
pub(crate) struct NormWeights {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// One encoder block, as read; queries, keys and values are one matrix.
pub(crate) struct BlockWeights {
    pub(crate) norm1: NormWeights,
    pub(crate) qkv: LinearWeights,
    pub(crate) out: LinearWeights,
    pub(crate) norm2: NormWeights,
    pub(crate) fc1: LinearWeights,
    pub(crate) fc2: LinearWeights,
}

impl Weights {
    /// Reads `{key}.weight` and `{key}.bias` of a layer norm.
    pub(crate) fn norm(&self, key: &str, width: usize) -> Result<NormWeights, ModelError> {
        let part = |name: &str| self.get(&format!("{key}.{name}"), &[width]);
        Ok(NormWeights { weight: part("weight")?, bias: part("bias")? })
    }

    /// Reads the blocks under `{tower}.encoder.layers`.
    pub(crate) fn blocks(&self, tower: &str, config: &EncoderConfig) -> Result<Vec<BlockWeights>, ModelError> {
        (0..config.layers).map(|n| self.block(&format!("{tower}.encoder.layers.{n}"), config)).collect()
    }

    fn block(&self, at: &str, config: &EncoderConfig) -> Result<BlockWeights, ModelError> {
        let width = config.width;
        let mlp = config.mlp_width;
        let biased = |name: &str, outputs: usize, inputs: usize| {
            let key = format!("{at}.{name}");
            let weight = self.linear(&key, outputs, inputs)?;
            Ok::<_, ModelError>(LinearWeights { weight, bias: self.get(&format!("{key}.bias"), &[outputs])? })
        };
        let mut qkv = LinearWeights { weight: vec![0.0; width * 3 * width], bias: Vec::with_capacity(3 * width) };
        for (third, name) in ["q_proj", "k_proj", "v_proj"].into_iter().enumerate() {
            let part = biased(&format!("self_attn.{name}"), width, width)?;
            for (fused, row) in qkv.weight.chunks_exact_mut(3 * width).zip(part.weight.chunks_exact(width)) {
                fused[third * width..(third + 1) * width].copy_from_slice(row);
            }
            qkv.bias.extend(part.bias);
        }
        Ok(BlockWeights {
            norm1: self.norm(&format!("{at}.layer_norm1"), width)?,
            qkv,
            out: biased("self_attn.out_proj", width, width)?,
            norm2: self.norm(&format!("{at}.layer_norm2"), width)?,
            fc1: biased("mlp.fc1", mlp, width)?,
            fc2: biased("mlp.fc2", width, mlp)?,
        })
    }
}

/// The image tower, as read.
pub(crate) struct VisionWeights {
    /// `[3 · patch², width]`
    pub(crate) patch: Vec<f32>,
    /// The class embedding plus its position, then the positions of the patches: `[tokens, width]`.
    pub(crate) position: Vec<f32>,
    pub(crate) pre: NormWeights,
    pub(crate) blocks: Vec<BlockWeights>,
    pub(crate) post: NormWeights,
    /// `[width, projection]`
    pub(crate) projection: Vec<f32>,
}

impl Weights {
    /// Checks that all tensors that [`vision`](Self::vision) reads are there, with the shapes that the configuration
    /// gives them.
    pub(crate) fn check_vision(&self, config: &ClipConfig) -> Result<(), ModelError> {
        let vision = &config.vision;
        let width = config.vision.encoder.width;
        let patch = vision.patch_size;
        let at = "vision_model.embeddings";
        let check = |key: &str, shape: &[usize]| self.find(key, shape).map(drop);
        let biased = |key: &str, shape: &[usize]| {
            check(&format!("{key}.weight"), shape)?;
            check(&format!("{key}.bias"), &shape[..1])
        };
        check(&format!("{at}.class_embedding"), &[width])?;
        check(&format!("{at}.position_embedding.weight"), &[vision.tokens(), width])?;
        check(&format!("{at}.patch_embedding.weight"), &[width, 3, patch, patch])?;
        biased("vision_model.pre_layrnorm", &[width])?;
        for layer in 0..vision.encoder.layers {
            ["layer_norm1", "layer_norm2"]
                .into_iter()
                .try_for_each(|norm| biased(&format!("vision_model.encoder.layers.{layer}.{norm}"), &[width]))?;
        }
        let is_projection = |module: &Module| module.name == "visual_projection";
        for module in patch::modules(config) {
            let shape = [module.outputs, module.inputs];
            if is_projection(&module) {
                check(&format!("{}.weight", module.name), &shape)?
            } else {
                biased(&module.name, &shape)?
            }
        }
        biased("vision_model.post_layernorm", &[width])
    }

    /// Checks that all tensors that a text tower is read from are there, with the shapes that the configuration gives
    /// them.
    pub(crate) fn check_text(&self, config: &ClipConfig) -> Result<(), ModelError> {
        let (text, EncoderConfig { width, mlp_width, layers, .. }) = (&config.text, config.text.encoder);
        let check = |key: &str, shape: &[usize]| self.find(key, shape).map(drop);
        let biased = |key: &str, shape: &[usize]| {
            check(&format!("{key}.weight"), shape)?;
            check(&format!("{key}.bias"), &shape[..1])
        };
        check("text_model.embeddings.token_embedding.weight", &[text.vocabulary, width])?;
        check("text_model.embeddings.position_embedding.weight", &[text.positions, width])?;
        for layer in 0..layers {
            let at = |part: &str| format!("text_model.encoder.layers.{layer}.{part}");
            ["layer_norm1", "layer_norm2"].into_iter().try_for_each(|norm| biased(&at(norm), &[width]))?;
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                biased(&at(&format!("self_attn.{part}")), &[width, width])?;
            }
            biased(&at("mlp.fc1"), &[mlp_width, width])?;
            biased(&at("mlp.fc2"), &[width, mlp_width])?;
        }
        biased("text_model.final_layer_norm", &[width])?;
        check("text_projection.weight", &[config.projection, width])?;
        check("logit_scale", &[])
    }

    /// Reads the image tower and its projection.
    pub(crate) fn vision(&self, config: &ClipConfig) -> Result<VisionWeights, ModelError> {
        let vision = &config.vision;
        let width = config.vision.encoder.width;
        let patch = vision.patch_size;
        let tokens = vision.tokens();
        let at = "vision_model.embeddings";
        let class = self.get(&format!("{at}.class_embedding"), &[width])?;
        let mut position = self.get(&format!("{at}.position_embedding.weight"), &[tokens, width])?;
        position.iter_mut().zip(&class).for_each(|(p, c)| *p += c);
        let kernel = self.get(&format!("{at}.patch_embedding.weight"), &[width, 3, patch, patch])?;
        Ok(VisionWeights {
            patch: transpose(&kernel, width, 3 * patch * patch),
            position,
            pre: self.norm("vision_model.pre_layrnorm", width)?,
            blocks: self.blocks("vision_model", &vision.encoder)?,
            post: self.norm("vision_model.post_layernorm", width)?,
            projection: self.linear("visual_projection", config.projection, width)?,
        })
    }
}
