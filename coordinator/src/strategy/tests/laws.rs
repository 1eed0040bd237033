//! What holds of every search, whatever its results.

use super::*;
use proptest::prelude::*;

/// A landscape with plateaus, drops and failures, fixed by `seed`.
fn landscape(seed: u64) -> impl Fn(&Candidate) -> PointResult {
    move |candidate| {
        let digest = Digest::of(format!("{seed} {}", candidate.id).as_bytes());
        match digest.as_bytes()[0] % 8 {
            7 => PointResult::Failed,
            level => PointResult::Value(f64::from(level) / 8.0),
        }
    }
}

fn any_search() -> impl Strategy<Value = Search> {
    let values = || proptest::collection::vec((1u32..=10).prop_map(|tenths| f64::from(tenths) / 10.0), 1..6);
    let keys = proptest::sample::subsequence(vec!["scaling", "density", "drop_rate", "weights.mnist"], 0..=4);
    (keys.prop_shuffle(), proptest::collection::vec(values(), 4)).prop_map(|(keys, values)| {
        let parameter = |(key, values): (&&str, Vec<f64>)| {
            let values: Vec<_> =
                values.iter().map(|value| if *key == "drop_rate" { value - 0.1 } else { *value }).collect();
            numbers(key, &values)
        };
        search(keys.iter().zip(values).map(parameter).collect())
    })
}

fn any_method() -> impl Strategy<Value = Method> {
    let random = (1u32..20, any::<u64>()).prop_map(|(trials, seed)| Method::Random { trials, seed });
    let tpe = (1u32..40, any::<u64>()).prop_map(|(trials, seed)| Method::Tpe { trials, seed });
    prop_oneof![Just(Method::Linear), Just(Method::Grid), Just(Method::Bracket), random, tpe]
}

fn any_ties() -> impl Strategy<Value = Ties> {
    prop_oneof![Just(Ties::First), Just(Ties::Last)]
}

proptest! {
    #[test]
    fn no_point_is_evaluated_twice_and_every_search_ends(
        search in any_search(), method in any_method(), ties in any_ties(), seed: u64,
    ) {
        let (choice, requested) = in_order(&search, method, ties, &landscape(seed));
        let ids: std::collections::BTreeSet<_> = requested.iter().map(|candidate| candidate.id).collect();
        prop_assert_eq!(ids.len(), requested.len());
        let points: std::collections::BTreeSet<_> = choice.points.iter().map(|(candidate, _)| candidate.id).collect();
        prop_assert_eq!(points, ids, "the search reads exactly the points that it requested");
        let state = SearchState::new(&search, method, ranking(ties)).unwrap();
        prop_assert!(requested.len() as u64 <= state.bound());
    }

    #[test]
    fn the_choice_does_not_depend_on_the_order_of_arrival(
        search in any_search(), method in any_method(), ties in any_ties(), seed: u64, step in 0usize..100,
    ) {
        let answer = landscape(seed);
        let straight = in_order(&search, method, ties, &answer);
        let shuffled =
            finish(&search, method, &ranking(ties), &mut Known::default(), &answer, &|open| (step * 7 + open * 3) % open);
        prop_assert_eq!(straight, shuffled);
    }

    #[test]
    fn a_search_resumes_from_any_part_of_its_results(
        search in any_search(), method in any_method(), ties in any_ties(), seed: u64, cut in 0usize..40,
    ) {
        let answer = landscape(seed);
        let (choice, requested) = in_order(&search, method, ties, &answer);
        let mut known = Known::default();
        for candidate in requested.iter().take(cut) {
            known.0.insert(candidate.id, answer(candidate));
        }
        let (resumed, rest) = finish(&search, method, &ranking(ties), &mut known, &answer, &|_| 0);
        prop_assert_eq!(resumed, choice);
        prop_assert_eq!(rest, &requested[cut.min(requested.len())..]);
    }

    #[test]
    fn a_grid_covers_every_combination_exactly_once(search in any_search()) {
        let proposal = propose(&search, Method::Grid, ranking(Ties::Last), &Known::default()).unwrap();
        let mut expected = vec![search.recipe.clone()];
        for parameter in &search.parameters {
            let values = parameter.values.listed().unwrap();
            let with = |spec: &RecipeSpec, value: &Value| {
                let mut spec = spec.clone();
                spec.set(&parameter.key, value).unwrap();
                spec
            };
            expected = expected.iter().flat_map(|spec| values.iter().map(move |value| with(spec, value))).collect();
        }
        let ids = |specs: &[RecipeSpec]| -> std::collections::BTreeSet<JobId> {
            specs.iter().map(|spec| Known::default().id(&spec.resolve().unwrap())).collect()
        };
        let found: Vec<_> = proposal.wanted.iter().map(|candidate| candidate.spec.clone()).collect();
        prop_assert_eq!(ids(&found).len(), found.len());
        prop_assert_eq!(ids(&found), ids(&expected));
    }

    #[test]
    fn the_best_of_a_grid_is_the_best_of_its_points(search in any_search(), seed: u64) {
        let (choice, _) = in_order(&search, Method::Grid, Ties::Last, &landscape(seed));
        let values = choice.points.iter().filter_map(|(_, evaluation)| match evaluation {
            PointResult::Value(value) => Some(*value),
            PointResult::Failed | PointResult::Missing | PointResult::Eliminated | PointResult::Leader => None,
        });
        prop_assert_eq!(choice.best.map(|(_, value)| value), values.max_by(f64::total_cmp));
    }
}
