//! The towers on the processor: plain slices, one thread per step of a few images.
//!
//! A whole batch at once would split every product over the threads and wait for all of them some hundred times per
//! forward. Here each thread takes a step of its own through all layers, with buffers that stay in its cache.

pub(crate) mod activation;
#[cfg(target_arch = "x86_64")]
mod dot;
pub(crate) mod encoder;
pub(crate) mod kernels;
pub(crate) mod linear;
pub(crate) mod pairs;
pub(crate) mod product;
pub(crate) mod real;
pub(crate) mod tower;
