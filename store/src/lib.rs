//! The seam results and artefacts live behind.
