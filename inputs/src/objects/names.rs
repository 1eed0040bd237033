use crate::{
    RemoteObject,
    cache::is_below,
    folder::{Entries, UnreadableEntry, is_hidden},
};
use std::collections::BTreeMap;

/// The objects below a folder.
#[derive(Debug)]
pub(super) struct NamedObjects {
    /// Those that a folder can hold, by their names there.
    pub(super) files: BTreeMap<String, RemoteObject>,
    /// Folders without files: some programs make an object for a folder.
    pub(super) empty: Vec<String>,
    /// Those that no folder can hold.
    pub(super) unreadable: Vec<UnreadableEntry>,
}

impl NamedObjects {
    /// Whether there is neither a file nor what no folder can hold.
    pub(super) fn is_nothing(&self) -> bool {
        self.files.is_empty() && self.unreadable.is_empty()
    }

    /// The same as the listing of a folder.
    pub(super) fn listing(&self) -> Entries {
        let mut listing = Entries::from(self.files.keys().chain(&self.empty).cloned().collect::<Vec<_>>());
        self.unreadable.iter().cloned().for_each(|entry| listing.add_unreadable(entry));
        listing
    }
}

/// The objects below `folder` by their names there, as the files of a folder: without those that are hidden.
pub(super) fn named(folder: &str, objects: Vec<RemoteObject>) -> NamedObjects {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut named = NamedObjects { files: BTreeMap::new(), empty: Vec::new(), unreadable: Vec::new() };
    for object in objects {
        let Some(name) = object.key.strip_prefix(&prefix).map(str::to_owned) else { continue };
        let plain = name.trim_end_matches('/');
        if plain.is_empty() || (is_below(plain) && is_hidden(plain)) {
            continue;
        }
        if is_below(&name) {
            named.files.insert(name, object);
        } else if name.strip_suffix('/').is_some_and(is_below) {
            named.empty.push(name);
        } else {
            let problem = "whose key is no path that a file can have: give it another key, or take it out".to_owned();
            named.unreadable.push(UnreadableEntry { name, problem });
        }
    }
    let has_files =
        |folder: &String| named.files.range(folder.clone()..).next().is_some_and(|(name, _)| name.starts_with(folder));
    named.empty.retain(|folder| !has_files(folder));
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &str, keys: &[&str]) -> Vec<String> {
        let object = |key: &&str| RemoteObject { key: (*key).to_owned(), size: 1, etag: None };
        named(folder, keys.iter().map(object).collect()).files.into_keys().collect()
    }

    #[test]
    fn names_are_those_below_the_folder() {
        let keys = ["data/test/cat/1.png", "data/README.md", "other/x", "data2/x"];
        assert_eq!(names("data", &keys), ["README.md", "test/cat/1.png"]);
        assert_eq!(names("", &keys).len(), 4);
    }

    #[test]
    fn what_no_file_of_the_folder_is_called_is_told_apart() {
        let keys = ["d/../x", "d/a/../../x", "d//x", "d/a//x", "d/./x", "d/.git/x", "d/a/.x", "d/", "d/a/", "d/ok"];
        assert_eq!(names("d", &keys), ["ok"]);
        let object = |key: &&str| RemoteObject { key: (*key).to_owned(), size: 1, etag: None };
        let unreadable = named("d", keys.iter().map(object).collect()).unreadable;
        let unreadable: Vec<String> = unreadable.into_iter().map(|unreadable| unreadable.name).collect();
        assert_eq!(unreadable, ["../x", "a/../../x", "/x", "a//x", "./x"], "hidden ones and folders are left out");
        let keys = ["d/test/cat/", "d/test/cat/1.png", "d/test/dog/", "d/test/", "d/.x/", "d/y//"];
        let named = named("d", keys.iter().map(object).collect());
        assert_eq!(named.empty, ["test/dog/"], "a class without images is there as well");
        assert_eq!(named.unreadable.len(), 1, "{:?}", named.unreadable);
    }
}
