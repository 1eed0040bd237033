use std::{fs, io, path::Path};

/// The deepest file that counts: `split/class/picture`, or `data/split/file`.
const DEPTH: usize = 3;

/// The names of the files below `root`, relative to it, sorted; links are followed, hidden files left out.
///
/// A folder that is empty, or lies too deep to be looked into, is named as well, with a `/` at its end. A folder that is
/// not there has no files.
pub(crate) fn file_names(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    walk(root, "", 1, &mut names)?;
    names.sort_unstable();
    Ok(names)
}

fn walk(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().filter(|name| !name.starts_with('.')).map(str::to_owned) else {
            continue;
        };
        let name = format!("{prefix}{name}");
        // A link that leads nowhere, such as a pruned blob of the hub's cache, is no file.
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        if metadata.is_file() {
            names.push(name);
            continue;
        }
        let (folder, before) = (format!("{name}/"), names.len());
        if depth < DEPTH {
            walk(&entry.path(), &folder, depth + 1, names)?;
        }
        if names.len() == before {
            names.push(folder);
        }
    }
    Ok(())
}

/// Whether a file or one of its folders is hidden.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.'))
}
