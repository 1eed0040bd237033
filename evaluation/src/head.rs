mod placed;

use crate::{
    NamesProblem, TextModel,
    classes::check_names,
    device::Accelerator,
    limits::{HEAD_BYTES, read_small},
    model::{ModelError, host::kernels::unit_rows, weights},
    transient::{may_pass, without_backtrace},
};
use candle_core::{DType, Device, Tensor};
use placed::Placed;
pub(crate) use placed::PlacedHead;
use safetensors::SafeTensors;
use serde_json::json;
use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
};

/// The class vectors of a benchmark: `[classes, width]`, one score per class and image.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    weight: Vec<f32>,
    classes: usize,
    width: usize,
    names: Option<Vec<String>>,
    placed: Placed,
}

/// Why a head could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// A file could not be read or written.
    #[error("cannot access `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is damaged, or no safetensors file at all.
    #[error("`{}` is not a readable safetensors file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file holds no head.
    #[error(
        "`{}` has no matrix `weight`, `score.weight` or `classifier.weight` of shape [classes, width]; it has {found}",
        path.display()
    )]
    NoWeight {
        /// The file.
        path: PathBuf,
        /// Names and shapes found.
        found: String,
    },
    /// The file holds more than the matrix, which a score would leave out.
    #[error(
        "`{}` holds {found}; expected one matrix alone, `weight`, `score.weight` or `classifier.weight`: a head has no bias",
        path.display()
    )]
    Several {
        /// The file.
        path: PathBuf,
        /// Names and shapes found.
        found: String,
    },
    /// A value is NaN or an infinity.
    #[error("`{name}` in `{}` holds a value that is not finite", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The matrix in it.
        name: &'static str,
    },
    /// What the text tower makes of prompts is NaN or infinite.
    #[error(
        "the text tower makes vectors that are not finite of class {class}: the base may hold weights that are NaN"
    )]
    Prompts {
        /// The first such class, counted from 0.
        class: usize,
    },
    /// Numbers that do not fill the matrix that they should be.
    #[error("a head of {classes} classes with vectors of {width} numbers is not made of {found} numbers")]
    Shape {
        /// Classes it should have.
        classes: usize,
        /// Numbers each should have.
        width: usize,
        /// Numbers there are.
        found: usize,
    },
    /// The metadata of a file name the classes in another way than is read.
    #[error(
        "the metadata of `{}` have `{CLASSES}`, which cannot name its {classes} rows: {problem}",
        path.display()
    )]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Rows of the head.
        classes: usize,
        /// What is wrong.
        problem: String,
    },
    /// A new head would have more classes than any task has: a label that is none.
    #[error(
        "the labels make a head of {found} classes, expected at most {MOST_CLASSES}: a class is a small number, and `labels` says which \
         one each label is"
    )]
    TooMany {
        /// The classes that the largest label makes.
        found: usize,
    },
    /// The names of the classes cannot be used.
    #[error("the class names of the head cannot be used")]
    Names(#[from] NamesProblem),
    /// Another number of names than of rows.
    #[error("the head has {classes} rows, and {names} class names")]
    NamesCount {
        /// Rows of the head.
        classes: usize,
        /// Names given.
        names: usize,
    },
    /// A class has no prompts, or there are no classes.
    #[error("class {class} has no prompts")]
    NoPrompts {
        /// The class, counted from 0.
        class: usize,
    },
    /// The text tower failed.
    #[error("the text tower could not make the head")]
    Text(#[source] ModelError),
}

/// The most classes of a head that is made for labels. A head takes memory for each.
pub(crate) const MOST_CLASSES: usize = 65_536;

/// The names that a head may have in a file: ours, and those of classifiers.
const NAMES: [&str; 3] = ["weight", "score.weight", "classifier.weight"];

/// The key of a file's metadata under which the class names stand, as a JSON list in the order of the rows.
const CLASSES: &str = "classes";

impl HeadError {
    /// True if the same call may succeed later without a person doing anything, as in [`ModelError::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        may_pass(self)
    }
}

/// Puts every class name into every template: `{}` becomes the name.
///
/// ```
/// let made = evaluation::prompts(&["cat".into()], &["a photo of a {}.".into(), "the {}".into()]);
/// assert_eq!(made, [["a photo of a cat.", "the cat"]]);
/// ```
pub fn prompts(classes: &[String], templates: &[String]) -> Vec<Vec<String>> {
    let fill = |class: &String| templates.iter().map(|template| template.replace("{}", class)).collect();
    classes.iter().map(fill).collect()
}

impl Head {
    /// Makes a head from the prompts of each class.
    ///
    /// Each prompt's features are scaled to length 1, averaged over the class, scaled to length 1 again, and multiplied by
    /// exp(`logit_scale`).
    ///
    /// # Errors
    /// A class without prompts, one the tokenizer refuses, or vectors that are not finite.
    pub fn from_prompts(model: &TextModel, prompts: &[Vec<String>]) -> Result<Self, HeadError> {
        if let Some(class) = prompts.iter().position(Vec::is_empty).or(prompts.is_empty().then_some(0)) {
            return Err(HeadError::NoPrompts { class });
        }
        let width = model.width();
        let classes = prompts.len();
        let mut features = model.features(&prompts.concat()).map_err(HeadError::Text)?;
        unit_rows(&mut features, width);
        let mut weight = vec![0.0; classes * width];
        let mut rows = features.chunks_exact(width);
        for (to, prompts) in weight.chunks_exact_mut(width).zip(prompts) {
            for row in rows.by_ref().take(prompts.len()) {
                to.iter_mut().zip(row).for_each(|(t, x)| *t += x / prompts.len() as f32);
            }
        }
        unit_rows(&mut weight, width);
        let scale = model.logit_scale().exp();
        weight.iter_mut().for_each(|x| *x *= scale);
        if let Some(at) = weight.iter().position(|x| !x.is_finite()) {
            return Err(HeadError::Prompts { class: at / width });
        }
        Ok(Self { weight, classes, width, names: None, placed: Placed::default() })
    }

