use super::*;
use crate::{LoraModule, Matrix};

/// An adapter with the given modules: the base's name, and its own.
fn adapter(modules: &[(&str, &str)]) -> Adapter {
    let module = |source: &str| LoraModule {
        source: source.to_owned(),
        lora_b: Matrix::zeros(1, 1),
        lora_a: Matrix::zeros(1, 1),
        scale: 1.0,
    };
    let modules = modules.iter().map(|(target, source)| ((*target).to_owned(), module(source))).collect();
    Adapter { modules, ..Adapter::default() }
}

fn names(adapters: &[Adapter]) -> (Vec<String>, Vec<usize>) {
    let names = Names::of(adapters);
    (names.sources.into_values().collect(), names.like)
}

#[test]
fn the_commonest_way_of_naming_names_all_modules() {
    let short = adapter(&[("vision_model.layers.0.q", "layers.0.q")]);
    let long = adapter(&[("vision_model.layers.0.k", "vision_model.layers.0.k")]);
    let two_short = ["layers.0.k", "layers.0.q"];
    let one_long = ["vision_model.layers.0.k", "vision_model.layers.0.q"];
    assert_eq!(
        names(&[long.clone(), short.clone(), short.clone()]),
        (two_short.map(str::to_owned).to_vec(), vec![1, 2])
    );
    assert_eq!(names(&[long.clone(), short.clone(), long.clone()]), (one_long.map(str::to_owned).to_vec(), vec![0, 2]));
    assert_eq!(names(&[short, long]), (two_short.map(str::to_owned).to_vec(), vec![0]), "of equals the first");
}

#[test]
fn a_way_that_cannot_name_every_module_is_not_taken() {
    let short = adapter(&[("vision_model.layers.0.q", "layers.0.q")]);
    let both = adapter(&[
        ("text_model.layers.0.q", "text_model.layers.0.q"),
        ("vision_model.layers.0.q", "vision_model.layers.0.q"),
    ]);
    let expected = ["text_model.layers.0.q", "vision_model.layers.0.q"].map(str::to_owned).to_vec();
    assert_eq!(names(&[short.clone(), short.clone(), both]), (expected.clone(), vec![2]));
    // Adapters of either side alone: only the base's own names tell them apart.
    let text = adapter(&[("text_model.layers.0.q", "layers.0.q")]);
    assert_eq!(names(&[short.clone(), text]), (expected, vec![]));
    // Also where their names would be different by chance: no class has both.
    let text = adapter(&[("text_model.layers.0.fc", "layers.0.fc")]);
    let expected = ["text_model.layers.0.fc", "vision_model.layers.0.q"].map(str::to_owned).to_vec();
    assert_eq!(names(&[short, text]), (expected, vec![]));
}

#[test]
fn a_base_without_the_prefix_of_its_adapters_keeps_theirs() {
    let head = adapter(&[("layers.0.q", "model.layers.0.q")]);
    let bare = adapter(&[("layers.1.q", "layers.1.q")]);
    let expected = ["model.layers.0.q", "model.layers.1.q"].map(str::to_owned).to_vec();
    assert_eq!(names(&[head.clone(), head, bare]), (expected, vec![0, 1]));
}

#[test]
fn renamed_modules_keep_their_names_in_memory() {
    let base = |layer: usize| format!("vit.encoder.layer.{layer}.attention.attention.query");
    let zero = base(0);
    let one = base(1);
    let new = adapter(&[(&zero, "vit.layers.0.attention.q_proj")]);
    let bare = adapter(&[(&one, "layers.1.attention.q_proj")]);
    let old = adapter(&[(&one, &one)]);
    let expected = ["vit.layers.0.attention.q_proj", "vit.layers.1.attention.q_proj"].map(str::to_owned).to_vec();
    assert_eq!(names(&[new.clone(), new.clone(), bare]), (expected.clone(), vec![0, 1]));
    assert_eq!(names(&[new, old]), (expected, vec![0]));
}

#[test]
fn a_single_adapter_keeps_its_names() {
    let odd = adapter(&[("a.0.q", "b.1.q"), ("a.1.q", "c.0.q")]);
    assert_eq!(names(&[odd]), (["b.1.q", "c.0.q"].map(str::to_owned).to_vec(), vec![0]));
}

#[test]
fn adapters_of_two_sides_of_one_class_share_its_names() {
    let text = adapter(&[("model.layers.0.q", "model.language_model.layers.0.q")]);
    let image = adapter(&[("visual.blocks.0.qkv", "model.visual.blocks.0.qkv")]);
    let expected = ["model.language_model.layers.0.q", "model.visual.blocks.0.qkv"].map(str::to_owned).to_vec();
    assert_eq!(names(&[image, text]), (expected, vec![0, 1]));
}
