use super::{NoSplit, SplitFiles, class_of};
use std::collections::{BTreeMap, BTreeSet};

/// The images of a split, if it is a folder with folders of images.
pub(super) fn find_images(names: &[String], split: &str) -> Result<Option<SplitFiles>, NoSplit> {
    if !names.iter().any(|name| image_split(name) == Some(split)) {
        return Ok(None);
    }
    let beside = images_beside(names, split);
    let classes = beside.iter().filter_map(|name| class_of(name)).collect();
    let images = images(names, split, &classes)?;
    let beside = beside.into_iter().map(str::to_owned).collect();
    Ok(Some(SplitFiles::Images { folder: split.to_owned(), images, beside }))
}

/// The split of `split/class/image`.
pub(super) fn image_split(name: &str) -> Option<&str> {
    let mut parts = name.split('/');
    let split = parts.next()?;
    let _class = parts.next()?;
    let image = parts.next()?;
    (is_image(image) && parts.next().is_none()).then_some(split)
}

pub(super) fn is_image(file: &str) -> bool {
    let is_known = |extension: &str| ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known));
    file.rsplit_once('.').is_some_and(|(_, extension)| is_known(extension))
}

/// The first image of each class of each other split.
///
/// A folder that shares no class with `split`, nor with a folder that does, is no split of the same data set: it
/// holds masks, or the images of something else.
fn images_beside<'a>(names: &'a [String], split: &str) -> Vec<&'a str> {
    let mut folders: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for name in names {
        if let (Some(folder), Some(class)) = (image_split(name), class_of(name)) {
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

/// Class and name of all images of a split. Any other entry in its classes is refused. Ignoring it would silently leave
/// out an image or a class that a person sees there.
fn images(names: &[String], split: &str, beside: &BTreeSet<&str>) -> Result<Vec<(String, String)>, NoSplit> {
    let mut images = Vec::new();
    for name in names {
        let Some(below) = name.strip_prefix(split).and_then(|rest| rest.strip_prefix('/')) else { continue };
        let problem = match below.split_once('/') {
            None if is_image(below) => "an image outside the folders of the classes: put it into one, or take it out",
            None => continue,
            // Other splits show that there is such a class.
            Some((class, "")) if beside.contains(class) => continue,
            Some((_, "")) => "a class without images in any split: put some in, or take it out",
            Some((_, image)) if image.contains('/') => "but images lie in their class's folder itself, not deeper",
            Some((_, image)) if !is_image(image) => {
                "which is neither `.png`, `.jpg` nor `.jpeg`: convert it, or take it out"
            }
            Some((class, image)) => {
                images.push((class.to_owned(), image.to_owned()));
                continue;
            }
        };
        return Err(NoSplit::Holds { entry: name.clone(), problem: problem.to_owned() });
    }
    // By class first: of whole paths, `cat-a/1.png` would come before `cat/1.png`.
    images.sort_unstable();
    Ok(images)
}
