use super::elementwise::{LANES, Task};

/// The signs of the sums of values, as 1 or −1; a sum of 0 has the sign that `zero_is_positive` says.
///
/// Adds to `signs` what positive sums outnumber negative ones by, and notes in `cancelled` whether a sum is exactly 0
/// over values that are not.
#[inline(always)]
pub(super) fn by_values(
    tasks: &[Task<'_>],
    zero_is_positive: bool,
    signs: &mut i64,
    cancelled: &mut bool,
) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    // The bits of all values that were added up: a sum of 0 without any but the sign's comes from nothing but zeros.
    let mut bits = [0u32; LANES];
    for &task in tasks {
        sums.iter_mut().zip(&mut bits).zip(task.entries).for_each(|((sum, bits), entry)| {
            let value = task.value(*entry);
            *sum += value;
            *bits |= value.to_bits();
        });
    }
    let count = tasks.first().map_or(0, |task| task.entries.len());
    let votes = sums[..count].iter().zip(&bits);
    *signs += votes.clone().map(|(sum, _)| sign(*sum) as i32).sum::<i32>() as i64;
    *cancelled |= votes.fold(false, |any, (sum, bits)| any | (is_zero(*sum) & (bits << 1 != 0)));
    for sum in &mut sums {
        let positive = (*sum > 0.0) | (zero_is_positive & is_zero(*sum));
        *sum = if positive { 1.0 } else { -1.0 };
    }
    sums
}

/// The signs of the sums of signs, as 1 or −1: one task, one vote. Where votes are equal, the sign of the sum of
/// values, as 1, −1 or 0.
#[inline(always)]
pub(super) fn by_signs(tasks: &[Task<'_>]) -> [f32; LANES] {
    let mut votes = [0.0; LANES];
    let mut sums = [0.0; LANES];
    for &task in tasks {
        votes.iter_mut().zip(&mut sums).zip(task.entries).for_each(|((vote, sum), entry)| {
            let value = task.value(*entry);
            *vote += sign(value);
            *sum += value;
        });
    }
    for (vote, sum) in votes.iter_mut().zip(&sums) {
        *vote = if is_zero(*vote) { sign(*sum) } else { sign(*vote) };
    }
    votes
}

/// Whether it is 0 or −0.
#[inline(always)]
pub(super) fn is_zero(value: f32) -> bool {
    value.to_bits() << 1 == 0
}

/// 1, 0 or −1.
#[inline(always)]
fn sign(value: f32) -> f32 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}
