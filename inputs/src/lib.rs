//! Where base models, adapters and data come from: folders and the Hugging Face hub.
