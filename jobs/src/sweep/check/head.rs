use super::reference;
use crate::{HeadSpec, HubKind, InputRef, SweepError};
use std::{collections::BTreeMap, path::Path};

/// The value of `head` that stands for the task's own adapter.
const ADAPTER: &str = "adapter";

/// The keys of a task that say where its head comes from.
pub(super) struct HeadKeys {
    pub(super) head: Option<String>,
    pub(super) classes: Option<Vec<String>>,
    pub(super) templates: Option<Vec<String>>,
}

/// The head of a task whose data are images: a file, or prompts for the text tower.
pub(super) fn image_head(path: &str, keys: HeadKeys, folder: &Path) -> Result<Option<HeadSpec>, SweepError> {
    match keys {
        HeadKeys { head: None, classes: None, templates: None } => Ok(None),
        HeadKeys { head: Some(head), classes: None, templates: None } if head == ADAPTER => {
            let problem = "is `adapter`, which only texts can have; images need a file, or `classes` and `templates`";
            Err(SweepError::invalid(format!("{path}.head"), problem))
        }
        HeadKeys { head: Some(head), classes: None, templates: None } => file(path, &head, folder).map(Some),
        HeadKeys { head: None, classes: Some(classes), templates: Some(templates) } => {
            if classes.is_empty() || templates.is_empty() {
                return Err(SweepError::invalid(path, "has empty `classes` or `templates`"));
            }
            if let Some(template) = templates.iter().find(|template| !template.contains("{}")) {
                let problem = format!("holds `{template}`, which has no `{{}}` for the class name");
                return Err(SweepError::invalid(format!("{path}.templates"), problem));
            }
            check_classes(&classes, &format!("{path}.classes"))?;
            Ok(Some(HeadSpec::Prompts { classes, templates }))
        }
        HeadKeys { head: Some(_), .. } => {
            Err(SweepError::invalid(path, "has `head` beside `classes` or `templates`; use one way"))
        }
        _ => Err(SweepError::invalid(path, "needs both `classes` and `templates`")),
    }
}

/// The head of a task whose data are texts: the one that its adapter brings, unless a file is named. An adapter that is to be
/// trained brings none yet.
pub(super) fn text_head(
    path: &str,
    keys: HeadKeys,
    adapter: Option<&InputRef>,
    folder: &Path,
) -> Result<Option<HeadSpec>, SweepError> {
    if keys.classes.is_some() || keys.templates.is_some() {
        let problem = "has `classes` or `templates`, of which only heads for images are made";
        return Err(SweepError::invalid(path, problem));
    }
    match keys.head {
        Some(head) if head != ADAPTER => file(path, &head, folder).map(Some),
        _ => Ok(adapter.cloned().map(HeadSpec::Adapter)),
    }
}

fn file(path: &str, head: &str, folder: &Path) -> Result<HeadSpec, SweepError> {
    reference(&format!("{path}.head"), head, folder, HubKind::Model).map(HeadSpec::File)
}

/// Every class has a name, and a prompt, of its own: the text tower reads letters of either case as the same.
fn check_classes(classes: &[String], path: &str) -> Result<(), SweepError> {
    let mut seen = BTreeMap::new();
    for (i, name) in classes.iter().enumerate() {
        let read = name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        if read.is_empty() {
            return Err(SweepError::invalid(format!("{path}[{i}]"), "is empty; every class needs a name"));
        }
        if let Some(first) = seen.insert(read, i) {
            let problem = format!(
                "is `{name}`, which class {first} is called already (case aside): images of the two could not be distinguished"
            );
            return Err(SweepError::invalid(format!("{path}[{i}]"), problem));
        }
    }
    Ok(())
}
