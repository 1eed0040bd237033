//! Where base models, adapters and data come from: folders, the Hugging Face hub, and buckets.
//!
//! [`Inputs`] locates the folder or file of a reference on this machine, and computes the digest of its content,
//! which does not depend on the location. Only files that influence results are fetched and digested: a readme
//! changes no digest. All calls block; do not call them on async threads.
//!
//! Objects of buckets are fetched through a [`Remote`] once for all processes of a machine, and kept by digest: a
//! caller that [expects](Inputs::expecting) a cached digest needs no network. A process that receives references from
//! others is restricted to [some folders](Settings::roots) of its machine.
//!
//! The hub's usual cache is shared with other programs. The client reads `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`,
//! `HF_TOKEN`, `HF_TOKEN_PATH` and `HF_HUB_DISABLE_IMPLICIT_TOKEN` itself; it does not know `HF_HUB_OFFLINE`, which
//! is [`Settings::is_offline`] here. No token ever passes through this crate.

mod allowed;
mod cache;
mod data;
mod decides;
mod digest;
mod error;
mod finder;
mod folder;
mod hub;
mod layout;
mod listing;
mod located;
mod objects;
mod outline;
mod pointer;
mod remote;
mod resolve;
mod roots;
mod rows;
mod select;
mod settings;
mod sources;
#[cfg(test)]
mod tests;

pub use error::{HubFailure, InputError, NotCached};
pub use finder::Finder;
pub use listing::{ListedFile, ListedSplits, Listing};
pub use located::{Located, LocatedData};
pub use outline::{ListedData, Outline};
pub use remote::{Artefacts, Remote, RemoteObject, S3Remote};
pub use settings::{ObjectSettings, Settings};
pub use sources::Inputs;
