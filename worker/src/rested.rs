use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{fmt, sync::Arc};

/// What a leg of a training has come to when it rests. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct RestedState(Arc<str>);

impl RestedState {
    /// Keeps the bytes of a state.
    pub fn of(bytes: &[u8]) -> Self {
        Self(STANDARD.encode(bytes).into())
    }

    /// The text that the store keeps: checkpoints of jobs are texts.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The bytes in such a text; `None` if it is another one.
    pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
        STANDARD.decode(text).ok()
    }
}

impl fmt::Debug for RestedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestedState").field("characters", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_from_its_text_and_is_not_shown_in_messages() {
        let state = RestedState::of(&[0, 255, 7]);
        assert_eq!(RestedState::bytes(state.text()).as_deref(), Some(&[0, 255, 7][..]));
        assert_eq!(RestedState::bytes("{\"steps\": 3}"), None);
        assert_eq!(format!("{state:?}"), "RestedState { characters: 4 }");
    }
}
