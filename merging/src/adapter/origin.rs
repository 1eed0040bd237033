//! What adapters say they are of, and whether they agree.

use super::Adapter;

/// What an adapter declares about itself without an effect on its update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The task's name.
    pub task: String,
    /// What its configuration calls its base model.
    pub base_model: Option<String>,
    /// The revision of that.
    pub revision: Option<String>,
    /// What PEFT wraps the model as.
    pub task_type: Option<String>,
    /// Whether its configuration says `fan_in_fan_out` for layers that are linear.
    pub ignores_fan_in_fan_out: bool,
    /// The tensors of its own head.
    pub head: Vec<String>,
    /// Whether that head is one matrix, which a sweep can evaluate.
    pub has_plain_head: bool,
}

impl Adapter {
    /// What the adapter declares about itself, without its weights.
    pub fn origin(&self) -> Origin {
        Origin {
            task: self.name.clone(),
            base_model: self.base_model.clone(),
            revision: self.revision.clone(),
            task_type: self.task_type.clone(),
            ignores_fan_in_fan_out: self.says_fan_in_fan_out
                && self.modules.keys().any(|module| !self.fan_in_fan_out.contains(module)),
            head: self.saved.keys().cloned().collect(),
            has_plain_head: self.head.is_some(),
        }
    }
}

/// What a person should know of adapters that are merged with each other. Nothing of it is an error: such merges are
/// made on purpose, too.
///
/// `base` is the hub id of the base that they are merged into, where it has one.
pub fn origin_notes(origins: &[Origin], base: Option<&str>) -> Vec<String> {
    let mut notes = Vec::new();
    let bases = spread(origins, |origin| origin.base_model.as_deref());
    if bases.len() > 1 {
        notes.push(format!("the adapters name different bases (`base_model_name_or_path`): {}", listed(&bases)));
    } else {
        notes.extend(revisions(origins));
        if let (Some(base), [(named, tasks)]) = (base, &bases[..])
            && *named != base
            && is_hub_id(named)
        {
            notes.push(format!("the base is `{base}`, but {} `{named}` (`base_model_name_or_path`)", names(tasks)));
        }
    }
    let task_types = spread(origins, |origin| origin.task_type.as_deref());
    if task_types.len() > 1 {
        let listed = listed(&task_types);
        notes.push(format!(
            "the adapters have different task types (`task_type`), so a merged adapter has none: {listed}"
        ));
    }
    let linear: Vec<&str> =
        origins.iter().filter(|origin| origin.ignores_fan_in_fan_out).map(|origin| origin.task.as_str()).collect();
    if !linear.is_empty() {
        notes.push(format!(
            "`fan_in_fan_out` is not followed where layers are linear, as in PEFT: {}",
            quoted(linear.into_iter())
        ));
    }
    let heads = origins.iter().filter(|origin| !origin.head.is_empty() && !origin.has_plain_head);
    let heads: Vec<String> =
        heads.map(|origin| format!("`{}` ({})", origin.task, quoted(origin.head.iter().map(String::as_str)))).collect();
    if !heads.is_empty() {
        notes.push(format!("heads are kept out of the merge: {}", heads.join(", ")));
    }
    notes
}

/// A note if the revisions of one base differ. Where an adapter names a base without a revision, it means the
/// default branch.
fn revisions(origins: &[Origin]) -> Option<String> {
    let by_default = |origin: &Origin| origin.base_model.is_some() && origin.revision.is_none();
    let revisions =
        spread(origins, |origin| origin.revision.as_deref().or_else(|| by_default(origin).then_some("main")));
    if revisions.len() < 2 {
        return None;
    }
    let listed = listed(&revisions);
    let default = if origins.iter().any(by_default) { "; without a revision it is `main`" } else { "" };
    Some(format!("the adapters name different revisions of their base (`revision`): {listed}{default}"))
}

/// The different values, each with the tasks that have it; those that say nothing are left out.
fn spread<'a>(origins: &'a [Origin], of: impl Fn(&'a Origin) -> Option<&'a str>) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut values: Vec<(&str, Vec<&str>)> = Vec::new();
    for origin in origins {
        let Some(value) = of(origin) else { continue };
        match values.iter_mut().find(|(known, _)| *known == value) {
            Some((_, tasks)) => tasks.push(&origin.task),
            None => values.push((value, vec![&origin.task])),
        }
    }
    values
}

