use super::{DataKind, Lack, NoSplit, SplitFiles, is_within};
use crate::folder::DEPTH;
use std::collections::BTreeMap;

/// Endings of parquet files.
const PARQUET: [&str; 1] = [".parquet"];

/// Endings of files of JSON lines.
const LINES: [&str; 2] = [".jsonl", ".jsonl.gz"];

/// Endings of files that may hold the rows as well, and are not read.
const NOT_READ: [&str; 3] = [".json", ".json.gz", ".ndjson"];

/// How a file stands for a split.
#[derive(Debug, Clone, Copy)]
enum Form<'a> {
    /// `test.parquet`
    Whole,
    /// `test-00001-of-00003.parquet`, of which there are three. Between number and ending some writers put a fingerprint, which
    /// differs from file to file.
    Numbered { before: &'a str, count: usize, number: usize },
    /// `test-a.parquet`, or any name in the folder of the split.
    Part,
}

/// A file of the split.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    name: &'a str,
    ending: &'static str,
    /// The folder that it lies in.
    folder: &'a str,
    form: Form<'a>,
}

impl Candidate<'_> {
    /// Whether both may be parts of one split.
    fn is_beside(&self, other: &Self) -> bool {
        let fits = match (self.form, other.form) {
            (Form::Part, Form::Part) => true,
            (Form::Numbered { before, count, number }, Form::Numbered { before: b, count: c, number: n }) => {
                before != b || (count == c && number != n)
            }
            _ => false,
        };
        fits && self.folder == other.folder && self.ending == other.ending
    }
}

