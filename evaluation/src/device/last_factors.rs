use super::Accelerator;
use candle_core::{Result, Tensor};
use pulp::bytemuck;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// What a factor is recognised by: the digest of its numbers and its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    digest: blake3::Hash,
    shape: [usize; 2],
}

/// The factors of the last merge that went to a device.
///
/// In `knots` all merges of one alignment share their left factors, and in `core` their right ones: another density changes the
/// other half only. Factors are recognised by their content, because the memory of one that is gone may hold another one later.
#[derive(Debug, Default)]
pub(super) struct LastFactors {
    factors: Mutex<HashMap<Key, Tensor>>,
}

/// The factors of one merge on their way to a device. Those of the merge before stay there until this is dropped.
pub(crate) struct Placing<'a> {
    on: &'a Accelerator,
    before: HashMap<Key, Tensor>,
    now: HashMap<Key, Tensor>,
}

impl LastFactors {
    pub(super) fn begin<'a>(&self, on: &'a Accelerator) -> Placing<'a> {
        let mut factors = self.factors.lock().unwrap_or_else(PoisonError::into_inner);
        Placing { on, before: std::mem::take(&mut factors), now: HashMap::new() }
    }

    fn keep(&self, factors: HashMap<Key, Tensor>) {
        *self.factors.lock().unwrap_or_else(PoisonError::into_inner) = factors;
    }
}

impl Placing<'_> {
    /// A factor on the device: copied there unless the merge before, or this one, has the same.
    pub(crate) fn put(&mut self, values: &[f32], rows: usize, columns: usize) -> Result<Tensor> {
        let key = Key { digest: blake3::hash(bytemuck::cast_slice(values)), shape: [rows, columns] };
        let tensor = match self.now.get(&key).or_else(|| self.before.get(&key)) {
            Some(tensor) => tensor.clone(),
            None => self.on.put(values.to_vec(), (rows, columns))?,
        };
        self.now.insert(key, tensor.clone());
        Ok(tensor)
    }
}

impl Drop for Placing<'_> {
    fn drop(&mut self) {
        self.on.last_factors().keep(std::mem::take(&mut self.now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use jobs::Precision;

    fn sent(on: &Accelerator, factors: &[&[f32]]) -> u64 {
        let before = on.counts();
        let mut placing = on.placing();
        for factor in factors {
            let placed = placing.put(factor, 1, factor.len()).unwrap();
            assert_eq!(placed.to_vec2::<f32>().unwrap(), [factor.to_vec()]);
        }
        drop(placing);
        on.counts().since(before).up_bytes
    }

    #[test]
    fn a_factor_that_the_merge_before_had_is_not_sent_again() {
        let on = Accelerator::new(&Device::Cpu, Precision::Bf16);
        let left = [1.0, 2.0];
        let right = [3.0, 4.0, 5.0];
        assert_eq!(sent(&on, &[&left, &right]), 20);
        assert_eq!(sent(&on, &[&left, &[3.0, 4.0, 6.0]]), 12, "only the right factor is new");
        assert_eq!(sent(&on, &[&left, &right]), 12, "factors of an earlier merge are gone");
        assert_eq!(sent(&on, &[&left, &left]), 0);
        assert_eq!(sent(&on, &[&[1.0, 2.5]]), 8, "numbers decide, not the size");
        assert_eq!(sent(&on, &[&left]), 8);
    }

    #[test]
    fn the_same_numbers_in_another_shape_are_another_factor() {
        let on = Accelerator::new(&Device::Cpu, Precision::F32);
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(on.placing().put(&values, 1, 4).unwrap().dims(), [1, 4]);
        assert_eq!(on.placing().put(&values, 2, 2).unwrap().dims(), [2, 2]);
    }
}
