use super::{Cell, Column, ColumnKind, Table, TableRow};
use jobs::FailureKind;

impl Table {
    /// The kinds of failures, as [`Failures::by_kind`](crate::Failures::by_kind) groups them.
    pub fn failures(kinds: &[FailureKind]) -> Self {
        let columns = vec![
            Column::new("jobs", ColumnKind::Count),
            Column::new("example", ColumnKind::Text),
            Column::new("error", ColumnKind::Text),
        ];
        let line = |kind: &FailureKind| {
            let error = kind.errors.join(": ");
            let cells = vec![Cell::Count(kind.jobs), Cell::text(kind.example.short()), Cell::text(error)];
            TableRow { is_chosen: false, cells }
        };
        let rows: Vec<TableRow> = kinds.iter().map(line).collect();
        let note = if rows.is_empty() {
            "no job has failed for good"
        } else {
            "`bowline failures show EXAMPLE` shows details of a job"
        };
        let title = "jobs that failed for good, by error".to_owned();
        Self { name: "failures".to_owned(), title, columns, rows, notes: vec![note.to_owned()] }
    }
}
