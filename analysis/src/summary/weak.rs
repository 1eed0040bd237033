use super::{Kind, Summary, TaskSummary};
use jobs::WeakAdapter;

impl Summary {
    /// The adapters that are worse on their own task than the base model, on the selection split.
    pub fn weak_adapters(&self) -> Vec<WeakAdapter> {
        let zero_shot = self.selected(Kind::ZeroShot);
        let weak = |alone: &TaskSummary| {
            let base = zero_shot.iter().find(|base| base.task == alone.task)?;
            (alone.accuracy < base.accuracy).then(|| WeakAdapter {
                task: alone.task.clone(),
                split: self.splits.select.clone(),
                finetuned: alone.accuracy,
                // Of a given accuracy nobody knows how many examples it is of.
                is_given: alone.n.is_none(),
                zero_shot: base.accuracy,
            })
        };
        self.selected(Kind::Finetuned).iter().filter_map(weak).collect()
    }

    /// The tasks' numbers of the row of a kind on the selection split.
    fn selected(&self, kind: Kind) -> &[TaskSummary] {
        let row = self.rows.iter().find(|row| row.kind == kind);
        row.and_then(|row| row.splits.get(&self.splits.select)).map_or(&[], |split| &split.tasks)
    }
}
