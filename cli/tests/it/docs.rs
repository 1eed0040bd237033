//! What the documentation says of the program, held against its sources.

use crate::bowline::mini8;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    mini8().join("../..").canonicalize().unwrap()
}

fn read(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| unreachable!("{}: {error}", path.display()))
}

/// The files below `folder` with one of these ends, without what was built.
fn files(folder: &Path, ends: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it is a folder") {
            let path = entry.expect("it can be listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if ends.iter().any(|end| name.ends_with(end)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The sources of our crates, all in one.
fn sources() -> String {
    let crates = fs::read_dir(root()).expect("it is a folder").map(|entry| entry.expect("it can be listed").path());
    let sources = crates.map(|path| path.join("src")).filter(|path| path.is_dir());
    let files = sources.flat_map(|folder| files(&folder, &[".rs"]));
    files.map(|path| fs::read_to_string(path).expect("it is text")).collect()
}

/// The documents that people read, by their names from the root.
fn documents() -> Vec<(String, String)> {
    let mut paths = vec![root().join("README.md")];
    paths.extend(files(&root().join("docs"), &[".md"]));
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root()).expect("it is below the root").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("it is text"))
    };
    paths.into_iter().map(named).collect()
}

/// The names in `text` that begin with `prefix` and go on with characters that `is_part`.
fn names(text: &str, prefix: &str, is_part: impl Fn(char) -> bool) -> BTreeSet<String> {
    let tails = text.match_indices(prefix).map(|(at, _)| &text[at + prefix.len()..]);
    let names = tails.map(|tail| tail.chars().take_while(|c| is_part(*c)).collect::<String>());
    names.filter(|name| !name.is_empty()).map(|name| format!("{prefix}{name}")).collect()
}

fn variables(text: &str) -> BTreeSet<String> {
    let found = names(text, "BOWLINE_", |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    found.into_iter().filter(|name| !name.ends_with('_')).collect()
}

#[test]
fn every_variable_that_is_read_stands_on_the_page_of_variables_and_no_other() {
    let page = variables(&read("docs/environment.md"));
    let mut used = variables(&sources());
    for script in files(&root().join("scripts"), &[""]) {
        used.extend(variables(&fs::read_to_string(script).unwrap_or_default()));
    }
    for name in ["compose.yaml", "Dockerfile"] {
        used.extend(variables(&read(name)));
    }
    for test in files(&root().join("worker/tests"), &[".rs"]) {
        used.extend(variables(&fs::read_to_string(test).unwrap()));
    }
    let missing: Vec<&String> = used.difference(&page).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    let stale: Vec<&String> = page.difference(&used).collect();
    assert!(stale.is_empty(), "on the page, and nothing reads them: {stale:?}");
}

/// The first text in quotes after each place of `call` in `sources`, if it comes soon.
fn first_texts(sources: &str, call: &str) -> BTreeSet<String> {
    let first = |at: usize| {
        let tail: String = sources[at + call.len()..].chars().take(90).collect();
        let tail = tail.trim_start().strip_prefix('"')?;
        let (name, _) = tail.split_once('"')?;
        name.chars().all(|c| c.is_ascii_lowercase() || c == '_').then(|| name.to_owned())
    };
    sources.match_indices(call).filter_map(|(at, _)| first(at)).collect()
}

#[test]
fn every_metric_stands_on_the_page_of_metrics_and_no_other() {
    let folders = ["telemetry/src", "worker/src", "cli/src"];
    let code: String = folders
        .iter()
        .flat_map(|folder| files(&root().join(folder), &[".rs"]))
        .map(|path| fs::read_to_string(path).unwrap())
        // The modules of tests lie at the end.
        .map(|text| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned())
        .collect();
    let mut used = BTreeSet::new();
    for call in [".register(", "Sample::gauge(", "Sample::counter(", "of_all("] {
        used.extend(first_texts(&code, call));
    }
    assert!(used.len() >= 18, "{used:?}");
    let text = read("docs/environment.md");
    let page = names(&text, "bowline_", |c| c.is_ascii_lowercase() || c == '_');
    let plain = |name: &str| name.trim_start_matches("bowline_").trim_end_matches("_total").to_owned();
    let listed: BTreeSet<String> = page.iter().map(|name| plain(name)).collect();
    let is_listed = |name: &&String| listed.contains(*name) || text.contains(&format!("`{name}"));
    let missing: Vec<&String> = used.iter().filter(|name| !is_listed(name)).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    let stale: Vec<&String> = listed.difference(&used).collect();
    assert!(stale.is_empty(), "on the page, and no process has them: {stale:?}");
}

/// Sources with `…` where messages have values, and without the breaks of long texts.
fn messages() -> String {
    let sources = sources();
    let mut joined = String::with_capacity(sources.len());
    let mut lines = sources.lines().peekable();
    while let Some(line) = lines.next() {
        match line.strip_suffix('\\') {
            Some(begin) => {
                joined.push_str(if joined.ends_with('\n') || joined.is_empty() { begin } else { begin.trim_start() });
                if lines.peek().is_none() {
                    joined.push('\n');
                }
            }
            None => {
                joined.push_str(line.trim_start());
                joined.push('\n');
            }
        }
    }
    let mut shown = String::with_capacity(joined.len());
    let mut rest = joined.as_str();
    while let Some(open) = rest.find('{') {
        shown.push_str(&rest[..open]);
        let tail = &rest[open + 1..];
        match tail.find(['{', '}', '\n']) {
            Some(end) if tail[end..].starts_with('}') => {
                shown.push('…');
                rest = &tail[end + 1..];
            }
            _ => {
                shown.push('{');
                rest = tail;
            }
        }
    }
    shown.push_str(rest);
    shown
}

#[test]
fn every_message_of_the_page_of_troubles_is_one_of_the_program() {
    let messages = messages();
    let page = read("docs/troubleshooting.md");
    let quoted: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `` "))
        .filter_map(|line| line.split_once(" ``").map(|(message, _)| message))
        .collect();
    assert!(quoted.len() >= 30, "{quoted:?}");
    let unknown: Vec<&&str> = quoted.iter().filter(|message| !messages.contains(**message)).collect();
    assert!(unknown.is_empty(), "the program says none of these: {unknown:#?}");
}

/// The name that a heading has in links.
fn anchor(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if line.starts_with('#') && !is_code {
            found.insert(anchor(line.trim_start_matches('#')));
        }
    }
    found
}

