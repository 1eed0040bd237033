use super::{AdapterConfig, REFUSED, WITHOUT_EFFECT};
use serde_json::{Value, json};

/// What a configuration says of the update and of the adapter, or why it is refused.
fn read(changes: &Value) -> Result<String, String> {
    let mut file = json!({"peft_type": "LORA", "target_modules": ["q_proj"], "r": 16});
    file.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), file.to_string()).unwrap();
    let config = AdapterConfig::read(folder.path()).map_err(|error| error.to_string())?;
    let scales = ["a.q_proj", "b.v_proj"].map(|module| config.scale(module, 16).unwrap());
    let named = (&config.base_model_name_or_path, &config.task_type);
    Ok(format!("{scales:?} {:?} {named:?} {}", config.plain_targets(), config.fan_in_fan_out))
}

#[test]
fn keys_that_are_followed_change_what_is_read() {
    let plain = read(&json!({})).unwrap();
    for changes in [
        json!({"lora_alpha": 16}),
        json!({"lora_alpha": 12.5}),
        json!({"lora_alpha": 1e5}),
        json!({"use_rslora": true}),
        json!({"alpha_pattern": {"q_proj": 32}}),
        json!({"fan_in_fan_out": true}),
        json!({"base_model_name_or_path": "x"}),
        json!({"task_type": "SEQ_CLS"}),
        json!({"target_modules": ["v_proj"]}),
    ] {
        let read = read(&changes);
        assert!(read.as_ref().is_ok_and(|read| *read != plain), "{changes}: {read:?}");
    }
}

#[test]
fn unset_flags_are_false_and_initialisations_have_no_case() {
    let plain = read(&json!({}));
    for changes in [
        json!({"use_rslora": null}),
        json!({"fan_in_fan_out": null}),
        json!({"r": null}),
        json!({"rank_pattern": null}),
        json!({"init_lora_weights": "Gaussian"}),
        json!({"init_lora_weights": "EVA"}),
    ] {
        assert_eq!(read(&changes), plain, "{changes}");
    }
    let refused = |alpha: Value| read(&json!({"lora_alpha": alpha})).unwrap_err();
    assert!(refused(json!(null)).ends_with("expected a number, found null"));
    assert!(refused(json!("16")).ends_with("expected a number, found a string"));
}

#[test]
fn keys_that_are_refused_are_named() {
    let own = [
        ("peft_type", json!("LOHA")),
        ("bias", json!("all")),
        ("init_lora_weights", json!("pissa")),
        ("modules_to_save", json!(["embed_tokens"])),
        ("nobody_knows", json!(1)),
    ];
    let known = REFUSED.map(|(key, _)| (key, json!({"a": 1})));
    for (key, value) in own.into_iter().chain(known) {
        let refused = read(&json!({ key: value })).unwrap_err();
        assert!(refused.contains(&format!("`{key}`")), "{key}: {refused}");
    }
    for (key, _) in REFUSED {
        for nothing in [json!(null), json!(false), json!([]), json!({}), json!("")] {
            assert_eq!(read(&json!({ key: nothing })), read(&json!({})), "{key}");
        }
    }
}

#[test]
fn keys_without_effect_have_a_reason_and_change_nothing() {
    // With these, the list of target modules no longer says which modules were adapted, so it is not handed on.
    let narrow = ["exclude_modules", "layers_to_transform", "layers_pattern"];
    let without_targets = |text: String| text.replace(r#"Some(["q_proj"])"#, "None");
    for (key, reason) in WITHOUT_EFFECT {
        assert!(!reason.is_empty());
        for value in [json!("other"), json!(7), json!(true), json!({"a": 1}), json!(null)] {
            let says = narrow.contains(&key) && !value.is_null();
            let plain = read(&json!({})).map(|text| if says { without_targets(text) } else { text });
            assert_eq!(read(&json!({ key: value })), plain, "{key}");
        }
    }
}
