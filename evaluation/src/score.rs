mod classify;
mod device;

pub use classify::classify;

use crate::{
    ClassError, Features, Head, ModelError,
    classes::head_rows,
    model::host::kernels::{View, matmul, unit_rows},
};
use device::Length;

/// The ranks up to which a joint benchmark counts: Hits@1, 3, 5, 10.
pub const HITS: [usize; 4] = [1, 3, 5, 10];

/// Examples scored at once.
const CHUNK: usize = 512;

/// How many images of one task and split were named rightly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerTaskScore {
    /// Per image: was the true class's score the largest?
    pub right: Vec<bool>,
    /// Images that were.
    pub correct: usize,
    /// All images.
    pub n: usize,
}

impl PerTaskScore {
    /// Compares answers with the classes of the examples.
    fn of(answers: &[usize], classes: &[usize]) -> Self {
        let right: Vec<bool> = answers.iter().zip(classes).map(|(answer, class)| answer == class).collect();
        Self { correct: right.iter().filter(|right| **right).count(), n: right.len(), right }
    }

    /// The share of right images, in [0, 1].
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.n as f64
    }
}

/// How far up the true class came among the classes of all tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JointScore {
    /// Per image: the number of classes with a strictly higher score than the true one.
    pub ranks: Vec<usize>,
    /// For each of [`HITS`]: images whose rank is below it.
    pub hits: [usize; 4],
    /// All images.
    pub n: usize,
}

/// Why features and a head do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The head was made for other features.
    #[error("the head has vectors of {head} numbers, the features have {features}")]
    Width {
        /// Width of the head.
        head: usize,
        /// Width of the features.
        features: usize,
    },
    /// The classes of the data set are not those of the head.
    #[error(transparent)]
    Classes(#[from] ClassError),
    /// A label lies beyond the head, or beyond the map to joint labels.
    #[error("example {example} has label {label}, but only {classes} classes are known")]
    Label {
        /// The image or text, counted from 0.
        example: usize,
        /// Its label.
        label: u32,
        /// Rows of the head, or entries of the map.
        classes: usize,
    },
    /// A label is a class that the data set is said not to have.
    #[error("example {example} has label {label}, but class {label} is masked")]
    Masked {
        /// The text, counted from 0.
        example: usize,
        /// Its label.
        label: u32,
    },
    /// A class is masked that the head does not have.
    #[error("class {class} is masked, but the head has {classes} classes")]
    Mask {
        /// The class.
        class: u32,
        /// Rows of the head.
        classes: usize,
    },
    /// Features or scores are NaN or infinite: right and wrong mean nothing then.
    #[error(
        "{examples} of {n} examples have features that are not finite: a `scaling` may be too large, numbers may overflow in \
         `f16` (`bf16` and `f32` hold larger ones), or the base or a head may hold such numbers"
    )]
    NotFinite {
        /// How many.
        examples: usize,
        /// All images or texts.
        n: usize,
    },
    /// The map names a joint class that the head does not have.
    #[error("class {class} of the task is joint class {joint}, but the joint head has {classes} classes")]
    Map {
        /// The task's class.
        class: usize,
        /// The joint class it is mapped to.
        joint: usize,
        /// Rows of the joint head.
        classes: usize,
    },
    /// The device that holds the features failed.
    #[error("the features cannot be scored")]
    Device(#[from] ModelError),
}

/// Counts the images whose largest score is that of their class; of equal scores the first class counts.
///
/// # Numerics
/// Features are scaled to length 1, then multiplied by the head in `f32`. A score that is not finite is an error. Features on a
/// device are scored there; answers may differ from the processor's where two scores are equal to the last bits of an `f32`.
///
/// # Errors
/// The widths differ, the classes of the data set are not those of the head ([`head_rows`](crate::head_rows)), or features are not
/// finite.
pub fn accuracy(features: &Features, head: &Head) -> Result<PerTaskScore, ScoreError> {
    let classes = Classes::of(features, head.names(), head.classes())?;
    if let Some(on_device) = features.on_device() {
        let rows = classes.rows(features.labels())?;
        return Ok(PerTaskScore::of(&device::answers(on_device, head, Length::Unit, &[])?, &rows));
    }
    let mut right = Vec::with_capacity(features.labels().len());
    each_row(Vectors::of(features)?, head, unit_rows, |example, label, scores| {
        right.push(first_largest(scores) == Some(classes.row(example, label)?));
        Ok(())
    })?;
    let correct = right.iter().filter(|right| **right).count();
    Ok(PerTaskScore { correct, n: right.len(), right })
}

