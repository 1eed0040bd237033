mod named;

use super::{DataKind, MissingFile, NoSplit, SplitFiles, is_within};
use crate::folder::DEPTH;
use named::{Numbers, is_of_a_generation, number_at_end};
use std::collections::{BTreeMap, BTreeSet};

/// Endings of parquet files.
const PARQUET: [&str; 1] = [".parquet"];

/// Endings of files of JSON lines.
const LINES: [&str; 2] = [".jsonl", ".jsonl.gz"];

/// Endings of files that may hold the rows as well, and are not read.
const NOT_READ: [&str; 3] = [".json", ".json.gz", ".ndjson"];

/// How a file stands for a split.
#[derive(Debug, Clone)]
enum Form<'a> {
    /// `test.parquet`, also in the folder of the split.
    Whole,
    /// `test-00001-of-00003.parquet`, of which there are three. Between number and ending some writers put a
    /// fingerprint, which differs from file to file.
    Counted { before: &'a str, count: usize, number: usize },
    /// `test-1.parquet`, or in the folder of the split `0001.parquet`, `part.1.parquet` or `part-00001-….parquet`.
    Numbered(Numbers),
    /// `test-a.parquet`, or any other name in the folder of the split.
    Part(&'a str),
}

/// A file of the split.
#[derive(Debug, Clone)]
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
        let fits = match (&self.form, &other.form) {
            (Form::Part(one), Form::Part(other)) => !is_of_a_generation(one) && !is_of_a_generation(other),
            (Form::Counted { before, count, number }, Form::Counted { before: b, count: c, number: n }) => {
                before == b && count == c && number != n
            }
            (Form::Numbered(one), Form::Numbered(other)) => one.is_beside(other),
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
    let read: Vec<_> = parquet.iter().chain(lines.iter().filter(is_read)).cloned().collect();
    one_generation(&read)?;
    // What is not read matters where nothing but JSON lines stands beside it: parquet may have been made of it.
    if parquet.is_empty() {
        one_generation(&lines)?;
    }
    let Some(first) = read.first() else {
        let problem = "which is not read: files with one JSON object in each line are called `.jsonl` or `.jsonl.gz`";
        let refused =
            |first: &Candidate<'_>| Err(NoSplit::Holds { entry: first.name.to_owned(), problem: problem.to_owned() });
        return lines.first().map_or(Ok(None), refused);
    };
    complete(&read).map_err(NoSplit::Lacks)?;
    if let Some(entry) = names.iter().find(|name| is_too_deep(name, split)) {
        let problem =
            "a folder that is not looked into: files lie in their split's folder itself; take it out, or move them";
        return Err(NoSplit::Holds { entry: entry.clone(), problem: problem.to_owned() });
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

/// What the file `name` is of `split`, if it is a part of it: `[data/]split.parquet`,
/// `[data/]split-00000-of-00001.parquet`, `[data/]split-….parquet` or `[data/]split/….parquet`. JSON lines have no
/// folder of their own.
fn candidate<'a>(name: &'a str, ending: &'static str, split: &str) -> Result<Option<Candidate<'a>>, NoSplit> {
    let whole = &name[..name.len() - ending.len()];
    let (_, stem) = in_data(whole);
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let form = match stem.split_once('/') {
        None => match shard(stem) {
            Some(Shard { before, count, number }) if before == split => Form::Counted { before, count, number },
            Some(_) => return Ok(None),
            None if stem == split => Form::Whole,
            None if before_dash(stem) == split && !NOT_READ.contains(&ending) => part(stem),
            None => return Ok(None),
        },
        Some((of, _)) if of != split || !PARQUET.contains(&ending) => return Ok(None),
        Some((_, file)) if file.contains('/') => {
            let problem = "but files lie in their split's folder itself, not deeper: take it out, or move it";
            return Err(NoSplit::Holds { entry: name.to_owned(), problem: problem.to_owned() });
        }
        Some((_, file)) => match shard(file) {
            Some(Shard { before, count, number }) => Form::Counted { before, count, number },
            None if file == split => Form::Whole,
            None => part(file),
        },
    };
    Ok(Some(Candidate { name, ending, folder, form }))
}

/// The form of a file that does not say how many files there are.
fn part(stem: &str) -> Form<'_> {
    Numbers::of(stem).map_or(Form::Part(stem), Form::Numbered)
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

/// Checks that of files named `…-00001-of-00003…` all are there, counted from 0 or from 1, and of others with numbers
/// those in between.
fn complete(candidates: &[Candidate<'_>]) -> Result<(), MissingFile> {
    let mut sets: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
    for candidate in candidates {
        if let Form::Counted { before, count, number } = candidate.form {
            sets.entry((before, count)).or_default().push(number);
        }
    }
    let folder = candidates.first().map(|candidate| candidate.folder).filter(|folder| !folder.is_empty());
    let folder = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
    for ((before, count), numbers) in sets {
        let first = usize::from(numbers.contains(&count) && !numbers.contains(&0));
        if let Some(lacking) = (first..first + count).find(|number| !numbers.contains(number)) {
            let there = numbers.len();
            return Err(MissingFile(format!(
                "file `{folder}{before}-{lacking:05}-of-{count:05}…`; {there} of its {count} files are there"
            )));
        }
    }
    counted_up(candidates)
}

/// Names like `0000.parquet`, `0001.parquet`, … do not give their number, but a gap is detected.
///
/// Names with more than one number are dates, or those of Spark and Ray, which write no file for a partition without
/// rows.
fn counted_up(candidates: &[Candidate<'_>]) -> Result<(), MissingFile> {
    let mut numbers = BTreeMap::new();
    let mut around = BTreeSet::new();
    for candidate in candidates {
        let has_more = matches!(&candidate.form, Form::Numbered(numbers) if !numbers.is_one());
        let stem = &candidate.name[..candidate.name.len() - candidate.ending.len()];
        let Some((before, digits, after)) = number_at_end(stem).filter(|_| !has_more) else { return Ok(()) };
        let Ok(number) = digits.parse::<usize>() else { return Ok(()) };
        numbers.insert(number, digits.len());
        around.insert((before, after, candidate.ending));
    }
    let (Some((&first, &width)), 1) = (numbers.first_key_value(), around.len()) else { return Ok(()) };
    let lacking = (first..).zip(numbers.keys()).find(|(place, number)| place != *number);
    match (first, lacking, around.first()) {
        (0 | 1, Some((lacking, _)), Some((before, after, ending))) => {
            Err(MissingFile(format!("file `{before}{lacking:0width$}{after}{ending}`, and has some of higher numbers")))
        }
        _ => Ok(()),
    }
}

/// Whether `name` is a folder in the folder of the split that lies too deep to be listed.
fn is_too_deep(name: &str, split: &str) -> bool {
    name.ends_with('/') && name.matches('/').count() >= DEPTH && is_within(in_data(name).1, split)
}

fn in_data(stem: &str) -> (&'static str, &str) {
    stem.strip_prefix("data/").map_or(("", stem), |stem| ("data", stem))
}

/// A name without the folder `data` before it.
pub(super) fn without_data(name: &str) -> &str {
    in_data(name).1
}

/// Whether a file holds JSON lines, by its name.
pub(super) fn is_lines(name: &str) -> bool {
    LINES.iter().any(|ending| name.ends_with(ending))
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
