use crate::linalg;
use faer::{Accum, Mat, MatMut, MatRef, Par, linalg::matmul::matmul};

/// Rows that are copied together where one side lies by rows and the other by columns, so that both stay in the cache.
const TILE: usize = 16;

/// A dense matrix of `f32`, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    data: Vec<f32>,
}

impl Matrix {
    /// Takes over `data`, which holds the rows one after the other.
    ///
    /// # Panics
    /// If `data` does not hold `rows · cols` entries.
    pub fn new(rows: usize, cols: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows}x{cols} matrix needs {} entries", rows * cols);
        Self { rows, cols, data }
    }

    /// The matrix of zeros.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, data: vec![0.0; rows * cols] }
    }

    /// The matrix with `entry(row, col)` everywhere.
    pub fn from_fn(rows: usize, cols: usize, mut entry: impl FnMut(usize, usize) -> f32) -> Self {
        let data = (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col))).map(|(row, col)| entry(row, col));
        Self { rows, cols, data: data.collect() }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Rows and columns, as tensors name their shape.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// All entries, row by row.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All entries, row by row, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// All entries, row by row, taken out.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The entries of the rows `range`.
    pub(crate) fn row_block(&self, range: std::ops::Range<usize>) -> &[f32] {
        &self.data[range.start * self.cols..range.end * self.cols]
    }

    /// The transpose.
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.cols, self.rows, |row, col| self.data[col * self.cols + row])
    }

    /// The matrix times a number.
    pub fn scaled(mut self, factor: f32) -> Self {
        self.data.iter_mut().for_each(|entry| *entry *= factor);
        self
    }

    /// The product `self · other`.
    ///
    /// # Numerics
    /// In `f32` on one thread; an entry depends on its row and column alone.
    ///
    /// # Panics
    /// If the columns of `self` are not as many as the rows of `other`.
    ///
    /// # Examples
    /// ```
    /// use merging::Matrix;
    /// let row = Matrix::new(1, 2, vec![2.0, 3.0]);
    /// let column = Matrix::new(2, 1, vec![5.0, 7.0]);
    /// assert_eq!(row.times(&column), Matrix::new(1, 1, vec![31.0]));
    /// ```
    pub fn times(&self, other: &Self) -> Self {
        assert_eq!(self.cols, other.rows, "the inner sizes of a product agree");
        let mut product = Self::zeros(self.rows, other.cols);
        multiply(&mut product.data, &self.data, [self.rows, self.cols], other);
        product
    }

    /// The square root of the sum of squares, accumulated in `f64`.
    pub fn frobenius(&self) -> f64 {
        self.data.iter().map(|entry| f64::from(*entry).powi(2)).sum::<f64>().sqrt()
    }

    /// The same values in `f64`, for decompositions.
    pub fn to_f64(&self) -> Mat<f64> {
        let mut columns = Mat::zeros(self.rows, self.cols);
        for start in (0..self.rows).step_by(TILE) {
            let rows = start..(start + TILE).min(self.rows);
            for (index, column) in columns.get_mut(rows.clone(), ..).col_iter_mut().enumerate() {
                let entries = self.row_block(rows.clone()).iter().skip(index).step_by(self.cols);
                column.iter_mut().zip(entries).for_each(|(to, from)| *to = f64::from(*from));
            }
        }
        columns
    }

    /// The transpose in `f64`, for decompositions.
    pub(crate) fn transposed_to_f64(&self) -> Mat<f64> {
        let mut columns = Mat::zeros(self.cols, self.rows);
        for (index, column) in columns.col_iter_mut().enumerate() {
            let row = self.row_block(index..index + 1);
            column.iter_mut().zip(row).for_each(|(to, from)| *to = f64::from(*from));
        }
        columns
    }

    /// The values rounded to `f32`.
    pub fn from_f64(matrix: MatRef<'_, f64>) -> Self {
        let (rows, cols) = matrix.shape();
        let mut rounded = Self::zeros(rows, cols);
        for (index, tile) in rounded.data.chunks_mut((TILE * cols).max(1)).enumerate() {
            let start = index * TILE;
            for (col, column) in matrix.get(start..(start + TILE).min(rows), ..).col_iter().enumerate() {
                let entries = tile.iter_mut().skip(col).step_by(cols);
                entries.zip(column.iter()).for_each(|(to, from)| *to = *from as f32);
            }
        }
        rounded
    }
}

/// Writes `left · right` into `out`; `left` holds the rows of a matrix of `shape`.
pub(crate) fn multiply(out: &mut [f32], left: &[f32], shape: [usize; 2], right: &Matrix) {
    let [rows, inner] = shape;
    if inner == 0 {
        out.fill(0.0);
        return;
    }
    let left = MatRef::from_row_major_slice(left, rows, inner);
    let right = MatRef::from_row_major_slice(&right.data, inner, right.cols);
    let out = MatMut::from_row_major_slice_mut(out, rows, right.ncols());
    matmul(out, Accum::Replace, left, right, 1.0, Par::Seq);
}

/// The same with products and sums in `f64`, each rounded once.
pub(crate) fn multiply_in_f64(out: &mut [f32], left: &[f32], [rows, inner]: [usize; 2], right: &Matrix) {
    let left = Mat::from_fn(inner, rows, |col, row| f64::from(left[row * inner + col]));
    // The transpose of the product lies by columns as the product lies by rows.
    let transposed = linalg::product(right.transposed_to_f64().as_ref(), left.as_ref());
    for (row, out) in out.chunks_mut(right.cols.max(1)).enumerate() {
        out.iter_mut().zip(transposed.col_as_slice(row)).for_each(|(out, entry)| *out = *entry as f32);
    }
}
