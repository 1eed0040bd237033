use super::*;
use crate::testing::Made;
use jobs::VariantValue;
use store::Revision;
use tempfile::TempDir;

/// A store in a folder that goes with it.
struct Kept {
    _folder: TempDir,
    store: Store,
}

fn variant(rank: u64) -> Variant {
    let value = VariantValue::Number(rank.into());
    Variant { of: "ranks".to_owned(), key: "rank".to_owned(), value, place: 0 }
}

impl Kept {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::folder(folder.path()).unwrap();
        Self { _folder: folder, store }
    }

    /// A revision of a sweep, whose manifest has this variant.
    async fn revision(&self, sweep: &str, number: u32, variant: Option<Variant>) {
        let mut manifest: Manifest =
            serde_json::from_str(include_str!("../../../testdata/documents/manifest.json")).unwrap();
        manifest.sweep.name = sweep.to_owned();
        manifest.sweep.variant = variant;
        manifest.revision = number;
        let put = self.store.put_revision(Revision::of(sweep, number), &manifest).await.unwrap();
        assert_eq!(put, store::Put::Created);
    }

    /// The outcome of a revision of a sweep, with this variant.
    async fn outcome(&self, sweep: &str, revision: u32, variant: Option<Variant>) -> Outcome {
        let outcome = Outcome { sweep: sweep.to_owned(), revision, variant, ..Made::small().outcome };
        self.store.put_document(sweep, Outcome::DOCUMENT, &outcome).await.unwrap();
        outcome
    }

    async fn names(&self, asked: &[&str]) -> Vec<String> {
        let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
        let sweeps = Sweeps::open(&self.store, &asked).await.unwrap();
        sweeps.outcomes.into_iter().map(|outcome| outcome.sweep).collect()
    }
}

#[tokio::test]
async fn variants_of_superseded_revisions_do_not_stand_beside_others() {
    let kept = Kept::new();
    let mut own = None;
    for rank in [4, 8, 16] {
        let sweep = variant(rank).sweep();
        kept.revision(&sweep, 1, Some(variant(rank))).await;
        own = Some(kept.outcome(&sweep, 1, Some(variant(rank))).await);
    }
    kept.revision("ranks-rank-8", 2, Some(variant(8))).await;
    let beside = Sweeps::beside(&kept.store, &own.unwrap()).await.unwrap();
    assert_eq!(beside.iter().map(|outcome| outcome.sweep.as_str()).collect::<Vec<_>>(), ["ranks-rank-4"]);
}

#[tokio::test]
async fn the_name_of_a_file_stands_for_its_variants_and_for_the_sweep_of_this_name() {
    let kept = Kept::new();
    kept.revision("ranks-rank-4", 1, Some(variant(4))).await;
    kept.outcome("ranks-rank-4", 1, Some(variant(4))).await;
    // A manifest from before the file had variants.
    kept.revision("ranks-rank-16", 1, None).await;
    kept.outcome("ranks-rank-16", 1, Some(variant(16))).await;
    kept.revision("ranks-of-others", 1, None).await;
    kept.outcome("ranks-of-others", 1, None).await;
    assert_eq!(kept.names(&["ranks"]).await, ["ranks-rank-16", "ranks-rank-4"]);
    kept.revision("ranks", 1, None).await;
    kept.outcome("ranks", 1, None).await;
    assert_eq!(kept.names(&["ranks", "ranks-rank-4"]).await, ["ranks", "ranks-rank-16", "ranks-rank-4"]);
    let exactly = Sweeps::open_exactly(&kept.store, &["ranks".to_owned()]).await.unwrap();
    assert_eq!(exactly.outcomes.len(), 1);
}
