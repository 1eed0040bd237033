use crate::{Bitmap, JobResult, TaskScore};

/// What is known of a model's answers to the examples of its tasks: whether the true class was among the first k, for one k.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAnswers {
    rank: u32,
    tasks: Vec<TaskAnswers>,
}

/// What is known of a model's answers to the examples of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskAnswers {
    /// The examples whose answer is known.
    pub seen: Bitmap,
    /// Those of them that were answered rightly.
    pub right: Bitmap,
}

impl KnownAnswers {
    /// Nothing is known yet of tasks with so many examples each, at rank k.
    pub fn new(rank: u32, sizes: impl IntoIterator<Item = u64>) -> Self {
        let task = |size: u64| TaskAnswers { seen: Bitmap::none(size as usize), right: Bitmap::none(size as usize) };
        Self { rank, tasks: sizes.into_iter().map(task).collect() }
    }

    /// The answers to all examples, by task.
    pub fn of_all(rank: u32, right: impl IntoIterator<Item = Bitmap>) -> Self {
        let seen = |right: &Bitmap| std::iter::repeat_n(true, right.len()).collect();
        Self { rank, tasks: right.into_iter().map(|right| TaskAnswers { seen: seen(&right), right }).collect() }
    }

    /// Adds what a result says, on all examples or on a slice. Returns `false` if it does not hold single answers, or is of data of
    /// another size; nothing is added then.
    ///
    /// The caller ensures that the result is of this model.
    pub fn add(&mut self, result: &JobResult) -> bool {
        match result.meaning.slice_examples() {
            Ok(Some(examples)) => self.add_slice(result, &examples),
            Ok(None) => self.add_whole(result),
            Err(_) => false,
        }
    }

    fn add_slice(&mut self, result: &JobResult, examples: &[Vec<u64>]) -> bool {
        let sizes = result.meaning.slice.iter().flat_map(|slice| &slice.tasks).map(|task| task.examples);
        if !sizes.eq(self.tasks.iter().map(|task| task.seen.len() as u64)) {
            return false;
        }
        let tasks = result.meaning.tasks.iter();
        let of_task = tasks.map(|task| result.scores.iter().find(|score| score.task == task.name));
        let answers: Vec<Option<&Bitmap>> = of_task.map(|score| score.and_then(|score| self.of(score))).collect();
        let fits = |(examples, answers): (&Vec<u64>, &Option<&Bitmap>)| {
            examples.is_empty() || answers.is_some_and(|answers| answers.len() == examples.len())
        };
        if answers.len() != examples.len() || !examples.iter().zip(&answers).all(fits) {
            return false;
        }
        for ((task, examples), answers) in self.tasks.iter_mut().zip(examples).zip(answers) {
            for (example, is_right) in examples.iter().zip(answers.into_iter().flat_map(Bitmap::iter)) {
                task.seen.set(*example as usize, true);
                task.right.set(*example as usize, is_right);
            }
        }
        true
    }

    fn add_whole(&mut self, result: &JobResult) -> bool {
        let answers: Option<Vec<&Bitmap>> = result.scores.iter().map(|score| self.of(score)).collect();
        let Some(answers) = answers else { return false };
        let sizes = answers.iter().map(|answers| answers.len());
        if !sizes.eq(self.tasks.iter().map(|task| task.seen.len())) {
            return false;
        }
        for (task, answers) in self.tasks.iter_mut().zip(answers) {
            task.seen = std::iter::repeat_n(true, answers.len()).collect();
            task.right = answers.clone();
        }
        true
    }

    fn of<'a>(&self, score: &'a TaskScore) -> Option<&'a Bitmap> {
        if self.rank == 1 { score.right.as_ref() } else { score.within.get(&self.rank) }
    }

    /// Whether an example is answered rightly; `None` if it is not known.
    pub fn answer(&self, task: usize, example: u64) -> Option<bool> {
        let task = self.tasks.get(task)?;
        let example = example as usize;
        (example < task.seen.len() && task.seen.get(example)).then(|| task.right.get(example))
    }

    /// The tasks, in the order of the job.
    pub fn tasks(&self) -> &[TaskAnswers] {
        &self.tasks
    }

    /// The number of examples whose answer is known.
    pub fn known(&self) -> u64 {
        self.tasks.iter().map(|task| task.seen.count()).sum()
    }
}
