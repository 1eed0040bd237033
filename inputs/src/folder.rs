use std::{ffi::OsStr, fs, io, path::Path};

/// The deepest file that counts: `split/class/image`, or `data/split/file`.
pub(crate) const DEPTH: usize = 3;

/// What lies in a folder, by names relative to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    /// The names of its files, sorted; links are followed, hidden files left out. A folder that is empty, or too deep
    /// to be listed, is named as well, with a `/` at its end. [Unreadable](Self::unreadable) entries are named here as
    /// well.
    pub(crate) names: Vec<String>,
    /// Entries that cannot be read as a file or folder. They must not be ignored if they are part of an input.
    pub(crate) unreadable: Vec<UnreadableEntry>,
}

/// An entry of a folder that is neither a file nor a folder that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadableEntry {
    /// Its name, as far as it can be written.
    pub(crate) name: String,
    /// What is wrong with it, and what to do.
    pub(crate) problem: String,
}

impl Entries {
    /// Adds an unreadable entry.
    pub(crate) fn add_unreadable(&mut self, entry: UnreadableEntry) {
        self.names.push(entry.name.clone());
        self.unreadable.push(entry);
    }
}

impl From<Vec<String>> for Entries {
    fn from(mut names: Vec<String>) -> Self {
        names.sort_unstable();
        Self { names, unreadable: Vec::new() }
    }
}

/// Lists the files below `root`. A folder that is not there has no files.
pub(crate) fn list(root: &Path) -> io::Result<Entries> {
    let mut listing = Entries::default();
    match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        entries => list_below(entries?, "", 1, &mut listing)?,
    }
    listing.names.sort_unstable();
    listing.unreadable.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(listing)
}

fn list_below(entries: fs::ReadDir, prefix: &str, depth: usize, listing: &mut Entries) -> io::Result<()> {
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name();
        if file_name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let name = format!("{prefix}{}", file_name.to_string_lossy());
        match problem(&entry.path(), &file_name) {
            Ok(kind) if kind.is_file() => listing.names.push(name),
            Ok(_) => folder(&entry.path(), &name, depth, listing),
            Err(problem) => listing.add_unreadable(UnreadableEntry { name, problem }),
        }
    }
    Ok(())
}

/// The type of an entry that can be read, or what is wrong with it.
fn problem(path: &Path, name: &OsStr) -> Result<fs::FileType, String> {
    if name.to_str().is_none() {
        return Err("whose name is not UTF-8: give it another name, or take it out".to_owned());
    }
    let kind = match fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            let to = fs::read_link(path).map(|to| format!(" (`{}`)", to.display())).unwrap_or_default();
            return Err(format!("a link that leads nowhere{to}: bring what it leads to, or take it out"));
        }
        Err(error) => return Err(format!("which cannot be read: {error}")),
    };
    if kind.is_file() || kind.is_dir() {
        return Ok(kind);
    }
    Err("which is neither a file nor a folder: take it out".to_owned())
}

fn folder(path: &Path, name: &str, depth: usize, listing: &mut Entries) {
    let below = format!("{name}/");
    let before = listing.names.len();
    if depth < DEPTH {
        let listed = fs::read_dir(path).and_then(|entries| list_below(entries, &below, depth + 1, listing));
        if let Err(error) = listed {
            listing.add_unreadable(UnreadableEntry {
                name: below.clone(),
                problem: format!("which cannot be read: {error}"),
            });
        }
    }
    if listing.names.len() == before {
        listing.names.push(below);
    }
}

/// Whether a file or one of its folders is hidden.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener};

    fn unreadable(root: &Path) -> Vec<(String, String)> {
        list(root).unwrap().unreadable.into_iter().map(|entry| (entry.name, entry.problem)).collect()
    }

    #[test]
    fn nothing_that_lies_in_a_folder_is_dropped_but_what_is_hidden() {
        let there = tempfile::tempdir().unwrap();
        let root = there.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join("a/c/d")).unwrap();
        fs::write(root.join("a/b/file"), "").unwrap();
        fs::write(root.join("a/c/d/too deep"), "").unwrap();
        fs::write(root.join(".hidden"), "").unwrap();
        symlink("/no/such/file", root.join(".hidden link")).unwrap();
        symlink("b", root.join("a/link")).unwrap();
        assert_eq!(list(root).unwrap().names, ["a/b/file", "a/c/d/", "a/link/file"]);
        assert_eq!(unreadable(root), []);
    }

    #[test]
    fn what_cannot_be_read_is_listed_with_what_is_wrong() {
        let there = tempfile::tempdir().unwrap();
        let root = there.path();
        fs::create_dir(root.join("a")).unwrap();
        symlink("/no/such/file", root.join("a/1.png")).unwrap();
        symlink("round", root.join("round")).unwrap();
        fs::write(root.join("a").join(OsStr::from_bytes(b"caf\xe9.png")), "").unwrap();
        fs::create_dir(root.join(OsStr::from_bytes(b"gr\xfcn"))).unwrap();
        let _socket = UnixListener::bind(root.join("socket")).unwrap();
        let found = unreadable(root);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a/1.png", "a/caf\u{fffd}.png", "gr\u{fffd}n", "round", "socket"]);
        assert_eq!(list(root).unwrap().names, names, "they are named as files are");
        let problem = |name| found.iter().find(|(found, _)| found == name).unwrap().1.as_str();
        assert!(problem("a/1.png").starts_with("a link that leads nowhere (`/no/such/file`): "));
        assert!(problem("gr\u{fffd}n").starts_with("whose name is not UTF-8: "));
        assert!(problem("round").starts_with("which cannot be read: "), "{}", problem("round"));
        assert!(problem("socket").starts_with("which is neither a file nor a folder"));
    }
}
