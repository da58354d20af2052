//! The times of an answer.
//!
//! Owns what `latency` means for one request: its draws, what the prompt and the load add, the gap before each event of
//! content, and the limit of the whole. Refuses to wait: `deliver` does.

use std::time::Duration;

use crate::digest::Random;
use crate::plan::{Answer, Piece};
use crate::script::{Distribution, JsonLatency, LONGEST, Latency, Prefill};

/// Tokens that one answer is waited for at most, whatever its usage claims.
const MOST_TOKENS: u64 = 1 << 20;

/// The times of one answer, settled but for the gaps of its stream.
pub(crate) struct Tempo {
    /// Before the head.
    pub(crate) head: Duration,
    ttft: Duration,
    itl: Distribution<Duration>,
    total: Option<Duration>,
    /// How many times slower the provider is than an idle one.
    load: f64,
    cached_ratio: f64,
    /// An answer that is no stream takes as long as one.
    whole: bool,
    row: Random,
}

impl Tempo {
    /// The draws of a request. How busy the provider is, is a number from 0 (nothing else in flight) to 1 (as much as
    /// may be); the estimate of the prompt is only asked for where it counts.
    pub(crate) fn new(latency: Latency, request: &Random, busy: f64, prompt: impl FnOnce() -> u64) -> Self {
        let draw = |times: &Option<Distribution<Duration>>, key| {
            times.as_ref().map_or(Duration::ZERO, |times| times.draw(request, key))
        };
        let load = 1.0 + busy * (latency.load_factor.unwrap_or(1.0) - 1.0);
        let mut ttft = draw(&latency.ttft, "latency.ttft");
        let mut cached_ratio = 0.0;
        if let Some(prefill) = &latency.prefill {
            cached_ratio = prefill.cached_ratio;
            let tokens = prompt();
            let fresh = tokens.saturating_sub(cached(tokens, cached_ratio)) as f64;
            let Prefill { overhead, per_token, .. } = prefill;
            ttft += draw(overhead, "latency.prefill.overhead");
            ttft += stretched(draw(per_token, "latency.prefill.per_token"), fresh);
        }
        Self {
            head: stretched(draw(&latency.head, "latency.head"), load),
            ttft: stretched(ttft, load),
            total: latency.total.as_ref().map(|times| times.draw(request, "latency.total")),
            itl: latency.itl.unwrap_or(Duration::ZERO.into()),
            load,
            cached_ratio,
            whole: latency.json == Some(JsonLatency::Whole),
            row: request.branch("latency.itl"),
        }
    }

    /// How many tokens of the prompt are cached.
    pub(crate) fn cached(&self, prompt: u64) -> u64 {
        cached(prompt, self.cached_ratio)
    }

    /// The gaps of this answer's stream.
    pub(crate) fn pace(&self) -> Pace {
        Pace { ttft: Some(self.ttft), itl: self.itl.clone(), load: self.load, row: self.row.clone(), drawn: 0 }
    }

    /// What an answer that is no stream waits for beside the head: as long as a stream of its tokens would take.
    pub(crate) fn unstreamed(&self, answer: &Answer) -> Duration {
        let used = match answer.pieces.as_slice() {
            [only] if self.whole && answer.content_type == "application/json" => only.usage,
            _ => None,
        };
        let Some(used) = used else { return Duration::ZERO };
        let mut pace = self.pace();
        let gaps = (0..=used.completion_tokens.min(MOST_TOKENS)).map(|_| pace.next());
        gaps.fold(Duration::ZERO, Duration::saturating_add).min(LONGEST)
    }

    /// Shrinks all times of an answer in proportion, where they add up to more than `total`.
    pub(crate) fn fit(&self, delay: &mut Duration, pieces: &mut [Piece]) {
        let Some(total) = self.total else { return };
        let whole = *delay + pieces.iter().map(|piece| piece.gap).sum::<Duration>();
        if whole <= total {
            return;
        }
        // Points in time are scaled, not gaps, so that no rounding adds up.
        let scaled = |at: Duration| nanos(at.as_nanos() * total.as_nanos() / whole.as_nanos());
        let (mut at, mut before) = (*delay, scaled(*delay));
        *delay = before;
        for piece in pieces {
            at += piece.gap;
            let now = scaled(at);
            piece.gap = now - before;
            before = now;
        }
    }
}

/// The gaps before content events: the first is the time to the first token.
pub(crate) struct Pace {
    ttft: Option<Duration>,
    itl: Distribution<Duration>,
    load: f64,
    row: Random,
    drawn: usize,
}

impl Pace {
    /// The gap before the next event of content.
    pub(crate) fn next(&mut self) -> Duration {
        if let Some(ttft) = self.ttft.take() {
            return ttft;
        }
        let gap = self.itl.draw_nth(&mut self.row, self.drawn);
        self.drawn += 1;
        stretched(gap, self.load)
    }
}

fn cached(prompt: u64, ratio: f64) -> u64 {
    (prompt as f64 * ratio) as u64
}

