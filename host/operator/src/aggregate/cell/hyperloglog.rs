//! Approximate numbers of distinct values.

use super::put_number;
use crate::aggregate::{
    encoding::{Damaged, Reader, put_varint},
    hash::hash,
};

/// Bits of a hash that choose a register. The standard error is 1.04 / 2^(bits / 2): 1.6 %.
pub(super) const INDEX_BITS: u32 = 12;
const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of the hash that are left, and so the largest rank but one.
const RANK_BITS: usize = 64 - INDEX_BITS as usize;
/// Bits that a register takes where it is written.
const WRITTEN_BITS: u32 = 6;
/// Bytes of all registers where they are written.
const WRITTEN_BYTES: usize = REGISTERS * WRITTEN_BITS as usize / 8;
/// Registers are written one by one up to this number, and all of them above it.
const MAX_SPARSE: usize = 1_024;
const SPARSE: u8 = 0;
const DENSE: u8 = 1;

/// A HyperLogLog sketch (Flajolet, Fusy, Gandouet and Meunier 2007) with the estimator of Ertl 2017 ("New
/// cardinality estimation algorithms for HyperLogLog sketches"), which needs no correction for small or large
/// numbers. It is the same whatever the order of values and merges.
///
/// Written as [`SPARSE`], the number of registers that are not 0 and, ascending, for each the distance of its
/// index from the one before times 64 plus its rank; above [`MAX_SPARSE`] as [`DENSE`] and all ranks, 6 bits each.
#[derive(Debug, Default)]
pub struct HyperLogLog {
    /// Index and rank of registers that are not 0, ascending; empty where `dense` is not.
    sparse: Vec<(u16, u8)>,
    /// All ranks, or nothing.
    dense: Vec<u8>,
}

