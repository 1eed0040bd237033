use faer::Mat;

/// TIES per task and matrix: the `kept` largest entries of each, and the mean of those that agree with their sum.
pub(super) fn ties(tasks: &[Mat<f64>], kept: usize) -> Mat<f64> {
    let trimmed: Vec<_> = tasks.iter().map(|task| trimmed(task, kept)).collect();
    Mat::from_fn(tasks[0].nrows(), tasks[0].ncols(), |row, col| {
        let values = || trimmed.iter().map(|task| task[(row, col)]);
        let sign = values().sum::<f64>();
        let agreeing: Vec<f64> = values().filter(|value| value * sign > 0.0).collect();
        agreeing.iter().sum::<f64>() / agreeing.len().max(1) as f64
    })
}

fn trimmed(task: &Mat<f64>, kept: usize) -> Mat<f64> {
    let mut magnitudes: Vec<f64> = task.col_iter().flat_map(|col| col.iter()).map(|entry| entry.abs()).collect();
    let index = magnitudes.len() - kept.clamp(1, magnitudes.len());
    let threshold = *magnitudes.select_nth_unstable_by(index, f64::total_cmp).1;
    Mat::from_fn(task.nrows(), task.ncols(), |row, col| {
        let entry = task[(row, col)];
        if entry.abs() >= threshold { entry } else { 0.0 }
    })
}

pub(super) fn sum(tasks: &[Mat<f64>]) -> Mat<f64> {
    tasks.iter().fold(Mat::zeros(tasks[0].nrows(), tasks[0].ncols()), |sum, task| sum + task)
}
