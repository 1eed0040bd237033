use jobs::InputRef;
use serde_json::error::Category;
use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};
use store::BackendError;

/// Why an input cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Nothing lies where the reference points.
    #[error("`{reference}` is not there")]
    Missing {
        /// The input.
        reference: String,
    },
    /// A file where a folder is wanted, or the other way round, or a whole repository where a file is wanted.
    #[error("`{reference}` is not a {expected}")]
    NotA {
        /// The input.
        reference: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A folder lacks a file of its role.
    #[error("`{reference}` is not {role}: it has no {lacks}")]
    Lacks {
        /// The input.
        reference: String,
        /// What it should be: "a model", "an adapter".
        role: &'static str,
        /// The file that was looked for.
        lacks: String,
    },
    /// A data set has no such split.
    #[error(
        "`{reference}` has no split `{split}`: looked for {looked_for}; {}{}",
        splits_there(splits),
        inside(within)
    )]
    NoSplit {
        /// The data set.
        reference: String,
        /// The split that was looked for.
        split: String,
        /// The files that would have been it.
        looked_for: String,
        /// The splits that are there.
        splits: Vec<String>,
        /// Folders in the data set that have the split.
        within: Vec<String>,
    },
    /// A data set has a split in two forms.
    #[error(
        "`{reference}` has the split `{split}` twice, as `{one}` and as `{other}`: take out the one that is not meant"
    )]
    Twice {
        /// The data set.
        reference: String,
        /// The split.
        split: String,
        /// A file of the one form.
        one: String,
        /// A file of the other.
        other: String,
    },
    /// A file is a Git LFS pointer.
    #[error(
        "`{}` of `{reference}` is a Git LFS pointer, a few lines in place of the file: run `git lfs pull` in the clone that it \
         comes from, or download the file itself",
        file.display()
    )]
    LfsPointer {
        /// The input.
        reference: String,
        /// The file.
        file: PathBuf,
    },
    /// The hub's cache holds a download that was cut off, so that files of a split may be missing.
    #[error(
        "the hub's cache may hold `{reference}` only in part: a download was cut off and left `{}`; run `hf download` again, or \
         remove that file if it belongs to nothing that is needed",
        partial.display()
    )]
    CutOffDownload {
        /// The data set.
        reference: String,
        /// What the download left.
        partial: PathBuf,
    },
    /// An input holds an entry that cannot be used.
    #[error("`{reference}` holds `{entry}`, {problem}")]
    Holds {
        /// The input.
        reference: String,
        /// The file or folder in it.
        entry: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The rule that cuts a split out of a data set cannot be followed.
    #[error("the rule of split `{split}` of `{reference}` is wrong: {problem}")]
    Rule {
        /// The data set.
        reference: String,
        /// The split.
        split: String,
        /// What is wrong.
        problem: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{}` of `{reference}`", file.display())]
    Read {
        /// The input.
        reference: String,
        /// The file or folder.
        file: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The rows of a split are listed in another file than the one that its digest was made of.
    #[error("`{reference}`, which lists the rows of `{split}`, is not the list that the job was made for")]
    OtherRows {
        /// The list.
        reference: String,
        /// The split.
        split: String,
    },
    /// A file has the wrong content. The message does not show the content: a job may name a private file.
    #[error("`{}` of `{reference}` is not {expected}: {problem}", file.display())]
    Malformed {
        /// The input.
        reference: String,
        /// The file.
        file: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What kind of fault is where.
        problem: String,
    },
    /// An input from a bucket or a repository that is not one of those that may be used here.
    #[error("`{reference}` {}", not_allowed(option, allowed))]
    NotAllowed {
        /// The input.
        reference: String,
        /// The option that allows more.
        option: &'static str,
        /// What is allowed.
        allowed: Vec<String>,
    },
    /// A path leads to where this process may not read.
    #[error("`{}` {}lies outside the folders that may be read here, {}", path.display(), of(path, reference), below(roots))]
    Outside {
        /// The input.
        reference: String,
        /// The path, as it was given or found.
        path: PathBuf,
        /// The folders below which paths may be read.
        roots: Vec<PathBuf>,
    },
    /// An input in a bucket, where no access to buckets was set up.
    #[error("`{reference}` lies in a bucket, and this process was given no access to one; use a path or `hf://…`")]
    NoBuckets {
        /// The input.
        reference: String,
    },
    /// An artefact, where no access to the store was set up.
    #[error("the artefact of job {job} lies in the store, and this process was given no access to it for inputs")]
    NoArtefacts {
        /// The job.
        job: String,
    },
    /// A bucket has nothing under a key.
    #[error("`{reference}` is not there: no object has such a key; check the names of bucket and key")]
    NoObjects {
        /// The input.
        reference: String,
    },
    /// A bucket refuses an object.
    #[error("cannot fetch `{reference}`")]
    Bucket {
        /// The input or one of its objects.
        reference: String,
        /// What the store says.
        source: BackendError,
    },
    /// An object was replaced after it was listed.
    #[error("`{reference}` was replaced while it was fetched")]
    Replaced {
        /// The object.
        reference: String,
    },
    /// A download ended before the object did.
    #[error("of `{reference}` came {found} of {expected} bytes")]
    CutOff {
        /// The object.
        reference: String,
        /// Its size.
        expected: u64,
        /// The size of the downloaded part.
        found: u64,
    },
    /// The cache of objects cannot be read or written.
    #[error(
        "cannot use `{}` in the cache of inputs; make room there, or choose another folder that can be written",
        path.display()
    )]
    Cache {
        /// The file in it.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// An outline of an input cannot be written.
    #[error("cannot write an outline of `{reference}` into the folder for temporary files `{}`", folder.display())]
    Outline {
        /// The input.
        reference: String,
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The network may not be used, and the hub's cache does not have it.
    #[error(
        "`{reference}` is not in the hub's cache `{}`, and `HF_HUB_OFFLINE` forbids to fetch it: {absent}; unset that, or run \
         `hf download` where the network is and bring the cache here",
        cache.display()
    )]
    Offline {
        /// The input.
        reference: String,
        /// The cache.
        cache: PathBuf,
        /// What is not there.
        absent: NotCached,
    },
    /// The network may not be used, and the hub's cache does not have all of it.
    #[error(
        "the hub's cache `{}` does not have all of `{reference}`, and `HF_HUB_OFFLINE` forbids to fetch the rest; unset that, or \
         run `hf download` where the network is and bring the cache here",
        cache.display()
    )]
    Partial {
        /// The input.
        reference: String,
        /// The cache.
        cache: PathBuf,
        /// What is wrong with what is there.
        source: Box<Self>,
    },
    /// The hub is out of reach, and its cache does not have the input.
    #[error(
        "cannot reach the hub for `{reference}`, and it is not in the hub's cache `{}`: {absent}; check the network, or run \
         `hf download` where there is one, bring the cache here and set `HF_HUB_OFFLINE=1`",
        cache.display()
    )]
    Unreachable {
        /// The input.
        reference: String,
        /// The cache.
        cache: PathBuf,
        /// What is not there.
        absent: NotCached,
        /// What the client says.
        source: HubFailure,
    },
    /// The hub responded, but refuses the input.
    #[error("the hub does not give `{reference}`")]
    Hub {
        /// The input.
        reference: String,
        /// What the client says.
        source: HubFailure,
    },
}