/// The tables that hold `split`.
pub(super) fn find_tables(names: &[String], split: &str, kind: DataKind) -> Result<Option<SplitFiles>, NoSplit> {
    let of_endings = |endings: &[&'static str]| candidates(names, endings, split);
    let parquet = of_endings(&PARQUET)?;
    let lines = if kind == DataKind::Texts { of_endings(&[&LINES[..], &NOT_READ].concat())? } else { Vec::new() };
    let is_read = |candidate: &&Candidate<'_>| !NOT_READ.contains(&candidate.ending);
    let read: Vec<_> = parquet.iter().chain(lines.iter().filter(is_read)).copied().collect();
    one_generation(&read)?;
    // What is not read matters where nothing but JSON lines stands beside it: parquet may have been made of it.
    if parquet.is_empty() {
        one_generation(&lines)?;
    }
    let Some(first) = read.first() else {
        let problem = "which is not read: files with one JSON object in each line are called `.jsonl` or `.jsonl.gz`";
        let refused = |first: &Candidate<'_>| Err(NoSplit::Holds { entry: first.name.to_owned(), problem });
        return lines.first().map_or(Ok(None), refused);
    };
    complete(&read).map_err(NoSplit::Lacks)?;
    if let Some(entry) = names.iter().find(|name| is_too_deep(name, split)) {
        let problem =
            "a folder that is not looked into: files lie in their split's folder itself; take it out, or move them";
        return Err(NoSplit::Holds { entry: entry.clone(), problem });
    }
    let files = read.iter().map(|candidate| candidate.name.to_owned()).collect();
    let is_parquet = PARQUET.contains(&first.ending);
    Ok(Some(if is_parquet { SplitFiles::Parquet(files) } else { SplitFiles::Jsonl(files) }))
}

/// The files with one of these endings that are parts of `split`, sorted.
fn candidates<'a>(names: &'a [String], endings: &[&'static str], split: &str) -> Result<Vec<Candidate<'a>>, NoSplit> {
    let mut found = Vec::new();
    for name in names {
        // No ending is the end of another one.
        if let Some(ending) = endings.iter().copied().find(|ending| name.ends_with(ending)) {
            found.extend(candidate(name, ending, split)?);
        }
    }
    found.sort_unstable_by_key(|candidate| candidate.name);
    Ok(found)
}

/// The split that a table is of, by its name alone.
pub(super) fn table_split(name: &str, kind: DataKind) -> Option<&str> {
    let is_lines = kind == DataKind::Texts;
    let lines = || LINES.iter().find_map(|ending| name.strip_suffix(ending)).filter(|_| is_lines);
    let (stem, is_parquet) = match name.strip_suffix(PARQUET[0]) {
        Some(stem) => (stem, true),
        None => (lines()?, false),
    };
    let (_, stem) = in_data(stem);
    match stem.split_once('/') {
        Some((split, file)) => (is_parquet && !file.contains('/')).then_some(split),
        None => Some(shard(stem).map_or_else(|| before_dash(stem), |shard| shard.before)),
    }
}

/// What the file `name` is of `split`, if it is a part of it: `[data/]split.parquet`, `[data/]split-00000-of-00001.parquet`,
/// `[data/]split-….parquet` or `[data/]split/….parquet`. JSON lines have no folder of their own.
fn candidate<'a>(name: &'a str, ending: &'static str, split: &str) -> Result<Option<Candidate<'a>>, NoSplit> {
    let whole = &name[..name.len() - ending.len()];
    let (_, stem) = in_data(whole);
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let form = match stem.split_once('/') {
        None => match shard(stem) {
            Some(Shard { before, count, number }) if before == split => Form::Numbered { before, count, number },
            Some(_) => return Ok(None),
            None if stem == split => Form::Whole,
            None if before_dash(stem) == split && !NOT_READ.contains(&ending) => Form::Part,
            None => return Ok(None),
        },
        Some((of, _)) if of != split || !PARQUET.contains(&ending) => return Ok(None),
        Some((_, file)) if file.contains('/') => {
            let problem = "but files lie in their split's folder itself, not deeper: take it out, or move it";
            return Err(NoSplit::Holds { entry: name.to_owned(), problem });
        }
        Some((_, file)) => match shard(file) {
            Some(Shard { before, count, number }) => Form::Numbered { before, count, number },
            None => Form::Part,
        },
    };
    Ok(Some(Candidate { name, ending, folder, form }))
}

/// Checks that all files can be parts of one split: neither two forms of it, nor two generations of one form.
fn one_generation(candidates: &[Candidate<'_>]) -> Result<(), NoSplit> {
    for (i, one) in candidates.iter().enumerate() {
        if let Some(other) = candidates[i + 1..].iter().find(|other| !one.is_beside(other)) {
            return Err(NoSplit::Twice { one: one.name.to_owned(), other: other.name.to_owned() });
        }
    }
    Ok(())
}

/// Checks that of files named `…-00001-of-00003…` all are there, counted from 0 or from 1, and of `0000`, `0001`, … those in
/// between.
fn complete(candidates: &[Candidate<'_>]) -> Result<(), Lack> {
    let mut sets: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
    for candidate in candidates {
        if let Form::Numbered { before, count, number } = candidate.form {
            sets.entry((before, count)).or_default().push(number);
        }
    }
    let folder = candidates.first().map(|candidate| candidate.folder).filter(|folder| !folder.is_empty());
    let folder = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
    for ((before, count), numbers) in sets {
        let first = usize::from(numbers.contains(&count) && !numbers.contains(&0));
        if let Some(lacking) = (first..first + count).find(|number| !numbers.contains(number)) {
            let there = numbers.len();
            return Err(Lack(format!(
                "file `{folder}{before}-{lacking:05}-of-{count:05}…`; {there} of its {count} files are there"
            )));
        }
    }
    counted_up(candidates)
}

/// `0000.parquet`, `0001.parquet`, … of the hub's own conversion are not told how many they are, but none is left out.
fn counted_up(candidates: &[Candidate<'_>]) -> Result<(), Lack> {
    let number = |candidate: &Candidate<'_>| {
        let name = candidate.name.strip_suffix(candidate.ending)?.strip_prefix(candidate.folder)?.strip_prefix('/')?;
        let is_number = name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| name.parse::<usize>().ok()).flatten()
    };
    let numbers: Option<Vec<usize>> = candidates.iter().map(number).collect();
    let Some(mut numbers) = numbers.filter(|numbers| numbers.contains(&0)) else { return Ok(()) };
    numbers.sort_unstable();
    match (0..).zip(numbers).find(|(place, number)| place != number) {
        Some((lacking, _)) => {
            let folder = candidates.first().map_or("", |candidate| candidate.folder);
            Err(Lack(format!("file `{folder}/{lacking:04}.parquet`, and has some of higher numbers")))
        }
        None => Ok(()),
    }
}

/// Whether `name` is a folder in the folder of the split that lies too deep to be listed.
fn is_too_deep(name: &str, split: &str) -> bool {
    name.ends_with('/') && name.matches('/').count() >= DEPTH && is_within(in_data(name).1, split)
}

fn in_data(stem: &str) -> (&'static str, &str) {
    stem.strip_prefix("data/").map_or(("", stem), |stem| ("data", stem))
}

fn before_dash(stem: &str) -> &str {
    stem.split_once('-').map_or(stem, |(split, _)| split)
}

/// What the name of one file of several says.
struct Shard<'a> {
    before: &'a str,
    number: usize,
    count: usize,
}

/// Takes `a-00001-of-00003` apart into `a`, 1 and 3. A fingerprint may stand at the end: `a-00001-of-00003-a09b…`.
fn shard(stem: &str) -> Option<Shard<'_>> {
    let (before, after) = stem.rsplit_once("-of-")?;
    let (before, number) = before.rsplit_once('-')?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    Some(Shard { before, number: number.parse().ok()?, count: after[..digits].parse().ok()? })
}
