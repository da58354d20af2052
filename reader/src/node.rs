//! The format's side of the seam: a deserializer and its accesses behind `dyn`, and the visitor that a format is given.
//!
//! Owns what happens to a format's errors: the type sees their words, the format gets back the error itself.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use crate::fault::Fault;
use crate::target::{Seed, Target};

/// What a type hopes to find.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    Any,
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Str,
    String,
    Bytes,
    ByteBuf,
    Option,
    Unit,
    UnitStruct(&'static str),
    NewtypeStruct(&'static str),
    Seq,
    Tuple(usize),
    TupleStruct(&'static str, usize),
    Map,
    Struct(&'static str, &'static [&'static str]),
    Enum(&'static str, &'static [&'static str]),
    Identifier,
    Ignored,
}

/// What a format has.
pub(crate) enum Told<'a, 'de> {
    Bool(bool),
    I64(i64),
    I128(i128),
    U64(u64),
    U128(u128),
    F64(f64),
    Char(char),
    Str(&'a str),
    Borrowed(&'de str),
    String(String),
    Bytes(&'a [u8]),
    BorrowedBytes(&'de [u8]),
    ByteBuf(Vec<u8>),
    None,
    Some(&'a mut dyn Node<'de>),
    Unit,
    Newtype(&'a mut dyn Node<'de>),
    Seq(&'a mut dyn Items<'de>),
    Map(&'a mut dyn Entries<'de>),
    Enum(&'a mut dyn Choice<'de>),
}

impl Told<'_, '_> {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::Borrowed(text) => Some(text),
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The same for whoever expected something else.
    pub(crate) fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::I64(value) => Unexpected::Signed(*value),
            Self::U64(value) => Unexpected::Unsigned(*value),
            Self::I128(_) | Self::U128(_) => Unexpected::Other("integer of 128 bits"),
            Self::F64(value) => Unexpected::Float(*value),
            Self::Char(value) => Unexpected::Char(*value),
            Self::Str(value) | Self::Borrowed(value) => Unexpected::Str(value),
            Self::String(value) => Unexpected::Str(value),
            Self::Bytes(value) | Self::BorrowedBytes(value) => Unexpected::Bytes(value),
            Self::ByteBuf(value) => Unexpected::Bytes(value),
            Self::None | Self::Some(_) => Unexpected::Option,
            Self::Unit => Unexpected::Unit,
            Self::Newtype(_) => Unexpected::NewtypeStruct,
            Self::Seq(_) => Unexpected::Seq,
            Self::Map(_) => Unexpected::Map,
            Self::Enum(_) => Unexpected::Enum,
        }
    }
}

/// A deserializer, to be used once.
pub(crate) trait Node<'de> {
    fn tell(&mut self, ask: Ask, target: &mut dyn Target<'de>) -> Result<(), Fault>;
    fn is_human_readable(&self) -> bool;
}

/// A sequence.
pub(crate) trait Items<'de> {
    fn next(&mut self, seed: &mut dyn Seed<'de>) -> Result<bool, Fault>;
    fn size(&self) -> Option<usize>;
}

/// A mapping.
pub(crate) trait Entries<'de> {
    fn key(&mut self, seed: &mut dyn Seed<'de>) -> Result<bool, Fault>;
    fn value(&mut self, seed: &mut dyn Seed<'de>) -> Result<(), Fault>;
    fn size(&self) -> Option<usize>;
}

/// An enum: its variant, then what the variant holds.
pub(crate) trait Choice<'de> {
    fn variant(&mut self, seed: &mut dyn Seed<'de>) -> Result<(), Fault>;
    fn unit(&mut self) -> Result<(), Fault>;
    fn newtype(&mut self, seed: &mut dyn Seed<'de>) -> Result<(), Fault>;
    fn tuple(&mut self, length: usize, target: &mut dyn Target<'de>) -> Result<(), Fault>;
    fn fields(&mut self, fields: &'static [&'static str], target: &mut dyn Target<'de>) -> Result<(), Fault>;
}

/// What a format is asked for is there once only: whoever asks again has an error in serde itself.
const ONCE: &str = "serde asks a deserializer once";

/// Lets a seed read from a deserializer.
pub(crate) fn sow<'de, D: Deserializer<'de>>(from: D, seed: &mut dyn Seed<'de>) -> Result<(), D::Error> {
    let mut node = Held { from: Some(from), error: None };
    let read = seed.read(&mut node);
    read.map_err(|fault| own(fault, node.error))
}

/// The format's own error if it was one, else one made of what the type said.
fn own<E: Error>(fault: Fault, error: Option<E>) -> E {
    match (fault, error) {
        (Fault::Format(_), Some(error)) => error,
        (fault, _) => fault.told(),
    }
}

/// Something of a format, and its error once there is one.
struct Held<F, E> {
    from: Option<F>,
    error: Option<E>,
}

impl<F, E: Error> Held<F, E> {
    fn keep<T>(&mut self, result: Result<T, E>) -> Result<T, Fault> {
        result.map_err(|error| {
            let fault = Fault::Format(error.to_string());
            self.error = Some(error);
            fault
        })
    }
}

impl<'de, D: Deserializer<'de>> Node<'de> for Held<D, D::Error> {
    fn tell(&mut self, ask: Ask, target: &mut dyn Target<'de>) -> Result<(), Fault> {
        let from = self.from.take().expect(ONCE);
        let to = Hearing(target);
        let told = match ask {
            Ask::Any => from.deserialize_any(to),
            Ask::Bool => from.deserialize_bool(to),
            Ask::I8 => from.deserialize_i8(to),
            Ask::I16 => from.deserialize_i16(to),
            Ask::I32 => from.deserialize_i32(to),
            Ask::I64 => from.deserialize_i64(to),
            Ask::I128 => from.deserialize_i128(to),
            Ask::U8 => from.deserialize_u8(to),
            Ask::U16 => from.deserialize_u16(to),
            Ask::U32 => from.deserialize_u32(to),
            Ask::U64 => from.deserialize_u64(to),
            Ask::U128 => from.deserialize_u128(to),
            Ask::F32 => from.deserialize_f32(to),
            Ask::F64 => from.deserialize_f64(to),
            Ask::Char => from.deserialize_char(to),
            Ask::Str => from.deserialize_str(to),
            Ask::String => from.deserialize_string(to),
            Ask::Bytes => from.deserialize_bytes(to),
            Ask::ByteBuf => from.deserialize_byte_buf(to),
            Ask::Option => from.deserialize_option(to),
            Ask::Unit => from.deserialize_unit(to),
            Ask::UnitStruct(name) => from.deserialize_unit_struct(name, to),
            Ask::NewtypeStruct(name) => from.deserialize_newtype_struct(name, to),
            Ask::Seq => from.deserialize_seq(to),
            Ask::Tuple(length) => from.deserialize_tuple(length, to),
            Ask::TupleStruct(name, length) => from.deserialize_tuple_struct(name, length, to),
            Ask::Map => from.deserialize_map(to),
            Ask::Struct(name, fields) => from.deserialize_struct(name, fields, to),
            Ask::Enum(name, variants) => from.deserialize_enum(name, variants, to),
            Ask::Identifier => from.deserialize_identifier(to),
            Ask::Ignored => from.deserialize_ignored_any(to),
        };
        self.keep(told)
    }

    fn is_human_readable(&self) -> bool {
        self.from.as_ref().is_none_or(D::is_human_readable)
    }
}

/// The seed that a format is given.
struct Sown<'a, 'de>(&'a mut dyn Seed<'de>);

impl<'de> DeserializeSeed<'de> for Sown<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        sow(from, self.0)
    }
}

/// The visitor that a format is given.
struct Hearing<'a, 'de>(&'a mut dyn Target<'de>);

impl<'de> Hearing<'_, 'de> {
    fn hear<E: Error>(self, told: Told<'_, 'de>) -> Result<(), E> {
        self.0.hear(told).map_err(Fault::told)
    }
}

macro_rules! hear {
    ($($visit:ident($type:ty) => $told:ident,)*) => {
        $(fn $visit<E: Error>(self, value: $type) -> Result<(), E> {
            self.hear(Told::$told(value))
        })*
    };
}

impl<'de> Visitor<'de> for Hearing<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    hear! {
        visit_bool(bool) => Bool,
        visit_i64(i64) => I64,
        visit_i128(i128) => I128,
        visit_u64(u64) => U64,
        visit_u128(u128) => U128,
        visit_f64(f64) => F64,
        visit_char(char) => Char,
        visit_str(&str) => Str,
        visit_borrowed_str(&'de str) => Borrowed,
        visit_string(String) => String,
        visit_bytes(&[u8]) => Bytes,
        visit_borrowed_bytes(&'de [u8]) => BorrowedBytes,
        visit_byte_buf(Vec<u8>) => ByteBuf,
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.hear(Told::None)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.hear(Told::Unit)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let mut node = Held { from: Some(from), error: None };
        self.0.hear(Told::Some(&mut node)).map_err(|fault| own(fault, node.error))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let mut node = Held { from: Some(from), error: None };
        self.0.hear(Told::Newtype(&mut node)).map_err(|fault| own(fault, node.error))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, from: A) -> Result<(), A::Error> {
        let mut items = Held { from: Some(from), error: None };
        self.0.hear(Told::Seq(&mut items)).map_err(|fault| own(fault, items.error))
    }

    fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<(), A::Error> {
        let mut entries = Held { from: Some(from), error: None };
        self.0.hear(Told::Map(&mut entries)).map_err(|fault| own(fault, entries.error))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, from: A) -> Result<(), A::Error> {
        let mut choice = Chosen { held: Held { from: Some(from), error: None }, variant: None };
        self.0.hear(Told::Enum(&mut choice)).map_err(|fault| own(fault, choice.held.error))
    }
}

impl<'de, A: SeqAccess<'de>> Items<'de> for Held<A, A::Error> {
    fn next(&mut self, seed: &mut dyn Seed<'de>) -> Result<bool, Fault> {
        let next = self.from.as_mut().expect(ONCE).next_element_seed(Sown(seed));
        Ok(self.keep(next)?.is_some())
    }

    fn size(&self) -> Option<usize> {
        self.from.as_ref().and_then(A::size_hint)
    }
}

impl<'de, A: MapAccess<'de>> Entries<'de> for Held<A, A::Error> {
    fn key(&mut self, seed: &mut dyn Seed<'de>) -> Result<bool, Fault> {
        let key = self.from.as_mut().expect(ONCE).next_key_seed(Sown(seed));
        Ok(self.keep(key)?.is_some())
    }

    fn value(&mut self, seed: &mut dyn Seed<'de>) -> Result<(), Fault> {
        let value = self.from.as_mut().expect(ONCE).next_value_seed(Sown(seed));
        self.keep(value)
    }

    fn size(&self) -> Option<usize> {
        self.from.as_ref().and_then(A::size_hint)
    }
}

/// An enum of which the variant is read, or is not yet.
struct Chosen<'de, A: EnumAccess<'de>> {
    held: Held<A, A::Error>,
    variant: Option<A::Variant>,
}

impl<'de, A: EnumAccess<'de>> Choice<'de> for Chosen<'de, A> {
    fn variant(&mut self, seed: &mut dyn Seed<'de>) -> Result<(), Fault> {
        let read = self.held.from.take().expect(ONCE).variant_seed(Sown(seed));
        let ((), variant) = self.held.keep(read)?;
        self.variant = Some(variant);
        Ok(())
    }

    fn unit(&mut self) -> Result<(), Fault> {
        let read = self.variant.take().expect(ONCE).unit_variant();
        self.held.keep(read)
    }

    fn newtype(&mut self, seed: &mut dyn Seed<'de>) -> Result<(), Fault> {
        let read = self.variant.take().expect(ONCE).newtype_variant_seed(Sown(seed));
        self.held.keep(read)
    }

    fn tuple(&mut self, length: usize, target: &mut dyn Target<'de>) -> Result<(), Fault> {
        let read = self.variant.take().expect(ONCE).tuple_variant(length, Hearing(target));
        self.held.keep(read)
    }

    fn fields(&mut self, fields: &'static [&'static str], target: &mut dyn Target<'de>) -> Result<(), Fault> {
        let read = self.variant.take().expect(ONCE).struct_variant(fields, Hearing(target));
        self.held.keep(read)
    }
}