impl HyperLogLog {
    pub fn clear(&mut self) {
        self.sparse.clear();
        self.dense.clear();
    }

    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.clear();
        match from.byte()? {
            SPARSE => self.read_sparse(from),
            DENSE => {
                let packed = from.bytes(WRITTEN_BYTES)?;
                self.dense.resize(REGISTERS, 0);
                for (ranks, [a, b, c]) in self.dense.as_chunks_mut::<4>().0.iter_mut().zip(packed.as_chunks::<3>().0) {
                    let word = u32::from_le_bytes([*a, *b, *c, 0]);
                    *ranks = [0, 1, 2, 3].map(|at| (word >> (at * WRITTEN_BITS)) as u8 & 63);
                }
                let greatest = self.dense.iter().copied().fold(0, u8::max);
                if usize::from(greatest) > RANK_BITS + 1 { Err(Damaged) } else { Ok(()) }
            }
            _ => Err(Damaged),
        }
    }

    fn read_sparse(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        let mut next = 0_u64;
        for _ in 0..from.length()? {
            let written = from.varint()?;
            let (distance, rank) = (written >> WRITTEN_BITS, (written & 63) as u8);
            let index = next + distance;
            if index >= REGISTERS as u64 || rank == 0 || usize::from(rank) > RANK_BITS + 1 {
                return Err(Damaged);
            }
            self.sparse.push((index as u16, rank));
            next = index + 1;
        }
        if self.sparse.len() > MAX_SPARSE { Err(Damaged) } else { Ok(()) }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        if self.dense.is_empty() {
            out.push(SPARSE);
            put_varint(out, self.sparse.len() as u64);
            let mut next = 0;
            for (index, rank) in &self.sparse {
                let index = u64::from(*index);
                put_varint(out, (index - next) << WRITTEN_BITS | u64::from(*rank));
                next = index + 1;
            }
            return;
        }
        out.push(DENSE);
        out.reserve(WRITTEN_BYTES);
        for ranks in self.dense.as_chunks::<4>().0 {
            let word = ranks.iter().rev().fold(0_u32, |word, rank| word << WRITTEN_BITS | u32::from(*rank));
            let [a, b, c, _] = word.to_le_bytes();
            out.extend_from_slice(&[a, b, c]);
        }
    }

    /// Appends what is written at `from` with this sketch, a small one, merged into it; `false`: it is not written
    /// whole there, or this one is not small, and nothing was done. Unlike decoding it this takes no longer than copying.
    pub fn merge_into_written(&self, from: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<bool, Damaged> {
        let mut ahead = *from;
        if !self.dense.is_empty() || ahead.byte()? != DENSE {
            return Ok(false);
        }
        let packed = ahead.bytes(WRITTEN_BYTES)?;
        *from = ahead;
        out.push(DENSE);
        let start = out.len();
        out.extend_from_slice(packed);
        let (words, _) = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<3>();
        for (index, rank) in &self.sparse {
            let shift = u32::from(index % 4) * WRITTEN_BITS;
            let Some([a, b, c]) = words.get_mut(usize::from(index / 4)) else { continue };
            let word = u32::from_le_bytes([*a, *b, *c, 0]);
            if (word >> shift & 63) < u32::from(*rank) {
                [*a, *b, *c, _] = (word & !(63 << shift) | u32::from(*rank) << shift).to_le_bytes();
            }
        }
        Ok(true)
    }

    pub fn add(&mut self, value: &[u8]) {
        let hash = hash(value);
        let index = (hash >> RANK_BITS) as u16;
        // The bit below the rest bounds its leading zeros.
        let rest = hash << INDEX_BITS | 1 << (INDEX_BITS - 1);
        self.raise(index, rest.leading_zeros() as u8 + 1);
    }

    fn raise(&mut self, index: u16, rank: u8) {
        if let Some(known) = self.dense.get_mut(usize::from(index)) {
            *known = rank.max(*known);
            return;
        }
        match self.sparse.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(at) => {
                if let Some((_, known)) = self.sparse.get_mut(at) {
                    *known = rank.max(*known);
                }
            }
            Err(at) => self.sparse.insert(at, (index, rank)),
        }
        if self.sparse.len() > MAX_SPARSE {
            self.dense.resize(REGISTERS, 0);
            for (index, rank) in self.sparse.drain(..) {
                if let Some(known) = self.dense.get_mut(usize::from(index)) {
                    *known = rank;
                }
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (index, rank) in &other.sparse {
            self.raise(*index, *rank);
        }
        if !self.dense.is_empty() {
            self.dense.iter_mut().zip(&other.dense).for_each(|(known, rank)| *known = (*known).max(*rank));
            return;
        }
        for (index, rank) in other.dense.iter().enumerate() {
            if *rank > 0 {
                self.raise(index as u16, *rank);
            }
        }
    }

    /// The number, rounded.
    pub fn write_result(&self, out: &mut Vec<u8>) {
        // A cast of a float ends at the limits of the integer.
        put_number(out, self.estimate().round() as u64);
    }

    fn estimate(&self) -> f64 {
        let mut having = [0_u32; RANK_BITS + 2];
        let mut count = |rank: u8, many: u32| {
            if let Some(having) = having.get_mut(usize::from(rank)) {
                *having += many;
            }
        };
        if self.dense.is_empty() {
            count(0, (REGISTERS - self.sparse.len()) as u32);
        }
        self.sparse.iter().for_each(|(_, rank)| count(*rank, 1));
        // Most ranks are the same few: with a table for each of four, none has to wait for the one before.
        let mut tables = [[0_u32; 64]; 4];
        for ranks in self.dense.as_chunks::<4>().0 {
            for (table, rank) in tables.iter_mut().zip(ranks) {
                if let Some(having) = table.get_mut(usize::from(*rank)) {
                    *having += 1;
                }
            }
        }
        for table in tables {
            (0..).zip(table).for_each(|(rank, many)| count(rank, many));
        }
        let registers = REGISTERS as f64;
        let [none, ranks @ .., full] = having;
        let mut sum = registers * tau(1.0 - f64::from(full) / registers);
        for having in ranks.iter().rev() {
            sum = 0.5 * (sum + f64::from(*having));
        }
        sum += registers * sigma(f64::from(none) / registers);
        // All registers empty: the sum is infinite and the number 0.
        registers * registers / (2.0 * std::f64::consts::LN_2 * sum)
    }
}

/// `x + sum of x^(2^k) 2^(k-1)`: what the empty registers say.
fn sigma(x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut factor, mut sum) = (x, 1.0, x);
    loop {
        power *= power;
        let before = sum;
        sum += power * factor;
        factor *= 2.0;
        if sum == before {
            return sum;
        }
    }
}

/// `(1 - x - sum of (1 - x^(2^-k))^2 2^-k) / 3`: what the registers say that are as high as they can be.
fn tau(x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut root, mut factor, mut sum) = (x, 1.0, 1.0 - x);
    loop {
        root = root.sqrt();
        let before = sum;
        factor *= 0.5;
        sum -= (1.0 - root).powi(2) * factor;
        if sum == before {
            return sum / 3.0;
        }
    }
}
