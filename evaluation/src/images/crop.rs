//! A part of an image, stretched to the whole.

/// A rectangle of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crop {
    /// The first row and the first column.
    pub(crate) from: [usize; 2],
    /// Rows and columns, at least one of each and none outside of the image.
    pub(crate) size: [usize; 2],
}

/// Where a pixel of the stretched image lies between two pixels of the crop.
struct Between {
    first: usize,
    second: usize,
    /// The part of the second one, of `2 · edge`.
    share: u64,
}

impl Crop {
    /// The crop stretched to the whole edge, of `[edge, edge, 3]` levels.
    ///
    /// Pixel i of the whole lies at `(i + ½) · size / edge − ½` in the crop, and its levels are between those of the two pixels
    /// beside that place; beyond the outermost pixels, theirs are repeated. A crop is never made smaller, so that antialiasing
    /// would change nothing.
    ///
    /// # Numerics
    /// Exact in integers, halves rounded up: the same on every machine.
    ///
    /// # Source
    /// Bilinear interpolation as `torch.nn.functional.interpolate` has it with `align_corners=False`.
    pub(crate) fn stretched(&self, pixels: &[u8], edge: usize) -> Vec<u8> {
        let [rows, columns] = [0, 1].map(|axis| self.places(axis, edge));
        let level = |row: usize, column: usize, channel: usize| u64::from(pixels[3 * (row * edge + column) + channel]);
        let whole = 2 * edge as u64;
        let mut to = Vec::with_capacity(pixels.len());
        for y in &rows {
            for x in &columns {
                for channel in 0..3 {
                    let across = |row: usize| {
                        (whole - x.share) * level(row, x.first, channel) + x.share * level(row, x.second, channel)
                    };
                    let sum = (whole - y.share) * across(y.first) + y.share * across(y.second);
                    to.push(((sum + whole * whole / 2) / (whole * whole)) as u8);
                }
            }
        }
        to
    }

    /// Where the pixels along an axis of the whole lie in the image.
    fn places(&self, axis: usize, edge: usize) -> Vec<Between> {
        let size = self.size[axis];
        let place = |n: usize| {
            // In units of a pixel over 2 · edge.
            let at = ((2 * n + 1) * size).saturating_sub(edge);
            let first = (at / (2 * edge)).min(size - 1);
            let second = (first + 1).min(size - 1);
            let share = if first == second { 0 } else { (at % (2 * edge)) as u64 };
            Between { first: self.from[axis] + first, second: self.from[axis] + second, share }
        };
        (0..edge).map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An image whose levels are these, the same in each channel.
    fn image(levels: &[u8]) -> Vec<u8> {
        levels.iter().flat_map(|level| [*level; 3]).collect()
    }

    fn stretched(crop: Crop, levels: &[u8], edge: usize) -> Vec<u8> {
        crop.stretched(&image(levels), edge).chunks_exact(3).map(|pixel| pixel[0]).collect()
    }

    /// torch 2.13: `interpolate(torch.tensor([[[[0., 40.], [80., 200.]]]]), size=4, mode="bilinear")`, rounded.
    #[test]
    fn a_crop_is_stretched_as_torch_does() {
        let crop = Crop { from: [1, 1], size: [2, 2] };
        let mut levels = [7; 16];
        levels[5] = 0;
        levels[6] = 40;
        levels[9] = 80;
        levels[10] = 200;
        let expected = [0, 10, 30, 40, 20, 35, 65, 80, 60, 85, 135, 160, 80, 110, 170, 200];
        assert_eq!(stretched(crop, &levels, 4), expected);
    }

    #[test]
    fn a_single_pixel_fills_the_whole() {
        let crop = Crop { from: [2, 0], size: [1, 1] };
        assert_eq!(stretched(crop, &[0, 1, 2, 3, 4, 5, 6, 7, 8], 3), [6; 9]);
    }

    proptest! {
        #[test]
        fn the_whole_image_stays_as_it_is(levels in prop::collection::vec(any::<u8>(), 25)) {
            let whole = Crop { from: [0, 0], size: [5, 5] };
            prop_assert_eq!(stretched(whole, &levels, 5), levels);
        }

        #[test]
        fn levels_stay_between_those_of_the_crop(
            levels in prop::collection::vec(any::<u8>(), 36),
            from in [0usize..3, 0usize..3],
            size in [1usize..=3, 1usize..=3],
        ) {
            let inside: Vec<u8> = (0..9)
                .filter(|n| n / 3 < size[0] && n % 3 < size[1])
                .map(|n| levels[(from[0] + n / 3) * 6 + from[1] + n % 3])
                .collect();
            let low = inside.iter().min().unwrap();
            let high = inside.iter().max().unwrap();
            let all = stretched(Crop { from, size }, &levels, 6);
            prop_assert!(all.iter().all(|level| (low..=high).contains(&level)));
        }
    }
}
