use super::*;
use coordinator::{CoordinatorError, FreezeError};
use preflight::CheckError;
use std::io::{Error, ErrorKind};

/// Failures of a read, of every kind of input that a command may read.
fn reads(kind: ErrorKind) -> Vec<Failure> {
    let error = || Error::from(kind);
    let task = || "mnist".to_owned();
    let model = || evaluation::ModelError::Read { path: "model.safetensors".into(), source: error() };
    let base = || merging::BaseError::Read { path: "model.safetensors".into(), source: error() };
    let adapter = || merging::AdapterError::Read { path: "adapter_model.safetensors".into(), source: error() };
    let data = || evaluation::DataError::Read { path: "data".into(), source: error() };
    let head = || evaluation::HeadError::Io { path: "head.safetensors".into(), source: error() };
    let texts = || evaluation::TextError::Data(data());
    let map = evaluation::JointError::Map { path: "map.json".into(), source: error() };
    let input = || ::inputs::InputError::Read {
        reference: "base".to_owned(),
        file: "base/config.json".into(),
        source: error(),
    };
    vec![
        Failure::from(model()),
        Failure::from(base()),
        CheckError::Adapter { name: task(), source: Box::new(adapter()) }.into(),
        CheckError::AdapterModule { name: task(), place: "adapters/mnist".to_owned(), source: model() }.into(),
        CheckError::Data { task: task(), split: "test".to_owned(), source: data() }.into(),
        CheckError::SplitTexts { task: task(), split: "test".to_owned(), source: texts() }.into(),
        CheckError::Tokenizer(texts()).into(),
        CheckError::Texts { task: task(), source: texts() }.into(),
        CheckError::HeadFile { task: task(), source: head() }.into(),
        InputFailure::Head { task: task(), source: head() }.into(),
        CheckError::JointMap { source: map }.into(),
        CheckError::SweepInput(input()).into(),
        InputFailure::Argument { argument: "base".to_owned(), source: input() }.into(),
        FreezeError::Input { key: "base".to_owned(), source: input() }.into(),
        merging::OutputError::Base(base()).into(),
    ]
}

#[test]
fn a_read_that_may_do_better_later_is_no_bad_input_whatever_was_read() {
    for failure in reads(ErrorKind::TimedOut) {
        assert_eq!(failure.exit_code(), 69, "{failure:?}");
    }
}

#[test]
fn what_is_not_there_is_bad_input_whatever_was_read() {
    for failure in reads(ErrorKind::NotFound) {
        assert_eq!(failure.exit_code(), 65, "{failure:?}");
    }
}

#[test]
fn a_fault_has_the_same_code_wherever_it_comes_up() {
    let queue = || ::queue::QueueError::SenderEnded;
    assert_eq!(Failure::from(queue()).exit_code(), 69);
    assert_eq!(Failure::from(CoordinatorError::Queue(queue())).exit_code(), 69);
    let certificate =
        || ::queue::QueueError::CaFile { path: "ca.pem".into(), source: Error::from(ErrorKind::NotFound) };
    assert_eq!(Failure::from(certificate()).exit_code(), 65);
    assert_eq!(Failure::from(CoordinatorError::Queue(certificate())).exit_code(), 65);
}

#[test]
fn a_hint_is_about_the_key_that_is_out_of_range() {
    let hint = |key: &str| {
        let source = jobs::RecipeError::OutOfRange { key: key.to_owned(), value: -1.0, range: "[0, 1]" };
        let source = jobs::SweepError::Recipe { path: "recipe".to_owned(), source };
        let lines = jobs::Lines::default();
        Failure::from(FileFailure::invalid("recipe file", "recipe.yaml".as_ref(), &lines, source)).hint()
    };
    assert_eq!(hint("density"), Some("density is the share of entries kept; 1.0 keeps them all"));
    assert_eq!(hint("weights.mnist"), None);
}
