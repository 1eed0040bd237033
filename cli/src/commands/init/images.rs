//! The draft of a task whose data are images.

use super::{
    columns::{ImageColumns, image_columns},
    dataset::{DataDraft, DataSet, OpenSplit},
    splits::SplitFacts,
    yaml::scalar,
};
use crate::failure::Failure;
use evaluation::{DataOutline, Source};
use jobs::{DataFiles, Rows};

/// What a sweep file says of a data set of images.
pub(super) fn draft_images(data: &DataSet<'_>) -> Result<DataDraft, Failure> {
    let splits = data.open_all()?;
    let columns = chosen_columns(data, &splits)?;
    let mut draft = DataDraft::of(&data.source.text);
    if columns.image != "image" {
        draft.keys.push(format!("image_column: {}", scalar(&columns.image)));
    }
    if columns.label != "label" {
        draft.keys.push(format!("label_column: {}", scalar(&columns.label)));
    }
    let mut facts = Vec::with_capacity(splits.len());
    for split in &splits {
        let seen = look(data, split, &columns)?;
        facts.push(SplitFacts { name: split.name.clone(), rows: seen.as_ref().map(DataOutline::rows) });
        let classes = seen.and_then(|seen| seen.classes().map(<[String]>::to_vec));
        draft.classes = draft.classes.or(classes);
    }
    draft.add_splits(data.draft_splits(&facts)?);
    Ok(draft)
}

fn chosen_columns(data: &DataSet<'_>, splits: &[OpenSplit]) -> Result<ImageColumns, Failure> {
    let columns = data.columns(splits)?;
    if columns.is_empty() {
        return Ok(ImageColumns { image: "image".to_owned(), label: "label".to_owned() });
    }
    image_columns(&columns).map_err(|wanted| data.no_column(wanted, &columns))
}

/// The rows and class names of a split; `None` if they are not known without a download.
fn look(data: &DataSet<'_>, split: &OpenSplit, columns: &ImageColumns) -> Result<Option<DataOutline>, Failure> {
    let files = split.files();
    if !split.outline.is_whole() && matches!(files, DataFiles::Idx { .. }) {
        return Ok(None);
    }
    let source = Source { files: &files, image_column: &columns.image, label_column: &columns.label, rows: &Rows::All };
    match source.look_at_headers() {
        Ok(seen) => Ok(Some(seen)),
        Err(errors) => match errors.into_iter().next() {
            Some(error) => Err(data.unread(&split.name, error.into())),
            None => Ok(None),
        },
    }
}
