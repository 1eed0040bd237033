use serde::Serialize;

/// What a chart shows, apart from how it is drawn. Everything is finite; shares are in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChartData {
    /// The objective over one parameter.
    Curve {
        /// The parameter.
        x: Axis,
        /// The objective.
        y: Axis,
        /// One per search.
        series: Vec<CurveSeries>,
    },
    /// The objective over two parameters of one search.
    HeatMap {
        /// The parameter of the columns.
        x: Axis,
        /// The parameter of the rows.
        y: Axis,
        /// The objective.
        value: Axis,
        /// The values of the columns, ascending.
        xs: Vec<f64>,
        /// The values of the rows, ascending.
        ys: Vec<f64>,
        /// The best value of each cell, `cells[y][x]`; `None` where nothing was tried.
        cells: Vec<Vec<Option<f64>>>,
        /// The best cell, as its row and column.
        best: Option<[usize; 2]>,
    },
    /// A value for every pair of tasks.
    TaskPairs {
        /// The tasks, of the columns from the left and of the rows from the top.
        tasks: Vec<String>,
        /// What the columns stand for.
        columns: String,
        /// What the rows stand for.
        rows: String,
        /// What the value is.
        value: Axis,
        /// The values, `cells[row][column]`; `None` where there is none.
        cells: Vec<Vec<Option<f64>>>,
    },
    /// Every point as a line across the parameters and the objective.
    Parallel {
        /// The axes; the last is the objective, by which lines are coloured.
        axes: Vec<ParallelAxis>,
        /// The points, the worst first.
        lines: Vec<ParallelLine>,
        /// How many points there are; the lines are a sample of them if they are fewer.
        total: u64,
    },
    /// The accuracy of every row on every task.
    Dots {
        /// The tasks in table order, and their mean last.
        tasks: Vec<String>,
        /// The accuracy.
        value: Axis,
        /// The rows of the sweep's table.
        rows: Vec<DotRow>,
    },
    /// How the best value grew while the sweep ran.
    BestSoFar {
        /// Seconds since the first job began, or the number of jobs.
        x: Axis,
        /// The objective.
        y: Axis,
        /// Evaluations, as `[x, y]`.
        points: Vec<[f64; 2]>,
        /// Where the best value changed, as `[x, y]`, and the end.
        best: Vec<[f64; 2]>,
        /// How many evaluations there are; the points are a sample of them if they are fewer.
        total: u64,
    },
    /// The share of the objective's variance that each parameter explains.
    Importance {
        /// The parameters, the most important first.
        bars: Vec<Bar>,
        /// The out-of-bag R² of the forest that the shares were read from, at most 1.
        r2: Option<f64>,
    },
    /// The objective on the report split over that on the selection split.
    Scatter {
        /// The objective on the selection split.
        x: Axis,
        /// The objective on the report split.
        y: Axis,
        /// The merges of the sweep's table.
        points: Vec<NamedPoint>,
    },
    /// The worst task over the mean of tasks.
    Pareto {
        /// The mean of tasks.
        x: Axis,
        /// The worst task.
        y: Axis,
        /// The points: those of the front first.
        points: Vec<NamedPoint>,
        /// The places in `points` of those that no other point beats in both, by `x` ascending.
        front: Vec<usize>,
        /// How many points there are; `points` are a sample of them if they are fewer.
        total: u64,
    },
    /// When workers were busy.
    TimeLine {
        /// Seconds since the first job began.
        x: Axis,
        /// The workers that are shown.
        workers: Vec<WorkerLine>,
        /// How many jobs the spans stand for.
        jobs: u64,
    },
}

/// What is measured along an axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Axis {
    /// Its title, without the unit.
    pub name: String,
    /// The unit of its values.
    pub unit: AxisUnit,
    /// How values are laid out along it.
    pub scale: AxisScale,
}

/// The unit of an axis' values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AxisUnit {
    /// A share in [0, 1], shown in percent.
    Share,
    /// Seconds.
    Seconds,
    /// A bare number.
    None,
}

/// How values are laid out along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AxisScale {
    /// In proportion.
    Linear,
    /// By their logarithms; every value is above 0.
    Log,
}

/// A curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveSeries {
    /// Its name.
    pub name: String,
    /// The palette index: a row of the sweep's table has the same style in every chart.
    pub look: usize,
    /// Its points, by `x` ascending.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve with its band. The chart's caption says what the band is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// The parameter's value.
    pub x: f64,
    /// The best value of the objective there.
    pub y: f64,
    /// The lower end of the band.
    pub low: Option<f64>,
    /// The upper end of the band.
    pub high: Option<f64>,
    /// The evaluations behind it.
    pub n: u64,
}

/// An axis of parallel coordinates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParallelAxis {
    /// Its title, without the unit.
    pub name: String,
    /// The unit of its values.
    pub unit: AxisUnit,
    /// How values are laid out along it.
    pub scale: AxisScale,
    /// The words of a parameter that has no numbers; values are places in this list.
    pub words: Option<Vec<String>>,
}

/// A point in parallel coordinates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParallelLine {
    /// The job's id.
    pub job: String,
    /// The search that proposed it.
    pub method: String,
    /// A value for each axis; `None` where the recipe has none.
    pub values: Vec<Option<f64>>,
}

/// A row of the sweep's table, as dots.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DotRow {
    /// Its name.
    pub name: String,
    /// Whether it is the chosen row.
    pub is_chosen: bool,
    /// The palette index: a row of the sweep's table has the same style in every chart.
    pub look: usize,
    /// A dot for each task; `None` where nothing is known.
    pub dots: Vec<Option<Dot>>,
}

/// A value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Dot {
    /// The value.
    pub value: f64,
    /// The lower end of the interval; `None` for a value that was given.
    pub low: Option<f64>,
    /// The upper end of the interval.
    pub high: Option<f64>,
}

/// A bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    /// The parameter.
    pub name: String,
    /// Its share of the variance.
    pub share: f64,
}

/// A point with a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedPoint {
    /// The row, or the search and the values of its parameters.
    pub name: String,
    /// Along the first axis.
    pub x: f64,
    /// Along the second axis.
    pub y: f64,
    /// The 95 % interval along the first axis, as its ends; `None` where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_interval: Option<[f64; 2]>,
    /// The same along the second axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y_interval: Option<[f64; 2]>,
    /// Whether it is the chosen row, or the point that was chosen.
    pub is_chosen: bool,
    /// The palette index: a row of the sweep's table has the same style in every chart.
    pub look: usize,
}

/// When a worker was busy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerLine {
    /// Its name.
    pub name: String,
    /// What it computed on.
    pub device: String,
    /// Beginnings and ends; spans that nearly touch are one.
    pub spans: Vec<[f64; 2]>,
}
