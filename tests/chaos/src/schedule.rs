//! What happens in a round, drawn from its seed.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::scenario::{Scenario, Trouble};

/// Within this the troubles of a round begin.
const BEGINNINGS_MS: std::ops::Range<u64> = 300..7000;
/// How many troubles a round has.
const TROUBLES: std::ops::RangeInclusive<usize> = 3..=6;

/// A trouble and its time.
pub struct Appointment {
    /// After the begin of the round.
    pub at: Duration,
    /// The name of its scenario.
    pub scenario: &'static str,
    /// What happens.
    pub trouble: Box<dyn Trouble>,
}

/// Draws the round of a seed, by time.
pub fn draw(seed: u64, scenarios: &[&dyn Scenario]) -> Vec<Appointment> {
    let mut random = StdRng::seed_from_u64(seed);
    let count = random.random_range(TROUBLES);
    let mut schedule: Vec<Appointment> = (0..count)
        .filter_map(|_| {
            let scenario = scenarios.get(random.random_range(0..scenarios.len().max(1)))?;
            let at = Duration::from_millis(random.random_range(BEGINNINGS_MS));
            Some(Appointment { at, scenario: scenario.name(), trouble: scenario.draw(&mut random) })
        })
        .collect();
    schedule.sort_by_key(|appointment| appointment.at);
    schedule
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ALL;

    fn shown(seed: u64) -> Vec<String> {
        let show = |a: &Appointment| format!("{:?} {} {:?}", a.at, a.scenario, a.trouble);
        draw(seed, &ALL).iter().map(show).collect()
    }

    #[test]
    fn a_seed_always_gives_the_same_round_and_seeds_give_all_scenarios() {
        assert_eq!(shown(7), shown(7));
        assert_ne!(shown(7), shown(8));
        let drawn: std::collections::BTreeSet<_> =
            (0..200).flat_map(|seed| draw(seed, &ALL)).map(|appointment| appointment.scenario).collect();
        assert_eq!(drawn.len(), ALL.len());
    }
}
