//! The type's side of the seam: its visitors and seeds behind `dyn`, and the deserializer that it is given. What is read into
//! a type is one function, and not one for each field of that type: those are never inlined.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use crate::fault::Fault;
use crate::node::{Ask, Choice, Entries, Items, Node, Told};

/// A visitor, to be used once.
pub(crate) trait Target<'de> {
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    fn hear(&mut self, told: Told<'_, 'de>) -> Result<(), Fault>;
}

/// A seed, to be used once.
pub(crate) trait Seed<'de> {
    fn read(&mut self, node: &mut dyn Node<'de>) -> Result<(), Fault>;
}

/// Whoever says that all went well has used the visitor, or the seed, once.
const ONCE: &str = "a format uses a visitor once";

/// A visitor and what became of it.
struct Visited<V, T> {
    visitor: Option<V>,
    value: Option<T>,
}

impl<'de, V: Visitor<'de>> Target<'de> for Visited<V, V::Value> {
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.visitor {
            Some(visitor) => visitor.expecting(f),
            None => f.write_str("nothing more"),
        }
    }

    fn hear(&mut self, told: Told<'_, 'de>) -> Result<(), Fault> {
        let visitor = self.visitor.take().expect(ONCE);
        self.value = Some(match told {
            Told::Bool(value) => visitor.visit_bool(value),
            Told::I64(value) => visitor.visit_i64(value),
            Told::I128(value) => visitor.visit_i128(value),
            Told::U64(value) => visitor.visit_u64(value),
            Told::U128(value) => visitor.visit_u128(value),
            Told::F64(value) => visitor.visit_f64(value),
            Told::Char(value) => visitor.visit_char(value),
            Told::Str(value) => visitor.visit_str(value),
            Told::Borrowed(value) => visitor.visit_borrowed_str(value),
            Told::String(value) => visitor.visit_string(value),
            Told::Bytes(value) => visitor.visit_bytes(value),
            Told::BorrowedBytes(value) => visitor.visit_borrowed_bytes(value),
            Told::ByteBuf(value) => visitor.visit_byte_buf(value),
            Told::None => visitor.visit_none(),
            Told::Some(node) => visitor.visit_some(Given(node)),
            Told::Unit => visitor.visit_unit(),
            Told::Newtype(node) => visitor.visit_newtype_struct(Given(node)),
            Told::Seq(items) => visitor.visit_seq(Given(items)),
            Told::Map(entries) => visitor.visit_map(Given(entries)),
            Told::Enum(choice) => visitor.visit_enum(Given(choice)),
        }?);
        Ok(())
    }
}

/// A visitor of a struct or an enum, which hears of nothing but those: every kind that a visitor can hear of is code.
struct Shaped<V, T>(Visited<V, T>);

impl<'de, V: Visitor<'de>> Target<'de> for Shaped<V, V::Value> {
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn hear(&mut self, told: Told<'_, 'de>) -> Result<(), Fault> {
        let visitor = self.0.visitor.take().expect(ONCE);
        self.0.value = Some(match told {
            Told::Seq(items) => visitor.visit_seq(Given(items)),
            Told::Map(entries) => visitor.visit_map(Given(entries)),
            Told::Enum(choice) => visitor.visit_enum(Given(choice)),
            other => Err(Fault::invalid_type(other.unexpected(), &visitor)),
        }?);
        Ok(())
    }
}

/// A visitor of the name of a field or a variant, which hears of texts, bytes and numbers.
struct Named<V, T>(Visited<V, T>);

impl<'de, V: Visitor<'de>> Target<'de> for Named<V, V::Value> {
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn hear(&mut self, told: Told<'_, 'de>) -> Result<(), Fault> {
        let visitor = self.0.visitor.take().expect(ONCE);
        self.0.value = Some(match (told.text(), &told) {
            (Some(text), _) => visitor.visit_str(text),
            (None, Told::U64(index)) => visitor.visit_u64(*index),
            (None, Told::Bytes(bytes)) => visitor.visit_bytes(bytes),
            (None, other) => Err(Fault::invalid_type(other.unexpected(), &visitor)),
        }?);
        Ok(())
    }
}

/// A seed and what became of it.
pub(crate) struct Seeded<S, T> {
    seed: Option<S>,
    value: Option<T>,
}

impl<'de, S: DeserializeSeed<'de>> Seeded<S, S::Value> {
    pub(crate) fn new(seed: S) -> Self {
        Self { seed: Some(seed), value: None }
    }

    pub(crate) fn value(self) -> S::Value {
        self.value.expect(ONCE)
    }
}

impl<'de, S: DeserializeSeed<'de>> Seed<'de> for Seeded<S, S::Value> {
    fn read(&mut self, node: &mut dyn Node<'de>) -> Result<(), Fault> {
        self.value = Some(self.seed.take().expect(ONCE).deserialize(Given(node))?);
        Ok(())
    }
}

