//! Hashes and draws that depend on nothing but their input.
//!
//! Owns the randomness of the crate: every synthetic value is a function of (seed, provider, rule, request, occurrence).
//! Refuses entropy, time and thread order. Not for secrets.

const K: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads every bit of the input over the output (the finaliser of SplitMix64).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of bytes, eight at a time.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8);
    let mut state = K ^ bytes.len() as u64;
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("chunks of eight"));
        state = (state ^ word).wrapping_mul(K).rotate_left(29);
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    mix(state ^ u64::from_le_bytes(last).wrapping_mul(K))
}

/// A stream of numbers that follows from its seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(parts: &[u64]) -> Self {
        Self(parts.iter().fold(K, |state, part| mix(state.wrapping_mul(K) ^ *part)))
    }

    /// An independent stream.
    pub(crate) fn branch(&self, label: &str) -> Self {
        Self::new(&[self.0, hash(label.as_bytes())])
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(K);
        mix(self.0)
    }

    /// A number below the bound, which is small.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A number in -1..1.
    pub(crate) fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// A number from 0 on, below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An identifier of this many characters out of the alphabet.
    pub(crate) fn word(&mut self, length: usize, alphabet: &[u8]) -> String {
        self.named("", length, alphabet)
    }

    /// The same behind a prefix; the alphabet is ASCII.
    pub(crate) fn named(&mut self, prefix: &str, length: usize, alphabet: &[u8]) -> String {
        let mut word = Vec::with_capacity(prefix.len() + length);
        word.extend_from_slice(prefix.as_bytes());
        word.resize(prefix.len() + length, 0);
        // Eight characters of each number: its upper bits choose one, what is left of them the next.
        for characters in word[prefix.len()..].chunks_mut(8) {
            let mut left = self.next();
            for character in characters {
                let scaled = u128::from(left) * alphabet.len() as u128;
                *character = alphabet[(scaled >> 64) as usize];
                left = scaled as u64;
            }
        }
        String::from_utf8(word).expect("the alphabet is ASCII")
    }
}

/// Lower-case hexadecimal digits.
pub(crate) const HEX: &[u8] = b"0123456789abcdef";
/// Digits and letters.
pub(crate) const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_input_gives_equal_output_and_one_bit_changes_it() {
        assert_eq!(hash(b"abcdefgh1"), hash(b"abcdefgh1"));
        assert_ne!(hash(b"abcdefgh1"), hash(b"abcdefgh0"));
        assert_ne!(hash(b"a"), hash(b"a\0"));
        assert_eq!(Random::new(&[1, 2]).next(), Random::new(&[1, 2]).next());
        assert_ne!(Random::new(&[1, 2]).next(), Random::new(&[2, 1]).next());
        assert!((0..1000).all(|n| (0.0..1.0).contains(&Random::new(&[n]).unit())));
        assert!((0..1000).all(|n| (-1.0..1.0).contains(&Random::new(&[n]).signed())));
    }
}
