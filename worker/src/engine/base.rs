use crate::JobError;
use evaluation::{DeviceChoice, ImageModel, Preprocess, TextModel};
use merging::BaseHeader;
use std::path::PathBuf;

/// A resident CLIP model.
pub(super) struct ImageBase {
    folder: PathBuf,
    pub(super) model: ImageModel,
    /// What happens to pictures before the model sees them.
    pub(super) preprocess: Preprocess,
    /// The tensors that adapters may attach to.
    pub(super) header: BaseHeader,
    text: Option<TextModel>,
}

impl ImageBase {
    pub(super) fn open(folder: PathBuf, device: DeviceChoice) -> Result<Self, JobError> {
        let header = BaseHeader::open(&folder)?;
        let model = ImageModel::open(&folder, &evaluation::open_device(device)?)?;
        let preprocess = Preprocess::of(&folder)?;
        Ok(Self { folder, model, preprocess, header, text: None })
    }

    /// The text tower, opened when a head has to be built.
    pub(super) fn text(&mut self) -> Result<&TextModel, JobError> {
        if self.text.is_none() {
            self.text = Some(TextModel::open(&self.folder)?);
        }
        Ok(self.text.as_ref().expect("it was just opened"))
    }
}
