//! The draft of a task.

use super::{
    answers::{Answers, Ask, Written},
    base::LookedAdapter,
    comment::comment,
    dataset::{DataDraft, DataSet},
    images::draft_images,
    texts::{TextTask, draft_texts},
    yaml::{list, scalar},
};
use crate::failure::{Failure, InputFailure};
use evaluation::{Configuration, ExampleKind, Head};
use inputs::Inputs;

/// The prompt of heads from class names.
const TEMPLATE: &str = "a photo of a {}.";

/// A task, and what a person has to check in it.
#[derive(Debug)]
pub(super) struct TaskDraft {
    pub(super) name: String,
    adapter: String,
    summary: String,
    data: DataDraft,
    /// The keys that say where the head comes from, in lines.
    head: Vec<String>,
}

impl TaskDraft {
    /// A task that a command evaluates, which has classes of its own.
    pub(super) fn of_command(adapter: LookedAdapter, data: DataDraft) -> Self {
        let LookedAdapter { task, written, summary, .. } = adapter;
        Self { name: task, adapter: written.text, summary, data, head: Vec::new() }
    }

    /// What a person has to check.
    pub(super) fn caveats(&self) -> &[String] {
        &self.data.caveats
    }

    /// The rows that the search reads, where they are known.
    pub(super) fn search_rows(&self) -> Option<u64> {
        self.data.search_rows
    }

    /// The item of `tasks`.
    pub(super) fn as_yaml(&self) -> String {
        let Self { name, adapter, summary, data, head } = self;
        let mut text = format!("  - name: {}\n", scalar(name));
        text.push_str(&comment("    ", &format!("{summary}.")));
        text.push_str(&format!("    adapter: {}\n", scalar(adapter)));
        data.comments.iter().for_each(|line| text.push_str(&comment("    ", line)));
        data.caveats.iter().for_each(|line| text.push_str(&comment("    ", &format!("Check this: {line}."))));
        match data.keys.as_slice() {
            [] => {}
            [source] => text.push_str(&format!("    data: {}\n", source.trim_start_matches("source: "))),
            keys => {
                text.push_str("    data:\n");
                keys.iter().for_each(|key| text.push_str(&format!("      {key}\n")));
            }
        }
        head.iter().for_each(|key| text.push_str(&format!("    {key}\n")));
        text
    }
}

/// What tasks are drafted from.
pub(super) struct Drafting<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) answers: &'a Answers<'a>,
    pub(super) configuration: &'a dyn Configuration,
}

impl Drafting<'_> {
    /// Drafts the task of an adapter.
    pub(super) fn task(&self, adapter: LookedAdapter, ask: &mut Ask<'_>) -> Result<TaskDraft, Failure> {
        let task = adapter.task.clone();
        let is_text = self.configuration.kind().reads() == ExampleKind::Texts;
        let source = self.answers.data(&task, ask)?;
        let data = DataSet::find(self.inputs, &self.answers.folders, &task, source, is_text)?;
        let (data, head) = if is_text { self.of_texts(&data, &adapter, ask)? } else { self.of_images(&data, ask)? };
        Ok(TaskDraft { name: task, adapter: adapter.written.text, summary: adapter.summary, data, head })
    }

    fn of_images(&self, data: &DataSet<'_>, ask: &mut Ask<'_>) -> Result<(DataDraft, Vec<String>), Failure> {
        let mut draft = draft_images(data)?;
        if let Some(head) = self.answers.head(data.task) {
            return Ok((draft, vec![format!("head: {}", scalar(&head.text))]));
        }
        let classes = match (&draft.classes, self.configuration.has_text_tower()) {
            (Some(classes), true) => classes,
            (None, _) => {
                return self.with_needed_head(draft, data.task, "its data name no classes to make one from", ask);
            }
            (_, false) => {
                return self.with_needed_head(
                    draft,
                    data.task,
                    "the base has no text tower to make one from class names",
                    ask,
                );
            }
        };
        let names: Vec<String> = classes.iter().map(|name| name.replace('_', " ")).collect();
        let keys = vec![
            format!("classes: {}", list(names.iter().map(String::as_str))),
            format!("templates: [{}]", serde_json::Value::from(TEMPLATE)),
        ];
        draft.caveats.push(format!(
            "the head is made of the class names of the data and the prompt \"{TEMPLATE}\"; if the adapter was trained with other words, \
             or with a head of its own, write those words, or `head: FILE` in place of `classes` and `templates`"
        ));
        Ok((draft, keys))
    }

    fn of_texts(
        &self,
        data: &DataSet<'_>,
        adapter: &LookedAdapter,
        ask: &mut Ask<'_>,
    ) -> Result<(DataDraft, Vec<String>), Failure> {
        let head = match (self.answers.head(data.task), adapter.head_classes) {
            (Some(head), _) => Some(head),
            (None, Some(_)) => None,
            (None, None) => {
                Some(self.answers.needed_head(data.task, "its adapter brings no head that is one matrix", ask)?)
            }
        };
        let head_classes = match &head {
            Some(head) => Some(self.classes_of(data.task, head)?),
            None => adapter.head_classes,
        };
        let positions = self.configuration.text_limits().map(|limits| limits.positions);
        let draft = draft_texts(data, TextTask { head_classes, positions })?;
        Ok((draft, head.map(|head| format!("head: {}", scalar(&head.text))).into_iter().collect()))
    }

    fn with_needed_head(
        &self,
        draft: DataDraft,
        task: &str,
        why: &str,
        ask: &mut Ask<'_>,
    ) -> Result<(DataDraft, Vec<String>), Failure> {
        let head = self.answers.needed_head(task, why, ask)?;
        Ok((draft, vec![format!("head: {}", scalar(&head.text))]))
    }

    /// The number of classes of a head's file.
    fn classes_of(&self, task: &str, head: &Written) -> Result<usize, Failure> {
        let failed = |source| InputFailure::Argument { argument: head.text.clone(), source };
        let listing = self.inputs.list_file(&head.reference).map_err(failed)?;
        let outline = self.inputs.outline(&listing).map_err(failed)?;
        let read = Head::read(outline.path());
        Ok(read.map_err(|source| InputFailure::Head { task: task.to_owned(), source })?.classes())
    }
}
