use foldhash::HashMap;
use polars::prelude::{Column, IdxCa};
use std::collections::BTreeMap;

/// One value of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell {
    /// A text, by its place in the [`Words`].
    Word(Option<u32>),
    Number(Option<f64>),
    Whole(Option<u64>),
}

/// The different texts of a frame, each kept once: a million rows name a handful of workers.
#[derive(Debug, Default)]
pub(super) struct Words {
    places: HashMap<String, u32>,
    texts: Vec<String>,
    /// The versions that were written last: of a million rows nearly all name the same.
    versions: (BTreeMap<String, String>, Option<u32>),
}

impl Words {
    /// The cell of `text`.
    pub(super) fn cell(&mut self, text: Option<&str>) -> Cell {
        Cell::Word(text.map(|text| self.place(text)))
    }

    /// The cell of a run's versions: JSON, or nothing where none are known.
    pub(super) fn versions(&mut self, versions: &BTreeMap<String, String>) -> Cell {
        if self.versions.0 != *versions {
            self.versions = (versions.clone(), Some(self.place(&jobs::canonical_json(versions))));
        }
        Cell::Word(self.versions.1.filter(|_| !versions.is_empty()))
    }

    /// The texts as a column, for cells to point into.
    pub(super) fn into_column(self) -> Column {
        Column::new("words".into(), self.texts)
    }

    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = u32::try_from(self.texts.len()).expect("memory ends before four billion texts");
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}

/// The cells of one column.
#[derive(Debug)]
pub(super) enum Cells {
    Words(Vec<Option<u32>>),
    Numbers(Vec<Option<f64>>),
    Wholes(Vec<Option<u64>>),
}

impl Cells {
    /// A column that begins with `cell`.
    pub(super) fn of(cell: Cell) -> Self {
        match cell {
            Cell::Word(word) => Self::Words(vec![word]),
            Cell::Number(number) => Self::Numbers(vec![number]),
            Cell::Whole(whole) => Self::Wholes(vec![whole]),
        }
    }

    pub(super) fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Self::Words(words), Cell::Word(word)) => words.push(word),
            (Self::Numbers(numbers), Cell::Number(number)) => numbers.push(number),
            (Self::Wholes(wholes), Cell::Whole(whole)) => wholes.push(whole),
            _ => unreachable!("the cells of a column are of one kind"),
        }
    }

    /// The column of these cells, whose words are in `words`.
    pub(super) fn into_column(self, name: &str, words: &Column) -> Column {
        match self {
            Self::Words(cells) => {
                let places: IdxCa = cells.into_iter().collect();
                words.take(&places).expect("a cell is made of a word that is there").with_name(name.into())
            }
            Self::Numbers(numbers) => Column::new(name.into(), numbers),
            Self::Wholes(wholes) => Column::new(name.into(), wholes),
        }
    }
}
