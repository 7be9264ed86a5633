//! Weighted choice in constant time (Walker's alias method, tables built as by Vose, 1991).

use super::random::Random;

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Below it the slot's own item is chosen, otherwise the alias.
    threshold: u32,
    alias: u32,
}

/// Chooses among items by their weights.
#[derive(Clone, Debug)]
pub(crate) struct AliasTable(Vec<Slot>);

impl AliasTable {
    /// `None` where no item has a weight, or one is negative or no number.
    pub fn new(weights: &[f64]) -> Option<Self> {
        let total: f64 = weights.iter().sum();
        if weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0) || total <= 0.0 || !total.is_finite() {
            return None;
        }
        let count = u32::try_from(weights.len()).ok()?;
        let mut shares: Vec<f64> = weights.iter().map(|weight| weight * f64::from(count) / total).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..count).partition(|&item| shares.get(item as usize).is_some_and(|share| *share < 1.0));
        let mut slots: Vec<Slot> = (0..count).map(|alias| Slot { threshold: u32::MAX, alias }).collect();
        while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
            let share = *shares.get(poor as usize)?;
            *slots.get_mut(poor as usize)? = Slot { threshold: (share * f64::from(u32::MAX)) as u32, alias: rich };
            let rest = shares.get_mut(rich as usize)?;
            *rest -= 1.0 - share;
            if *rest < 1.0 {
                small.extend(large.pop());
            }
        }
        // What is left over differs from 1 by rounding alone.
        Some(Self(slots))
    }

    /// An item, from 0.
    #[inline]
    pub fn choose(&self, random: &mut Random) -> usize {
        let bits = random.next();
        let item = (((bits >> 32) * self.0.len() as u64) >> 32) as usize;
        match self.0.get(item) {
            Some(slot) if (bits as u32) >= slot.threshold => slot.alias as usize,
            _ => item,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_as_often_as_they_weigh() {
        let table = AliasTable::new(&[1.0, 0.0, 3.0, 6.0]).expect("a table");
        let mut random = Random::new(1);
        let mut counts = [0_u32; 4];
        for _ in 0..100_000 {
            counts[table.choose(&mut random)] += 1;
        }
        assert_eq!(counts[1], 0);
        for (count, expected) in counts.iter().zip([10_000_i64, 0, 30_000, 60_000]) {
            assert!((i64::from(*count) - expected).abs() < 900, "{counts:?}");
        }
        assert!(AliasTable::new(&[]).is_none());
        assert!(AliasTable::new(&[0.0]).is_none());
        assert!(AliasTable::new(&[1.0, f64::NAN]).is_none());
    }
}
