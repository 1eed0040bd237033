use super::{NoSplit, SplitFiles, class_of};
use std::collections::{BTreeMap, BTreeSet};

/// The pictures of a split, if it is a folder with folders of pictures.
pub(super) fn find_pictures(names: &[String], split: &str) -> Result<Option<SplitFiles>, NoSplit> {
    if !names.iter().any(|name| picture_split(name) == Some(split)) {
        return Ok(None);
    }
    let beside = pictures_beside(names, split);
    let classes = beside.iter().filter_map(|name| class_of(name)).collect();
    let pictures = pictures(names, split, &classes)?;
    let beside = beside.into_iter().map(str::to_owned).collect();
    Ok(Some(SplitFiles::Pictures { folder: split.to_owned(), pictures, beside }))
}

/// The split of `split/class/picture`.
pub(super) fn picture_split(name: &str) -> Option<&str> {
    let mut parts = name.split('/');
    let split = parts.next()?;
    let _class = parts.next()?;
    let picture = parts.next()?;
    (is_picture(picture) && parts.next().is_none()).then_some(split)
}

pub(super) fn is_picture(file: &str) -> bool {
    let is_known = |extension: &str| ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known));
    file.rsplit_once('.').is_some_and(|(_, extension)| is_known(extension))
}

/// The first picture of each class of each other split.
///
/// A folder that shares no class with `split`, nor with a folder that does, is no split of the same data set: it holds masks, or the
/// pictures of something else.
fn pictures_beside<'a>(names: &'a [String], split: &str) -> Vec<&'a str> {
    let mut folders: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for name in names {
        if let (Some(folder), Some(class)) = (picture_split(name), class_of(name)) {
            folders.entry(folder).or_default().entry(class).or_insert(name);
        }
    }
    let mut known: BTreeSet<&str> = folders.remove(split).unwrap_or_default().into_keys().collect();
    let mut beside = Vec::new();
    loop {
        let (like, unlike): (Vec<_>, Vec<_>) =
            folders.into_iter().partition(|(_, classes)| classes.keys().any(|class| known.contains(class)));
        if like.is_empty() {
            beside.sort_unstable();
            return beside;
        }
        for (class, name) in like.into_iter().flat_map(|(_, classes)| classes) {
            known.insert(class);
            beside.push(name);
        }
        folders = unlike.into_iter().collect();
    }
}

/// Class and name of all pictures of a split. Whatever else lies in its classes is refused: left out in silence, it
/// would be a picture or a class less than a person sees there.
fn pictures(names: &[String], split: &str, beside: &BTreeSet<&str>) -> Result<Vec<(String, String)>, NoSplit> {
    let mut pictures = Vec::new();
    for name in names {
        let Some(below) = name.strip_prefix(split).and_then(|rest| rest.strip_prefix('/')) else { continue };
        let problem = match below.split_once('/') {
            None if is_picture(below) => {
                "a picture outside the folders of the classes: put it into one, or take it out"
            }
            None => continue,
            // Other splits tell that there is such a class.
            Some((class, "")) if beside.contains(class) => continue,
            Some((_, "")) => "a class without pictures in any split: put some in, or take it out",
            Some((_, picture)) if picture.contains('/') => {
                "but pictures lie in their class's folder itself, not deeper"
            }
            Some((_, picture)) if !is_picture(picture) => {
                "which is neither `.png`, `.jpg` nor `.jpeg`: convert it, or take it out"
            }
            Some((class, picture)) => {
                pictures.push((class.to_owned(), picture.to_owned()));
                continue;
            }
        };
        return Err(NoSplit::Holds { entry: name.clone(), problem: problem.to_owned() });
    }
    // By class first: of whole paths, `cat-a/1.png` would come before `cat/1.png`.
    pictures.sort_unstable();
    Ok(pictures)
}
