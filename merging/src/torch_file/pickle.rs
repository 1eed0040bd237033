//! Python's pickles, decoded into plain values. Calls stay data.

use super::TorchError;
use std::collections::HashMap;

/// A state dict describes some thousand tensors in some hundred bytes each; a larger pickle is not one.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// The most values of a pickle; small ones such as numbers and `None` count once for each place.
const MAX_VALUES: usize = 2 << 20;

/// The Python names that a state dict needs. Anything else that a pickle calls might be code.
const NEEDED: [(&str, &str); 7] = [
    ("collections", "OrderedDict"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch", "Tensor"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch.nn.parameter", "Parameter"),
    ("torch.serialization", "_get_layout"),
];

/// The number of a value among all of a pickle. Values refer to each other by it, so that no claim of a file makes
/// them deep or copies them.
pub(super) type Id = usize;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than eight bytes, little-endian.
    Long(Vec<u8>),
    /// A number that no state dict looks at.
    Float,
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global {
        module: String,
        name: String,
    },
    Call {
        callable: Id,
        args: Id,
    },
    Persistent(Id),
}

/// All values of one pickle.
pub(super) struct Values(Vec<Value>);

impl Values {
    pub(super) fn get(&self, id: Id) -> &Value {
        &self.0[id]
    }

    pub(super) fn all(&self) -> &[Value] {
        &self.0
    }
}

