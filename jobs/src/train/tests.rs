use super::*;

fn settings() -> TrainSettings {
    TrainFamily::Texts.defaults(TrainLength::Steps(50))
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-12
}

#[test]
fn the_rate_rises_and_falls_as_transformers_has_it() {
    let settings = TrainSettings { rate: 2.0, ..settings() };
    let rates: Vec<f64> = (0..50).map(|step| settings.rate_of(step, 50)).collect();
    assert!(near(rates[0], 0.0), "the first step of a warm-up has no rate");
    assert!(near(rates[1], 2.0 / 3.0) && near(rates[3], 2.0), "6 % of 50 are 3 steps");
    assert!(near(rates[49], 2.0 / 47.0));
    let cosine = TrainSettings { schedule: RateSchedule::Cosine, warmup: Warmup::Steps(0), rate: 1.0, ..settings };
    assert!(near(cosine.rate_of(0, 40), 1.0) && near(cosine.rate_of(20, 40), 0.5));
    assert!(cosine.rate_of(39, 40) > 0.0 && near(cosine.rate_of(40, 40), 0.0));
    let constant = TrainSettings { schedule: RateSchedule::Constant, ..cosine };
    assert!(near(constant.rate_of(39, 40), 1.0));
}

#[test]
fn a_warm_up_of_all_steps_divides_by_nothing() {
    assert!(near(RateSchedule::Linear.share(4, 4, 4), 1.0));
    assert!(near(RateSchedule::Cosine.share(9, 4, 4), 0.0), "what lies beyond the end has no rate");
}

#[test]
fn updates_are_scaled_by_the_rank_or_its_root() {
    let settings = TrainSettings { rank: 4, alpha: 16.0, ..settings() };
    assert!(near(settings.scaling(), 4.0));
    assert!(near(TrainSettings { rslora: true, ..settings }.scaling(), 8.0));
}

#[test]
fn epochs_end_with_a_whole_step() {
    let settings = TrainSettings { batch: 10, accumulation: 2, length: TrainLength::Epochs(1.5), ..settings() };
    assert_eq!(settings.steps(100), 8);
    assert_eq!(settings.steps(1), 2, "a step over all there is ends a pass");
    assert_eq!(settings.steps(15), 2);
    assert_eq!(TrainSettings { length: TrainLength::Steps(7), ..settings }.steps(100), 7);
}

#[test]
fn settings_that_cannot_be_followed_are_named() {
    assert_eq!(settings().check(), Ok(()));
    let refused = |settings: TrainSettings| settings.check().unwrap_err().to_string();
    let above = "expected a number above 0";
    assert_eq!(refused(TrainSettings { rank: 0, ..settings() }), "`rank` is 0, expected at least 1");
    assert_eq!(refused(TrainSettings { alpha: f64::NAN, ..settings() }), format!("`alpha` is NaN, {above}"));
    assert_eq!(refused(TrainSettings { rate: 0.0, ..settings() }), format!("`rate` is 0, {above}"));
    assert_eq!(refused(TrainSettings { eps: 0.0, ..settings() }), format!("`eps` is 0, {above}"));
    assert_eq!(refused(TrainSettings { clip: Some(0.0), ..settings() }), format!("`clip` is 0, {above}"));
    let share = "expected a share in [0, 1)";
    assert_eq!(refused(TrainSettings { dropout: 1.0, ..settings() }), format!("`dropout` is 1, {share}"));
    let smoothing = refused(TrainSettings { label_smoothing: -0.1, ..settings() });
    assert_eq!(smoothing, format!("`label_smoothing` is -0.1, {share}"));
    let betas = refused(TrainSettings { betas: [0.9, 1.0], ..settings() });
    assert_eq!(betas, "`betas` is [0.9, 1.0], expected two shares in [0, 1)");
    let warmup = refused(TrainSettings { warmup: Warmup::Share(1.5), ..settings() });
    assert_eq!(warmup, "`warmup` is 1.5, expected a share in [0, 1]");
    for (key, wrong) in [
        ("batch", TrainSettings { batch: 0, ..settings() }),
        ("accumulation", TrainSettings { accumulation: 0, ..settings() }),
        ("micro_batch", TrainSettings { micro_batch: Some(0), ..settings() }),
        ("steps", TrainSettings { length: TrainLength::Steps(0), ..settings() }),
    ] {
        assert_eq!(refused(wrong), format!("`{key}` is 0, expected at least 1"));
    }
    let long = TrainSettings { length: TrainLength::Epochs(1e300), ..settings() };
    assert!(refused(long).ends_with("expected at most 1000000"));
    let long = TrainSettings { length: TrainLength::Steps(usize::MAX), ..settings() };
    assert!(refused(long).ends_with("expected at most 1000000000"));
    let targets = TrainTargets::Names(vec![String::new()]);
    assert!(refused(TrainSettings { targets, ..settings() }).starts_with("`targets` is"));
}

#[test]
fn a_warm_up_beyond_the_end_is_refused() {
    let warm = |steps| TrainSettings { warmup: Warmup::Steps(steps), ..settings() };
    assert_eq!(warm(50).check_steps(100), Ok(()));
    let error = warm(51).check_steps(100).unwrap_err().to_string();
    assert_eq!(error, "`warmup_steps` is 51, expected no more than the steps of the run");
}

#[test]
fn settings_read_back_as_they_were_written() {
    for targets in [TrainTargets::AllLinear, TrainTargets::Names(vec!["q_proj".to_owned()])] {
        let settings = TrainSettings { targets, ..settings() };
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<TrainSettings>(&text).unwrap(), settings, "{text}");
    }
}
