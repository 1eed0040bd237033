use super::ModelError;
use crate::device::Accelerator;
use candle_core::Tensor;
use std::sync::{Arc, OnceLock};

/// What a model makes of each image or text, with their labels.
///
/// On a device other than the processor the numbers stay there: scores are made there as well, and only answers come back.
#[derive(Debug, Clone)]
pub struct Features {
    values: FeatureValues,
    width: usize,
    labels: Arc<[u32]>,
    classes: Option<Arc<[String]>>,
}

/// Where features lie.
#[derive(Debug, Clone)]
pub(crate) enum FeatureValues {
    Host(Vec<f32>),
    Device(DeviceFeatures),
}

/// Features on a device, `[images or texts, width]` in `f32`.
#[derive(Debug, Clone)]
pub(crate) struct DeviceFeatures {
    pub(crate) rows: Tensor,
    pub(crate) on: Accelerator,
    /// Filled when the numbers are asked for.
    copied: OnceLock<Vec<f32>>,
}

impl DeviceFeatures {
    pub(crate) fn new(rows: Tensor, on: &Accelerator) -> Self {
        Self { rows, on: on.clone(), copied: OnceLock::new() }
    }

    fn values(&self) -> Result<&[f32], ModelError> {
        if let Some(copied) = self.copied.get() {
            return Ok(copied);
        }
        let copied = self.on.take_back(&self.rows)?;
        Ok(self.copied.get_or_init(|| copied))
    }
}

impl Features {
    pub(super) fn of_images(
        values: FeatureValues,
        width: usize,
        labels: Arc<[u32]>,
        classes: Option<Arc<[String]>>,
    ) -> Self {
        Self { values, width, labels, classes }
    }

    /// Takes the features of texts `[texts, width]`, whose labels are rows of a head.
    pub(crate) fn of_texts(values: FeatureValues, width: usize, labels: &[u32]) -> Self {
        Self { values, width, labels: labels.into(), classes: None }
    }

    /// `[images or texts, width]`, row-major, not normalised. From a device they are copied at the first call.
    ///
    /// # Errors
    /// The device fails.
    pub fn values(&self) -> Result<&[f32], ModelError> {
        match &self.values {
            FeatureValues::Host(values) => Ok(values),
            FeatureValues::Device(features) => features.values(),
        }
    }

    /// The features on a device, if they are there.
    pub(crate) fn on_device(&self) -> Option<&DeviceFeatures> {
        match &self.values {
            FeatureValues::Host(_) => None,
            FeatureValues::Device(features) => Some(features),
        }
    }

    /// True if all numbers are finite.
    pub(crate) fn is_finite(&self) -> Result<bool, ModelError> {
        Ok(self.values()?.iter().all(|x| x.is_finite()))
    }

    /// Numbers per image or text.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The class of each image or text.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The class names, in the order of the labels, if the data set states them.
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }
}
