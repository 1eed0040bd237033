use super::listed;

/// Why the classes of a data set and the rows of a head cannot be matched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassError {
    /// The same names in another order.
    #[error(
        "the class names are in another order: the data set's labels count {}, the head's rows {}; put the names into the order of \
         the data set",
        listed(data),
        listed(head)
    )]
    Order {
        /// The data set's names.
        data: Vec<String>,
        /// The head's.
        head: Vec<String>,
    },
    /// A name that both have stands at two places.
    #[error(
        "the class names do not agree: `{name}` is label {place} of the data set and row {row} of the head; the data set's order is \
         {}, the head's {}",
        listed(data),
        listed(head)
    )]
    Place {
        /// The name.
        name: String,
        /// Its place in the data set.
        place: usize,
        /// Its place in the head.
        row: usize,
        /// The data set's names.
        data: Vec<String>,
        /// The head's.
        head: Vec<String>,
    },
    /// Another number of classes, and names that only one of the two has.
    #[error(
        "the head has {} classes, the data set has {}, and neither has all names of the other: only the data set has {}; only the \
         head has {}",
        head.len(), data.len(), listed(&missing(data, head)), listed(&missing(head, data))
    )]
    Names {
        /// The data set's names.
        data: Vec<String>,
        /// The head's.
        head: Vec<String>,
    },
    /// Another number of classes, and it is not known which rows are theirs.
    #[error(
        "the head has {head} classes, the data set has {}: {}; a head that names its rows (`classes` in its metadata) need not have \
         the same ones",
        data.len(), listed(data)
    )]
    Count {
        /// The data set's names.
        data: Vec<String>,
        /// Rows of the head.
        head: usize,
    },
    /// Numbered names in the order of texts.
    #[error(
        "the classes of the data set are numbered and in the order of texts, {}, and the head does not say whether its rows are in \
         that order or counted up: give the numbers leading zeros, or name the head's rows (`classes` in its metadata)",
        listed(names)
    )]
    Numbers {
        /// The data set's names.
        names: Vec<String>,
    },
    /// A label beyond the head, of a data set that does not name its classes.
    #[error("the data set has the label {label}, and the head {rows} classes, counted from 0")]
    Beyond {
        /// The label.
        label: u32,
        /// Rows of the head.
        rows: usize,
    },
    /// Two splits of one data set name the classes differently.
    #[error("two splits name the classes differently: {}, and {}", listed(one), listed(other))]
    Splits {
        /// The names of the one.
        one: Vec<String>,
        /// The names of the other.
        other: Vec<String>,
    },
    /// An image is of a class that the head does not have.
    #[error("the data set has examples of `{name}`, a class that the head does not have; it has {}", listed(head))]
    Absent {
        /// The class.
        name: String,
        /// The head's names.
        head: Vec<String>,
    },
}

fn missing(of: &[String], from: &[String]) -> Vec<String> {
    of.iter().filter(|name| !from.contains(name)).cloned().collect()
}