/// Ranks the true class of each image among the classes of all tasks.
///
/// `map` gives the joint class of each of the task's classes.
///
/// # Errors
/// The widths differ, the classes of the data set are not those of the map, a label has no entry in it, it leaves the joint head, or
/// features are not finite.
pub fn joint_hits(features: &Features, joint: &Head, map: &[usize]) -> Result<JointScore, ScoreError> {
    check_map(map, joint.classes())?;
    let names = names_of(joint, map);
    let classes = Classes::of(features, names.as_deref(), map.len())?;
    if let Some(on_device) = features.on_device() {
        let own: Vec<usize> = classes.rows(features.labels())?.into_iter().map(|class| map[class]).collect();
        return Ok(JointScore::new(device::ranks(on_device, joint, &own)?));
    }
    let mut ranks = Vec::with_capacity(features.labels().len());
    each_row(Vectors::of(features)?, joint, unit_rows, |example, label, scores| {
        ranks.push(rank(scores, map[classes.row(example, label)?]));
        Ok(())
    })?;
    Ok(JointScore::new(ranks))
}

/// Ranks the true class of each image among the classes of all tasks, where several models see every image and the largest
/// score of each class counts.
///
/// `models` gives the features that each model makes of the same images, one after the other.
///
/// # Numerics
/// As [`joint_hits`], with the features of every model at length 1 by themselves. Of N images and C classes, N·C scores are in
/// memory, and the features of one model.
///
/// # Errors
/// Those of `models`; as [`joint_hits`], of any model.
pub fn ensemble_hits<E: From<ScoreError>>(
    models: impl IntoIterator<Item = Result<Features, E>>,
    joint: &Head,
    map: &[usize],
) -> Result<JointScore, E> {
    check_map(map, joint.classes())?;
    let names = names_of(joint, map);
    let mut best: Vec<f32> = Vec::new();
    // The joint class of each image.
    let mut own: Vec<usize> = Vec::new();
    for (model, features) in models.into_iter().enumerate() {
        let features = features?;
        let classes = Classes::of(&features, names.as_deref(), map.len())?;
        each_row(Vectors::of(&features)?, joint, unit_rows, |example, label, scores| {
            if model == 0 {
                own.push(map[classes.row(example, label)?]);
                best.extend_from_slice(scores);
                return Ok(());
            }
            let best = &mut best[example * scores.len()..][..scores.len()];
            best.iter_mut().zip(scores).for_each(|(best, score)| *best = best.max(*score));
            Ok(())
        })?;
    }
    let scores = best.chunks_exact(joint.classes().max(1));
    Ok(JointScore::new(scores.zip(&own).map(|(scores, own)| rank(scores, *own)).collect()))
}

impl JointScore {
    fn new(ranks: Vec<usize>) -> Self {
        Self { hits: HITS.map(|k| ranks.iter().filter(|rank| **rank < k).count()), n: ranks.len(), ranks }
    }
}

/// The names of the joint classes of a task's own ones.
fn names_of(joint: &Head, map: &[usize]) -> Option<Vec<String>> {
    joint.names().map(|names| map.iter().map(|joint_class| names[*joint_class].clone()).collect())
}

/// How many classes have a strictly higher score than this one.
fn rank(scores: &[f32], class: usize) -> usize {
    scores.iter().filter(|score| **score > scores[class]).count()
}

/// Checks that the joint classes of a task are classes of a joint head.
///
/// # Errors
/// [`ScoreError::Map`].
pub fn check_map(map: &[usize], classes: usize) -> Result<(), ScoreError> {
    match map.iter().enumerate().find(|(_, joint)| **joint >= classes) {
        Some((class, &joint)) => Err(ScoreError::Map { class, joint, classes }),
        None => Ok(()),
    }
}

