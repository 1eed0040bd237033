//! Which coefficient scales which direction.

use crate::AdaptedModule;
use jobs::{CoefficientScope, layer_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One learned coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coefficient {
    /// The task, by its place among the tasks.
    pub task: usize,
    /// What of the task's update it multiplies.
    pub place: CoefficientPlace,
    /// Its value.
    pub value: f64,
}

/// What of a task's update a coefficient multiplies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CoefficientPlace {
    /// All of it.
    Task,
    /// The modules of a layer.
    Layer(usize),
    /// A module.
    Module(String),
    /// One direction of a module: a row of A and a column of B.
    Direction(String, usize),
}

/// The coefficients of a run, and the directions that each of them scales.
pub(super) struct Coefficients {
    places: Vec<(usize, CoefficientPlace)>,
    /// By module and direction, the place of the coefficient.
    of: Vec<Vec<usize>>,
}

impl Coefficients {
    /// Lays the coefficients out task by task, each in the order of the modules.
    pub(super) fn new(modules: &[AdaptedModule], tasks: usize, scope: CoefficientScope) -> Self {
        let mut places = Vec::new();
        let mut of: Vec<Vec<usize>> = modules.iter().map(|module| vec![0; module.directions()]).collect();
        for task in 0..tasks {
            let mut known: BTreeMap<CoefficientPlace, usize> = BTreeMap::new();
            for (module, of) in modules.iter().zip(&mut of) {
                for (own, direction) in module.tasks[task].clone().enumerate() {
                    let place = place(scope, &module.name, own);
                    of[direction] = *known.entry(place.clone()).or_insert_with(|| {
                        places.push((task, place));
                        places.len() - 1
                    });
                }
            }
        }
        Self { places, of }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The coefficient of a direction.
    pub(super) fn of(&self, module: usize, direction: usize) -> usize {
        self.of[module][direction]
    }

    /// The coefficients with these values.
    pub(super) fn named(&self, values: &[f64]) -> Vec<Coefficient> {
        let named = self.places.iter().zip(values);
        named.map(|((task, place), value)| Coefficient { task: *task, place: place.clone(), value: *value }).collect()
    }
}

fn place(scope: CoefficientScope, module: &str, direction: usize) -> CoefficientPlace {
    match scope {
        CoefficientScope::Task => CoefficientPlace::Task,
        CoefficientScope::Layer => {
            layer_of(module).map_or_else(|| CoefficientPlace::Module(module.to_owned()), CoefficientPlace::Layer)
        }
        CoefficientScope::Module => CoefficientPlace::Module(module.to_owned()),
        CoefficientScope::Direction => CoefficientPlace::Direction(module.to_owned(), direction),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules() -> [AdaptedModule; 3] {
        let module = |name: &str, tasks: [std::ops::Range<usize>; 2]| AdaptedModule {
            name: name.to_owned(),
            tasks: tasks.into(),
        };
        [module("m.layers.0.q", [0..2, 2..3]), module("m.layers.0.k", [0..0, 0..2]), module("head", [0..1, 1..2])]
    }

    fn places(scope: CoefficientScope) -> (Vec<String>, Vec<Vec<usize>>) {
        let coefficients = Coefficients::new(&modules(), 2, scope);
        assert_eq!(coefficients.len(), coefficients.places.len());
        let names = coefficients.places.iter().map(|(task, place)| format!("{task} {place:?}")).collect();
        (names, coefficients.of)
    }

    #[test]
    fn a_direction_belongs_to_the_coefficient_of_its_task_and_place() {
        let (names, of) = places(CoefficientScope::Task);
        assert_eq!(names, ["0 Task", "1 Task"]);
        assert_eq!(of, [vec![0, 0, 1], vec![1, 1], vec![0, 1]]);
        let (names, of) = places(CoefficientScope::Layer);
        assert_eq!(names, ["0 Layer(0)", "0 Module(\"head\")", "1 Layer(0)", "1 Module(\"head\")"]);
        assert_eq!(of, [vec![0, 0, 2], vec![2, 2], vec![1, 3]]);
        let (names, of) = places(CoefficientScope::Module);
        assert_eq!(names.len(), 5, "a task has no coefficient for a module that it leaves as it is");
        assert_eq!(of, [vec![0, 0, 2], vec![3, 3], vec![1, 4]]);
        let (names, _) = places(CoefficientScope::Direction);
        assert_eq!(names.len(), 7);
        assert_eq!(names[1], "0 Direction(\"m.layers.0.q\", 1)");
    }
}
