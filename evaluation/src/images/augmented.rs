use super::{Crop, Header, Images, sink::Pixels};
use std::borrow::Cow;

/// How an image is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Change {
    /// Pixels by which it moves down and to the right.
    pub(crate) shift: [isize; 2],
    /// Whether left and right are exchanged, before it moves.
    pub(crate) is_flipped: bool,
    /// The part that is stretched to the whole, before anything else.
    pub(crate) crop: Option<Crop>,
}

impl Images {
    /// Copies of images, each changed in its own way.
    pub(crate) fn changed(&self, changes: impl IntoIterator<Item = (usize, Change)>) -> Self {
        let edge = self.header.edge;
        let mut labels = Vec::new();
        let mut pixels = Vec::new();
        for (image, change) in changes {
            labels.push(self.header.labels[image]);
            change.append(self.pixels(image), edge, &mut pixels);
        }
        let header = Header { edge, labels, classes: self.header.classes.clone() };
        Self { header, pixels: Pixels::Memory(pixels), levels: self.levels }
    }
}

impl Change {
    /// Appends the changed image; what comes in from outside repeats the edge.
    fn append(self, pixels: &[u8], edge: usize, to: &mut Vec<u8>) {
        let pixels = self.crop.map_or(Cow::Borrowed(pixels), |crop| crop.stretched(pixels, edge).into());
        let last = edge as isize - 1;
        let from = |place: usize, shift: isize| (place as isize - shift).clamp(0, last) as usize;
        let [down, right] = self.shift;
        for y in 0..edge {
            let row = &pixels[3 * edge * from(y, down)..][..3 * edge];
            for x in 0..edge {
                let column = from(x, right);
                let column = if self.is_flipped { edge - 1 - column } else { column };
                to.extend(&row[3 * column..3 * column + 3]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of 3 × 3 pixels whose three levels are the pixel's number.
    fn changed(change: Change) -> Vec<u8> {
        let pixels: Vec<u8> = (0..9).flat_map(|n| [n; 3]).collect();
        let mut to = Vec::new();
        change.append(&pixels, 3, &mut to);
        to.chunks_exact(3).map(|pixel| pixel[0]).collect()
    }

    fn still() -> Change {
        Change::default()
    }

    #[test]
    fn a_crop_comes_before_a_flip_and_a_shift() {
        let crop = Some(Crop { from: [1, 1], size: [1, 2] });
        assert_eq!(changed(Change { crop, ..still() }), [4, 5, 5, 4, 5, 5, 4, 5, 5]);
        assert_eq!(changed(Change { crop, is_flipped: true, ..still() }), [5, 5, 4, 5, 5, 4, 5, 5, 4]);
        assert_eq!(changed(Change { crop, shift: [0, 1], ..still() }), [4, 4, 5, 4, 4, 5, 4, 4, 5]);
    }

    #[test]
    fn a_shift_repeats_the_edge_and_a_flip_exchanges_left_and_right() {
        assert_eq!(changed(still()), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(changed(Change { shift: [1, 0], is_flipped: false, ..still() }), [0, 1, 2, 0, 1, 2, 3, 4, 5]);
        assert_eq!(changed(Change { shift: [0, -2], is_flipped: false, ..still() }), [2, 2, 2, 5, 5, 5, 8, 8, 8]);
        assert_eq!(changed(Change { shift: [0, 0], is_flipped: true, ..still() }), [2, 1, 0, 5, 4, 3, 8, 7, 6]);
        assert_eq!(changed(Change { shift: [0, 1], is_flipped: true, ..still() }), [2, 2, 1, 5, 5, 4, 8, 8, 7]);
    }
}