#[test]
fn every_link_between_documents_leads_to_a_heading_that_is_there() {
    let mut broken = Vec::new();
    for (name, text) in documents() {
        let folder = root().join(&name).parent().expect("it lies in a folder").to_owned();
        for link in text.split("](").skip(1).filter_map(|tail| tail.split(')').next()) {
            if link.contains("://") || link.contains(' ') {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&name) } else { folder.join(file) };
            let is_there = target.exists()
                && (heading.is_empty()
                    || fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(heading)));
            if !is_there {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_index_names_every_document() {
    let index = read("docs/README.md");
    let names = documents().into_iter().map(|(name, _)| name).filter(|name| name.starts_with("docs/"));
    let missing: Vec<String> = names
        .map(|name| name["docs/".len()..].to_owned())
        .filter(|name| name != "README.md" && !index.contains(&format!("]({name}")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Whether there is something of this name that runs the snippets of a document.
fn is_runner(document: &str, runner: &str) -> bool {
    match runner {
        "tutorial test" => document == "docs/tutorial.md",
        "check-docs" => true,
        _ => false,
    }
}

#[test]
fn every_snippet_is_run_or_is_marked_as_not_run() {
    let mut unmarked = Vec::new();
    for (name, text) in documents() {
        let mut before = "";
        for (place, line) in text.lines().enumerate() {
            let is_snippet = ["```sh", "```python", "```console"].contains(&line.trim());
            let runner = before.trim().strip_prefix("<!-- run: ").and_then(|tail| tail.strip_suffix(" -->"));
            let is_marked = runner.is_some_and(|runner| is_runner(&name, runner))
                || (before.trim().starts_with("<!-- not run: ") && before.trim().ends_with(" -->"));
            if is_snippet && !is_marked {
                unmarked.push(format!("{name}, line {}", place + 1));
            }
            before = line;
        }
    }
    assert!(
        unmarked.is_empty(),
        "put `<!-- run: check-docs -->` or `<!-- not run: why -->` before these snippets: {unmarked:#?}"
    );
}

/// The text of a line of SVG or HTML, without tags.
fn without_tags(line: &str) -> String {
    let parts = line.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.collect()
}

#[test]
fn the_picture_of_a_terminal_shows_lines_of_readme() {
    // Columns are wider in README, where a star takes the place of bold.
    let words = |line: &str| line.replace('*', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let readme: BTreeSet<String> = read("README.md").lines().map(words).collect();
    let picture = read("docs/terminal.svg");
    let shown: Vec<String> = picture.lines().filter(|line| line.starts_with("<text")).map(without_tags).collect();
    assert!(shown.len() > 8, "{shown:?}");
    for line in shown {
        assert!(readme.contains(&words(&line)), "README has no line `{line}`: run scripts/pictures");
    }
}