/// So many times as long, but never longer than a script may say.
fn stretched(time: Duration, factor: f64) -> Duration {
    if factor == 1.0 { time } else { Duration::from_secs_f64((time.as_secs_f64() * factor).min(LONGEST.as_secs_f64())) }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).expect("no longer than the total, which is at most a day"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Usage;

    const MS: Duration = Duration::from_millis(1);

    fn tempo(yaml: &str, busy: f64, prompt: u64) -> Tempo {
        let latency = serde_saphyr::from_str(yaml).expect("well-formed");
        Tempo::new(latency, &Random::new(&[1]), busy, || prompt)
    }

    fn gaps(tempo: &Tempo, count: usize) -> Vec<Duration> {
        let mut pace = tempo.pace();
        (0..count).map(|_| pace.next()).collect()
    }

    fn pieces(gaps: &[Duration]) -> Vec<Piece> {
        gaps.iter().map(|gap| Piece { gap: *gap, ..Piece::default() }).collect()
    }

    #[test]
    fn the_first_gap_is_the_time_to_the_first_token() {
        let tempo = tempo("{head: 5ms, ttft: 70ms, tps: 50}", 0.0, 0);
        assert_eq!((tempo.head, gaps(&tempo, 3)), (5 * MS, vec![70 * MS, 20 * MS, 20 * MS]));
    }

    #[test]
    fn a_prompt_costs_its_tokens_but_for_the_cached_ones() {
        let prefill = "{ttft: 10ms, prefill: {overhead: 20ms, per_token: 2ms, cached_ratio: 0.5}}";
        let tempo = tempo(prefill, 0.0, 101);
        assert_eq!((gaps(&tempo, 1), tempo.cached(101)), (vec![(10 + 20 + 2 * 51) * MS], 50));
    }

    #[test]
    fn load_stretches_head_and_gaps_in_a_line() {
        let all = |busy| {
            let tempo = tempo("{head: 10ms, ttft: 20ms, itl: 4ms, load_factor: 3}", busy, 0);
            (tempo.head, gaps(&tempo, 2))
        };
        assert_eq!(all(0.0), (10 * MS, vec![20 * MS, 4 * MS]));
        assert_eq!(all(0.5), (20 * MS, vec![40 * MS, 8 * MS]));
        assert_eq!(all(1.0), (30 * MS, vec![60 * MS, 12 * MS]));
    }

    #[test]
    fn the_gaps_of_two_answers_to_equal_requests_are_equal() {
        let random = "{ttft: {exponential: {mean: 50ms}}, itl: {normal: {mean: 12ms, std_dev: 2ms}}}";
        let one = gaps(&tempo(random, 0.0, 0), 50);
        assert_eq!(one, gaps(&tempo(random, 0.0, 0), 50));
        assert!(one[1..].iter().any(|gap| *gap != one[1]), "each gap is a draw of its own");
    }

    #[test]
    fn a_recorded_stream_is_replayed_in_order() {
        let tempo = tempo("{ttft: 9ms, itl: {trace: {values: [1ms, 2ms, 3ms], loop: true}}}", 0.0, 0);
        assert_eq!(gaps(&tempo, 6), [9, 1, 2, 3, 1, 2].map(|ms| ms * MS));
    }

    #[test]
    fn an_answer_that_is_no_stream_waits_for_its_head_or_for_all_its_tokens() {
        let used = Usage { completion_tokens: 3, ..Usage::default() };
        let wait = |yaml, answer: Answer| tempo(yaml, 0.0, 0).unstreamed(&answer);
        let (head, whole) = ("{ttft: 70ms, itl: 10ms}", "{ttft: 70ms, itl: 10ms, json: whole}");
        assert_eq!(wait(head, Answer::json(200, "{}", Some(used))), Duration::ZERO);
        assert_eq!(wait(whole, Answer::json(200, "{}", Some(used))), 100 * MS);
        assert_eq!(wait(whole, Answer::json(200, "{}", None)), Duration::ZERO);
        assert_eq!(wait(whole, Answer::stream(pieces(&[MS]))), Duration::ZERO);
        let endless = Usage { completion_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(wait("{itl: 20h, json: whole}", Answer::json(200, "{}", Some(endless))), LONGEST);
    }

    #[test]
    fn a_total_caps_the_whole_answer_and_keeps_its_proportions() {
        let (mut delay, mut all) = (100 * MS, pieces(&[100 * MS, Duration::ZERO, 200 * MS]));
        tempo("{total: 100ms}", 0.0, 0).fit(&mut delay, &mut all);
        let gaps: Vec<Duration> = all.iter().map(|piece| piece.gap).collect();
        assert_eq!((delay, gaps), (25 * MS, vec![25 * MS, Duration::ZERO, 50 * MS]));
        let mut short = pieces(&[MS]);
        tempo("{total: 100ms}", 0.0, 0).fit(&mut delay, &mut short);
        assert_eq!((delay, short[0].gap), (25 * MS, MS));
    }

    proptest::proptest! {
        #[test]
        fn points_in_time_do_not_drift_when_gaps_are_fitted(
            gaps in proptest::collection::vec(0u64..1_000_000_000, 1..2000),
            head in 0u64..1_000_000_000,
            total in 0u64..1_000_000_000,
        ) {
            let gaps: Vec<Duration> = gaps.into_iter().map(Duration::from_nanos).collect();
            let (mut delay, mut all) = (Duration::from_nanos(head), pieces(&gaps));
            let whole = delay + gaps.iter().sum::<Duration>();
            tempo(&format!("{{total: {total}ns}}"), 0.0, 0).fit(&mut delay, &mut all);
            let fitted = delay + all.iter().map(|piece| piece.gap).sum::<Duration>();
            proptest::prop_assert_eq!(fitted, whole.min(Duration::from_nanos(total)));
            let (mut at, mut was) = (delay, Duration::from_nanos(head));
            for (piece, gap) in all.iter().zip(&gaps) {
                at += piece.gap;
                was += *gap;
                let exact = was.as_secs_f64() * fitted.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
                proptest::prop_assert!((at.as_secs_f64() - exact).abs() < 3e-9);
            }
        }
    }
}
