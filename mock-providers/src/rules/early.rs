//! Faults that are decided before a request is whole: with its connection, or with its head.
//!
//! Owns which entries of `faults` these are, and their draws. Refuses a rule's own fault: a rule is chosen by the whole
//! request, and by then it is too late.

use super::check::Scene;
use super::entry::{self, Entry};
use super::facts::Facts;
use super::{Dice, Live};
use crate::request::{Head, Request};
use crate::script::{Fault, Stage};

/// When it is decided whether a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Occasion {
    /// When a connection is accepted.
    Connection,
    /// When the head of a request is there.
    Head,
    /// When all of a request is there.
    Request,
}

impl Occasion {
    /// When it is decided whether a key of a fault has its effect.
    fn of((name, stage): (&str, Stage)) -> Self {
        match name {
            "early_response" | "read_slowly" | "close_during_upload" => Self::Head,
            _ if stage == Stage::Connection => Self::Connection,
            _ => Self::Request,
        }
    }
}

impl Fault {
    /// Its keys that are decided before a rule is chosen.
    pub(crate) fn early_names(&self) -> Vec<&'static str> {
        self.occasions().filter(|(_, occasion)| *occasion != Occasion::Request).map(|(name, _)| name).collect()
    }

    /// When it is decided whether it happens: by the earliest of its keys.
    pub(crate) fn occasion(&self) -> Occasion {
        self.occasions().map(|(_, occasion)| occasion).min().unwrap_or(Occasion::Request)
    }

    fn occasions(&self) -> impl Iterator<Item = (&'static str, Occasion)> {
        let names = self.names();
        let given = Fault::CATALOGUE.iter().filter(move |(name, _)| names.contains(name));
        given.map(|key| (key.0, Occasion::of(*key)))
    }
}

impl Live {
    /// What happens to a connection. `when` asks about requests: an entry that has one happens to none.
    pub(crate) fn on_connection(&self, dice: &Dice, number: u64) -> Option<&Fault> {
        if !self.early {
            return None;
        }
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
        if !self.early {
            return None;
        }
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
        let dialect = self.provider.dialect.of(request.head);
        let scene = Scene { facts: Facts::new(request), dialect, moment: self.states.moment() };
        let entries = || self.listed(&scene.moment).filter(|entry| entry.occasion == occasion && fits(entry));
        entries().next()?;
        let _order = self.in_order();
        entry::happening(entries(), &scene, &random().branch("faults"), &mut None)
    }
}
