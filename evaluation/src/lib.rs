//! Models, data sets, heads and benchmarks.
