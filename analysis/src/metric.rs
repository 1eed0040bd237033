use jobs::Metric;

/// The column of the [`Frame`](crate::Frame) that holds a metric.
pub(crate) fn column_of(metric: &Metric) -> String {
    match metric {
        Metric::MeanNormalisedAccuracy => "mean_normalised".to_owned(),
        Metric::MeanAccuracy => "mean_accuracy".to_owned(),
        Metric::WorstNormalisedAccuracy => "worst_normalised".to_owned(),
        Metric::WorstAccuracy => "worst_accuracy".to_owned(),
        Metric::JointHits(k) => format!("hits_{k}"),
        Metric::Accuracy(task) => format!("accuracy.{task}"),
    }
}

/// The name of a metric in words.
pub(crate) fn in_words(metric: &Metric) -> String {
    match metric {
        Metric::MeanNormalisedAccuracy => "mean normalised accuracy".to_owned(),
        Metric::MeanAccuracy => "mean accuracy".to_owned(),
        Metric::WorstNormalisedAccuracy => "normalised accuracy of the worst task".to_owned(),
        Metric::WorstAccuracy => "accuracy of the worst task".to_owned(),
        Metric::JointHits(k) => format!("joint Hits@{k}"),
        Metric::Accuracy(task) => format!("accuracy of {task}"),
    }
}
