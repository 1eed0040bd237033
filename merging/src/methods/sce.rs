use super::Entries;

/// Bytes for each place of a matrix: its variance, its rank among them, whether it stays, and the merged entry.
pub(crate) const ENTRY_BYTES: usize = 8 + 4 + 1 + 8;

/// SCE: select the entries on which the tasks differ most, weigh tasks by size, and erase the minority's signs.
///
/// By matrix, with xₜ the entries of task t, times its weight:
/// 1. Select: of the entries whose variance over the tasks is not 0, the ⌊τ·count⌋ of largest variance stay in all
///    tasks, all others become 0; τ = 1 leaves everything.
/// 2. Calculate: cₜ = Σxₜ² / Σₛ Σxₛ², and 1/T each where everything is 0.
/// 3. Erase: the elected sign is that of Σₜxₜ, positive where the sum is 0; zeros and values of the other sign do not
///    take part. The merge is Σcₜxₜ / Σcₜ over those that do, and 0 where none does.
///
/// # Shapes
/// `tasks`: the entries of every task, times its weight.
///
/// # Numerics
/// In `f64`. Entries on which all tasks agree exactly have variance 0. Of equal variances
/// the first are selected. The result depends on the basis of the entries. Entries are read in pieces, three times;
/// beside a piece of every task, [`ENTRY_BYTES`] for each place are in memory.
///
/// # Source
/// SCE of FuseChat (arXiv:2408.07990) as in mergekit. Some versions of mergekit take equal weights where the sum of
/// mean squares is below 1e-6, so that the result depends on the scale of the updates; here that is so only for 0.
///
/// # Examples
/// Entries (2, 1) and (1, −1) with τ = 1: c = 5/7 and 2/7; the first entry is 12/7, the second, whose sum is 0, is 1.
pub(crate) fn sce(tasks: &impl Entries, selected: f64) -> Vec<f64> {
    let stays = if selected < 1.0 { Some(most_varied(tasks, selected)) } else { None };
    let is_selected = |place: usize| stays.as_ref().is_none_or(|stays| stays[place]);
    let mut squares = vec![0.0; tasks.tasks()];
    tasks.side_by_side(|start, pieces| {
        for (square, entries) in squares.iter_mut().zip(pieces) {
            let values = entries.iter().enumerate().filter(|(index, _)| is_selected(start + index));
            values.for_each(|(_, entry)| *square += entry.powi(2));
        }
    });
    let total: f64 = squares.iter().sum();
    let share = |square: &f64| if total > 0.0 { square / total } else { 1.0 / squares.len() as f64 };
    let shares: Vec<f64> = squares.iter().map(share).collect();
    let mut merged = Vec::with_capacity(tasks.count());
    tasks.side_by_side(|start, pieces| {
        let places = 0..pieces.first().map_or(0, Vec::len);
        merged
            .extend(places.map(|index| if is_selected(start + index) { agreed(pieces, index, &shares) } else { 0.0 }));
    });
    merged
}

/// The mean of the values at a place that have the sign of their sum, weighted by the shares of the tasks.
fn agreed(pieces: &[Vec<f64>], index: usize, shares: &[f64]) -> f64 {
    let values = || pieces.iter().map(|entries| entries[index]);
    let elected = if values().sum::<f64>() >= 0.0 { 1.0 } else { -1.0 };
    let mut sum = 0.0;
    let mut weight = 0.0;
    for (value, share) in values().zip(shares).filter(|(value, _)| value * elected > 0.0) {
        sum += share * value;
        weight += share;
    }
    if weight > 0.0 { sum / weight } else { 0.0 }
}

/// The entries with the largest variance over the tasks.
fn most_varied(tasks: &impl Entries, share: f64) -> Vec<bool> {
    let mut variances: Vec<f64> = Vec::with_capacity(tasks.count());
    tasks.side_by_side(|_, pieces| {
        let places = 0..pieces.first().map_or(0, Vec::len);
        variances.extend(places.map(|index| variance(pieces, index)));
    });
    let mut varied: Vec<u32> = Vec::new();
    for (place, variance) in variances.iter().enumerate() {
        if *variance > 0.0 {
            varied.push(u32::try_from(place).expect("a weight has fewer than 2^32 entries"));
        }
    }
    let count = (share * varied.len() as f64) as usize;
    let mut stays = vec![false; variances.len()];
    if count > 0 {
        let of = |place: &u32| variances[*place as usize];
        let falling = |left: &u32, right: &u32| of(right).total_cmp(&of(left)).then(left.cmp(right));
        varied.select_nth_unstable_by(count - 1, falling);
        varied[..count].iter().for_each(|place| stays[*place as usize] = true);
    }
    stays
}

fn variance(pieces: &[Vec<f64>], index: usize) -> f64 {
    let first = pieces[0][index];
    if pieces.iter().all(|entries| entries[index].to_bits() == first.to_bits()) {
        return 0.0;
    }
    let count = pieces.len() as f64;
    let mean = pieces.iter().map(|entries| entries[index]).sum::<f64>() / count;
    pieces.iter().map(|entries| (entries[index] - mean).powi(2)).sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::sce;

    #[test]
    fn tasks_are_weighed_by_size_and_the_minority_is_erased() {
        let merged = sce(&vec![vec![2.0, 1.0], vec![1.0, -1.0]], 1.0);
        assert!((merged[0] - 12.0 / 7.0).abs() < 1e-6 && (merged[1] - 1.0).abs() < 1e-6, "{merged:?}");
    }

    #[test]
    fn entries_on_which_the_tasks_agree_are_never_selected() {
        let merged = sce(&vec![vec![5.0, 1.0, 2.0], vec![5.0, 3.0, 1.0]], 0.5);
        assert_eq!(merged[0].to_bits(), 0);
        assert!(merged[1] > 0.0 && merged[2].abs() < 1e-9, "{merged:?}");
    }

    #[test]
    fn updates_that_are_all_zero_stay_zero() {
        assert_eq!(sce(&vec![vec![0.0; 3], vec![0.0; 3]], 0.2), [0.0; 3]);
        assert_eq!(sce(&vec![vec![0.0; 3], vec![0.0; 3]], 1.0), [0.0; 3]);
    }
}
