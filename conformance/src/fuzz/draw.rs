//! Choices of a generator, drawn at random and kept on a tape: the same tape gives the same case, a shorter tape or
//! smaller numbers give a simpler one. Knows which stretches of the tape belong together; knows nothing of cases.

use std::ops::Range;

/// A source of choices.
#[derive(Debug)]
pub(super) struct Draw {
    given: Vec<u32>,
    random: Option<u64>,
    taken: Vec<u32>,
    spans: Vec<Range<usize>>,
}

/// Everything that was drawn for one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tape {
    numbers: Vec<u32>,
    /// Stretches that can be taken out: one element of a list, or one optional thing.
    spans: Vec<Range<usize>>,
}

impl Draw {
    /// New choices.
    pub(super) fn from_seed(seed: u64) -> Draw {
        Draw { given: Vec::new(), random: Some(seed), taken: Vec::new(), spans: Vec::new() }
    }

    /// The choices of a tape; behind its end, the simplest ones.
    pub(super) fn again(numbers: Vec<u32>) -> Draw {
        Draw { given: numbers, random: None, taken: Vec::new(), spans: Vec::new() }
    }

    /// What was drawn.
    pub(super) fn tape(self) -> Tape {
        Tape { numbers: self.taken, spans: self.spans }
    }

    /// A number below `limit`; 0 is the simplest.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        let number = match (self.given.get(self.taken.len()), &mut self.random) {
            (Some(given), _) => given % limit,
            (None, Some(state)) => u32::try_from(splitmix(state) % u64::from(limit)).unwrap_or(0),
            (None, None) => 0,
        };
        self.taken.push(number);
        number
    }

    /// A number from 0 to `most`, as a size.
    pub(super) fn size(&mut self, most: u32) -> usize {
        usize::try_from(self.below(most + 1)).unwrap_or(0)
    }

    /// True in so many of a hundred cases; false is the simplest.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) >= 100 - percent
    }

    /// One of these; the first is the simplest.
    pub(super) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        let at = self.size(u32::try_from(items.len()).unwrap_or(1) - 1);
        items[at].clone()
    }

    /// Something that is there in so many of a hundred cases.
    pub(super) fn optional<T>(&mut self, percent: u32, make: impl FnOnce(&mut Draw) -> T) -> Option<T> {
        let start = self.taken.len();
        let made = self.chance(percent).then(|| make(self));
        if made.is_some() {
            // Without these numbers the next one is read as the chance; so it stays, and becomes 0 by another step.
            self.spans.push(start + 1..self.taken.len());
        }
        made
    }

    /// One element or more, at most `most`.
    pub(super) fn list<T>(&mut self, most: usize, percent: u32, mut make: impl FnMut(&mut Draw) -> T) -> Vec<T> {
        let mut all: Vec<T> = Vec::new();
        let mut before = self.taken.len();
        loop {
            let start = self.taken.len();
            all.push(make(self));
            let end = self.taken.len();
            if all.len() > 1 {
                self.spans.push(before..end);
            }
            before = end;
            let more = all.len() < most && self.chance(percent);
            self.spans.push(start..self.taken.len());
            if !more {
                return all;
            }
        }
    }
}

impl Tape {
    /// Tapes that may stand for simpler cases, the boldest first.
    pub(super) fn simpler(&self) -> Vec<Vec<u32>> {
        let mut spans: Vec<&Range<usize>> = self.spans.iter().filter(|span| !span.is_empty()).collect();
        spans.sort_by_key(|span| (std::cmp::Reverse(span.len()), span.start));
        let mut all: Vec<Vec<u32>> = Vec::new();
        for span in spans {
            all.push(self.without(span));
            if span.start > 0 && self.numbers[span.start - 1] > 0 {
                let mut absent = self.without(span);
                absent[span.start - 1] = 0;
                all.push(absent);
            }
        }
        for with in [|_| 0, |number: u32| number / 2, |number: u32| number - 1] {
            let changed = self.numbers.iter().enumerate().filter(|(_, number)| **number > 0);
            all.extend(changed.map(|(at, number)| {
                let mut numbers = self.numbers.clone();
                numbers[at] = with(*number);
                numbers
            }));
        }
        all
    }

    fn without(&self, span: &Range<usize>) -> Vec<u32> {
        [&self.numbers[..span.start], &self.numbers[span.end..]].concat()
    }
}

/// The next number of a splitmix generator.
pub(super) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(draw: &mut Draw) -> Vec<u32> {
        draw.list(9, 60, |draw| draw.optional(50, |draw| 1 + draw.below(100)).unwrap_or(0))
    }

    #[test]
    fn the_same_seed_and_the_same_tape_give_the_same_case() {
        let mut draw = Draw::from_seed(7);
        let first = numbers(&mut draw);
        assert_eq!(numbers(&mut Draw::from_seed(7)), first);
        assert_eq!(numbers(&mut Draw::again(draw.tape().numbers)), first);
        assert!((0..9).any(|seed| numbers(&mut Draw::from_seed(seed)) != first));
    }

    #[test]
    fn greedy_steps_lead_to_the_simplest_case_that_still_has_the_fault() {
        let faulty = |case: &[u32]| case.iter().any(|number| *number >= 37);
        let mut seeds = (0..).map(|seed| {
            let mut draw = Draw::from_seed(seed);
            (numbers(&mut draw), draw.tape())
        });
        let (mut case, mut tape) = seeds.find(|(case, _)| faulty(case) && case.len() > 4).expect("soon");
        'again: loop {
            for simpler in tape.simpler() {
                let mut draw = Draw::again(simpler);
                let other = numbers(&mut draw);
                if faulty(&other) && (other.len(), &other) < (case.len(), &case) {
                    (case, tape) = (other, draw.tape());
                    continue 'again;
                }
            }
            break;
        }
        assert_eq!(case, [37]);
    }
}
