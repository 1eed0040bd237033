//! Which rows the search sees, and which only the report: held-out rules, by the splits that a data set has.

use super::yaml::number;

/// The seed of drafted cuts.
const SEED: u64 = 42;

/// Rows that a search reads at most, where the draft decides it.
const MOST_ROWS: u64 = 2_000;

/// Names of splits for choosing, and of splits for reporting, the usual one first.
const VALIDATION: [&str; 5] = ["validation", "valid", "val", "dev", "eval"];
const TEST: [&str; 3] = ["test", "testing", "tests"];

/// A split of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SplitFacts {
    pub(super) name: String,
    /// Its rows, where they are known without a download.
    pub(super) rows: Option<u64>,
}

/// Where `validation` and `test` of a task come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SplitDraft {
    pub(super) validation: Rule,
    pub(super) test: Rule,
    /// Why, in a sentence.
    pub(super) comment: String,
    /// The rows of `validation`, where they are known without a download.
    pub(super) search_rows: Option<u64>,
    /// What a person has to know of it, if anything.
    pub(super) caveat: Option<String>,
}

/// A rule of a split.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    /// The split of the data set that the rows are of.
    pub(super) from: String,
    pub(super) share: Option<[f64; 2]>,
}

impl Rule {
    fn whole(from: &str) -> Self {
        Self { from: from.to_owned(), share: None }
    }

    /// The rule of the split called `name`, in YAML; `None` if the data set's own split of that name is taken whole.
    fn as_yaml(&self, name: &str) -> Option<String> {
        let from = (self.from != name).then(|| format!("from: {}", super::yaml::scalar(&self.from)));
        let share =
            self.share.map(|[start, end]| format!("share: [{}, {}], shuffle_seed: {SEED}", number(start), number(end)));
        let keys: Vec<String> = from.into_iter().chain(share).collect();
        (!keys.is_empty()).then(|| format!("{name}: {{{}}}", keys.join(", ")))
    }
}

impl SplitDraft {
    /// The value of `splits` in YAML; `None` if the data set has both splits under their own names.
    pub(super) fn as_yaml(&self) -> Option<String> {
        let rules = [self.validation.as_yaml("validation"), self.test.as_yaml("test")];
        let rules: Vec<String> = rules.into_iter().flatten().collect();
        (!rules.is_empty()).then(|| format!("{{{}}}", rules.join(", ")))
    }
}

/// The splits that matter for a draft: those for choosing and reporting, or all where there is none of them.
pub(super) fn relevant(splits: Vec<String>) -> Vec<String> {
    let is_held_out = |split: &String| VALIDATION.contains(&split.as_str()) || TEST.contains(&split.as_str());
    if splits.iter().any(is_held_out) { splits.into_iter().filter(is_held_out).collect() } else { splits }
}

/// Decides which splits are taken. `splits` has at least one.
pub(super) fn draft_splits(splits: &[SplitFacts]) -> Option<SplitDraft> {
    let named = |names: &[&str]| names.iter().find_map(|name| splits.iter().find(|split| split.name == *name));
    let train = named(&["train", "training"]);
    Some(match (named(&VALIDATION), named(&TEST)) {
        (Some(validation), Some(test)) => both(validation, test),
        (Some(one), None) | (None, Some(one)) => cut(one, None),
        (None, None) => {
            let one = train.or(splits.first())?;
            let caveat = format!(
                "the data set has only the split `{0}`, which its adapter has probably been trained on: accuracies on it are too good, and \
                 so are normalised ones; examples that no adapter has seen make a fair comparison",
                one.name
            );
            cut(one, Some(caveat))
        }
    })
}

fn both(validation: &SplitFacts, test: &SplitFacts) -> SplitDraft {
    let mut comment = format!(
        "The search reads {} of `{}`; {} of `{}` are for the report alone.",
        rows(validation.rows),
        validation.name,
        rows(test.rows),
        test.name
    );
    let mut rule = Rule::whole(&validation.name);
    if let Some(share) = validation.rows.and_then(small_share) {
        rule.share = Some([0.0, share]);
        comment = format!(
            "The search reads a random {} % of the {} of `{}`, to be quick; {} of `{}` are for the report alone.",
            (share * 100.0).round(),
            rows(validation.rows),
            validation.name,
            rows(test.rows),
            test.name
        );
    }
    let search_rows = validation.rows.map(|rows| part_of(rows, rule.share));
    SplitDraft { validation: rule, test: Rule::whole(&test.name), comment, search_rows, caveat: None }
}