    /// Makes a head from its class vectors `[classes, width]`, row-major, such as the one that an adapter brings.
    ///
    /// # Errors
    /// The numbers do not fill that shape, or there are none.
    pub fn new(weight: Vec<f32>, classes: usize, width: usize) -> Result<Self, HeadError> {
        let found = weight.len();
        let head = Self::from_rows(weight, classes).filter(|head| head.width == width);
        head.ok_or(HeadError::Shape { classes, width, found })
    }

    /// Makes a head from its class vectors `[classes, width]`; `None` if they do not fill that shape.
    pub fn from_rows(weight: Vec<f32>, classes: usize) -> Option<Self> {
        let width = weight.len().checked_div(classes)?;
        (width > 0 && width * classes == weight.len()).then_some(Self {
            weight,
            classes,
            width,
            names: None,
            placed: Placed::default(),
        })
    }

    /// Reads a safetensors file with a matrix `[classes, width]` of any float type, named `weight`, `score.weight` or
    /// `classifier.weight`, and nothing else. Metadata may name the rows: `classes`, a JSON list.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or holds no such matrix, other tensors beside it, or names that cannot be used.
    pub fn read(path: &Path) -> Result<Self, HeadError> {
        let bytes = read_small(path, HEAD_BYTES).map_err(|source| HeadError::Io { path: path.into(), source })?;
        let damaged = |source| HeadError::Format { path: path.into(), source: Box::new(without_backtrace(source)) };
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).map_err(damaged)?;
        let matrix = |name| tensors.get(name).and_then(|t: &Tensor| Some((name, t, t.dims2().ok()?)));
        let found = || {
            let mut found: Vec<String> =
                tensors.iter().map(|(name, tensor)| format!("`{name}` {:?}", tensor.dims())).collect();
            found.sort_unstable();
            found.join(", ")
        };
        let Some((name, tensor, (classes, width))) = NAMES.into_iter().find_map(matrix) else {
            return Err(HeadError::NoWeight { path: path.into(), found: found() });
        };
        if tensors.len() > 1 {
            return Err(HeadError::Several { path: path.into(), found: found() });
        }
        if classes == 0 || width == 0 {
            return Err(HeadError::Shape { classes, width, found: 0 });
        }
        let values = || tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
        let weight = values().map_err(damaged)?;
        if !weight.iter().all(|x| x.is_finite()) {
            return Err(HeadError::NotFinite { path: path.into(), name });
        }
        let names = named_in(&bytes, path, classes)?;
        Ok(Self { weight, classes, width, names, placed: Placed::default() })
    }

    /// The same head, whose rows have these names, in their order.
    ///
    /// # Errors
    /// There are more or fewer names than rows, or a name is empty or comes twice.
    pub fn named(self, names: &[String]) -> Result<Self, HeadError> {
        if names.len() != self.classes {
            return Err(HeadError::NamesCount { classes: self.classes, names: names.len() });
        }
        check_names(names)?;
        Ok(Self { names: Some(names.to_vec()), ..self })
    }

    /// Writes the head as a safetensors file that [`read`](Self::read) takes; the file appears whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), HeadError> {
        let failed = |source| HeadError::Io { path: path.into(), source };
        let damaged = |source| HeadError::Format { path: path.into(), source };
        let tensor = Tensor::from_slice(&self.weight, (self.classes, self.width), &Device::Cpu);
        let named = HashMap::from([("weight".to_owned(), tensor.map_err(|e| damaged(Box::new(e)))?)]);
        let metadata = self.names.as_ref().map(|names| HashMap::from([(CLASSES.to_owned(), json!(names).to_string())]));
        let bytes = safetensors::serialize(named, metadata).map_err(|e| damaged(Box::new(e)))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Numbers per class vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The names of the rows, if they are known.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// `[classes, width]`, row-major.
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// The matrix with its columns as rows: `[width, classes]`.
    pub(crate) fn turned(&self) -> Vec<f32> {
        weights::transpose(&self.weight, self.classes, self.width)
    }

    /// The head on a device, where it is copied once.
    pub(crate) fn placed(&self, on: &Accelerator) -> candle_core::Result<PlacedHead> {
        self.placed.get([self.width, self.classes], || self.turned(), on)
    }
}

/// The names of the rows in the metadata of a safetensors file.
fn named_in(bytes: &[u8], path: &Path, classes: usize) -> Result<Option<Vec<String>>, HeadError> {
    let metadata = |problem: String| HeadError::Metadata { path: path.into(), classes, problem };
    let damaged = |source| HeadError::Format { path: path.into(), source: Box::new(source) };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let Some(text) = header.metadata().as_ref().and_then(|metadata| metadata.get(CLASSES)) else { return Ok(None) };
    let names: Vec<String> =
        serde_json::from_str(text).map_err(|error| metadata(format!("it is not a JSON list of names: {error}")))?;
    if names.len() != classes {
        return Err(metadata(format!("it has {} names", names.len())));
    }
    check_names(&names).map_err(|problem| metadata(problem.to_string()))?;
    Ok(Some(names))
}
