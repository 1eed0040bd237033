//! Trainings in the middle of which something is missing.

use super::*;
use jobs::{ArtefactFile, CHECKPOINT_FILE, JobKind};

const TRAINED: [&str; 1] = ["tasks.flags.adapter={train: {steps: 25, checkpoint_steps: 10}}"];

impl Fixture {
    fn legs() -> Vec<Job> {
        let frozen = frozen(&TRAINED);
        frozen.train_specs("flags").iter().map(|leg| frozen.job(leg.clone())).collect()
    }

    /// Stores a leg with its checkpoint.
    async fn store_leg(&self, job: &Job) {
        let mut made = artefact(job);
        let weights = made.artefact.files.remove(0);
        made.artefact.files.push(ArtefactFile { name: CHECKPOINT_FILE.to_owned(), ..weights });
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join(CHECKPOINT_FILE), job.id().to_string()).unwrap();
        self.store.put_artefact_files(&made.job, &made.artefact, folder.path()).await.unwrap();
        let _first = self.store.put_artefact_result(&made).await.unwrap();
    }

    async fn delete_checkpoint(&self, job: &Job) {
        self.store.remove_temporary_files(&job.id(), job.spec()).await.unwrap();
    }

    /// The legs that a run makes, by their places.
    async fn made(&self, settings: Settings) -> Vec<usize> {
        let legs = Self::legs();
        let ran = self.run_with(&TRAINED, settings, usize::MAX, |_| false).await.unwrap();
        let trained = ran.computed.iter().filter(|job| job.spec().kind() == JobKind::Train);
        trained.map(|job| legs.iter().position(|leg| leg.id() == job.id()).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_training_goes_on_after_its_newest_leg_while_the_checkpoint_is_there() {
    let fixture = Fixture::new();
    let legs = Fixture::legs();
    fixture.store_leg(&legs[0]).await;
    fixture.store_leg(&legs[1]).await;
    fixture.delete_checkpoint(&legs[0]).await;
    assert_eq!(fixture.made(Settings::default()).await, [2]);
    assert_eq!(fixture.made(Settings::default()).await, [0; 0], "the last leg needs no checkpoint");
}

#[tokio::test]
async fn a_training_whose_newest_checkpoint_is_gone_is_made_again_leg_by_leg() {
    let fixture = Fixture::new();
    let legs = Fixture::legs();
    for leg in &legs[..2] {
        fixture.store_leg(leg).await;
        fixture.delete_checkpoint(leg).await;
    }
    let known = survey(&frozen(&TRAINED), &fixture.store, Retry::Machines).await.unwrap().survey;
    assert_eq!(known.stored, 0);
    assert_eq!(fixture.made(Settings::default()).await, [0, 1, 2]);
}

#[tokio::test]
async fn a_training_that_lacks_a_leg_before_its_newest_is_made_again_leg_by_leg() {
    let fixture = Fixture::new();
    let legs = Fixture::legs();
    fixture.made(Settings::default()).await;
    fixture.store.remove_artefact(&legs[1].id()).await.unwrap();
    assert_eq!(fixture.made(Settings::default()).await, [0, 1, 2]);
}

#[tokio::test]
async fn the_repair_of_a_corrupt_adapter_makes_all_its_legs_again() {
    let fixture = Fixture::new();
    let legs = Fixture::legs();
    fixture.made(Settings::default()).await;
    let last = fixture.store.artefact_result(&legs[2].id()).await.unwrap().unwrap();
    let file = fixture.store.artefact_place(&last.job, &last.artefact);
    let file = file.strip_prefix("file://").unwrap_or(&file);
    std::fs::remove_file(std::path::Path::new(file).join("weights")).unwrap();
    let failed = fixture.run_with(&TRAINED, Settings::default(), usize::MAX, |_| false).await;
    assert!(matches!(failed, Err(CoordinatorError::Training { .. })));
    assert_eq!(fixture.made(Settings { repair: true, ..Settings::default() }).await, [0, 1, 2]);
}

#[tokio::test]
async fn the_stored_jobs_of_a_sweep_whose_training_failed_are_those_that_were_made_before() {
    let fixture = Fixture::new();
    let legs = Fixture::legs();
    let second = legs[1].id();
    let failed = fixture.run_with(&TRAINED, Settings::default(), usize::MAX, |job| job.id() == second).await;
    assert!(matches!(failed, Err(CoordinatorError::Training { .. })));
    let stored = crate::stored_jobs(&frozen(&TRAINED), &fixture.store).await.unwrap();
    assert!(stored.artefacts.contains(&legs[0].id()) && stored.ended.contains(&second), "{stored:?}");
    let left = fixture.store.jobs_with_results().await.unwrap();
    assert!(left.iter().all(|job| stored.ended.contains(job)), "{stored:?}");
}

#[tokio::test]
async fn the_stored_jobs_of_a_sweep_have_its_legs_that_rested_and_those_of_no_other_sweep() {
    let fixture = Fixture::new();
    let legs = Fixture::legs();
    let folder = TempDir::new().unwrap();
    let state = folder.path().join("state");
    std::fs::write(&state, "state").unwrap();
    let other = Job::new(
        frozen(&["tasks.flags.adapter={train: {steps: 5}}"]).train_specs("flags")[0].clone(),
        legs[0].places.clone(),
    );
    for leg in [&legs[1], &other] {
        fixture.store.put_rested(&leg.id(), &state).await.unwrap();
    }
    let stored = crate::stored_jobs(&frozen(&TRAINED), &fixture.store).await.unwrap();
    assert_eq!(stored.rested.into_iter().collect::<Vec<_>>(), [legs[1].id()]);
    let untrained = crate::stored_jobs(&frozen(&[]), &fixture.store).await.unwrap();
    assert!(untrained.rested.is_empty());
}
