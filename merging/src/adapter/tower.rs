//! The sides of a model that has several: their modules bear the same names.

/// What a part of a model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tower {
    Text,
    Image,
    Audio,
}

/// Segments of names that stand for a tower.
const SEGMENTS: [(Tower, &[&str]); 3] = [
    (Tower::Text, &["text_model", "text_encoder", "text_tower", "language_model"]),
    (Tower::Image, &["vision_model", "vision_encoder", "vision_tower", "image_encoder", "visual", "vision"]),
    (Tower::Audio, &["audio_model", "audio_encoder", "audio_tower"]),
];

/// Words in names of classes that stand for a tower.
const WORDS: [(Tower, &str); 3] = [(Tower::Text, "Text"), (Tower::Image, "Vision"), (Tower::Audio, "Audio")];

impl Tower {
    /// The tower that a class such as `CLIPTextModel` is, if it is one alone. A class for a task
    /// (`AyaVisionForConditionalGeneration`) is a whole model.
    pub(super) fn of_class(class: &str) -> Option<Self> {
        let is_for_task = class.split("For").skip(1).any(|task| task.starts_with(|first: char| first.is_uppercase()));
        if is_for_task || class.contains("EncoderDecoder") {
            return None;
        }
        let mut towers = WORDS.iter().filter(|(_, word)| class.contains(word)).map(|(tower, _)| *tower);
        towers.next().filter(|_| towers.next().is_none())
    }

    /// The tower that a module lies in, by the first segment of its name that says so.
    pub(super) fn of_module(module: &str) -> Option<Self> {
        let tower =
            |segment: &str| SEGMENTS.iter().find(|(_, names)| names.contains(&segment)).map(|(tower, _)| *tower);
        module.split('.').find_map(tower)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text tower",
            Self::Image => "image tower",
            Self::Audio => "audio tower",
        }
    }

    pub(super) fn with_article(self) -> &'static str {
        match self {
            Self::Text => "a text tower",
            Self::Image => "an image tower",
            Self::Audio => "an audio tower",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tower;

    #[test]
    fn classes_and_modules_say_their_tower() {
        for class in ["CLIPTextModel", "CLIPTextModelWithProjection", "SiglipTextModel", "Qwen2VLTextModel"] {
            assert_eq!(Tower::of_class(class), Some(Tower::Text), "{class}");
        }
        for class in ["CLIPVisionModel", "CLIPVisionTransformer", "SiglipVisionModel", "CLIPVisionModelWithProjection"]
        {
            assert_eq!(Tower::of_class(class), Some(Tower::Image), "{class}");
        }
        let whole =
            ["AyaVisionForConditionalGeneration", "Qwen2AudioForConditionalGeneration", "VisionEncoderDecoderModel"];
        for class in [["CLIPModel", "VisionTextDualEncoderModel", "LlamaForCausalLM"], whole].concat() {
            assert_eq!(Tower::of_class(class), None, "{class}");
        }
        assert_eq!(Tower::of_module("model.language_model.layers.0.q_proj"), Some(Tower::Text));
        assert_eq!(Tower::of_module("vision_model.encoder.layers.0.q_proj"), Some(Tower::Image));
        assert_eq!(Tower::of_module("encoder.layers.0.q_proj"), None);
    }
}
