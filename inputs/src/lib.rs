//! Where base models, adapters and data come from: folders and the Hugging Face hub.
//!
//! [`Inputs`] turns a reference into the folder or file that it means on this machine, and into the digest of its
//! content, which is the same wherever the content lies. Only the files that decide are fetched and digested: a
//! readme changes no digest. Everything here blocks; call it off the async threads.
//!
//! The hub's usual cache is shared with other programs. The client reads `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`,
//! `HF_TOKEN`, `HF_TOKEN_PATH` and `HF_HUB_DISABLE_IMPLICIT_TOKEN` itself; it does not know `HF_HUB_OFFLINE`, which
//! is [`Settings::is_offline`] here. No token ever passes through this crate.

mod data;
mod digest;
mod error;
mod folder;
mod hub;
mod layout;
mod resolve;
mod rows;
#[cfg(test)]
mod tests;

pub use error::{HubFailure, InputError};
pub use resolve::{Inputs, Located, LocatedData, Settings};
