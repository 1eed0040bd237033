use crate::{RemoteObject, cache::is_below, folder::is_hidden};
use std::collections::BTreeMap;

/// The objects below `folder` by their names there, as the files of a folder: without those that are hidden, and those
/// whose names are none that a file can have.
pub(super) fn named(folder: &str, objects: Vec<RemoteObject>) -> BTreeMap<String, RemoteObject> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let names = objects.into_iter().filter_map(|object| {
        let name = object.key.strip_prefix(&prefix)?.to_owned();
        (is_below(&name) && !is_hidden(&name)).then_some((name, object))
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &str, keys: &[&str]) -> Vec<String> {
        let object = |key: &&str| RemoteObject { key: (*key).to_owned(), size: 1, etag: None };
        named(folder, keys.iter().map(object).collect()).into_keys().collect()
    }

    #[test]
    fn names_are_those_below_the_folder() {
        let keys = ["data/test/cat/1.png", "data/README.md", "other/x", "data2/x"];
        assert_eq!(names("data", &keys), ["README.md", "test/cat/1.png"]);
        assert_eq!(names("", &keys).len(), 4);
    }

    #[test]
    fn what_no_file_of_the_folder_is_called_is_left_out() {
        let keys = ["d/../x", "d/a/../../x", "d//x", "d/a//x", "d/./x", "d/.git/x", "d/a/.x", "d/", "d/a/", "d/ok"];
        assert_eq!(names("d", &keys), ["ok"]);
    }
}
