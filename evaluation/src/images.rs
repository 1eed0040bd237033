//! Preprocessed images: read and resized once, kept as bytes.

mod augmented;
mod cache;
mod crop;
mod sink;

pub(crate) use augmented::Change;
pub(crate) use crop::Crop;

use crate::{
    ModelError,
    cache::DiskCache,
    data::{self, DataError, Decoder, Example, Source},
    limits::{Ceiling, Limits},
    preprocess::{Preprocess, Rgb},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sink::{Memory, Pixels, Sink};
use std::collections::HashSet;

/// The images of one split, resized and cropped, with their labels.
///
/// Holds `3 · edge²` bytes per image: in memory, or in a mapped file where a [`DiskCache`] is given.
pub struct Images {
    header: Header,
    pixels: Pixels,
    levels: [[f32; 256]; 3],
}

/// All about a set of images but the pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    edge: usize,
    labels: Vec<u32>,
    classes: Option<Vec<String>>,
}

impl Header {
    /// Bytes of all pixels.
    fn size(&self) -> Option<usize> {
        3_usize.checked_mul(self.edge)?.checked_mul(self.edge)?.checked_mul(self.labels.len())
    }
}

const IN_MEMORY: Ceiling = Ceiling {
    limit: 0,
    unit: "bytes",
    what: "the preprocessed images of the split take too much memory",
    remedy: "raise `--image-memory`, or give `--example-cache` a folder, where they are kept on the disk",
};

impl Images {
    /// Reads a split within the default [`Limits`]; see [`read_within`](Self::read_within).
    ///
    /// # Errors
    /// As there.
    pub fn read(
        source: &Source<'_>,
        preprocess: &Preprocess,
        cache: Option<&DiskCache<'_>>,
    ) -> Result<Self, DataError> {
        Self::read_within(source, preprocess, cache, Limits::default())
    }

    /// Reads a split, decoding and preprocessing on the threads of the current rayon pool.
    ///
    /// With a cache, a split that was read before is mapped from the disk; a damaged file there is made anew with a
    /// warning, and if the cache cannot be written, the images are kept in memory with a warning.
    ///
    /// # Errors
    /// Names the file, row and column; see [`DataError`]. The images take more memory than they may, in
    /// [`DataError::TooLarge`]; that is known when the first of them are read.
    pub fn read_within(
        source: &Source<'_>,
        preprocess: &Preprocess,
        cache: Option<&DiskCache<'_>>,
        limits: Limits,
    ) -> Result<Self, DataError> {
        let levels = preprocess.levels();
        let memory = Memory { limit: limits.image_bytes, path: source.path() };
        let Some(cache) = cache else {
            let (header, sink) = fill(source, preprocess, |size| Sink::memory(size, memory))?;
            return Ok(Self { pixels: cache::finish(sink, &header, source.path())?, header, levels });
        };
        let path = cache::path(cache, source, preprocess);
        if let Some((header, pixels)) = cache::load(&path) {
            return Ok(Self { header, pixels, levels });
        }
        let (header, sink) = fill(source, preprocess, |size| Sink::file(&path, size, memory))?;
        let pixels = cache::finish(sink, &header, &path)?;
        Ok(Self { header, pixels, levels })
    }

    /// Black images of class 0, to try a model out.
    pub(crate) fn blank(edge: usize, images: usize) -> Self {
        let header = Header { edge, labels: vec![0; images], classes: None };
        let pixels = Pixels::Memory(vec![0; 3 * edge.pow(2) * images]);
        Self { header, pixels, levels: Preprocess::default().levels() }
    }

    /// Some of the images, by their places, copied into memory.
    ///
    /// # Errors
    /// As [`check_unchanged`](Self::check_unchanged).
    pub(crate) fn select(&self, places: &[u64]) -> Result<Self, ModelError> {
        let Header { edge, labels, classes } = &self.header;
        let labels = places.iter().map(|place| labels[*place as usize]).collect();
        let pixels = places.iter().flat_map(|place| self.pixels(*place as usize)).copied().collect();
        self.check_unchanged()?;
        let header = Header { edge: *edge, labels, classes: classes.clone() };
        Ok(Self { header, pixels: Pixels::Memory(pixels), levels: self.levels })
    }

    /// Fails if the images lie in a cache file that was changed since it was mapped.
    ///
    /// # Errors
    /// [`ModelError::Changed`] names the file.
    pub(crate) fn check_unchanged(&self) -> Result<(), ModelError> {
        Ok(self.pixels.check()?)
    }

