//! Which bytes of a block tell something, sixteen at once: in JSON the next such byte is near, and a search that begins
//! anew for each costs more than it finds.

use wide::u8x16;

/// Sixteen bytes.
pub type Block = [u8; 16];

/// A bit for each byte that is one of these; the first byte has the lowest.
#[must_use]
pub fn among<const N: usize>(block: &Block, these: [u8; N]) -> u32 {
    let bytes = u8x16::new(*block);
    let found = these.into_iter().fold(u8x16::ZERO, |found, byte| found | bytes.simd_eq(u8x16::splat(byte)));
    found.to_bitmask()
}

/// A bit for each byte that is no greater than this one; the first byte has the lowest.
#[must_use]
pub fn up_to(block: &Block, most: u8) -> u32 {
    let bytes = u8x16::new(*block);
    bytes.min(u8x16::splat(most)).simd_eq(bytes).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_bits_are_those_of_the_bytes(block: Block, most: u8, one: u8, at in 0usize..16) {
            let bits = |tells: &dyn Fn(u8) -> bool| (0..16).filter(|at| tells(block[*at])).fold(0, |bits, at| bits | 1 << at);
            prop_assert_eq!(among(&block, [one, block[at]]), bits(&|byte| byte == one || byte == block[at]));
            prop_assert_eq!(up_to(&block, most), bits(&|byte| byte <= most));
        }
    }
}
