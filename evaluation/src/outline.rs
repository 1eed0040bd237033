use crate::{ClipConfig, DecoderConfig, ModelError, ModelKind, Preprocess, decoder, model};
use std::path::Path;

/// A model folder looked at from outside: its configuration, with which the headers of its weights agree.
#[derive(Debug, Clone)]
pub enum Outline {
    /// Of a CLIP model.
    Clip(Box<ClipConfig>),
    /// Of a language model.
    Decoder(DecoderConfig),
}

impl Outline {
    /// Reads the configuration and checks names and shapes of all tensors that evaluation reads of the model, an image tower
    /// or a language model, and that the image processor makes pictures of the tower's size. Of weights no more than headers is read.
    ///
    /// # Errors
    /// As [`ImageModel::open`](crate::ImageModel::open) and [`DecoderModel::open`](crate::DecoderModel::open).
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        match ModelKind::of(folder)? {
            ModelKind::Clip => {
                let preprocess = Preprocess::of(folder)?;
                let config = model::outlined(folder)?;
                let expected = config.vision.image_size;
                match preprocess.edges().into_iter().flatten().find(|edge| *edge as usize != expected) {
                    Some(found) => Err(ModelError::PictureSize { found: found as usize, expected }),
                    None => Ok(Self::Clip(Box::new(config))),
                }
            }
            ModelKind::Language => Ok(Self::Decoder(decoder::outlined(folder)?)),
        }
    }

    /// The kind of the model.
    pub fn kind(&self) -> ModelKind {
        match self {
            Self::Clip(_) => ModelKind::Clip,
            Self::Decoder(_) => ModelKind::Language,
        }
    }

    /// The width of features, and the key of `config.json` that states it.
    pub fn width(&self) -> (usize, &'static str) {
        match self {
            Self::Clip(config) => (config.projection, "projection_dim"),
            Self::Decoder(config) => (config.width, "hidden_size"),
        }
    }

    /// Checks that the model has a linear layer of that name, which takes updates.
    ///
    /// # Errors
    /// [`ModelError::Module`].
    pub fn check_module(&self, name: &str) -> Result<(), ModelError> {
        match self {
            Self::Clip(config) => config.check_module(name),
            Self::Decoder(config) => config.check_module(name),
        }
    }
}
