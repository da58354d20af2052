//! What faults do to a plan.
//!
//! Owns the order in which they apply: what the answer is (`answer`, before `deviate` looks at it), truncation, the
//! content coding, the declared length and the headers (`head`), transport (`transport`), write boundaries (`writes`),
//! and last what happens instead of an answer. Each key is named as done or noted as not applicable, by what it does to
//! this answer and not by what was rolled. All of it is data in, data out.

mod answer;
mod head;
mod place;
mod transport;
mod writes;

use super::{Before, Ending, Plan};
use crate::digest::Random;
use crate::script::{Fault, Hang, Stage};

/// Noise is this long.
const GARBAGE: usize = 64;

impl Plan {
    /// Reshapes the plan as the script says, and names what it did.
    pub(crate) fn apply(&mut self, fault: &Fault, random: &Random) {
        let given = fault.names();
        if given.is_empty() {
            return self.settle();
        }
        let mut done = fault.names_of(Stage::Quota);
        self.count_tokens(fault);
        if let Some(truncate) = &fault.truncate {
            self.cut(truncate.point());
            self.ending = Ending::Cut;
            done.push("truncate");
        }
        let gzip = fault.gzip_unasked.then(|| self.encode_unasked());
        self.note("gzip_unasked", gzip, &mut done);
        self.settle();
        self.spoil_head(fault, &mut done);
        self.spoil_transport(fault, random, &mut done);
        self.shape_writes(fault, &mut done);
        self.name_faults(&done);
        self.withhold(fault, random);
        // What concerns a connection was decided with it, and what concerns reading happens there or not at all.
        let elsewhere = |(name, stage): &&(&'static str, Stage)| {
            *stage == Stage::Connection || matches!(*name, "early_response" | "read_slowly" | "close_during_upload")
        };
        let elsewhere = Fault::CATALOGUE.iter().filter(elsewhere).map(|(name, _)| *name);
        self.not_applicable.extend(elsewhere.filter(|name| given.contains(name)));
    }

    /// The content is final: encodes it, and declares its length.
    pub(crate) fn settle(&mut self) {
        if let Some(encoding) = self.encoding {
            self.encode(encoding);
        }
        self.declared = Some(self.body_length());
    }

    /// What happens before the head, or instead of it.
    fn withhold(&mut self, fault: &Fault, random: &Random) {
        let mut done = Vec::new();
        if let Some(time) = &fault.delay_head {
            self.delay += time.draw(random, "delay_head");
            done.push("delay_head");
        }
        if let Some(Hang::For(time)) = &fault.hang_before_head {
            self.delay += time.draw(random, "hang_before_head");
            done.push("hang_before_head");
        }
        let reset = fault.http2_rst_stream.as_ref().filter(|reset| reset.before_head && self.http2);
        let instead = [
            ("rst_before_head", fault.rst_before_head, Before::Reset),
            ("http2_rst_stream", reset.is_some(), Before::ResetStream(transport::reset_code(reset))),
            ("empty_response", fault.empty_response, Before::Fin),
            ("garbage_then_close", fault.garbage_then_close, Before::Fin),
            ("hang_before_head", fault.hang_before_head == Some(Hang::Forever), Before::Silence),
        ];
        for (name, given, before) in instead {
            if given && self.before == Before::Answer {
                self.before = before;
                self.take_back();
                self.tail = if name == "garbage_then_close" { garbage(random) } else { Default::default() };
                done.push(name);
            } else if given {
                self.not_applicable.push(name);
            }
        }
        self.name_faults(&done);
    }

    /// There is no answer: what was done to it has no effect.
    fn take_back(&mut self) {
        let names = self.fault.take().unwrap_or_default();
        let known = Fault::CATALOGUE.iter().map(|(name, _)| *name);
        self.not_applicable.extend(known.filter(|known| names.split('+').any(|name| name == *known)));
    }

    /// These keys happened while the request was read.
    pub(crate) fn did(&mut self, keys: &[&'static str]) {
        self.not_applicable.retain(|name| !keys.contains(name));
        self.name_faults(keys);
    }
}

/// Bytes that no reader of HTTP takes for an answer, of either version.
fn garbage(random: &Random) -> bytes::Bytes {
    let mut random = random.branch("garbage_then_close");
    let noise = (0..GARBAGE).map(|_| random.next() as u8 | 0x80);
    noise.collect()
}

#[cfg(test)]
mod tests;