/// Decodes the pickle at the beginning of `bytes`: its values, the one that it stands for, and how long it is.
pub(super) fn decode(bytes: &[u8]) -> Result<(Values, Id, usize), TorchError> {
    let mut decoder =
        Decoder { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    while decoder.step()? {}
    let id = decoder.pop()?;
    Ok((Values(decoder.values), id, decoder.at))
}

struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Decoder<'a> {
    /// One instruction; `false` after the last.
    fn step(&mut self) -> Result<bool, TorchError> {
        let instruction = self.take(1)?[0];
        match instruction {
            b'.' => return Ok(false),
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'N' => self.push(Value::None)?,
            0x88 | 0x89 => self.push(Value::Bool(instruction == 0x88))?,
            b'J' | b'K' | b'M' | 0x8a => self.integer(instruction)?,
            b'G' => {
                self.skip(8)?;
                self.push(Value::Float)?;
            }
            b'X' | 0x8c | 0x8d => self.text(instruction)?,
            b'q' | b'r' | 0x94 => self.remember(instruction)?,
            b'h' | b'j' => self.recall(instruction)?,
            b')' | b't' | 0x85..=0x87 => self.tuple(instruction)?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'a' | b'e' => self.append(instruction)?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b's' | b'u' => self.set(instruction)?,
            b'c' | 0x93 => self.global(instruction)?,
            b'R' | 0x81 => self.call()?,
            // What a dict is built with beside its items is torch's note of versions.
            b'b' => {
                self.pop()?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            other => {
                return Err(damaged(format!(
                    "the pickle holds the instruction {other:#04x}, which no state dict needs"
                )));
            }
        }
        Ok(true)
    }

    fn integer(&mut self, instruction: u8) -> Result<(), TorchError> {
        let length = match instruction {
            b'K' => 1,
            b'M' => 2,
            b'J' => 4,
            _ => usize::from(self.take(1)?[0]),
        };
        let bytes = self.take(length)?;
        if length > 8 {
            return self.push(Value::Long(bytes.to_vec()));
        }
        let is_signed = matches!(instruction, b'J' | 0x8a);
        let is_negative = is_signed && bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut padded = if is_negative { [0xff; 8] } else { [0; 8] };
        padded[..length].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(padded)))
    }

    fn text(&mut self, instruction: u8) -> Result<(), TorchError> {
        let length = self.length(match instruction {
            0x8c => 1,
            b'X' => 4,
            _ => 8,
        })?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| damaged("a name in it is no text"))?;
        let text = text.to_owned();
        self.push(Value::Text(text))
    }

    fn remember(&mut self, instruction: u8) -> Result<(), TorchError> {
        let place = match instruction {
            b'q' => self.length(1)?,
            b'r' => self.length(4)?,
            _ => self.memo.len(),
        };
        let top = *self.stack.last().ok_or_else(empty)?;
        self.memo.insert(place as u64, top);
        Ok(())
    }

    fn recall(&mut self, instruction: u8) -> Result<(), TorchError> {
        let place = self.length(if instruction == b'h' { 1 } else { 4 })?;
        let id =
            *self.memo.get(&(place as u64)).ok_or_else(|| damaged("the pickle refers to a value that it lacks"))?;
        self.stack.push(id);
        Ok(())
    }

    fn tuple(&mut self, instruction: u8) -> Result<(), TorchError> {
        let items = match instruction {
            b')' => Vec::new(),
            b't' => self.since_mark()?,
            _ => {
                let count = usize::from(instruction - 0x84);
                let first = self.stack.len().checked_sub(count).ok_or_else(empty)?;
                self.stack.split_off(first)
            }
        };
        self.push(Value::Tuple(items))
    }

    fn append(&mut self, instruction: u8) -> Result<(), TorchError> {
        let more = if instruction == b'a' { vec![self.pop()?] } else { self.since_mark()? };
        match self.top()? {
            Value::List(items) => items.extend(more),
            _ => return Err(damaged("the pickle appends to what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, instruction: u8) -> Result<(), TorchError> {
        let more = if instruction == b's' {
            let value = self.pop()?;
            vec![self.pop()?, value]
        } else {
            self.since_mark()?
        };
        let (pairs, rest) = more.as_chunks::<2>();
        match self.top()? {
            Value::Dict(items) if rest.is_empty() => items.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err(damaged("the pickle sets items of what is no dict")),
        }
        Ok(())
    }

    fn global(&mut self, instruction: u8) -> Result<(), TorchError> {
        let (module, name) = if instruction == b'c' {
            (self.line()?, self.line()?)
        } else {
            let name = self.pop()?;
            let module = self.pop()?;
            match (&self.values[module], &self.values[name]) {
                (Value::Text(module), Value::Text(name)) => (module.clone(), name.clone()),
                _ => return Err(damaged("the pickle names a class by what is no text")),
            }
        };
        let is_storage = matches!(module.as_str(), "torch" | "torch.storage") && name.ends_with("Storage");
        let is_rebuilt = module == "torch._utils" && name.starts_with("_rebuild_");
        if is_storage || is_rebuilt || NEEDED.contains(&(module.as_str(), name.as_str())) {
            return self.push(Value::Global { module, name });
        }
        Err(TorchError::Code(format!("{module}.{name}")))
    }

    fn call(&mut self) -> Result<(), TorchError> {
        let args = self.pop()?;
        let callable = self.pop()?;
        let is_dict = matches!(&self.values[callable], Value::Global { name, .. } if name == "OrderedDict");
        match &self.values[args] {
            Value::Tuple(items) if is_dict && items.is_empty() => self.push(Value::Dict(Vec::new())),
            Value::Tuple(_) if is_dict => Err(damaged("the pickle makes a dict from arguments")),
            _ => self.push(Value::Call { callable, args }),
        }
    }

    fn push(&mut self, value: Value) -> Result<(), TorchError> {
        if self.values.len() >= MAX_VALUES {
            return Err(damaged(format!("the pickle holds more than {MAX_VALUES} values, so it is no state dict")));
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, TorchError> {
        self.stack.pop().ok_or_else(empty)
    }

    fn top(&mut self) -> Result<&mut Value, TorchError> {
        let top = *self.stack.last().ok_or_else(empty)?;
        Ok(&mut self.values[top])
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, TorchError> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or_else(empty)?))
    }

    fn skip(&mut self, count: usize) -> Result<(), TorchError> {
        self.take(count).map(drop)
    }

    /// A little-endian length of `width` bytes.
    fn length(&mut self, width: usize) -> Result<usize, TorchError> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| super::too_large())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], TorchError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let bytes = &self.bytes[self.at..end.ok_or_else(|| damaged("the pickle ends too early"))?];
        self.at += count;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String, TorchError> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("the pickle ends too early"))?;
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).trim_end_matches('\r').to_owned())
    }
}

fn empty() -> TorchError {
    damaged("the pickle takes from an empty stack")
}

fn damaged(what: impl Into<String>) -> TorchError {
    TorchError::Damaged(what.into())
}
