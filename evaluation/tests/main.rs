//! The crate against the mini8 fixture and its goldens, against Pillow, and against bad input.

mod data;
mod fixture;
mod mini8;
mod model;
mod parquet_file;
mod text;
