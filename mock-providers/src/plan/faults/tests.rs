//! Faults on a plan of five pieces.

use std::time::Duration;

use super::super::{Answer, Ending, Kind, Piece, Plan};
use crate::digest::Random;
use crate::script::{Disconnect, Fault, Respond, Split, Stall};

fn plan() -> Plan {
    let content = |text: &'static str| Piece { bytes: text.into(), kind: Kind::Content, ..Piece::default() };
    let frame = |text: &'static str| Piece { bytes: text.into(), ..Piece::default() };
    let done = Piece { bytes: "D".into(), kind: Kind::Done, ..Piece::default() };
    let pieces = vec![frame("role"), content("één"), content("two"), frame("end"), done];
    Answer::stream(pieces).plan(&Respond::default(), Vec::new(), Duration::ZERO)
}

fn texts(plan: &Plan) -> Vec<String> {
    plan.pieces.iter().map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect()
}

fn applied(fault: &Fault) -> Plan {
    let mut plan = plan();
    plan.apply(fault, &Random::new(&[1]));
    plan
}

#[test]
fn a_disconnect_counts_chunks_events_or_bytes() {
    let cut =
        |disconnect: Disconnect| texts(&applied(&Fault { disconnect: Some(disconnect), ..Fault::default() })).concat();
    assert_eq!(cut(Disconnect::default()), "");
    assert_eq!(cut(Disconnect { after_chunks: Some(0), ..Disconnect::default() }), "role");
    assert_eq!(cut(Disconnect { after_chunks: Some(1), ..Disconnect::default() }), "roleéén");
    assert_eq!(cut(Disconnect { after_events: Some(4), ..Disconnect::default() }), "roleééntwoend");
    assert_eq!(cut(Disconnect { after_bytes: Some(2), ..Disconnect::default() }), "ro");
    assert_eq!(cut(Disconnect { after_chunks: Some(9), ..Disconnect::default() }), "roleééntwoendD");
}

#[test]
fn a_split_inside_characters_leaves_no_multi_byte_character_whole() {
    let split = Split { inside_utf8: true, ..Split::default() };
    let plan = applied(&Fault { split: Some(split), ..Fault::default() });
    let lengths: Vec<usize> = plan.pieces.iter().map(|piece| piece.bytes.len()).collect();
    assert_eq!(lengths, [4, 1, 2, 2, 3, 3, 1]);
}

#[test]
fn split_offsets_fall_where_they_are_asked_for() {
    let split = Split { at: vec![4, 5], every: Some(6), ..Split::default() };
    let plan = applied(&Fault { split: Some(split), ..Fault::default() });
    let starts: Vec<(usize, bool)> = plan
        .pieces
        .iter()
        .scan(0, |at, piece| {
            let start = *at;
            *at += piece.bytes.len();
            Some((start, piece.apart))
        })
        .collect();
    assert_eq!(starts, [(0, false), (4, true), (5, true), (6, true), (9, false), (12, true), (15, false)]);
}

#[test]
fn a_stall_for_ever_drops_the_rest_and_a_short_one_delays_it() {
    let stall = Stall { after_chunks: Some(1), ..Stall::default() };
    let plan = applied(&Fault { stall: Some(stall.clone()), ..Fault::default() });
    assert_eq!((texts(&plan).concat().as_str(), plan.ending), ("roleéén", Ending::Silence));
    let stall = Stall { duration: Some(Duration::from_secs(1).into()), ..stall };
    let plan = applied(&Fault { stall: Some(stall), ..Fault::default() });
    assert_eq!((plan.pieces[2].gap, plan.ending), (Duration::from_secs(1), Ending::Complete));
}

proptest::proptest! {
    #[test]
    fn whatever_is_split_or_dribbled_the_body_stays_the_same(
        at in proptest::collection::vec(0usize..40, 0..6),
        every in proptest::option::of(0usize..9),
        inside_utf8: bool,
        after_bytes in 0usize..40,
    ) {
        let split = Split { at, every, inside_utf8, ..Split::default() };
        let stall = Stall { after_bytes: Some(after_bytes), duration: Some(Duration::from_millis(2).into()), ..Stall::default() };
        let plan = applied(&Fault { split: Some(split), stall: Some(stall), ..Fault::default() });
        let body: Vec<u8> = plan.pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
        proptest::prop_assert_eq!(String::from_utf8_lossy(&body), "roleééntwoendD");
    }
}