/// The vectors that are scored, with their labels.
#[derive(Clone, Copy)]
struct Vectors<'a> {
    /// `[examples, width]`
    values: &'a [f32],
    width: usize,
    labels: &'a [u32],
}

impl<'a> Vectors<'a> {
    fn of(features: &'a Features) -> Result<Self, ScoreError> {
        Ok(Self { values: features.values()?, width: features.width(), labels: features.labels() })
    }
}

/// The rows of a head, or the entries of a joint map, by the labels of a data set.
struct Classes<'a> {
    /// By label, if the data set states its classes.
    rows: Option<Vec<Option<usize>>>,
    data: &'a [String],
    head: &'a [String],
    /// How many rows there are.
    count: usize,
}

impl<'a> Classes<'a> {
    fn of(features: &'a Features, head: Option<&'a [String]>, count: usize) -> Result<Self, ScoreError> {
        Self::new(features.classes(), head, count)
    }

    fn new(data: Option<&'a [String]>, head: Option<&'a [String]>, count: usize) -> Result<Self, ScoreError> {
        let rows = data.map(|data| head_rows(data, head, count)).transpose()?;
        let rows = rows.map(|found| found.rows);
        Ok(Self { rows, data: data.unwrap_or_default(), head: head.unwrap_or_default(), count })
    }

    /// The row of each example's class.
    fn rows(&self, labels: &[u32]) -> Result<Vec<usize>, ScoreError> {
        labels.iter().enumerate().map(|(example, label)| self.row(example, *label)).collect()
    }

    fn row(&self, example: usize, label: u32) -> Result<usize, ScoreError> {
        let Some(rows) = &self.rows else { return place(example, label, self.count) };
        let class = place(example, label, rows.len())?;
        let absent = || ClassError::Absent { name: self.data[class].clone(), head: self.head.to_vec() };
        Ok(rows[class].ok_or_else(absent)?)
    }
}

/// The row of the head of each example's class.
pub(crate) fn label_rows(labels: &[u32], data: Option<&[String]>, head: &Head) -> Result<Vec<usize>, ScoreError> {
    Classes::new(data, head.names(), head.classes())?.rows(labels)
}

/// A label as a place among `classes`.
fn place(example: usize, label: u32, classes: usize) -> Result<usize, ScoreError> {
    let place = usize::try_from(label).ok().filter(|label| *label < classes);
    place.ok_or(ScoreError::Label { example, label, classes })
}

/// Calls `see` with the number, label and scores of every example, whose vectors are first put through `prepare`.
///
/// A feature that is not finite makes every score of its example so: heads hold finite numbers alone.
fn each_row(
    Vectors { values, width, labels }: Vectors<'_>,
    head: &Head,
    prepare: impl Fn(&mut [f32], usize),
    mut see: impl FnMut(usize, u32, &mut [f32]) -> Result<(), ScoreError>,
) -> Result<(), ScoreError> {
    let classes = head.classes();
    if width != head.width() {
        return Err(ScoreError::Width { head: head.width(), features: width });
    }
    let turned = head.turned();
    let mut scores = Vec::new();
    let mut not_finite = 0;
    let chunks = values.chunks(CHUNK * width).zip(labels.chunks(CHUNK));
    for (chunk, (values, labels)) in chunks.enumerate() {
        let mut rows = values.to_vec();
        prepare(&mut rows, width);
        scores.resize(labels.len() * classes, 0.0);
        let from = (rows.as_slice(), View::dense(labels.len(), width));
        let to = (scores.as_mut_slice(), View::dense(labels.len(), classes));
        matmul(to, false, 1.0, from, (&turned, View::dense(width, classes)));
        for (n, (label, scores)) in labels.iter().zip(scores.chunks_exact_mut(classes)).enumerate() {
            if scores.iter().all(|score| score.is_finite()) {
                see(chunk * CHUNK + n, *label, scores)?
            } else {
                not_finite += 1
            }
        }
    }
    match not_finite {
        0 => Ok(()),
        examples => Err(ScoreError::NotFinite { examples, n: labels.len() }),
    }
}

fn first_largest(scores: &[f32]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (class, score) in scores.iter().enumerate().filter(|(_, score)| !score.is_nan()) {
        if best.is_none_or(|best| *score > scores[best]) {
            best = Some(class);
        }
    }
    best
}
