//! Images on a device, some for each forward.

use crate::HostBytes;
use candle_core::{Result, Tensor};
use std::ops::Range;

/// The bytes of some images on a device.
#[derive(Clone)]
pub(crate) struct PixelStep {
    /// `[images, edge, edge, 3]`
    pub(super) pixels: Tensor,
    /// What each level of each channel becomes, `[3 · 256]`.
    pub(super) levels: Tensor,
    /// Where the levels of each channel begin, `[1, 3, 1]`.
    pub(super) channels: Tensor,
}

impl HostBytes for PixelStep {
    fn host_bytes(&self) -> u64 {
        if self.pixels.device().is_cpu() { self.pixels.elem_count() as u64 } else { 0 }
    }
}

/// What one forward takes.
pub(super) trait Step {
    /// How many images it is about.
    fn images(&self) -> usize;
}

impl Step for Tensor {
    fn images(&self) -> usize {
        self.dims().first().copied().unwrap_or(0)
    }
}

impl Step for Range<usize> {
    fn images(&self) -> usize {
        self.len()
    }
}

impl Step for PixelStep {
    fn images(&self) -> usize {
        self.pixels.images()
    }
}

/// Some images of steps of bytes, in steps of the same size.
pub(crate) fn select_pixels(steps: &[PixelStep], places: &[u64]) -> Result<Vec<PixelStep>> {
    let Some(first) = steps.first() else { return Ok(Vec::new()) };
    let pixels: Vec<Tensor> = steps.iter().map(|step| step.pixels.clone()).collect();
    let selected = select(&pixels, places)?.into_iter();
    Ok(selected.map(|pixels| PixelStep { pixels, ..first.clone() }).collect())
}

/// Some images of steps `[images, …]`, in steps of the same size.
pub(crate) fn select(steps: &[Tensor], places: &[u64]) -> Result<Vec<Tensor>> {
    let Some(first) = steps.first() else { return Ok(Vec::new()) };
    let step = first.dim(0)?;
    let image = |place: &u64| steps[*place as usize / step].narrow(0, *place as usize % step, 1);
    let group = |places: &[u64]| Tensor::cat(&places.iter().map(image).collect::<Result<Vec<_>>>()?, 0);
    places.chunks(step).map(group).collect()
}
