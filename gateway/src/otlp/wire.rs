//! The wire format of Protocol Buffers, as far as OTLP needs it. Knows tags and lengths, nothing of what they mean.

use bytes::{Buf, BufMut};

/// A message that is being written. Absent fields are not written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Message(pub Vec<u8>);

impl Message {
    /// An integer, an enum or a boolean.
    pub fn varint(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        put_varint(&mut self.0, value);
    }

    /// Eight bytes.
    pub fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.put_u64_le(value);
    }

    /// Four bytes.
    pub fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, 5);
        self.0.put_u32_le(value);
    }

    /// A string or bytes.
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        put_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A message within this one.
    pub fn nested(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn tag(&mut self, field: u32, kind: u32) {
        put_varint(&mut self.0, u64::from(field << 3 | kind));
    }
}

/// Appends a number in groups of seven bits, the lowest first.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// One field as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// A number.
    Number(u64),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
}

/// The first field with this number; `None` also where the bytes are no message.
#[must_use]
pub fn find(mut bytes: &[u8], wanted: u64) -> Option<Field<'_>> {
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            1 => Field::Number(bytes.try_get_u64_le().ok()?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Field::Bytes(value)
            }
            5 => Field::Number(bytes.try_get_u32_le().ok()?.into()),
            _ => return None,
        };
        if tag >> 3 == wanted {
            return Some(field);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u64, fixed: u64, small: u32, text in ".{0,300}") {
            let mut message = Message::default();
            message.varint(1, number);
            message.fixed64(2, fixed);
            message.fixed32(3, small);
            message.nested(4, |inner| inner.bytes(16, text.as_bytes()));
            prop_assert_eq!(find(&message.0, 1), Some(Field::Number(number)));
            prop_assert_eq!(find(&message.0, 2), Some(Field::Number(fixed)));
            prop_assert_eq!(find(&message.0, 3), Some(Field::Number(small.into())));
            let Some(Field::Bytes(inner)) = find(&message.0, 4) else { panic!("no field 4") };
            prop_assert_eq!(find(inner, 16), Some(Field::Bytes(text.as_bytes())));
            prop_assert_eq!(find(&message.0, 5), None);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, field in 0..20_u64) {
            let _read = find(&bytes, field);
        }
    }
}
