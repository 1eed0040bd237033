//! Messages about the revisions of a sweep.

use crate::{clock::date, terminal};
use coordinator::SweepRevision;
use jobs::Change;

/// The most changes that are listed.
const MOST_LISTED: usize = 20;

/// The changes of a new revision to the one before, each in a line. Empty for a first revision, and for one that is
/// resumed.
pub(crate) fn in_lines(revised: &SweepRevision) -> Vec<String> {
    let SweepRevision { number, changes, follows, .. } = revised;
    let Some(earlier) = follows else { return Vec::new() };
    let begun = earlier.begun_ms.map(|begun| format!(" of {} UTC", date(begun))).unwrap_or_default();
    let s = if changes.len() == 1 { "" } else { "s" };
    let before = number - 1;
    let mut lines =
        vec![format!("revision {number} of the sweep, {} change{s} to revision {before}{begun}:", changes.len())];
    lines.extend(changes_in_lines(changes));
    lines.push("what was computed for both is not computed again".to_owned());
    if earlier.is_active {
        lines.push(format!("a run of revision {before} seems to be active: it ends as soon as it sees this one"));
    }
    lines
}

/// The changes, each in a line. Only the first are listed if there are very many.
pub(crate) fn changes_in_lines(changes: &[Change]) -> Vec<String> {
    let mut lines: Vec<String> =
        changes.iter().take(MOST_LISTED).map(|change| jobs::escaped(&format!("  {change}")).into_owned()).collect();
    if changes.len() > MOST_LISTED {
        lines.push(format!("  and {} more", changes.len() - MOST_LISTED));
    }
    lines
}

/// Prints the changes of a new revision.
pub(crate) fn print(revised: &SweepRevision) {
    in_lines(revised).iter().for_each(terminal::note);
}

/// The revision of a sweep behind its name, unless it is the first.
pub(crate) fn behind_name(revision: u32) -> String {
    if revision > 1 { format!(" (revision {revision})") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coordinator::PreviousRevision;

    #[test]
    fn a_new_revision_is_printed_with_its_changes_and_a_first_one_is_not() {
        assert!(in_lines(&SweepRevision::first()).is_empty());
        let change = |key: &str| Change::Value { key: key.to_owned(), from: Some("1.0".to_owned()), to: None };
        let earlier = PreviousRevision { begun_ms: Some(1_795_975_512_345), is_active: true };
        let revised = SweepRevision { number: 2, changes: vec![change("a")], is_new: true, follows: Some(earlier) };
        assert_eq!(
            in_lines(&revised),
            [
                "revision 2 of the sweep, 1 change to revision 1 of 2026-11-29 18:05 UTC:",
                "  `a`: 1.0 → not set",
                "what was computed for both is not computed again",
                "a run of revision 1 seems to be active: it ends as soon as it sees this one",
            ]
        );
        assert!(in_lines(&SweepRevision { is_new: false, follows: None, ..revised.clone() }).is_empty());
        let many = SweepRevision { changes: vec![change("a"); 22], ..revised };
        assert_eq!(in_lines(&many)[21], "  and 2 more");
    }
}
