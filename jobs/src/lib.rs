//! The vocabulary of Bowline: sweep file, search space, recipe, job, result.
//!
//! Plain data and pure functions: nothing here reads a file, opens a socket or holds a tensor.
//! A sweep file becomes a sweep; a strategy proposes [`Recipe`]s; each becomes a job whose
//! id is the hash of what decides its outcome; a worker answers with a result.

mod data;
mod digest;
mod input;
mod nearest;
mod recipe;

pub use data::{DataFiles, DataSpec, Rows, SplitRule};
pub use digest::{Digest, DigestError, canonical_json};
pub use input::{HubKind, HubRef, InputRef, InputRefError};
pub use recipe::{
    Axis, Combine, Drop, Elect, Preset, Recipe, RecipeError, RecipeSpec, SEMANTICS, SigmaCut, Space, Trim, TrimScope,
};
