//! How the fields of events are written.
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::{
    AccountId, BlobId, DecodeError, DocId, EntryId, GroupId, Hash, Lane, ObjectId, SpaceId,
};

/// Items in a list of an event: a class, a quiz or a batch stays below.
const MAX_LIST: usize = 8192;

/// A value with one encoding.
pub trait Field: Sized {
    /// Appends the value.
    fn write(&self, w: &mut Writer);
    /// Reads it back.
    ///
    /// # Errors
    /// Any other bytes.
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

macro_rules! id_fields {
    ($($id:ty),*) => {$(
        impl Field for $id {
            fn write(&self, w: &mut Writer) {
                w.bytes(&self.0);
            }
            fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                r.fixed().map(Self)
            }
        }
    )*};
}
id_fields!(
    AccountId, BlobId, DocId, EntryId, GroupId, Hash, ObjectId, SpaceId
);

/// In its key form: the kind, and the id where it has one.
impl Field for Lane {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.to_key());
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_key(r.bytes()?)
    }
}

impl Field for u64 {
    fn write(&self, w: &mut Writer) {
        w.uint(*self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.uint()
    }
}

impl Field for u8 {
    fn write(&self, w: &mut Writer) {
        w.uint(u64::from(*self));
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.u8()
    }
}

impl Field for u32 {
    fn write(&self, w: &mut Writer) {
        w.uint(u64::from(*self));
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.u32()
    }
}

impl Field for i64 {
    fn write(&self, w: &mut Writer) {
        w.int(*self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.int()
    }
}

impl Field for bool {
    fn write(&self, w: &mut Writer) {
        w.bool(*self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.bool()
    }
}

impl Field for String {
    fn write(&self, w: &mut Writer) {
        w.text(self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.text().map(str::to_owned)
    }
}

/// Bytes that mean something elsewhere: a certificate, a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opaque(pub Vec<u8>);

impl Field for Opaque {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.bytes().map(|bytes| Self(bytes.to_vec()))
    }
}

impl Field for [u8; 32] {
    fn write(&self, w: &mut Writer) {
        w.bytes(self);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.fixed()
    }
}

impl<T: Field> Field for Option<T> {
    fn write(&self, w: &mut Writer) {
        w.option(self.as_ref(), |w, value| value.write(w));
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.option(T::read)
    }
}

impl<T: Field> Field for Vec<T> {
    fn write(&self, w: &mut Writer) {
        w.array(self.len());
        for item in self {
            item.write(w);
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = r.array()?;
        if len > MAX_LIST {
            return Err(DecodeError::TooLarge("list in an event"));
        }
        (0..len).map(|_| T::read(r)).collect()
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    fn write(&self, w: &mut Writer) {
        w.array(2);
        self.0.write(w);
        self.1.write(w);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.array_of(2)?;
        Ok((A::read(r)?, B::read(r)?))
    }
}

/// A struct whose encoding is the array of its fields.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $ty),*
        }

        impl $crate::fields::Field for $name {
            fn write(&self, w: &mut stunity_proto::cbor::Writer) {
                w.array([$(stringify!($field)),*].len());
                $($crate::fields::Field::write(&self.$field, w);)*
            }
            fn read(
                r: &mut stunity_proto::cbor::Reader<'_>,
            ) -> Result<Self, stunity_proto::DecodeError> {
                r.array_of([$(stringify!($field)),*].len())?;
                Ok(Self { $($field: $crate::fields::Field::read(r)?),* })
            }
        }
    };
}
pub(crate) use record;
