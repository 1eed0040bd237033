//! What holds for every family of models.

use crate::fixture::example;
use evaluation::{DeviceChoice, ExampleKind, FamilyVisitor, Limits, Model, ModelFamily, ModelKind, SplitSource};
use jobs::{DataFiles, DataSpec, InputRef, Precision, Rows, TextSpec};
use std::path::{Path, PathBuf};

/// Calls `visitor` with the family of each example base.
fn each<V: FamilyVisitor<Output = ()>>(visitor: impl Fn(PathBuf) -> V) {
    for folder in [example("base"), Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nli6/base")] {
        ModelKind::of(&folder).unwrap().visit(visitor(folder.clone()));
    }
}

#[test]
fn a_configuration_knows_what_the_open_model_has() {
    struct Agrees(PathBuf);
    impl FamilyVisitor for Agrees {
        type Output = ();

        fn visit<F: ModelFamily>(self) {
            let configuration = F::configuration(&self.0).unwrap();
            let base = F::open(&self.0, DeviceChoice::Cpu, Precision::F32).unwrap();
            let modules = base.model().modules();
            assert!(!modules.is_empty());
            assert_eq!(configuration.modules(), modules);
            for module in &modules {
                assert!(configuration.check_module(&module.name).is_ok(), "{}", module.name);
                assert!(base.model().check_module(&module.name).is_ok(), "{}", module.name);
            }
            assert!(configuration.check_module("no.such.module").is_err());
            assert!(base.model().check_module("no.such.module").is_err());
            assert_eq!(format!("{:?}", F::outline(&self.0).unwrap()), format!("{configuration:?}"));
            assert_eq!(configuration.kind().reads(), F::READS);
            assert_eq!(configuration.text_limits().is_some(), F::READS == ExampleKind::Texts);
        }
    }
    each(Agrees);
}

#[test]
fn data_of_another_kind_than_the_family_reads_are_refused() {
    struct Refuses(PathBuf);
    impl FamilyVisitor for Refuses {
        type Output = ();

        fn visit<F: ModelFamily>(self) {
            let base = F::open(&self.0, DeviceChoice::Cpu, Precision::F32).unwrap();
            let texts = TextSpec {
                columns: vec!["text".to_owned()],
                labels: [].into(),
                drop_labels: [].into(),
                mask_classes: [].into(),
                max_length: None,
            };
            let spec = DataSpec {
                source: InputRef::Path("data".into()),
                image_column: "image".to_owned(),
                label_column: "label".to_owned(),
                text: (F::READS == ExampleKind::Images).then_some(texts),
                splits: [].into(),
            };
            let files = DataFiles::Parquet(Vec::new());
            let source = SplitSource { files: &files, spec: &spec, rows: &Rows::All, cache: None };
            let error = base.read(&source, Limits::default()).err().unwrap();
            let found = F::READS.other().name();
            let read = F::READS.name();
            assert_eq!(error.to_string(), format!("the data are {found}, and the model reads {read}"));
        }
    }
    each(Refuses);
}