impl InputError {
    /// Whether the same call may succeed later, without a person doing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Hub { source, .. } => source.is_retryable,
            Self::Bucket { source, .. } => source.is_retryable(),
            Self::Replaced { .. } | Self::CutOff { .. } => true,
            Self::Read { source, .. } | Self::Cache { source, .. } => files::is_transient(source.kind()),
            Self::Missing { .. }
            | Self::NotA { .. }
            | Self::Lacks { .. }
            | Self::NoSplit { .. }
            | Self::Twice { .. }
            | Self::LfsPointer { .. }
            | Self::CutOffDownload { .. }
            | Self::Holds { .. }
            | Self::Rule { .. }
            | Self::OtherRows { .. }
            | Self::Malformed { .. }
            | Self::NotAllowed { .. }
            | Self::Outside { .. }
            | Self::NoBuckets { .. }
            | Self::NoArtefacts { .. }
            | Self::NoObjects { .. }
            | Self::Outline { .. }
            | Self::Offline { .. }
            | Self::Partial { .. } => false,
        }
    }
}

/// What the hub's cache lacks of an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCached {
    /// The repository.
    #[error("nothing of the repository is there")]
    Repository,
    /// The branch or tag.
    #[error("the repository is there, but not what `{revision}` means{}", named_commits(commits))]
    Revision {
        /// The branch or tag.
        revision: String,
        /// The commits that are there.
        commits: Vec<String>,
    },
    /// The commit.
    #[error("the repository is there, but no file of its commit `{commit}`")]
    Commit {
        /// The commit.
        commit: String,
    },
    /// Some of its files, or all.
    #[error("only a part of the repository is there: {0}")]
    Files(String),
}

