mod numpy;

use super::DataError;
use jobs::Rows;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use std::path::Path;

/// The row numbers that a selection takes out of `rows`, in its order.
pub(crate) fn select(selection: &Rows, rows: u64, path: &Path) -> Result<Vec<u64>, DataError> {
    let chosen = match selection {
        Rows::All => (0..rows).collect(),
        Rows::Share { start, end, shuffle_seed } => {
            let mut order: Vec<u64> = (0..rows).collect();
            if let Some(seed) = shuffle_seed {
                shuffle(&mut order, *seed);
            }
            cut(&order, [*start, *end], f64::floor)
        }
        Rows::TrainTestSplit { start, end, seed } => cut(&numpy::permutation(rows, *seed), [*start, *end], f64::ceil),
        Rows::Indices(indices) => {
            if let Some(&row) = indices.iter().find(|&&row| row >= rows) {
                return Err(DataError::Row { path: path.into(), row, rows });
            }
            indices.clone()
        }
        Rows::First { count, of } => {
            let mut chosen = select(of, rows, path)?;
            let found = chosen.len() as u64;
            if found < *count {
                return Err(DataError::TooFewRows { path: path.into(), wanted: *count, found });
            }
            chosen.truncate(usize::try_from(*count).unwrap_or(usize::MAX));
            chosen
        }
    };
    if chosen.is_empty() { Err(DataError::Empty { path: path.into(), rows }) } else { Ok(chosen) }
}

/// The part of `order` between two shares of it, each made a whole number by `round`.
fn cut(order: &[u64], shares: [f64; 2], round: fn(f64) -> f64) -> Vec<u64> {
    let place = |share: f64| (round(share.clamp(0.0, 1.0) * order.len() as f64) as usize).min(order.len());
    let [start, end] = shares.map(place);
    order[start.min(end)..end].to_vec()
}

fn shuffle(order: &mut [u64], seed: u64) {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut random = ChaCha20Rng::from_seed(key);
    for i in (1..order.len()).rev() {
        let draw = u128::from(random.next_u64()) * (i as u128 + 1);
        order.swap(i, (draw >> 64) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(start: f64, end: f64, shuffle_seed: Option<u64>) -> Vec<u64> {
        select(&Rows::Share { start, end, shuffle_seed }, 10, Path::new("set")).unwrap()
    }

    #[test]
    fn two_shares_of_one_shuffle_cover_every_row_once() {
        let mut all = share(0.0, 0.25, Some(7));
        assert_eq!(all.len(), 2);
        all.extend(share(0.25, 1.0, Some(7)));
        assert_ne!(all, (0..10).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_seed_means_the_same_order_for_ever() {
        assert_eq!(share(0.0, 1.0, Some(0)), SEED_0);
        assert_ne!(share(0.0, 1.0, Some(1)), SEED_0);
        assert_eq!(share(0.0, 0.3, None), [0, 1, 2]);
    }

    /// From the rule in the documentation of `Source::rows`, computed apart (see `tests/data/make_goldens.py`).
    const SEED_0: [u64; 10] = [2, 6, 4, 7, 8, 3, 9, 0, 1, 5];

    /// Made by NumPy and `datasets` themselves (see `tests/data/make_permutations.py`).
    fn goldens() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/data/permutations.json")).unwrap()
    }

    fn train_test_split(rows: u64, start: f64, end: f64, seed: u64) -> Vec<u64> {
        select(&Rows::TrainTestSplit { start, end, seed }, rows, Path::new("set")).unwrap()
    }

    fn numbers(value: &serde_json::Value) -> Vec<u64> {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn numpys_orders_are_followed_to_the_last_row() {
        for golden in goldens()["orders"].as_array().unwrap() {
            let rows = golden["rows"].as_u64().unwrap();
            let seed = golden["seed"].as_u64().unwrap();
            assert_eq!(train_test_split(rows, 0.0, 1.0, seed), numbers(&golden["order"]), "{rows} rows, seed {seed}");
        }
        for golden in goldens()["long"].as_array().unwrap() {
            let rows = golden["rows"].as_u64().unwrap();
            let seed = golden["seed"].as_u64().unwrap();
            let order = train_test_split(rows, 0.0, 1.0, seed);
            let sum = (1..).zip(&order).fold(0_u64, |sum, (i, row)| sum.wrapping_add(row.wrapping_mul(i)));
            assert_eq!((&order[..8], sum), (&numbers(&golden["first"])[..], golden["sum"].as_u64().unwrap()), "{rows}");
        }
    }

    #[test]
    fn the_parts_are_those_of_a_train_test_split() {
        for golden in goldens()["splits"].as_array().unwrap() {
            let rows = golden["rows"].as_u64().unwrap();
            let seed = golden["seed"].as_u64().unwrap();
            let share = golden["share"].as_f64().unwrap();
            assert_eq!(train_test_split(rows, 0.0, share, seed), numbers(&golden["test"]), "{rows} rows, {share}");
            assert_eq!(train_test_split(rows, share, 1.0, seed), numbers(&golden["train"]), "{rows} rows, {share}");
        }
    }

    #[test]
    fn rows_that_are_not_there_are_refused() {
        let refused = |rows: &Rows| select(rows, 3, Path::new("set.parquet")).unwrap_err().to_string();
        assert_eq!(refused(&Rows::Indices(vec![2, 3])), "row 3 is selected, but `set.parquet` has 3 rows");
        assert_eq!(refused(&Rows::Indices(vec![])), "no rows are selected of the 3 in `set.parquet`");
        let too_many = Rows::First { count: 4, of: Box::new(Rows::All) };
        assert_eq!(
            refused(&too_many),
            "the first 4 examples are wanted of a split of `set.parquet` that has 3: ask for 3 at most"
        );
    }

    #[test]
    fn the_first_rows_follow_the_order_of_the_selection() {
        let shuffled = Rows::Share { start: 0.0, end: 1.0, shuffle_seed: Some(0) };
        let first = Rows::First { count: 3, of: Box::new(shuffled) };
        assert_eq!(select(&first, 10, Path::new("set")).unwrap(), SEED_0[..3]);
    }
}
