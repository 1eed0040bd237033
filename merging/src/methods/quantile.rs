/// The value with `rank` smaller ones before it in rising order, counted from 0.
///
/// # Panics
/// If there are not more than `rank` values.
pub(super) fn nth_smallest(values: &mut [f64], rank: usize) -> f64 {
    *values.select_nth_unstable_by(rank, f64::total_cmp).1
}
