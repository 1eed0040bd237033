//! The one binary, `bowline`.
fn main() {}
