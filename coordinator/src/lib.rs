//! Search strategies, publishing, following results, resume.
