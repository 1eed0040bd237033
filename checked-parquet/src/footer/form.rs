//! How the format encodes the fields of a footer.

/// What the bytes of a value look like. Whole numbers of 16, 32 and 64 bits look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Truth,
    Byte,
    Number,
    Double,
    Binary,
    List,
    Map,
    Struct,
}

impl Form {
    /// The form that a kind of Thrift's compact protocol has.
    pub(super) fn of_kind(kind: u8) -> Option<Self> {
        match kind {
            1 | 2 => Some(Self::Truth),
            3 => Some(Self::Byte),
            4..=6 => Some(Self::Number),
            7 => Some(Self::Double),
            8 => Some(Self::Binary),
            9 | 10 => Some(Self::List),
            11 => Some(Self::Map),
            12 => Some(Self::Struct),
            _ => None,
        }
    }

    /// The form of the field at `path` that the library expects. It reads the value in this form, whatever kind the file states.
    /// `None`: the library skips the field by its kind.
    pub(super) fn expected(path: &[i16]) -> Option<Self> {
        match path {
            [2 | 4 | 5 | 7] | [4, 1 | 4] | [4, 1, 3, 2 | 3 | 8 | 13] | [4, 1, 3, 16, 2 | 3] | [4, 1, 3, 17, 2] => {
                Some(Self::List)
            }
            // The file, an element of the schema with its logical type, and a row group.
            [1 | 3] | [2, 1..=3 | 5..=9] | [2, 10, 5, 1 | 2] | [2, 10, 18, 2] | [4, 2 | 3 | 5..=7] | [4, 4, 1] => {
                Some(Self::Number)
            }
            // A column of a row group, with its statistics.
            [4, 1, 2 | 4..=7]
            | [4, 1, 3, 1 | 4..=7 | 9..=11 | 14 | 15]
            | [4, 1, 3, 12, 3 | 4 | 9]
            | [4, 1, 3, 13, 1..=3]
            | [4, 1, 3, 16, 1] => Some(Self::Number),
            [6 | 9] | [2, 4] | [2, 10, 17 | 18, 1] | [4, 1, 1 | 9] | [4, 1, 3, 12, 1 | 2 | 5 | 6] => Some(Self::Binary),
            // Keys and values of the file and of a column.
            [5, 1 | 2] | [4, 1, 3, 8, 1 | 2] => Some(Self::Binary),
            [8] | [2, 10] | [2, 10, 1..=18] | [2, 10, 7 | 8, 2] | [2, 10, 7 | 8, 2, 1..=3] | [7, 1..=3] => {
                Some(Self::Struct)
            }
            [4, 1, 3 | 8] | [4, 1, 3, 12 | 16 | 17] | [4, 1, 3, 17, 1] => Some(Self::Struct),
            [2, 10, 7 | 8, 1] | [2, 10, 10, 2] | [4, 4, 2 | 3] | [4, 1, 3, 12, 7 | 8] => Some(Self::Truth),
            [2, 10, 10 | 16, 1] => Some(Self::Byte),
            [4, 1, 3, 17, 1, 1..=8] => Some(Self::Double),
            _ => None,
        }
    }

    /// The form of the elements of the list at `path`.
    pub(super) fn expected_of_elements(path: &[i16]) -> Option<Self> {
        match path {
            [2 | 4 | 5 | 7] | [4, 1 | 4] | [4, 1, 3, 8 | 13] => Some(Self::Struct),
            [4, 1, 3, 2] | [4, 1, 3, 16, 2 | 3] | [4, 1, 3, 17, 2] => Some(Self::Number),
            [4, 1, 3, 3] => Some(Self::Binary),
            _ => None,
        }
    }
}
