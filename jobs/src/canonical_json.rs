//! The one text of JSON for each meaning, which ids are hashes of.

#[cfg(test)]
mod tests;

use serde::{
    Serialize, Serializer,
    ser::{
        Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};
use serde_json::{Error, Value};
use std::{borrow::Cow, ops::Range};

/// JSON with sorted keys and no spaces: the same text for the same meaning.
///
/// Keys are sorted by their bytes. Numbers are written by `serde_json`: the shortest decimal that reads back as the same
/// `f64`. Every job is hashed on its way, so the text is written at once, without a tree of values in between.
pub fn canonical_json(value: &impl Serialize) -> String {
    let mut out = Vec::with_capacity(1024);
    value.serialize(Canonical { out: &mut out }).expect("plain data with string keys");
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// Writes one value at the end of `out`.
struct Canonical<'a> {
    out: &'a mut Vec<u8>,
}

/// Writes the entries of an array, and closes the variant that it belongs to.
struct Array<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
    end: &'static str,
}

/// Writes the entries of an object one after the other, and sorts them at its end.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    entries: Vec<Entry>,
    end: &'static str,
}

/// An entry of an object: its key, and where `"key":value` lies behind the start of the object.
struct Entry {
    key: Cow<'static, str>,
    text: Range<usize>,
}

impl<'a> Canonical<'a> {
    fn scalar<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(self.out, value)
    }

    /// Opens `{"variant":`. The content's end closes it.
    fn variant(self, variant: &'static str) -> Result<&'a mut Vec<u8>, Error> {
        self.out.push(b'{');
        serde_json::to_writer(&mut *self.out, variant)?;
        self.out.push(b':');
        Ok(self.out)
    }
}

impl<'a> Array<'a> {
    fn new(out: &'a mut Vec<u8>, end: &'static str) -> Self {
        out.push(b'[');
        Self { out, is_first: true, end }
    }

    fn entry<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        value.serialize(Canonical { out: self.out })
    }

    fn close(self) {
        self.out.extend_from_slice(self.end.as_bytes());
    }
}

impl<'a> Object<'a> {
    fn new(out: &'a mut Vec<u8>, end: &'static str) -> Self {
        let start = out.len();
        Self { out, start, entries: Vec::new(), end }
    }

    fn key(&mut self, key: Cow<'static, str>) -> Result<(), Error> {
        let start = self.out.len() - self.start;
        serde_json::to_writer(&mut *self.out, &key)?;
        self.out.push(b':');
        self.entries.push(Entry { key, text: start..start });
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Canonical { out: self.out })?;
        let end = self.out.len() - self.start;
        let entry = self.entries.last_mut().ok_or_else(|| Error::custom("a value without a key"))?;
        entry.text.end = end;
        Ok(())
    }

    fn close(mut self) {
        let written = self.out.split_off(self.start);
        // Stable: of entries with the same key the last one counts, as in a map.
        self.entries.sort_by(|one, other| one.key.cmp(&other.key));
        self.out.push(b'{');
        for (number, entry) in self.entries.iter().enumerate() {
            if self.entries.get(number + 1).is_some_and(|next| next.key == entry.key) {
                continue;
            }
            self.out.extend_from_slice(&written[entry.text.clone()]);
            self.out.push(b',');
        }
        if !self.entries.is_empty() {
            self.out.pop();
        }
        self.out.extend_from_slice(self.end.as_bytes());
    }
}

impl<'a> Serializer for Canonical<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Array<'a>;
    type SerializeTuple = Array<'a>;
    type SerializeTupleStruct = Array<'a>;
    type SerializeTupleVariant = Array<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        // A number of JSON has one width.
        self.scalar(&f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.scalar(&value)
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.scalar(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.scalar(value)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.scalar(&())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<(), Error> {
        self.scalar(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let out = self.variant(variant)?;
        value.serialize(Canonical { out })?;
        out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Array<'a>, Error> {
        Ok(Array::new(self.out, "]"))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Array<'a>, Error> {
        Ok(Array::new(self.out, "]"))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Result<Array<'a>, Error> {
        Ok(Array::new(self.out, "]"))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Array<'a>, Error> {
        Ok(Array::new(self.variant(variant)?, "]}"))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Object<'a>, Error> {
        Ok(Object::new(self.out, "}"))
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Object<'a>, Error> {
        Ok(Object::new(self.out, "}"))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Object<'a>, Error> {
        Ok(Object::new(self.variant(variant)?, "}}"))
    }
}

impl SerializeSeq for Array<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.entry(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl SerializeTuple for Array<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.entry(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl SerializeTupleStruct for Array<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.entry(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl SerializeTupleVariant for Array<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.entry(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        match serde_json::to_value(key)? {
            Value::String(key) => self.key(Cow::Owned(key)),
            Value::Number(key) => self.key(Cow::Owned(key.to_string())),
            Value::Bool(key) => self.key(Cow::Owned(key.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(Error::custom("a key is a string")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl SerializeStruct for Object<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.key(Cow::Borrowed(key))?;
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl SerializeStructVariant for Object<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.key(Cow::Borrowed(key))?;
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}
