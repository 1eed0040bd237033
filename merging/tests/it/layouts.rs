//! Adapters with `fan_in_fan_out: true`: the layers decide what that means.

use crate::{
    reading::{Place, Tensor, config, tensor},
    steps::recipe,
};
use merging::{Adapter, Aligned, Card, LoraModule, write_adapter};
use serde_json::{Value, json};

/// The layers of a GPT-2 with a linear output layer.
const GPT2: [(&str, [usize; 2]); 3] = [("h.0.c_attn", [4, 12]), ("h.0.c_proj", [4, 4]), ("lm_head", [7, 4])];

fn flagged() -> Value {
    let mut config = config();
    config["fan_in_fan_out"] = json!(true);
    config
}

fn factors(module: &str, [out, into]: [usize; 2]) -> Vec<Tensor> {
    vec![tensor(&format!("{module}.lora_A.weight"), 2, into, 1), tensor(&format!("{module}.lora_B.weight"), out, 2, 2)]
}

fn read(place: &Place, config: Value, tensors: &[Tensor]) -> Adapter {
    place.put(config, tensors);
    place.read_whole().unwrap()
}

fn is_transposed(module: &LoraModule, [a, b]: [&Tensor; 2]) -> bool {
    let lora_a = module.lora_a.clone();
    let lora_b = module.lora_b.clone();
    let transposed = (lora_b.transposed().into_data(), lora_a.transposed().into_data()) == (a.2.clone(), b.2.clone());
    let straight = (lora_a.into_data(), lora_b.into_data()) == (a.2.clone(), b.2.clone());
    assert!(transposed != straight, "{}", module.source);
    transposed
}

#[test]
fn linear_layers_ignore_the_flag() {
    let layers = [("vision_model.q", [4, 4]), ("vision_model.fc1", [8, 4])];
    let tensors = [factors("vision_model.q", [4, 4]), factors("vision_model.fc1", [8, 4])].concat();
    for layers in [&layers[..], &layers[..1]] {
        let place = Place::with_base(layers, json!({"model_type": "clip"}));
        let tensors = &tensors[..2 * layers.len()];
        let with = read(&place, flagged(), tensors);
        assert_eq!(with.modules, read(&place, config(), tensors).modules);
        assert!(with.fan_in_fan_out.is_empty());
        assert!(with.origin().ignores_fan_in_fan_out);
        assert!(!read(&place, config(), tensors).origin().ignores_fan_in_fan_out);
    }
}

#[test]
fn square_weights_follow_the_base_or_the_other_modules() {
    let square = factors("h.0.c_proj", [4, 4]);
    let both = [square.clone(), factors("h.0.c_attn", [12, 4])].concat();
    for (kind, tensors, expected) in
        [("gpt2", &square, true), ("other", &both, true), ("other", &square, false), ("gpt_bigcode", &square, false)]
    {
        let place = Place::with_base(&GPT2, json!({"model_type": kind}));
        let adapter = read(&place, flagged(), tensors);
        let found = is_transposed(&adapter.modules["h.0.c_proj"], [&square[0], &square[1]]);
        assert_eq!(found, expected, "{kind} {}", tensors.len());
    }
}

#[test]
fn a_mixed_adapter_is_read_and_written_layer_by_layer() {
    let place = Place::with_base(&GPT2, json!({"model_type": "gpt2"}));
    let shapes = [("h.0.c_attn", [12, 4]), ("h.0.c_proj", [4, 4]), ("lm_head", [7, 4])];
    let tensors = shapes.map(|(module, shape)| factors(module, shape)).concat();
    let adapter = read(&place, flagged(), &tensors);
    let transposed: Vec<&str> = adapter.fan_in_fan_out.iter().map(String::as_str).collect();
    assert_eq!(transposed, ["h.0.c_attn", "h.0.c_proj"]);
    assert!(!is_transposed(&adapter.modules["lm_head"], [&tensors[4], &tensors[5]]));
    let recipe = recipe(json!({"preset": "task_arithmetic"}));
    let tasks = [adapter];
    let update = Aligned::new(&tasks, recipe.space).unwrap().merge(&recipe).unwrap();
    let target = place.folder.path().join("merged");
    write_adapter(&update, &Card::default(), &target).unwrap();
    let again = Adapter::read("again", &target, &place.base()).unwrap();
    assert_eq!(again.fan_in_fan_out, tasks[0].fan_in_fan_out);
    for (name, module) in &again.modules {
        let [found, expected] = [module, &tasks[0].modules[name]]
            .map(|module| module.lora_b.to_f64() * module.lora_a.to_f64() * faer::Scale(module.scale));
        assert!((found - expected).norm_l2() < 1e-5, "{name}");
    }
}