    /// Bytes of the pixels in memory; none where they lie in a mapped file.
    pub fn memory_bytes(&self) -> u64 {
        match &self.pixels {
            Pixels::Memory(pixels) => pixels.len() as u64,
            Pixels::Mapped(_) => 0,
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.header.labels.len()
    }

    /// True without images; a split that is read has at least one.
    pub fn is_empty(&self) -> bool {
        self.header.labels.is_empty()
    }

    /// Height and width in pixels.
    pub fn edge(&self) -> usize {
        self.header.edge
    }

    /// The class of each image.
    pub fn labels(&self) -> &[u32] {
        &self.header.labels
    }

    /// The class names, if the data set states them.
    pub fn classes(&self) -> Option<&[String]> {
        self.header.classes.as_deref()
    }

    /// The classes, by name, of which there is no image.
    pub fn absent_classes(&self) -> Vec<&str> {
        let present: HashSet<u32> = self.header.labels.iter().copied().collect();
        let classes = (0..).zip(self.header.classes.iter().flatten());
        classes.filter(|(label, _)| !present.contains(label)).map(|(_, name)| name.as_str()).collect()
    }

    /// The pixels of one image: `[edge, edge, 3]`.
    pub fn pixels(&self, image: usize) -> &[u8] {
        let size = 3 * self.header.edge.pow(2);
        &self.pixels.bytes()[image * size..][..size]
    }

    /// What each level of each channel becomes when it is rescaled and normalised.
    pub(crate) fn levels(&self) -> &[[f32; 256]; 3] {
        &self.levels
    }

    /// One image as the tower takes it, rescaled and normalised: `[3, edge, edge]`.
    pub fn normalised(&self, image: usize) -> Vec<f32> {
        let pixels = self.pixels(image);
        let channel = |c: usize| pixels.iter().skip(c).step_by(3).map(move |level| self.levels[c][usize::from(*level)]);
        (0..3).flat_map(channel).collect()
    }

    /// Writes one image as `[patches, 3 · patch²]`, each patch channel by channel as a convolution's weights lie.
    pub(crate) fn write_patches(&self, image: usize, patch: usize, to: &mut [f32]) {
        let edge = self.header.edge;
        let across = self.header.edge / patch;
        let pixels = self.pixels(image);
        let area = patch * patch;
        for (n, to) in to.chunks_exact_mut(3 * area).enumerate() {
            let corner = (n / across * edge + n % across) * patch;
            for y in 0..patch {
                let row = &pixels[3 * (corner + y * edge)..][..3 * patch];
                for (x, pixel) in row.chunks_exact(3).enumerate() {
                    for (c, level) in pixel.iter().enumerate() {
                        to[c * area + y * patch + x] = self.levels[c][usize::from(*level)];
                    }
                }
            }
        }
    }
}

/// Reads the selected rows into a sink, in the order of the selection.
fn fill(
    source: &Source<'_>,
    preprocess: &Preprocess,
    make: impl Fn(usize) -> Result<Sink, DataError>,
) -> Result<(Header, Sink), DataError> {
    let reader = source.open()?;
    let decoder = Decoder::preprocessing(preprocess);
    let rows = data::select(source.rows, reader.rows(), source.path())?;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by_key(|&place| rows[place]);
    let ascending: Vec<u64> = order.iter().map(|&place| rows[place]).collect();
    let classes = reader.classes();
    let mut header = Header { edge: 0, labels: vec![0; rows.len()], classes };
    let mut sink = None;
    let mut places = order.into_iter();
    reader.read(&ascending, &mut |examples| {
        for image in prepare(examples, source.label_column, header.classes.as_deref(), &decoder)? {
            if header.edge == 0 {
                header.edge = image.rgb.width as usize;
            }
            let sink = match &mut sink {
                Some(sink) => sink,
                none => none.insert(make(header.size().unwrap_or(usize::MAX))?),
            };
            image.check(header.edge)?;
            let place = places.next().expect("a reader hands over one example for each row asked for");
            header.labels[place] = image.label;
            sink.put(place, &image.rgb.pixels)?;
        }
        Ok(())
    })?;
    match sink {
        Some(sink) if places.next().is_none() => Ok((header, sink)),
        _ => Err(DataError::Empty { path: source.path().into(), rows: reader.rows() }),
    }
}

struct Prepared {
    rgb: Rgb,
    label: u32,
    path: std::path::PathBuf,
    row: u64,
}

impl Prepared {
    fn check(&self, edge: usize) -> Result<(), DataError> {
        let Rgb { width, height, .. } = self.rgb;
        if (width as usize, height as usize) == (edge, edge) {
            return Ok(());
        }
        let path = self.path.clone();
        let row = self.row;
        let expected = format!("{edge}×{edge}");
        Err(DataError::Size { path, row, width, height, expected })
    }
}

fn prepare(
    examples: Vec<Example>,
    column: &str,
    classes: Option<&[String]>,
    decoder: &Decoder<'_>,
) -> Result<Vec<Prepared>, DataError> {
    let one = |example: Example| {
        let path = example.path.clone();
        let row = example.row;
        let label = data::class_of(&path, row, example.label, column, classes)?;
        Ok(Prepared { rgb: decoder.decode(example)?, label, path, row })
    };
    // Collected first: of several bad rows the first is reported, whichever thread met its own earlier.
    let prepared: Vec<Result<Prepared, DataError>> = examples.into_par_iter().map(one).collect();
    prepared.into_iter().collect()
}