fn listed(values: &[(&str, Vec<&str>)]) -> String {
    let each = values.iter().map(|(value, tasks)| format!("`{value}` ({})", quoted(tasks.iter().copied())));
    each.collect::<Vec<_>>().join(", ")
}

fn names(tasks: &[&str]) -> String {
    if let [task] = tasks { format!("the adapter of `{task}` names") } else { "the adapters name".to_owned() }
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Whether a name looks like one of the hub, `owner/name`, and not like a path.
fn is_hub_id(name: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    name.split_once('/').is_some_and(|(owner, name)| word(owner) && word(name) && !owner.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(task: &str, base: Option<&str>, revision: Option<&str>) -> Origin {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Origin {
            task: task.to_owned(),
            base_model: owned(base),
            revision: owned(revision),
            task_type: None,
            ignores_fan_in_fan_out: false,
            head: Vec::new(),
            has_plain_head: false,
        }
    }

    #[test]
    fn bases_and_revisions_that_differ_are_said() {
        let notes = |origins: &[Origin], base| origin_notes(origins, base);
        let two = [origin("a", Some("o/one"), None), origin("b", Some("o/two"), None), origin("c", None, None)];
        let expected = "the adapters name different bases (`base_model_name_or_path`): `o/one` (`a`), `o/two` (`b`)";
        assert_eq!(notes(&two, None), [expected]);
        let revisions = [origin("a", Some("o/one"), Some("1")), origin("b", Some("o/one"), Some("2"))];
        let expected = "the adapters name different revisions of their base (`revision`): `1` (`a`), `2` (`b`)";
        assert_eq!(notes(&revisions, None), [expected]);
        let same = [origin("a", Some("o/one"), Some("1")), origin("b", None, Some("1"))];
        assert!(notes(&same, Some("o/one")).is_empty());
        let expected = "the base is `o/other`, but the adapter of `a` names `o/one` (`base_model_name_or_path`)";
        assert_eq!(notes(&same, Some("o/other")), [expected]);
        assert!(notes(&[origin("a", Some("/models/one"), None)], Some("o/one")).is_empty());
    }

    #[test]
    fn a_missing_revision_is_the_default_branch() {
        let one = |task, revision| origin(task, Some("o/one"), revision);
        let expected = "the adapters name different revisions of their base (`revision`): `abc` (`a`), `main` (`b`); \
                        without a revision it is `main`";
        assert_eq!(origin_notes(&[one("a", Some("abc")), one("b", None)], None), [expected]);
        assert!(origin_notes(&[one("a", Some("main")), one("b", None)], None).is_empty());
        assert!(origin_notes(&[one("a", Some("abc")), origin("b", None, None)], None).is_empty());
    }

    #[test]
    fn task_types_that_differ_and_flags_that_are_ignored_are_said() {
        let [mut a, mut b] = ["a", "b"].map(|task| origin(task, None, None));
        a.task_type = Some("SEQ_CLS".to_owned());
        assert!(origin_notes(&[a.clone(), b.clone()], None).is_empty());
        b.task_type = Some("CAUSAL_LM".to_owned());
        let expected = "the adapters have different task types (`task_type`), so a merged adapter has none: `SEQ_CLS` (`a`), \
                        `CAUSAL_LM` (`b`)";
        assert_eq!(origin_notes(&[a.clone(), b], None), [expected]);
        a.ignores_fan_in_fan_out = true;
        let expected = "`fan_in_fan_out` is not followed where layers are linear, as in PEFT: `a`";
        assert_eq!(origin_notes(&[a], None), [expected]);
    }

    #[test]
    fn heads_that_are_no_plain_matrix_are_said() {
        let mut glue = origin("cola", None, None);
        glue.head = vec!["classifier.bias".to_owned(), "classifier.weight".to_owned()];
        let expected = "heads are kept out of the merge: `cola` (`classifier.bias`, `classifier.weight`)";
        assert_eq!(origin_notes(std::slice::from_ref(&glue), None), [expected]);
        glue.has_plain_head = true;
        assert!(origin_notes(&[glue], None).is_empty());
    }
}
