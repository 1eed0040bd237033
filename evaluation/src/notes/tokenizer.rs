//! Settings beside `tokenizer.json` that other programs follow and this one does not.

mod answers;
#[cfg(test)]
mod keys;
mod surroundings;
#[cfg(test)]
mod tests;

use crate::{
    limits::{TOKENIZER_BYTES, read_small},
    settings::Object,
};
use serde_json::Value;
use std::path::Path;
use surroundings::Surroundings;

/// Notes on flags of `tokenizer_config.json` that `tokenizer.json` does not follow, and on what a model that
/// `lacks_padding` makes of its tokens. Files that cannot be read give no notes here; where they are needed, they are
/// refused.
pub(crate) fn notes(folder: &Path, lacks_padding: bool) -> Vec<String> {
    let read = |name: &str| object(&folder.join(name)).unwrap_or_default();
    let flags = Flags { config: read("tokenizer_config.json"), map: read("special_tokens_map.json") };
    let text = read_small(&folder.join("tokenizer.json"), TOKENIZER_BYTES).unwrap_or_default();
    let Some(around) = Surroundings::of(&text) else { return Vec::new() };
    let mut notes: Vec<String> = flags.of_ends(&around).into_iter().collect();
    notes.extend(flags.others(&serde_json::from_slice(&text).unwrap_or_default()));
    notes.extend(around.after.last().filter(|_| lacks_padding).map(|end| padding_note(end)));
    notes
}

/// The note on texts that end with a token with which a model that names no padding token may have been padded.
fn padding_note(end: &str) -> String {
    format!(
        "`config.json` names no padding token (`pad_token_id`), and `tokenizer.json` ends every text with `{end}`: the state of \
         that token is read; if heads were trained with it as the padding token, `pad_token_id` has to say so"
    )
}

fn object(path: &Path) -> Option<Object> {
    serde_json::from_slice(&read_small(path, TOKENIZER_BYTES).ok()?).ok()
}

/// What the files beside `tokenizer.json` say.
struct Flags {
    config: Object,
    map: Object,
}

impl Flags {
    /// The note on tokens at the ends of texts.
    fn of_ends(&self, around: &Surroundings) -> Option<String> {
        let bos = self.flag("add_bos_token", true)?;
        let eos = self.flag("add_eos_token", false)?;
        let token = |key: &str, there: &[String]| self.token(key).or_else(|| there.first().cloned());
        let begin = token("bos_token", &around.before);
        let end = token("eos_token", &around.after);
        // A token without a name does not exist.
        let wanted = |is_there: bool, token: &Option<String>| is_there.then(|| token.clone().unwrap_or_default());
        let wanted = [wanted(bos, &begin), wanted(eos, &end)];
        if around.are(&wanted) {
            return None;
        }
        let said = |key: &str, is: bool| match self.config.get(key) {
            Some(_) => format!("`{key}: {is}`"),
            None => format!("`{key}: {is}`, the default,"),
        };
        let bos = said("add_bos_token", bos);
        let eos = said("add_eos_token", eos);
        Some(format!(
            "`tokenizer_config.json` has {bos} and {eos} while the post-processor of `tokenizer.json` {}: it alone counts, as in \
             transformers 5; transformers 4 follows the flags with Llama's tokenizers",
            around.in_words()
        ))
    }

    /// A flag of Llama's tokenizers: as it is given, or its default where the file names such a tokenizer or gives the
    /// other flag; `None` where nothing is said of either.
    fn flag(&self, key: &str, default: bool) -> Option<bool> {
        let class = self.config.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
        let is_said =
            ["add_bos_token", "add_eos_token"].iter().any(|key| self.config.get(*key).is_some_and(Value::is_boolean));
        let is_llama = class.starts_with("LlamaTokenizer") || class.starts_with("CodeLlamaTokenizer");
        let given = self.config.get(key).and_then(Value::as_bool);
        given.or_else(|| (is_said || is_llama).then_some(default))
    }

    /// The special token of that name: a text, or an object with its content.
    fn token(&self, key: &str) -> Option<String> {
        let given =
            [&self.config, &self.map].into_iter().find_map(|file| file.get(key).filter(|value| !value.is_null()))?;
        given.as_str().or_else(|| given.get("content")?.as_str()).map(str::to_owned)
    }

    /// Notes on the other flags that may change tokens.
    fn others(&self, tokenizer: &Value) -> Vec<String> {
        let notes = [
            self.of_space(answers::prefix_space(tokenizer)),
            self.of_case(answers::lowercase(tokenizer)),
            self.of_special_tokens(),
            self.of_cuts(),
            self.of_added_tokens(tokenizer),
        ];
        notes.into_iter().flatten().collect()
    }

    fn of_space(&self, there: Option<bool>) -> Option<String> {
        let given = self.switch("add_prefix_space")?;
        let there = there?;
        (given != there).then(|| {
            format!(
                "`tokenizer_config.json` has `add_prefix_space: {given}`, and the pre-tokenizer of `tokenizer.json` has \
                 `{there}`: `tokenizer.json` alone counts; transformers follows the flag"
            )
        })
    }

    fn of_case(&self, there: Option<bool>) -> Option<String> {
        let given = self.switch("do_lower_case")?;
        let there = there?;
        (given != there).then(|| {
            format!(
                "`tokenizer_config.json` has `do_lower_case: {given}`, and the normalizer of `tokenizer.json` has `{there}`: \
                 `tokenizer.json` alone counts; transformers follows the flag with some tokenizers"
            )
        })
    }

    fn of_special_tokens(&self) -> Option<String> {
        let note = "`tokenizer_config.json` has `split_special_tokens: true`: here a special token that is written out in a \
                    text is one token; transformers splits it";
        self.switch("split_special_tokens")?.then(|| note.to_owned())
    }

    fn of_cuts(&self) -> Option<String> {
        let is_left = self.config.get("truncation_side")?.as_str()? == "left";
        let note =
            "`tokenizer_config.json` has `truncation_side: left`: the `max_length` of a task cuts texts from the right";
        is_left.then(|| note.to_owned())
    }

    fn of_added_tokens(&self, tokenizer: &Value) -> Option<String> {
        let missing = answers::missing_tokens(self.config.get("added_tokens_decoder")?, tokenizer);
        let list: Vec<String> = missing.iter().map(|token| format!("`{token}`")).collect();
        (!list.is_empty()).then(|| {
            format!(
                "`tokenizer_config.json` adds tokens (`added_tokens_decoder`) that `tokenizer.json` does not have: {}; \
                 `tokenizer.json` alone counts, and a text with one of them is read as plain text",
                list.join(", ")
            )
        })
    }

    fn switch(&self, key: &str) -> Option<bool> {
        self.config.get(key)?.as_bool()
    }
}
