use super::*;

/// Results that have two goals beside the value, which is the first of them.
#[derive(Default)]
struct KnownGoals {
    results: Known,
    goals: BTreeMap<JobId, Vec<f64>>,
}

impl PointResults for KnownGoals {
    fn id(&self, recipe: &Recipe) -> JobId {
        self.results.id(recipe)
    }

    fn of(&self, id: &JobId) -> Option<PointResult> {
        self.results.of(id)
    }

    fn goals(&self, id: &JobId) -> Option<Vec<f64>> {
        self.goals.get(id).cloned()
    }
}

/// One goal is best at the scaling 0.2, the other one at 0.8, both at the density 0.5: the best trade-offs lie between.
fn goals(candidate: &Candidate) -> Vec<f64> {
    let off = (density(candidate) - 0.5).powi(2);
    [0.2, 0.8].map(|best| (0.5 - (scaling(candidate) - best).powi(2) - off).max(0.0)).to_vec()
}

fn plane() -> Search {
    let range =
        |key: &str| Parameter { key: key.to_owned(), values: Values::Continuous { min: 0.01, max: 1.0, log: false } };
    search(vec![range("scaling"), range("density")])
}

/// The points of a whole search, with results in the order that `pick` chooses.
fn run(method: Method, seeks_trade_offs: bool, pick: &dyn Fn(usize) -> usize) -> Vec<Candidate> {
    let ranking = Ranking { seeks_trade_offs, ..ranking(Ties::Last) };
    let mut state = SearchState::new(&plane(), method, ranking).unwrap();
    let mut known = KnownGoals::default();
    let mut all = Vec::new();
    let mut open: Vec<Candidate> = Vec::new();
    loop {
        match state.next(&known).unwrap() {
            NextPoint::Evaluate(candidate) => {
                all.push((*candidate).clone());
                open.push(*candidate);
            }
            NextPoint::Complete(_) => unreachable!("there are no races"),
            NextPoint::Wait => {
                let candidate = open.remove(pick(open.len()));
                let values = goals(&candidate);
                known.results.add(candidate.id, PointResult::Value(values[0]));
                known.goals.insert(candidate.id, values);
            }
            NextPoint::Done(_) => return all,
        }
    }
}

fn volume(points: &[Candidate]) -> f64 {
    let values: Vec<Vec<f64>> = points.iter().map(goals).collect();
    jobs::hypervolume(&values.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

#[test]
fn searches_for_trade_offs_cover_more_than_those_for_one_goal_and_than_chance() {
    let mean = |method: fn(u64) -> Method, seeks: bool| {
        (0..10).map(|seed| volume(&run(method(seed), seeks, &|_| 0))).sum::<f64>() / 10.0
    };
    let random = mean(|seed| Method::Random { trials: 60, seed }, true);
    for method in [|seed| Method::Tpe { trials: 60, seed }, |seed| Method::CmaEs { trials: 60, seed }] {
        let both = mean(method, true);
        let first = mean(method, false);
        assert!(both > first && both > random, "{both} {first} {random}");
    }
}

#[test]
fn a_search_for_trade_offs_does_not_depend_on_the_order_of_results() {
    for method in [Method::Tpe { trials: 40, seed: 3 }, Method::CmaEs { trials: 40, seed: 3 }] {
        let straight = run(method, true, &|_| 0);
        for step in 1..4 {
            assert_eq!(run(method, true, &|open| (step * 7 + open * 3) % open), straight);
        }
    }
}
