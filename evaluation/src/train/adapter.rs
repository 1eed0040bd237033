//! An adapter as training makes it.

/// The factors of a run, and the head where it is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedAdapter {
    /// The modules, in the model's order.
    pub modules: Vec<TrainedModule>,
    /// The trained head, `[classes, width]`.
    pub head: Option<Vec<f32>>,
}

/// The factors of one module. Its update is the product times the scaling of the settings.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedModule {
    /// Its name in the Hugging Face model.
    pub name: String,
    /// `[rank, inputs]`
    pub a: Vec<f32>,
    /// `[outputs, rank]`
    pub b: Vec<f32>,
}
