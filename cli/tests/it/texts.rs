use crate::bowline::Place;
use std::{fs, path::Path};

fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nli6").canonicalize().unwrap();
    root.join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_sweep_over_texts_goes_from_the_file_to_the_adapter() {
    let place = Place::new();
    let sweep = example("task-arithmetic.yaml");
    let plan = place.run(&["plan", &sweep]).succeeds().stdout.clone();
    assert!(plan.contains("memory on the processor: ") && plan.contains("memory on a GPU: "), "{plan}");

    let ran = place.run(&["run", &sweep, "-o", "parameters={scaling: {values: [0.2]}}"]).succeeds().stdout.clone();
    assert!(ran.contains("few examples, and the points that they leave open: rte 138 (± 7."), "{ran}");
    let best = place.path("bowline-results/sweeps/nli6-task-arithmetic/best");
    let config = fs::read_to_string(best.join("adapter_config.json")).unwrap();
    assert!(config.contains(r#""task_type": "SEQ_CLS""#), "{config}");
    let json = place.run(&["analyze", "--json"]).json();
    let rows = json[0]["rows"].as_array().unwrap();
    let scitail = |row: usize| rows[row]["splits"]["test"]["tasks"][5]["correct"].as_u64();
    // What the reference finds: 385 of 700 with the base, 531 with the task's own adapter.
    assert_eq!((scitail(0), scitail(1)), (Some(385), Some(531)));
}

#[test]
fn a_sweep_over_texts_says_what_is_wrong_with_it() {
    let sweep = example("task-arithmetic.yaml");
    // Each in a store of its own: another sweep of the same name is refused.
    let run = |overrides: &[&str]| {
        let place = Place::new();
        let given = overrides.iter().flat_map(|text| ["-o", text]);
        place.run(&["run", &sweep].into_iter().chain(given).collect::<Vec<_>>())
    };
    run(&["tasks.rte.data.text_columns=[text1, text3]"]).fails(65, &["`text3`", "text2", "label_text"]);
    run(&["tasks.scitail.data.labels={entails: 0}"]).fails(65, &["neutral"]);
    run(&["tasks.rte.data.mask_classes=[0]"]).fails(65, &["which `mask_classes` masks"]);
    run(&["base=../mini8/base"]).fails(65, &["the base `", "is a CLIP model", "the data of `snli` are texts"]);
}

/// A copy of the example's base with a changed configuration.
fn base_with(place: &Place, from: &str, to: &str) -> String {
    let folder = place.path("base");
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(example("base")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let config = fs::read_to_string(folder.join("config.json")).unwrap();
    assert!(config.contains(from));
    fs::write(folder.join("config.json"), config.replace(from, to)).unwrap();
    format!("base={}", folder.display())
}

/// Without a window a Mistral computes what a Llama of the same weights does.
#[test]
fn a_base_of_another_family_goes_the_whole_way() {
    let place = Place::new();
    let base = base_with(&place, r#""model_type": "llama""#, r#""model_type": "mistral", "sliding_window": null"#);
    let folder = place.path("base").to_str().unwrap().to_owned();
    let doctor = place.run(&["doctor", "--base", &folder]).succeeds().stdout.clone();
    assert!(doctor.contains("Mistral, 6 layers of width 128"), "{doctor}");
    let given = ["-o", &base, "-o", "parameters={scaling: {values: [0.2]}}"];
    place.run(&[&["run", &example("task-arithmetic.yaml")][..], &given].concat()).succeeds();
    let json = place.run(&["analyze", "--json"]).json();
    let rows = json[0]["rows"].as_array().unwrap();
    let scitail = |row: usize| rows[row]["splits"]["test"]["tasks"][5]["correct"].as_u64();
    assert_eq!((scitail(0), scitail(1)), (Some(385), Some(531)));
    assert!(place.path("bowline-results/sweeps/nli6-task-arithmetic/best/adapter_model.safetensors").is_file());
}

#[test]
fn what_jobs_would_fail_on_is_told_before_any_is_computed() {
    let sweep = example("task-arithmetic.yaml");
    let place = Place::new();
    let refused = |change: &str, words: &[&str]| {
        place.run(&["plan", &sweep, "-o", change]).fails(65, words);
        place.run(&["run", &sweep, "-o", change]).fails(65, words);
        assert!(!place.path("bowline-results").exists(), "{change}: nothing is made before all is checked");
    };
    let with = |from: &str, to: &str| base_with(&place, from, to);
    let width = with(r#""intermediate_size": 256"#, r#""intermediate_size": 320"#);
    refused(
        &width,
        &["cannot use the model", "mlp.gate_proj.weight`", "[256, 128], and `config.json` expects [320, 128]"],
    );
    let unchanged = with("silu", "silu");
    fs::write(place.path("base/tokenizer.json"), "{}").unwrap();
    refused(&unchanged, &["cannot use the base's tokenizer", "tokenizer.json` cannot be used"]);

    refused("tasks.rte.head=base/config.json", &["cannot use the head of `rte`", "config.json` is not a readable"]);
    let mask = "tasks.rte.data.mask_classes=[1, 7]";
    refused(mask, &["cannot use the head of `rte`, which is the adapter `", "3 classes", "`mask_classes`", "class 7"]);
    refused("tasks.rte.data.labels={0: 0, 1: 3}", &["cannot use the head of `rte`", "`labels`", "class 3"]);
    let head = "tasks.rte.head=../mini8/heads/mnist.safetensors";
    place.run(&["plan", &sweep, "-o", head]).succeeds();
    let narrow = vec![("score.weight".to_owned(), vec![3, 64])];
    write_tensors(&place.path("narrow.safetensors"), &narrow, Some(&[0x80, 0x3c]));
    let narrow = format!("tasks.rte.head={}", place.path("narrow.safetensors").display());
    refused(&narrow, &["narrow.safetensors`", "64 numbers, and the base's features 128 (`hidden_size`"]);
    refused("tasks.rte.data.max_length=2", &["cannot use the texts of `rte`", "no room"]);
}

#[test]
fn a_plan_notes_what_the_base_does_not_take() {
    let place = Place::new();
    let sweep = example("task-arithmetic.yaml");
    let plan = |change: &str| place.run(&["plan", &sweep, "-o", change]).succeeds().stdout.clone();
    let few = plan(&base_with(&place, r#""vocab_size": 1024"#, r#""vocab_size": 1024"#));
    assert!(few.contains("the base takes 512 tokens") && few.contains("`snli`, `mnli`"), "{few}");
    let enough = base_with(&place, r#""max_position_embeddings": 512"#, r#""max_position_embeddings": 2048"#);
    assert!(!plan(&enough).contains("note:"));
}

/// The tensors of a model or an adapter, by name, with their shapes; two bytes a number.
type Tensors = Vec<(String, Vec<u64>)>;

/// Llama-3-8B's own tensors, part by part as its four files hold them.
fn llama_3_8b() -> Vec<Tensors> {
    let layer = |i: u64| {
        let name = |part: &str| format!("model.layers.{i}.{part}.weight");
        vec![
            (name("input_layernorm"), vec![4096]),
            (name("self_attn.q_proj"), vec![4096, 4096]),
            (name("self_attn.k_proj"), vec![1024, 4096]),
            (name("self_attn.v_proj"), vec![1024, 4096]),
            (name("self_attn.o_proj"), vec![4096, 4096]),
            (name("post_attention_layernorm"), vec![4096]),
            (name("mlp.gate_proj"), vec![14336, 4096]),
            (name("mlp.up_proj"), vec![14336, 4096]),
            (name("mlp.down_proj"), vec![4096, 14336]),
        ]
    };
    let layers = |range: std::ops::Range<u64>| range.flat_map(layer);
    let embedding = ("model.embed_tokens.weight".to_owned(), vec![128_256, 4096]);
    let norm = ("model.norm.weight".to_owned(), vec![4096]);
    let head = ("lm_head.weight".to_owned(), vec![128_256, 4096]);
    vec![
        [embedding].into_iter().chain(layers(0..9)).collect(),
        layers(9..20).collect(),
        layers(20..31).collect(),
        layers(31..32).chain([norm, head]).collect(),
    ]
}

/// Writes a safetensors file whose header is whole and whose data, without `fill`, is a hole that takes no room on the
/// disk.
fn write_tensors(path: &Path, tensors: &Tensors, fill: Option<&[u8; 2]>) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in tensors {
        let bytes = 2 * shape.iter().product::<u64>();
        let offsets = [end, end + bytes];
        header.insert(name.clone(), serde_json::json!({"dtype": "BF16", "shape": shape, "data_offsets": offsets}));
        end += bytes;
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut content = (header.len() as u64).to_le_bytes().to_vec();
    content.extend(header);
    let length = content.len() as u64 + end;
    if let Some(fill) = fill {
        content.extend(fill.repeat(usize::try_from(end / 2).unwrap()));
    }
    fs::write(path, content).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn write_llama_3_8b(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_act": "silu",
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128_256, "max_position_embeddings": 8192, "rope_theta": 500_000.0,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "pad_token_id": 128_001, "bos_token_id": 128_000,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::copy(example("base/tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    let mut map = serde_json::Map::new();
    for (i, tensors) in llama_3_8b().iter().enumerate() {
        let name = format!("model-{:05}-of-00004.safetensors", i + 1);
        write_tensors(&folder.join(&name), tensors, None);
        map.extend(tensors.iter().map(|(tensor, _)| (tensor.clone(), name.clone().into())));
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": map});
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

fn write_adapter(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let modules = ["q_proj", "k_proj", "v_proj", "o_proj"];
    let config = serde_json::json!({"peft_type": "LORA", "r": 16, "lora_alpha": 16, "target_modules": modules});
    fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
    let factors = |i: u64, module: &str| {
        let name = |part: &str| format!("base_model.model.model.layers.{i}.self_attn.{module}.{part}.weight");
        let rows = if ["q_proj", "o_proj"].contains(&module) { 4096 } else { 1024 };
        [(name("lora_A"), vec![16, 4096]), (name("lora_B"), vec![rows, 16])]
    };
    let tensors = (0..32).flat_map(|i| modules.into_iter().flat_map(move |module| factors(i, module))).collect();
    // Some number that is not zero: an update of nothing is an error.
    write_tensors(&folder.join("adapter_model.safetensors"), &tensors, Some(&[0x80, 0x3c]));
}

#[test]
#[ignore = "hashes 15 GiB; `scripts/check-goldens` runs it"]
fn the_headers_of_a_whole_llama_3_8b_are_enough_to_plan_a_sweep() {
    let place = Place::new();
    write_llama_3_8b(&place.path("base"));
    let tasks = ["snli", "mnli", "sick", "qnli", "rte", "scitail"];
    let mut sweep = "name: llama\nbase: base\ntasks:\n".to_owned();
    for task in tasks {
        write_adapter(&place.path("adapters").join(task));
        let head = vec![("score.weight".to_owned(), vec![3, 4096])];
        fs::create_dir_all(place.path("heads")).unwrap();
        write_tensors(&place.path("heads").join(format!("{task}.safetensors")), &head, Some(&[0x80, 0x3c]));
        let data = example(&format!("data/{task}"));
        sweep += &format!(
            "  - {{name: {task}, adapter: adapters/{task}, head: heads/{task}.safetensors, \
             data: {{source: {data}, convention: {task}}}}}\n"
        );
    }
    sweep += "evaluation: {select: validation, report: test, precision: bf16}\nmethod: grid\n\
        recipe: {preset: knots_ties, density: 0.4}\nparameters: {scaling: {values: [0.5, 1.0]}}\n";
    place.write("llama.yaml", sweep);
    let plan = place.run(&["plan", "llama.yaml", "--json"]).succeeds().json();
    let matrices: Vec<_> = plan["matrices"].as_array().unwrap().iter().map(|pair| pair[1].as_u64()).collect();
    assert_eq!(matrices, [Some(128); 6]);
    // Two bytes for each of its 7,504,924,672 numbers without the head over words, which a classifier does not have.
    let base = plan["memory"]["processor"]["base_bytes"].as_u64().unwrap();
    assert!((15_009_849_344..15_200_000_000).contains(&base), "{base}");
    println!("Llama-3-8B from its headers: {}", plan["memory"]);

    // A shape that is not the model's is found as well, and named.
    let mut wrong = llama_3_8b().remove(3);
    wrong[1].1 = vec![4096, 2048];
    write_tensors(&place.path("base/model-00004-of-00004.safetensors"), &wrong, None);
    place.run(&["plan", "llama.yaml"]).fails(65, &["layers.31.self_attn.q_proj", "4096", "2048"]);
}
