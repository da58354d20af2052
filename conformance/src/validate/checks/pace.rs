//! Whether a stream comes as it is made (STR-01). Owns what the times of reads can tell, and when they cannot: an answer
//! that is short or quick, and a reader that was not there when it came.

use std::time::Duration;

use super::super::check::Case;
use super::super::finding::Finding;
use super::streaming::streamed;

/// No model makes that many tokens in so short a time.
const MANY: usize = 20;
const AT_ONCE: Duration = Duration::from_millis(5);
/// One part in so many, such as the first chunk with the role, may come before what was held back.
const LITTLE: usize = 10;
/// One write that a network or a busy machine has cut in two takes longer.
const CUT: Duration = Duration::from_millis(100);
/// Below that nobody notices that an answer was held back.
const SLOW: Duration = Duration::from_millis(400);
/// Who was away so long may have let a stream pile up.
const AWAY: Duration = Duration::from_millis(100);

/// What the times of the reads say of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Pace {
    AsMade,
    /// Nothing, or next to nothing, for so long, and then all of it within so short a time.
    HeldBack {
        after: Duration,
        within: Duration,
    },
    Unknown(&'static str),
}

impl Pace {
    /// Of the times of reads, and how much of the body there was after each.
    fn of(chunks: usize, reads: &[(Duration, usize)], lag: Duration) -> Pace {
        let reads = grown(reads);
        let Some(&(ended, size)) = reads.last() else {
            return Pace::Unknown("nothing was read");
        };
        let begun = last_burst(&reads, ended);
        let before = begun.checked_sub(1).map_or(0, |last| reads[last].1);
        if lag >= AWAY {
            Pace::Unknown("this machine was too busy to tell whether the answer is held back")
        } else if chunks < MANY || ended < SLOW {
            Pace::Unknown("the answer was too short or too quick to tell whether it is held back")
        } else if before * LITTLE <= size {
            // That it took long to begin is nobody's fault.
            let after = reads[begun].0;
            Pace::HeldBack { after, within: ended.saturating_sub(after) }
        } else {
            Pace::AsMade
        }
    }
}

/// The reads after which there was more of the body than before: a head that comes early is no sign of a stream.
fn grown(reads: &[(Duration, usize)]) -> Vec<(Duration, usize)> {
    let mut before = 0;
    reads.iter().copied().filter(|(_, size)| *size > std::mem::replace(&mut before, *size)).collect()
}

/// The place of the read with which what came at once at the end begins.
fn last_burst(reads: &[(Duration, usize)], ended: Duration) -> usize {
    let within = |time: Duration| reads.partition_point(|(at, _)| *at + time <= ended);
    let (at_once, cut) = (within(AT_ONCE), within(CUT));
    if cut + 2 >= reads.len() { cut } else { at_once }
}

pub(super) fn incremental(case: &Case<'_>, finding: &mut Finding) {
    let answer = case.answer(0);
    if !streamed(answer, finding) {
        return;
    }
    let kind = answer.media_type();
    finding.expect(kind == "text/event-stream", || format!("content-type: expected text/event-stream, got `{kind}`"));
    let chunks = answer.stream().chunks.len();
    match Pace::of(chunks, &answer.reads, answer.lag) {
        Pace::AsMade => {}
        Pace::Unknown(why) => finding.note(why),
        Pace::HeldBack { after, within } => finding.fail(format!(
            "{chunks} chunks came within {} ms, after {} ms with next to none: the stream was held back until it was complete",
            within.as_millis(),
            after.as_millis()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(times: &[(u64, usize)]) -> Vec<(Duration, usize)> {
        times.iter().map(|(at, size)| (Duration::from_millis(*at), *size)).collect()
    }

    fn held(after: u64, within: u64) -> Pace {
        Pace::HeldBack { after: Duration::from_millis(after), within: Duration::from_millis(within) }
    }

    #[test]
    fn what_comes_at_once_after_a_long_silence_was_held_back_unless_nobody_was_there_to_read() {
        let at_once = reads(&[(700, 90), (701, 180), (702, 270)]);
        let spread = reads(&[(100, 90), (300, 180), (500, 270)]);
        assert_eq!(Pace::of(30, &at_once, Duration::from_millis(3)), held(700, 2));
        assert_eq!(Pace::of(30, &spread, Duration::from_millis(3)), Pace::AsMade);
        assert!(matches!(Pace::of(30, &at_once, AWAY), Pace::Unknown(why) if why.contains("too busy")));
        assert!(matches!(Pace::of(5, &at_once, Duration::ZERO), Pace::Unknown(why) if why.contains("too short")));
        assert!(matches!(Pace::of(30, &reads(&[(1, 90), (2, 180)]), Duration::ZERO), Pace::Unknown(_)));
    }

    #[test]
    fn a_head_that_comes_early_does_not_make_a_stream_of_what_was_held_back() {
        for (times, pace) in [
            (&[(0, 0), (700, 180), (720, 270)][..], held(700, 20)),
            (&[(0, 0), (700, 270)], held(700, 0)),
            (&[(0, 0), (700, 270), (900, 270)], held(700, 0)),
            (&[(0, 9), (700, 180), (702, 240), (703, 270)], held(700, 3)),
            (&[(0, 9), (700, 270)], held(700, 0)),
            // In two parts is not held back to the end.
            (&[(0, 0), (250, 130), (500, 270)], Pace::AsMade),
        ] {
            assert_eq!(Pace::of(30, &reads(times), Duration::ZERO), pace, "{times:?}");
        }
        assert!(matches!(Pace::of(30, &reads(&[(700, 0)]), Duration::ZERO), Pace::Unknown("nothing was read")));
    }
}
