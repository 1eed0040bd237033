//! The rules for all references, in sweep files and in messages.

use super::{HubRef, InputRefError, S3Ref};

/// Checks that owner, name and revision are words, and that the path leads down. Messages show `text`.
pub(super) fn check_hub(hub: &HubRef, text: impl Fn() -> String) -> Result<(), InputRefError> {
    let (owner, name) = hub.repository.split_once('/').unwrap_or((&hub.repository, ""));
    if !is_word(owner) || !is_word(name) || hub.revision.as_deref().is_some_and(|revision| !is_word(revision)) {
        return Err(InputRefError::Repository(text()));
    }
    match hub.path.as_deref() {
        Some(path) if !leads_down(path.strip_suffix('/').unwrap_or(path)) => Err(InputRefError::HubPath(text())),
        _ => Ok(()),
    }
}

/// Whether the bucket has a name, and the key is empty or a path that leads down.
pub(super) fn is_s3(s3: &S3Ref) -> bool {
    let bucket = &s3.bucket;
    let is_bucket = bucket.contains(|c: char| c.is_ascii_alphanumeric())
        && bucket.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    is_bucket && (s3.key.is_empty() || leads_down(&s3.key))
}

fn is_word(word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !["", ".", ".."].contains(&word) && word.chars().all(is_name)
}

/// Whether a relative path has no part that leads elsewhere, on any system.
fn leads_down(path: &str) -> bool {
    let is_plain = |part: &str| !["", ".", ".."].contains(&part);
    path.split('/').all(is_plain) && !path.contains(|c: char| c == '\\' || c.is_control())
}
