//! The mathematics of merging LoRA adapters.
