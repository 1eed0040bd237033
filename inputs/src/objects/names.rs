use crate::{
    RemoteObject,
    cache::is_below,
    folder::{Listing, Odd, is_hidden},
};
use std::collections::BTreeMap;

/// The objects below a folder.
#[derive(Debug)]
pub(super) struct Named {
    /// Those that a folder can hold, by their names there.
    pub(super) files: BTreeMap<String, RemoteObject>,
    /// Folders without files: some programs make an object for a folder.
    pub(super) empty: Vec<String>,
    /// Those that no folder can hold.
    pub(super) odd: Vec<Odd>,
}

impl Named {
    /// Whether there is neither a file nor what no folder can hold.
    pub(super) fn is_nothing(&self) -> bool {
        self.files.is_empty() && self.odd.is_empty()
    }

    /// The same as the listing of a folder.
    pub(super) fn listing(&self) -> Listing {
        let mut listing = Listing::from(self.files.keys().chain(&self.empty).cloned().collect::<Vec<_>>());
        self.odd.iter().cloned().for_each(|odd| listing.note(odd));
        listing
    }
}

/// The objects below `folder` by their names there, as the files of a folder: without those that are hidden.
pub(super) fn named(folder: &str, objects: Vec<RemoteObject>) -> Named {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut named = Named { files: BTreeMap::new(), empty: Vec::new(), odd: Vec::new() };
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
            named.odd.push(Odd { name, problem });
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
        let odd = named("d", keys.iter().map(object).collect()).odd;
        let odd: Vec<String> = odd.into_iter().map(|odd| odd.name).collect();
        assert_eq!(odd, ["../x", "a/../../x", "/x", "a//x", "./x"], "hidden ones and folders are left out");
        let keys = ["d/test/cat/", "d/test/cat/1.png", "d/test/dog/", "d/test/", "d/.x/", "d/y//"];
        let named = named("d", keys.iter().map(object).collect());
        assert_eq!(named.empty, ["test/dog/"], "a class without pictures is there as well");
        assert_eq!(named.odd.len(), 1, "{:?}", named.odd);
    }
}
