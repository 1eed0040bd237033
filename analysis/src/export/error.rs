use std::{io, path::PathBuf};

/// Why nothing was exported. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The place is taken.
    #[error("`{}` exists; an export replaces nothing, so name a new folder", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// The path does not name a folder.
    #[error("`{}` ends in no name of a folder: name a new one, such as `exports/mlflow`", path.display())]
    Unnamed {
        /// The path.
        path: PathBuf,
    },
    /// The sweep has more runs than trackers show.
    #[error(
        "sweep `{sweep}` has {runs} runs, and at most {most} are exported; `bowline analyze --out DIR` writes all of them into \
         `results.parquet`"
    )]
    TooMany {
        /// The sweep.
        sweep: String,
        /// The number of its runs.
        runs: usize,
        /// The most that are exported.
        most: usize,
    },
    /// A file or folder cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A name in the results is not one that a sweep file can give, so that it must not become a path.
    #[error("the results name {what} `{name}`, which no sweep file can name so; was the store edited?")]
    Name {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The sweep has nothing of what the target is for.
    #[error("sweep `{sweep}` has chosen no recipe, so that there is no model to describe; `--to csv` exports its runs")]
    NoChoice {
        /// The sweep.
        sweep: String,
    },
    /// The sweep has no such task.
    #[error("sweep `{sweep}` has no task `{task}`")]
    NoTask {
        /// The task.
        task: String,
        /// The sweep.
        sweep: String,
    },
    /// `.eval_results` names data sets of the hub, and these data are elsewhere.
    #[error("the data of task `{task}` are not on the hub, so that its result belongs to no benchmark there")]
    NotOnHub {
        /// The task.
        task: String,
    },
}
