//! Parquet files that are checked before they are decoded.
//!
//! The `parquet` library trusts what a file claims: it reserves memory for as many columns, values and bytes as a
//! footer or a page header says, and panics if these contradict each other. [`CheckedFile`] checks each claim first, so
//! that a damaged or hostile file is refused within the memory that [`Limits`] allow.
//!
//! | what is checked | when |
//! |---|---|
//! | the footer: its structure, depth, children of columns, offsets | when the file is opened |
//! | rows of a row group, and whether the bytes of its columns can be in the file | when the file is opened |
//! | bytes of a page and of a column, once they are unpacked | when the packed bytes of a page are read |
//! | values of a dictionary, and lengths of texts | when a page is unpacked, before it is decoded |

mod chunks;
mod delta;
mod file;
mod footer;
mod header;
mod limits;
mod pages;
#[cfg(test)]
mod tests;
mod unpacked;

pub use file::{CheckedFile, guarded};
pub use limits::{Limits, TooLarge};
pub use pages::CheckedGroup;
