//! Links between hosts and the broker that are cut, silent, deaf or slow.

use std::time::Duration;

use anyhow::Result;
use rand::{Rng, rngs::StdRng};

use super::{Scenario, Trouble, without_kafka};
use crate::{
    cluster::{Cluster, Ground},
    journal::Counts,
    link::Mode,
};

#[derive(Debug)]
struct Broken {
    nth: usize,
    mode: Mode,
    lasts: Duration,
    /// Connections are closed at the end, and what they held back is gone.
    reset: bool,
    host: Option<usize>,
}

impl Broken {
    fn draw(random: &mut StdRng, mode: Mode, range_ms: std::ops::Range<u64>) -> Box<dyn Trouble> {
        Box::new(Self {
            nth: random.random_range(0..6),
            mode,
            lasts: Duration::from_millis(random.random_range(range_ms)),
            reset: random.random_bool(0.5),
            host: None,
        })
    }

    fn counted(mode: Mode, counts: &mut Counts) -> Option<&mut u64> {
        match mode {
            Mode::Pass => None,
            Mode::Cut => Some(&mut counts.cuts),
            Mode::Silent => Some(&mut counts.silences),
            Mode::Deaf => Some(&mut counts.lost_answers),
            Mode::Slow(_) => Some(&mut counts.slow_links),
        }
    }
}

impl Trouble for Broken {
    fn lasts(&self) -> Duration {
        self.lasts
    }

    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool> {
        let sound = |mode: Mode| mode == Mode::Pass;
        self.host =
            cluster.pick(self.nth, |host| host.member && host.link.as_ref().is_some_and(|link| sound(link.mode())));
        let Some(number) = self.host else { return Ok(false) };
        if let Some(link) = &cluster.host(number)?.link {
            link.set(self.mode);
        }
        if let Some(count) = Self::counted(self.mode, &mut cluster.journal.counts) {
            *count += 1;
        }
        Ok(true)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<bool> {
        let Some(number) = self.host else { return Ok(true) };
        if let Some(link) = &cluster.host(number)?.link {
            if self.reset {
                link.reset();
            }
            link.set(Mode::Pass);
        }
        Ok(true)
    }
}

macro_rules! link_scenarios {
    ($($scenario:ident: $name:literal, $about:literal, $draw:expr;)*) => { $(
        #[doc = $about]
        pub struct $scenario;

        impl Scenario for $scenario {
            fn name(&self) -> &'static str {
                $name
            }

            fn about(&self) -> &'static str {
                $about
            }

            fn obstacle(&self, ground: &Ground) -> Option<&'static str> {
                without_kafka(ground)
            }

            fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
                let draw: fn(&mut StdRng) -> Box<dyn Trouble> = $draw;
                draw(random)
            }
        }
    )* };
}

link_scenarios! {
    Cut: "cut", "a host's connections to the broker are closed, and new ones are as well",
        |random| Broken::draw(random, Mode::Cut, 200..6000);
    Silence: "silence", "a host's connections to the broker stay and nothing passes",
        |random| Broken::draw(random, Mode::Silent, 500..8000);
    LostAnswers: "lost-answers", "a host's requests reach the broker and the answers are held back",
        |random| Broken::draw(random, Mode::Deaf, 300..8000);
    SlowLink: "slow", "everything between a host and the broker comes late",
        |random| {
            let delay = Duration::from_millis(random.random_range(20..400));
            Broken::draw(random, Mode::Slow(delay), 2000..6000)
        };
}
