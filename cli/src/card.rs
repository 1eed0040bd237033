//! The model card of a sweep's winner.

use analysis::{HubModel, Style};

/// The file that describes a model to people and to the Hugging Face hub.
pub(crate) const CARD: &str = "README.md";

/// The card that a worker wrote, with what the sweep measured: it knows one job, and not the sweep. The numbers are in the front
/// matter for the hub, and as tables for people.
pub(crate) fn with_measured(card: &str, model: &HubModel<'_>) -> String {
    let card = model.describe(card);
    format!("{}\n\n{}\n", card.trim_end(), model.summary.render(Style::Markdown).trim_end())
}
