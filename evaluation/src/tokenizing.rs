//! Tokenizers whose texts cannot grow out of bounds.
//!
//! `tokenizer.json` is a small program: its normalizer rewrites texts, its post-processor repeats them. The library
//! runs it without limits, so what it may make of a text is computed first.

mod growth;

use crate::limits::{Ceiling, LimitExceeded, NORMALISED_BYTES, NORMALISING_BYTES};
use growth::{Growth, Step, copies, of_added_tokens, of_normaliser, of_pre_tokeniser};
use serde::Deserialize;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokenizers::{Encoding, NormalizedString, Normalizer, NormalizerWrapper, Tokenizer};

/// What a normaliser may make of one byte: those of the largest known tokenizers come to about a thousand.
const MOST_GROWTH: Ceiling = Ceiling {
    limit: 1 << 16,
    unit: "bytes of one byte of text",
    what: "its `normalizer` may make a text too long",
    remedy: "take out of it what rewrites the same characters again and again",
};

/// What pre-tokenisers may make of one byte.
const MOST_SPLIT_GROWTH: Ceiling = Ceiling {
    limit: 8,
    unit: "bytes of one byte of text",
    what: "its `pre_tokenizer` may make a text too long",
    remedy: "one `ByteLevel` or `Metaspace` is enough",
};

/// How often a post-processor may repeat a text.
const MOST_COPIES: Ceiling = Ceiling {
    limit: 4,
    unit: "times",
    what: "its `post_processor` repeats a text too often",
    remedy: "a template needs each text once",
};

/// Bytes that tokens which are looked for in normalised texts may grow to.
const MOST_ADDED: Ceiling = Ceiling {
    limit: NORMALISING_BYTES,
    unit: "bytes",
    what: "its `normalizer` may make `added_tokens` too long",
    remedy: "set `normalized` of these tokens to `false`",
};

/// What a step of a normaliser may make of a text.
const STEP: Ceiling = Ceiling {
    limit: NORMALISING_BYTES,
    unit: "bytes",
    what: "the `normalizer` of the tokenizer may make the text too long",
    remedy: "cut the text, or take what makes texts longer out of the `normalizer`",
};

/// What a normaliser has made of a text.
const RESULT: Ceiling = Ceiling { limit: NORMALISED_BYTES, ..STEP };

/// The parts of a `tokenizer.json` that make texts longer, or draw tokens at random.
#[derive(Deserialize)]
struct Outline {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    added_tokens: Value,
    #[serde(default)]
    model: OutlinedModel,
}

/// The keys of a model that make the library draw tokens at random, as for training.
#[derive(Deserialize, Default)]
struct OutlinedModel {
    dropout: Option<f64>,
    alpha: Option<f64>,
}

impl OutlinedModel {
    /// # Errors
    /// The same text would have other tokens each time.
    fn check(&self) -> Result<(), String> {
        for (key, value) in [("dropout", self.dropout), ("alpha", self.alpha)] {
            if let Some(value) = value.filter(|value| *value != 0.0) {
                return Err(format!(
                    "its `model.{key}` is {value}, by which tokens are drawn at random; a text would have other tokens each time: set it to `null`"
                ));
            }
        }
        Ok(())
    }
}

/// A tokenizer of a `tokenizer.json`, without padding and truncation of its own.
pub(crate) struct BoundedTokenizer {
    inner: Tokenizer,
    growth: Growth,
}

impl BoundedTokenizer {
    /// Reads the content of a `tokenizer.json`.
    ///
    /// # Errors
    /// It is no tokenizer, may make texts longer than can be held, or draws tokens at random.
    pub(crate) fn from_bytes(bytes: &[u8]) -> tokenizers::Result<Self> {
        let outline: Outline = serde_json::from_slice(bytes)?;
        outline.model.check()?;
        let growth = of_normaliser(&outline.normalizer);
        MOST_GROWTH.check(growth.of(1))?;
        MOST_SPLIT_GROWTH.check(of_pre_tokeniser(&outline.pre_tokenizer))?;
        MOST_COPIES.check(copies(&outline.post_processor))?;
        // The library normalises them as soon as it reads them.
        MOST_ADDED.check(of_added_tokens(&outline.added_tokens, growth))?;
        let mut inner = guarded(|| Tokenizer::from_bytes(bytes))?;
        inner.with_padding(None);
        inner.with_truncation(None)?;
        Ok(Self { inner, growth })
    }

    /// The tokenizer, for what takes no text.
    pub(crate) fn inner(&self) -> &Tokenizer {
        &self.inner
    }

    /// Checks that normalising a text does not make it longer than can be held, by trying it where that is in doubt.
    ///
    /// # Errors
    /// It does.
    pub(crate) fn check(&self, text: &str) -> tokenizers::Result<()> {
        if self.growth.of(text.len() as u64) <= NORMALISED_BYTES {
            return Ok(());
        }
        let mut text = NormalizedString::from(text);
        let mut steps = Vec::new();
        flatten(self.inner.get_normalizer(), &mut steps);
        for step in steps {
            STEP.check(Step::of(&serde_json::to_value(step)?).grown(text.get()))?;
            step.normalize(&mut text)?;
        }
        Ok(RESULT.check(text.get().len() as u64)?)
    }

