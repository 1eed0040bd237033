/// How many singular triplets TSV-Merge keeps of each task.
///
/// With ranks r₁ … rₙ of the tasks that have the module, S = Σrᵢ and D = `directions`: kᵢ = rᵢ where S ≤ D, else
/// kᵢ = max(1, ⌊D·rᵢ/S⌋). Where these ones make the sum larger than D, the largest kᵢ (the first of equals) gives
/// one away, again and again until it is not. So Σkᵢ ≤ D, and with equal ranks kᵢ = min(r, ⌊D/n⌋).
///
/// # Shapes
/// `ranks` by task, 0 where an adapter lacks the module, which gives 0. `directions`: D = min(O, I), as many
/// orthonormal columns as both sides of the weight have room for.
///
/// # Numerics
/// Integers.
///
/// # Errors
/// `None` if D < n: not every task can have a direction of its own.
///
/// # Source
/// The code of TSV-Merge (arXiv:2412.00081) and of Core Space (arXiv:2509.17786) keeps ⌊D/n⌋ of every task, in the
/// core space with D = min(O, I, S). That is the same where ranks are equal. Where they differ, it pads small ranks
/// with null directions.
///
/// # Examples
/// Six tasks of rank 16 on a weight of 32 rows keep 5 triplets each. Ranks 16, 8 and 4 keep 16, 8 and 4 of 32
/// directions, and 8, 4 and 2 of 14.
pub(crate) fn triplets(ranks: &[usize], directions: usize) -> Option<Vec<usize>> {
    let sum: usize = ranks.iter().sum();
    if sum <= directions {
        return Some(ranks.to_vec());
    }
    if ranks.iter().filter(|rank| **rank > 0).count() > directions {
        return None;
    }
    let share = |rank: &usize| if *rank == 0 { 0 } else { (directions * rank / sum).max(1) };
    let mut kept: Vec<usize> = ranks.iter().map(share).collect();
    let excess = kept.iter().sum::<usize>().saturating_sub(directions);
    for _ in 0..excess {
        let largest = kept.iter().copied().max().unwrap_or_default();
        if let Some(first) = kept.iter_mut().find(|count| **count == largest) {
            *first -= 1;
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::triplets;
    use proptest::prelude::*;

    fn kept(ranks: &[usize], directions: usize) -> Vec<usize> {
        triplets(ranks, directions).unwrap()
    }

    #[test]
    fn ranks_that_fit_are_kept_as_they_are() {
        assert_eq!(kept(&[16, 8, 4], 32), [16, 8, 4]);
        assert_eq!(kept(&[16, 0, 16], 32), [16, 0, 16]);
        assert_eq!(kept(&[], 0), [0; 0]);
    }

    #[test]
    fn equal_ranks_that_do_not_fit_keep_what_the_authors_keep() {
        assert_eq!(kept(&[16; 6], 32), [5; 6]);
        assert_eq!(kept(&[128; 8], 768), [96; 8]);
        assert_eq!(kept(&[64; 20], 768), [38; 20]);
        assert_eq!(kept(&[16, 16, 0, 16], 32), [10, 10, 0, 10]);
    }

    #[test]
    fn mixed_ranks_that_do_not_fit_share_in_proportion() {
        assert_eq!(kept(&[16, 8, 4], 14), [8, 4, 2]);
        assert_eq!(kept(&[16, 8, 4], 15), [8, 4, 2]);
        assert_eq!(kept(&[12, 5, 16, 3], 24), [8, 3, 10, 2]);
    }

    #[test]
    fn every_task_keeps_a_direction() {
        assert_eq!(kept(&[1024, 1], 768), [767, 1]);
        assert_eq!(kept(&[100, 1, 1], 3), [1, 1, 1]);
        assert_eq!(triplets(&[4, 4, 4], 2), None);
        assert_eq!(kept(&[4, 0, 4], 2), [1, 0, 1]);
    }

    proptest! {
        #[test]
        fn the_budget_is_kept_and_no_task_has_more_than_its_rank(
            ranks in prop::collection::vec(0usize..40, 1..12), directions in 0usize..200,
        ) {
            let present = ranks.iter().filter(|rank| **rank > 0).count();
            let Some(kept) = triplets(&ranks, directions) else {
                prop_assert!(present > directions);
                return Ok(());
            };
            prop_assert!(kept.iter().sum::<usize>() <= directions);
            for (kept, rank) in kept.iter().zip(&ranks) {
                prop_assert!(kept <= rank && (*kept > 0) == (*rank > 0));
            }
        }
    }
}
