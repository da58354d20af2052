//! How an accepted connection is received, as its script says.
//!
//! Owns what the keys of a fault's connection stage mean, and which of them a connection gives no chance to. Refuses to
//! touch the socket.

use std::time::Duration;

use super::{Attention, Greeting};
use crate::digest::Random;
use crate::provider::Shared;
use crate::script::{Fault, Hang, Stage};

/// What a connection gets, and what the journal says of it.
pub(crate) struct Reception {
    /// Nothing is read for that time.
    pub(super) delay: Option<Duration>,
    pub(super) attention: Attention,
    pub(super) done: Vec<&'static str>,
    pub(super) not_applicable: Vec<&'static str>,
}

impl Reception {
    /// Decides about the connection of this number.
    pub(crate) fn decide(shared: &Shared, number: u64) -> Self {
        let live = shared.live();
        let mut reception =
            Self { delay: None, attention: live.attention(), done: Vec::new(), not_applicable: Vec::new() };
        if let Some(fault) = live.on_connection(&shared.dice, number) {
            reception.obey(fault, shared, &shared.dice.of_connection(number));
        }
        reception
    }

    fn obey(&mut self, fault: &Fault, shared: &Shared, random: &Random) {
        self.delay = fault.slow_accept;
        self.done.extend(fault.slow_accept.map(|_| "slow_accept"));
        let hang = fault.accept_then_hang.as_ref().map(|hang| match hang {
            Hang::Forever => Attention::Neglect,
            Hang::For(time) => Attention::NeglectFor(time.draw(random, "accept_then_hang")),
        });
        let greeting = fault.tls_handshake_fail.then_some(Greeting::Alert).filter(|_| shared.tls.is_some());
        let certificate = fault.tls_bad_cert.filter(|_| shared.tls.is_some() && shared.ca.is_some());
        let ways = [
            ("rst_on_accept", fault.rst_on_accept.then_some(Attention::Reset)),
            ("accept_then_close", fault.accept_then_close.then_some(Attention::Close)),
            ("accept_then_hang", hang),
            ("tls_handshake_fail", greeting.map(Attention::Service)),
            ("tls_bad_cert", certificate.map(|kind| Attention::Service(Greeting::Certificate(kind)))),
        ];
        // Of several only the first can happen, and none where `accept` leaves the connection alone.
        for (name, attention) in ways {
            if let Some(attention) = attention.filter(|_| self.attention == Attention::Service(Greeting::Usual)) {
                self.attention = attention;
                self.done.push(name);
            }
        }
        let missed = |name: &&'static str| !self.done.contains(name);
        let missed: Vec<&str> = fault.names().into_iter().filter(missed).collect();
        self.not_applicable = missed;
        debug_assert!(self.done.iter().all(|name| Fault::CATALOGUE.contains(&(*name, Stage::Connection))));
    }
}