    /// The tokens of a text or pair.
    ///
    /// # Errors
    /// The tokenizer refuses it, or would make it too long.
    pub(crate) fn encode(
        &self,
        first: &str,
        second: Option<&str>,
        with_special_tokens: bool,
    ) -> tokenizers::Result<Encoding> {
        self.check(first)?;
        second.map_or(Ok(()), |second| self.check(second))?;
        guarded(|| match second {
            Some(second) => self.inner.encode_fast((first, second), with_special_tokens),
            None => self.inner.encode_fast(first, with_special_tokens),
        })
    }
}

/// Whether an error of a tokenizer is about the size of a text.
pub(crate) fn exceeded<'a>(error: &'a (dyn std::error::Error + Send + Sync + 'static)) -> Option<&'a LimitExceeded> {
    error.downcast_ref()
}

fn flatten<'a>(normalizer: Option<&'a NormalizerWrapper>, steps: &mut Vec<&'a NormalizerWrapper>) {
    match normalizer {
        Some(NormalizerWrapper::Sequence(all)) => all.as_ref().iter().for_each(|one| flatten(Some(one), steps)),
        Some(one) => steps.push(one),
        None => {}
    }
}

/// The library panics at some damaged files and not at others.
fn guarded<T>(run: impl FnOnce() -> tokenizers::Result<T>) -> tokenizers::Result<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("the tokenizer is damaged".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tokenizer(parts: &Value) -> tokenizers::Result<BoundedTokenizer> {
        let mut file = json!({
            "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
            "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
        });
        file.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        BoundedTokenizer::from_bytes(file.to_string().as_bytes())
    }

    fn refused(parts: &Value) -> String {
        tokenizer(parts).map(|_| ()).unwrap_err().to_string()
    }

    fn replace(times: usize, content: &str) -> Value {
        let step = json!({"type": "Replace", "pattern": {"String": "a"}, "content": content});
        json!({"type": "Sequence", "normalizers": vec![step; times]})
    }

    #[test]
    fn a_normaliser_that_makes_billions_of_bytes_of_one_is_refused_before_it_runs() {
        let error = refused(&json!({"normalizer": replace(7, &"a".repeat(32))}));
        let wanted = "its `normalizer` may make a text too long: 34359738368 bytes of one byte of text, and at most 65536 are read";
        assert!(error.starts_with(wanted), "{error}");
        let nested =
            json!({"type": "Sequence", "normalizers": [replace(4, &"a".repeat(32)), replace(3, &"a".repeat(32))]});
        assert!(refused(&json!({"normalizer": nested})).starts_with(wanted));
        let by_regex = json!({"type": "Replace", "pattern": {"Regex": ""}, "content": "a".repeat(70_000)});
        assert!(refused(&json!({"normalizer": by_regex})).contains("140001 bytes of one byte"));
    }

    #[test]
    fn a_model_that_draws_tokens_at_random_is_refused() {
        let model =
            |dropout: Value| json!({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": dropout}});
        assert!(
            refused(&model(json!(0.5))).starts_with("its `model.dropout` is 0.5, by which tokens are drawn at random")
        );
        let unigram = json!({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.0]], "alpha": 0.1}});
        assert!(refused(&unigram).starts_with("its `model.alpha` is 0.1"));
        tokenizer(&model(Value::Null)).unwrap();
        tokenizer(&model(json!(0.0))).unwrap();
    }

    #[test]
    fn a_text_that_grows_too_long_is_refused_and_one_that_could_and_does_not_is_taken() {
        let tokenizer = tokenizer(&json!({"normalizer": replace(3, &"a".repeat(32))})).unwrap();
        assert_eq!(tokenizer.encode("ab", None, true).unwrap().len(), 32_769);
        let error = tokenizer.encode(&"a".repeat(5000), None, true).unwrap_err();
        assert!(exceeded(&*error).is_some(), "{error}");
        assert_eq!(tokenizer.encode(&"b".repeat(5000), None, true).unwrap().len(), 5000);
    }

    #[test]
    fn other_parts_that_multiply_a_text_are_refused() {
        let levels = vec![json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}); 30];
        let split = refused(&json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": levels}}));
        assert!(split.starts_with("its `pre_tokenizer` may make a text too long: 1073741824 bytes"), "{split}");
        let text = json!({"Sequence": {"id": "A", "type_id": 0}});
        let template =
            json!({"type": "TemplateProcessing", "single": vec![text.clone(); 5], "pair": [], "special_tokens": {}});
        let repeated = refused(&json!({"post_processor": template}));
        assert!(repeated.starts_with("its `post_processor` repeats a text too often: 5 times"), "{repeated}");
        let added = json!([{"id": 2, "content": "a".repeat(1000), "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": true, "special": false}]);
        let added = refused(&json!({"normalizer": replace(3, &"a".repeat(32)), "added_tokens": added}));
        assert!(added.starts_with("its `normalizer` may make `added_tokens` too long: 32768000 bytes"), "{added}");
    }

    #[test]
    fn a_damaged_map_of_characters_is_an_error_and_no_panic() {
        let error = refused(&json!({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "A"}}));
        assert!(!error.is_empty());
    }
}
