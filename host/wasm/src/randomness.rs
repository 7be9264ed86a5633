//! Randomness that a replayed batch sees again.

/// SplitMix64 (Steele, Lea, Flood 2014). Written out here because the sequence must outlast any library's
/// version: a batch replayed by a newer host must give the same bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Randomness(u64);

impl Randomness {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next_u64().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_fixed_for_good() {
        // First values of the reference implementation for seed 1234567.
        let mut random = Randomness::seeded(1_234_567);
        let drawn = [random.next_u64(), random.next_u64(), random.next_u64()];
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn bytes_are_as_many_as_asked_for() {
        assert_eq!(Randomness::seeded(1).bytes(13).len(), 13);
        assert_eq!(Randomness::seeded(1).bytes(0).len(), 0);
    }
}
