//! The seam jobs travel through.