/// The rows of a share that begins at 0.
fn part_of(rows: u64, share: Option<[f64; 2]>) -> u64 {
    share.map_or(rows, |[_, end]| (rows as f64 * end).floor() as u64)
}

/// The share of so many rows that a search needs; `None` for all of them.
fn small_share(rows: u64) -> Option<f64> {
    let share = (MOST_ROWS as f64 / rows as f64 * 100.0).ceil() / 100.0;
    (share < 1.0).then_some(share)
}

/// One split for both: a part that the search reads, and the rest.
fn cut(one: &SplitFacts, caveat: Option<String>) -> SplitDraft {
    // A fifth of few rows distinguishes no recipes.
    let share = match one.rows {
        Some(rows) if rows < 1_000 => 0.5,
        Some(rows) => small_share(rows).unwrap_or(1.0).min(0.2),
        None => 0.2,
    };
    let comment = format!(
        "Of `{}` alone, {}: the search reads {} %, shuffled, and the other rows are for the report alone. No row is in both.",
        one.name,
        rows(one.rows),
        (share * 100.0).round()
    );
    let rule = |share| Rule { from: one.name.clone(), share: Some(share) };
    let search_rows = one.rows.map(|rows| part_of(rows, Some([0.0, share])));
    SplitDraft { validation: rule([0.0, share]), test: rule([share, 1.0]), comment, search_rows, caveat }
}

fn rows(rows: Option<u64>) -> String {
    match rows {
        Some(1) => "1 row".to_owned(),
        Some(rows) => format!("{rows} rows"),
        None => "all rows".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(splits: &[(&str, Option<u64>)]) -> SplitDraft {
        let splits: Vec<_> =
            splits.iter().map(|(name, rows)| SplitFacts { name: (*name).to_owned(), rows: *rows }).collect();
        draft_splits(&splits).unwrap()
    }

    #[test]
    fn splits_of_the_usual_names_need_no_rule() {
        let draft = draft(&[("test", Some(700)), ("train", Some(9000)), ("validation", Some(300))]);
        assert_eq!(draft.as_yaml(), None);
        assert_eq!(
            draft.comment,
            "The search reads 300 rows of `validation`; 700 rows of `test` are for the report alone."
        );
        assert_eq!((draft.caveat, draft.search_rows), (None, Some(300)));
    }

    #[test]
    fn a_split_of_another_name_is_named_in_a_rule() {
        let draft = draft(&[("dev", Some(300)), ("test", None)]);
        assert_eq!(draft.as_yaml().unwrap(), "{validation: {from: dev}}");
    }

    #[test]
    fn one_split_is_cut_in_two_parts_without_a_row_in_common() {
        let large = draft(&[("test", Some(5000)), ("train", Some(9))]);
        assert_eq!(
            large.as_yaml().unwrap(),
            "{validation: {from: test, share: [0.0, 0.2], shuffle_seed: 42}, test: {share: [0.2, 1.0], shuffle_seed: 42}}"
        );
        let small = draft(&[("validation", Some(277))]);
        assert_eq!(small.validation.share, Some([0.0, 0.5]));
        assert_eq!((small.test.share, small.search_rows), (Some([0.5, 1.0]), Some(138)));
        assert_eq!(draft(&[("test", None)]).validation.share, Some([0.0, 0.2]));
    }

    #[test]
    fn a_large_split_is_searched_on_a_part() {
        let draft = draft(&[("validation", Some(10_000)), ("test", Some(10_000))]);
        assert_eq!(draft.as_yaml().unwrap(), "{validation: {share: [0.0, 0.2], shuffle_seed: 42}}");
    }

    #[test]
    fn training_examples_alone_come_with_a_caveat() {
        let draft = draft(&[("train", Some(5000))]);
        assert!(draft.caveat.unwrap().contains("probably been trained on"));
        assert_eq!(draft.validation.from, "train");
    }

    #[test]
    fn a_data_set_without_splits_has_no_draft() {
        assert_eq!(draft_splits(&[]), None);
    }
}
