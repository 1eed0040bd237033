use crate::device::Accelerator;
use candle_core::{Result, Tensor};
use std::sync::OnceLock;

/// The copy of a head on the device that used it first, so that it is copied once. It is no part of what a head is: all are
/// equal.
#[derive(Debug, Clone, Default)]
pub(super) struct Placed(OnceLock<PlacedHead>);

/// A head on a device.
#[derive(Debug, Clone)]
pub(crate) struct PlacedHead {
    /// `[width, classes]`
    pub(crate) turned: Tensor,
    /// `[classes]`: their number, and one less for each class, down to 1.
    pub(crate) descending: Tensor,
}

impl PartialEq for Placed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Placed {
    /// The copy, made by `turned` at first use. On another device it is made again at every use.
    pub(super) fn get(
        &self,
        [width, classes]: [usize; 2],
        turned: impl FnOnce() -> Vec<f32>,
        on: &Accelerator,
    ) -> Result<PlacedHead> {
        if let Some(placed) = self.0.get().filter(|placed| placed.turned.device().same_device(on.device())) {
            return Ok(placed.clone());
        }
        let descending = (0..classes).map(|class| (classes - class) as f32).collect();
        let turned = on.put(turned(), (width, classes))?;
        let placed = PlacedHead { turned, descending: on.put(descending, classes)? };
        // The first device keeps its copy.
        let _ = self.0.set(placed.clone());
        Ok(placed)
    }
}
