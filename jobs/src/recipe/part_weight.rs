use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};
use std::fmt;

/// The factor on a part of a task's update.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PartWeight {
    /// One number for all of the part.
    Whole(f64),
    /// A number for each direction of a module, in the order of the adapter: a column of B and a row of A. In the space
    /// `knots`, a number for each direction that the tasks share there, those of the largest singular values first.
    Directions(Vec<f64>),
}

impl PartWeight {
    /// The numbers.
    pub fn numbers(&self) -> &[f64] {
        match self {
            Self::Whole(number) => std::slice::from_ref(number),
            Self::Directions(numbers) => numbers,
        }
    }

    /// Whether it changes nothing.
    pub(super) fn is_idle(&self) -> bool {
        let numbers = self.numbers();
        !numbers.is_empty() && numbers.iter().all(|number| number.to_bits() == 1.0f64.to_bits())
    }
}

impl From<f64> for PartWeight {
    fn from(number: f64) -> Self {
        Self::Whole(number)
    }
}

impl<'de> Deserialize<'de> for PartWeight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = PartWeight;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a list of numbers")
    }

    fn visit_f64<E>(self, number: f64) -> Result<PartWeight, E> {
        Ok(PartWeight::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<PartWeight, E> {
        Ok(PartWeight::Whole(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<PartWeight, E> {
        Ok(PartWeight::Whole(number as f64))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<PartWeight, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = seq.next_element()? {
            numbers.push(number);
        }
        Ok(PartWeight::Directions(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_str, to_string};

    #[test]
    fn a_number_and_a_list_are_read_and_written_as_they_are() {
        for (text, weight) in [
            ("0.5", PartWeight::Whole(0.5)),
            ("[0.5,1.0]", PartWeight::Directions(vec![0.5, 1.0])),
            ("[]", PartWeight::Directions(Vec::new())),
        ] {
            assert_eq!(from_str::<PartWeight>(text).unwrap(), weight);
            assert_eq!(to_string(&weight).unwrap(), text);
        }
        assert_eq!(from_str::<PartWeight>("2").unwrap(), PartWeight::Whole(2.0));
        let error = from_str::<PartWeight>("\"high\"").unwrap_err().to_string();
        assert!(error.contains("expected a number, or a list of numbers"), "{error}");
    }
}
