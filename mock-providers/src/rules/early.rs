//! Faults that are decided before a request is whole: with its connection, or with its head.
//!
//! Owns which entries of `faults` these are, and their draws. Refuses a rule's own fault: a rule is chosen by the whole
//! request, and by then it is too late.

use std::sync::PoisonError;

use super::check::Scene;
use super::entry::{self, Entry};
use super::facts::Facts;
use super::{Dice, Live};
use crate::request::{Head, Request};
use crate::script::{Fault, Stage};

/// When it is decided whether a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// When a connection is accepted.
    Connection,
    /// When the head of a request is there.
    Head,
    /// When all of a request is there.
    Request,
}

impl Fault {
    /// When it is decided whether it happens: by the earliest of its keys.
    pub(crate) fn occasion(&self) -> Occasion {
        if self.names().iter().any(|name| Fault::CATALOGUE.contains(&(*name, Stage::Connection))) {
            Occasion::Connection
        } else if self.early_response.is_some() || self.read_slowly.is_some() || self.close_during_upload.is_some() {
            Occasion::Head
        } else {
            Occasion::Request
        }
    }
}

impl Live {
    /// What happens to a connection. `when` asks about requests: an entry that has one happens to none.
    pub(crate) fn on_connection(&self, dice: &Dice, number: u64) -> Option<&Fault> {
        let head = Head::default();
        let request = Request::of(&head, None);
        self.decide(
            Occasion::Connection,
            &request,
            |entry| entry.fault.when.is_none(),
            || dice.of_connection(number).branch("connection"),
        )
    }

    /// What happens to a request of which only the head is known.
    pub(crate) fn at_head(&self, dice: &Dice, head: &Head) -> Option<&Fault> {
        let request = Request::of(head, None);
        // Not the same draws as those of a whole request that has no body.
        let random = || dice.random(&dice.count(head, b"\0head"), self.default_key);
        self.decide(Occasion::Head, &request, |_| true, random)
    }

    fn decide(
        &self,
        occasion: Occasion,
        request: &Request<'_>,
        fits: impl Fn(&Entry) -> bool,
        random: impl FnOnce() -> crate::digest::Random,
    ) -> Option<&Fault> {
        if !self.early {
            return None;
        }
        let dialect = self.provider.dialect.of(request.head);
        let scene = Scene { facts: Facts::new(request), dialect, moment: self.states.moment() };
        let entries = || {
            let listed = self.states.faults(&scene.moment).chain(&self.faults);
            listed.filter(|entry| entry.occasion == occasion && fits(entry))
        };
        entries().next()?;
        let _order = self.order.as_ref().map(|order| order.lock().unwrap_or_else(PoisonError::into_inner));
        entry::happening(entries(), &scene, &random().branch("faults"), &mut None)
    }
}