/// What a type is given: something of a format.
struct Given<'a, F: ?Sized>(&'a mut F);

impl<'de> Given<'_, dyn Node<'de> + '_> {
    #[inline(never)]
    fn ask<V: Visitor<'de>>(self, ask: Ask, visitor: V) -> Result<V::Value, Fault> {
        let mut visited = Visited { visitor: Some(visitor), value: None };
        self.0.tell(ask, &mut visited)?;
        Ok(visited.value.expect(ONCE))
    }

    #[inline(never)]
    fn ask_shape<V: Visitor<'de>>(self, ask: Ask, visitor: V) -> Result<V::Value, Fault> {
        let mut shaped = Shaped(Visited { visitor: Some(visitor), value: None });
        self.0.tell(ask, &mut shaped)?;
        Ok(shaped.0.value.expect(ONCE))
    }
}

macro_rules! ask {
    ($($deserialize:ident($($name:ident: $type:ty),*) => $ask:expr,)*) => {
        $(fn $deserialize<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Fault> {
            self.ask($ask, visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Given<'_, dyn Node<'de> + '_> {
    type Error = Fault;

    ask! {
        deserialize_any() => Ask::Any,
        deserialize_bool() => Ask::Bool,
        deserialize_i8() => Ask::I8,
        deserialize_i16() => Ask::I16,
        deserialize_i32() => Ask::I32,
        deserialize_i64() => Ask::I64,
        deserialize_i128() => Ask::I128,
        deserialize_u8() => Ask::U8,
        deserialize_u16() => Ask::U16,
        deserialize_u32() => Ask::U32,
        deserialize_u64() => Ask::U64,
        deserialize_u128() => Ask::U128,
        deserialize_f32() => Ask::F32,
        deserialize_f64() => Ask::F64,
        deserialize_char() => Ask::Char,
        deserialize_str() => Ask::Str,
        deserialize_string() => Ask::String,
        deserialize_bytes() => Ask::Bytes,
        deserialize_byte_buf() => Ask::ByteBuf,
        deserialize_option() => Ask::Option,
        deserialize_unit() => Ask::Unit,
        deserialize_unit_struct(name: &'static str) => Ask::UnitStruct(name),
        deserialize_newtype_struct(name: &'static str) => Ask::NewtypeStruct(name),
        deserialize_seq() => Ask::Seq,
        deserialize_tuple(length: usize) => Ask::Tuple(length),
        deserialize_tuple_struct(name: &'static str, length: usize) => Ask::TupleStruct(name, length),
        deserialize_map() => Ask::Map,
        deserialize_ignored_any() => Ask::Ignored,
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.ask_shape(Ask::Struct(name, fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.ask_shape(Ask::Enum(name, variants), visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let mut named = Named(Visited { visitor: Some(visitor), value: None });
        self.0.tell(Ask::Identifier, &mut named)?;
        Ok(named.0.value.expect(ONCE))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

impl<'de> SeqAccess<'de> for Given<'_, dyn Items<'de> + '_> {
    type Error = Fault;

    #[inline(never)]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let mut seeded = Seeded::new(seed);
        Ok(self.0.next(&mut seeded)?.then(|| seeded.value()))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size()
    }
}

impl<'de> MapAccess<'de> for Given<'_, dyn Entries<'de> + '_> {
    type Error = Fault;

    #[inline(never)]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let mut seeded = Seeded::new(seed);
        Ok(self.0.key(&mut seeded)?.then(|| seeded.value()))
    }

    #[inline(never)]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let mut seeded = Seeded::new(seed);
        self.0.value(&mut seeded)?;
        Ok(seeded.value())
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size()
    }
}

impl<'de> EnumAccess<'de> for Given<'_, dyn Choice<'de> + '_> {
    type Error = Fault;
    type Variant = Self;

    #[inline(never)]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let mut seeded = Seeded::new(seed);
        self.0.variant(&mut seeded)?;
        Ok((seeded.value(), self))
    }
}

impl<'de> VariantAccess<'de> for Given<'_, dyn Choice<'de> + '_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        self.0.unit()
    }

    #[inline(never)]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        let mut seeded = Seeded::new(seed);
        self.0.newtype(&mut seeded)?;
        Ok(seeded.value())
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Fault> {
        let mut visited = Visited { visitor: Some(visitor), value: None };
        self.0.tuple(length, &mut visited)?;
        Ok(visited.value.expect(ONCE))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        let mut shaped = Shaped(Visited { visitor: Some(visitor), value: None });
        self.0.fields(fields, &mut shaped)?;
        Ok(shaped.0.value.expect(ONCE))
    }
}