fn named_commits(commits: &[String]) -> String {
    match commits {
        [] => String::new(),
        _ => format!("; name a commit that is there, with `@{}`", commits.join("` or `@")),
    }
}

fn inside(within: &[String]) -> String {
    match within {
        [] => String::new(),
        _ => format!("; its folders `{}` have such a split: name one of them in the reference", within.join("`, `")),
    }
}

impl InputError {
    /// A file or folder that the system does not allow to read. An absent one is `Missing`.
    pub(crate) fn unreadable(reference: &InputRef, path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound {
            return Self::Missing { reference: reference.to_string() };
        }
        Self::Read { reference: reference.to_string(), file: path.to_owned(), source }
    }

    /// The error of a parser, without the content that it read.
    pub(crate) fn malformed(
        reference: &InputRef,
        file: PathBuf,
        expected: &'static str,
        error: &serde_json::Error,
    ) -> Self {
        let kind = match error.classify() {
            Category::Data => "a value is of another kind",
            Category::Eof => "it ends too early",
            Category::Syntax | Category::Io => "it is no JSON",
        };
        let problem = format!("{kind} at line {}, column {}", error.line(), error.column());
        Self::Malformed { reference: reference.to_string(), file, expected, problem }
    }
}

fn not_allowed(option: &str, allowed: &[String]) -> String {
    let what = option.trim_start_matches('-');
    match allowed {
        [] => format!("is from a {what}, and none may be used here; name it with `{option}`"),
        _ => format!(
            "is from a {what} that may not be used here, where `{}` may; add it with `{option}`",
            allowed.join("`, `")
        ),
    }
}

fn of(path: &Path, reference: &str) -> String {
    if path == Path::new(reference) { String::new() } else { format!("of `{reference}` ") }
}

fn below(roots: &[PathBuf]) -> String {
    match roots {
        [] => "and there is none; name one with `--root`".to_owned(),
        _ => {
            let roots: Vec<_> = roots.iter().map(|root| format!("`{}`", root.display())).collect();
            format!("which are {}; add it with `--root`", roots.join(", "))
        }
    }
}

fn splits_there(splits: &[String]) -> String {
    match splits {
        [] => "it has no split that is known here".to_owned(),
        _ => format!("it has `{}`", splits.join("`, `")),
    }
}

/// The error of the hub's client in one line, without the query parts of URLs: they hold signatures of download links.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct HubFailure {
    message: String,
    pub(crate) is_out_of_reach: bool,
    is_retryable: bool,
}

impl From<hf_hub::HFError> for HubFailure {
    fn from(error: hf_hub::HFError) -> Self {
        use hf_hub::HFError;
        let is_server_down = matches!(&error, HFError::Http { context } if context.status.is_server_error());
        let is_out_of_reach = is_server_down || matches!(error, HFError::Request { .. });
        let is_retryable = is_out_of_reach
            || matches!(error, HFError::RateLimited { .. } | HFError::CacheLockTimeout { .. } | HFError::Xet { .. });
        Self { message: without_queries(&in_one_line(&error)), is_out_of_reach, is_retryable }
    }
}

/// The error with its causes in one line. A cause whose message the line already contains is left out.
fn in_one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    for cause in jobs::causes(error) {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

/// Cuts `?…` off every URL in `text`.
fn without_queries(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let ends = |c: char| c.is_whitespace() || matches!(c, ')' | '"' | '`');
        let end = rest[start..].find(ends).map_or(rest.len(), |length| start + length);
        let url = &rest[..end];
        kept.push_str(url.split_once('?').map_or(url, |(before, _)| before));
        rest = &rest[end..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_transient_error_of_a_file_is_tried_again() {
        let read = |kind: io::ErrorKind| InputError::Read {
            reference: "x".to_owned(),
            file: PathBuf::from("x"),
            source: kind.into(),
        };
        assert!(!read(io::ErrorKind::NotADirectory).is_retryable());
        assert!(!read(io::ErrorKind::InvalidInput).is_retryable());
        assert!(!read(io::ErrorKind::IsADirectory).is_retryable());
        assert!(read(io::ErrorKind::TimedOut).is_retryable());
    }

    #[test]
    fn signatures_in_urls_are_not_repeated() {
        let text = "error for url (https://cdn.example/x/y?Signature=secret&Key=k): then https://a.b/c?d=e";
        assert_eq!(without_queries(text), "error for url (https://cdn.example/x/y): then https://a.b/c");
        assert_eq!(without_queries("why? nothing here"), "why? nothing here");
    }
}
