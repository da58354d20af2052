//! What goes wrong with one answer.
//!
//! Owns that a fault of the script is borrowed, and only several laid over each other are a fault of their own. Behind
//! a pointer either way: a fault has so many keys that moving one costs more than much of an answer.

use std::ops::Deref;

use crate::script::Fault;

/// A fault of the script, or several as one.
pub(crate) enum Mishap<'f> {
    /// One of the script's.
    Scripted(&'f Fault),
    /// Several, or one that a request asked for.
    Own(Box<Fault>),
}

impl Mishap<'_> {
    /// Lays another one over it.
    pub(crate) fn overlay(&mut self, above: &Fault) {
        match self {
            Self::Scripted(below) => {
                let mut own = Box::new(below.clone());
                own.overlay(above);
                *self = Self::Own(own);
            }
            Self::Own(own) => own.overlay(above),
        }
    }
}

impl Deref for Mishap<'_> {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        match self {
            Self::Scripted(fault) => fault,
            Self::Own(fault) => fault,
        }
    }
}
