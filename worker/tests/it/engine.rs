//! The engine of tests over small models.

use inputs::Inputs;
use std::sync::Arc;
use worker::{Engine, EngineSettings};

/// An engine on two threads of the processor, which keeps nothing between jobs.
pub(crate) fn engine(inputs: &Arc<Inputs>) -> Engine {
    let settings = EngineSettings {
        device: Default::default(),
        threads: Some(2),
        image_bytes: 0,
        cache: None,
        memory_bytes: None,
    };
    Engine::new(settings, Arc::clone(inputs)).unwrap()
}
