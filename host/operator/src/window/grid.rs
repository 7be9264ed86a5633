//! Windows that are the same for all keys, and the slices that they are made of.
//!
//! Where windows overlap, each moment belongs to many of them, but only to one *slice*: time is cut wherever a window
//! begins or ends. A record changes the accumulator of its slice, and what a window has is merged from its slices when
//! it fires.
//!
//! ```text
//!   windows   |-----------------------|
//!                      |-----------------------|
//!                               |-----------------------|
//!   slices    |        |        |     |  |     |  |     |
//! ```

use std::ops::{Bound, RangeInclusive};

use super::{CalendarUnit, Window, WindowError, calendar::Calendar};

/// Windows by number, and slices.
#[derive(Clone, Debug)]
pub(super) enum Grid {
    /// Of fixed length.
    Fixed(FixedGrid),
    /// Of a calendar: each window is one slice.
    Calendar(Calendar),
}

/// Windows `[offset + n * every, offset + n * every + size)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct FixedGrid {
    size: i128,
    every: i128,
    offset: i128,
}

/// A slice, and the windows that it is part of. Only one slice can reach below the integers, so that the first moment
/// within them tells slices apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// Its first moment, or `i64::MIN`.
    pub(super) start_ms: i64,
    /// The moment after its last one, or `i64::MAX`.
    pub(super) end_ms: i64,
    /// Its last moment.
    pub(super) last_ms: i64,
    /// The numbers of the windows, which may be beyond those of 64 bits.
    pub(super) windows: RangeInclusive<i128>,
}

impl Slice {
    #[inline]
    pub(super) fn contains(&self, timestamp_ms: i64) -> bool {
        (self.start_ms..=self.last_ms).contains(&timestamp_ms)
    }
}

impl Grid {
    pub(super) fn fixed(size_ms: i64, every_ms: i64, offset_ms: i64) -> Result<Self, WindowError> {
        let positive = |setting, found: i64| match found {
            1.. => Ok(()),
            _ => Err(WindowError::Value { setting, found: found.into(), expected: "longer than 0 ms" }),
        };
        positive("the size of windows", size_ms)?;
        positive("every", every_ms)?;
        if every_ms > size_ms {
            return Err(WindowError::Value {
                setting: "every",
                found: every_ms.into(),
                expected: "at most the size of windows; what is between windows would be lost",
            });
        }
        let (size, every) = (i128::from(size_ms), i128::from(every_ms));
        Ok(Self::Fixed(FixedGrid { size, every, offset: i128::from(offset_ms).rem_euclid(every) }))
    }

    pub(super) fn calendar(unit: CalendarUnit, time_zone: &str) -> Result<Self, WindowError> {
        Ok(Self::Calendar(Calendar::new(unit, time_zone)?))
    }

    /// The slice that `timestamp_ms` is in.
    ///
    /// # Errors
    /// When a calendar does not reach so far; says so.
    pub(super) fn slice_of(&mut self, timestamp_ms: i64) -> Result<Slice, String> {
        match self {
            Self::Fixed(grid) => Ok(grid.slice_of(timestamp_ms)),
            Self::Calendar(calendar) => match calendar.index_of(timestamp_ms) {
                Some((index, window)) => {
                    let Window { start_ms, end_ms } = window;
                    Ok(Slice { start_ms, end_ms, last_ms: window.last_ms(), windows: index.into()..=index.into() })
                }
                None => Err(format!("the timestamp {timestamp_ms} is outside of the years -9999 to 9999")),
            },
        }
    }

    /// How many slices a window has.
    pub(super) fn slices_a_window(&self) -> i128 {
        match self {
            Self::Fixed(grid) if grid.size % grid.every == 0 => grid.size / grid.every,
            Self::Fixed(grid) => grid.size / grid.every * 2 + 1,
            Self::Calendar(_) => 1,
        }
    }

    /// Window `index`.
    pub(super) fn window(&self, index: i128) -> Window {
        match self {
            Self::Fixed(grid) => grid.window(index),
            Self::Calendar(calendar) => {
                i64::try_from(index).ok().and_then(|index| calendar.window(index)).unwrap_or(Window::GLOBAL)
            }
        }
    }
}

impl Grid {
    /// The first moment after window `index` as a bound; one that is beyond the integers bounds nothing.
    pub(super) fn end_of(&self, index: i128) -> Bound<i64> {
        match self {
            Self::Fixed(grid) => match i64::try_from(grid.offset + index * grid.every + grid.size) {
                Ok(end_ms) => Bound::Excluded(end_ms),
                Err(_) => Bound::Unbounded,
            },
            Self::Calendar(_) => Bound::Excluded(self.window(index).end_ms),
        }
    }
}

impl FixedGrid {
    fn slice_of(&self, timestamp_ms: i64) -> Slice {
        let since_offset = i128::from(timestamp_ms) - self.offset;
        let newest = since_offset.div_euclid(self.every);
        let base = self.offset + newest * self.every;
        // Windows begin at multiples of `every`; they end `cut` after one.
        let cut = self.size.rem_euclid(self.every);
        let (start, end) = match since_offset.rem_euclid(self.every) < cut {
            true => (base, base + cut),
            false => (base + cut, base + self.every),
        };
        // The oldest window that reaches to the end of the slice.
        let oldest = -((self.offset + self.size - end).div_euclid(self.every));
        Slice { start_ms: clamp(start), end_ms: clamp(end), last_ms: clamp(end - 1), windows: oldest..=newest }
    }

    fn window(&self, index: i128) -> Window {
        let start = self.offset + index * self.every;
        Window { start_ms: clamp(start), end_ms: clamp(start + self.size) }
    }
}

fn clamp(value: i128) -> i64 {
    value.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any moment, the limits and their surroundings more often.
    fn moment() -> impl Strategy<Value = i64> {
        prop_oneof![
            any::<i64>(),
            -100_000_i64..100_000,
            (0..1000_i64).prop_map(|n| i64::MIN + n),
            (0..1000_i64).prop_map(|n| i64::MAX - n),
            Just(0),
        ]
    }

    proptest! {
        #[test]
        fn slices_are_in_the_windows_that_contain_them(
            size in 1_i64..2000, every in 1_i64..2000, offset in any::<i64>(), at in moment(),
        ) {
            prop_assume!(every <= size && size / every < 500);
            let mut grid = Grid::fixed(size, every, offset).expect("a grid");
            let slice = grid.slice_of(at).expect("a slice");
            prop_assert!(slice.contains(at));
            // By the definition, without slices.
            let contains = |index: i128, moment: i128| {
                let start = i128::from(offset) + index * i128::from(every);
                start <= moment && moment < start + i128::from(size)
            };
            let shift = (i128::from(offset) - i128::from(offset).rem_euclid(i128::from(every))) / i128::from(every);
            let newest = (i128::from(at) - i128::from(offset)).div_euclid(i128::from(every));
            let expected: Vec<i128> =
                (newest - 600..=newest + 1).filter(|&n| contains(n, at.into())).map(|n| n + shift).collect();
            let found: Vec<i128> = slice.windows.clone().collect();
            prop_assert_eq!(found, expected);
            for end in [slice.start_ms, slice.end_ms.saturating_sub(1)] {
                prop_assert_eq!(&grid.slice_of(end).expect("a slice"), &slice);
            }
            for index in slice.windows {
                let window = grid.window(index);
                prop_assert!(window.start_ms <= slice.start_ms && slice.end_ms <= window.end_ms);
            }
        }

        #[test]
        fn calendar_windows_lie_side_by_side(
            at in -62_000_000_000_000_i64..200_000_000_000_000, near in -2_000_000_000_000_i64..2_000_000_000_000,
            zone in prop::sample::select(vec![
                "UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu",
            ]),
            unit in prop::sample::select(vec![CalendarUnit::Day, CalendarUnit::Week, CalendarUnit::Month]),
        ) {
            let mut grid = Grid::calendar(unit, zone).expect("a zone");
            for at in [at, near] {
                let slice = grid.slice_of(at).expect("a slice");
                prop_assert!(slice.contains(at));
                let index = *slice.windows.start();
                prop_assert_eq!(grid.window(index).end_ms, slice.end_ms);
                prop_assert_eq!(grid.window(index + 1).start_ms, slice.end_ms);
                prop_assert_eq!(&grid.slice_of(slice.start_ms).expect("a slice"), &slice);
                prop_assert_eq!(&grid.slice_of(slice.end_ms - 1).expect("a slice"), &slice);
            }
        }
    }

    #[test]
    fn calendar_windows_begin_at_midnight_of_the_place() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a time").as_millisecond();
        let bounds = |unit, zone: &str, moment: &str| {
            let slice = Grid::calendar(unit, zone).expect("a zone").slice_of(at(moment)).expect("a slice");
            let text = |ms| jiff::Timestamp::from_millisecond(ms).expect("a time").to_string();
            (text(slice.start_ms), text(slice.end_ms))
        };
        let pair = |start: &str, end: &str| (start.to_owned(), end.to_owned());
        assert_eq!(
            bounds(CalendarUnit::Day, "Europe/Berlin", "2025-03-30T12:00:00Z"),
            pair("2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"),
            "23 hours"
        );
        assert_eq!(
            bounds(CalendarUnit::Week, "UTC", "2025-01-01T00:00:00Z"),
            pair("2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z")
        );
        assert_eq!(
            bounds(CalendarUnit::Month, "Europe/Berlin", "2025-10-31T23:00:00Z"),
            pair("2025-10-31T23:00:00Z", "2025-11-30T23:00:00Z")
        );
        assert_eq!(
            bounds(CalendarUnit::Day, "Pacific/Apia", "2011-12-30T09:00:00Z"),
            pair("2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
            "the day before the one that Samoa skipped"
        );
        let mut grid = Grid::calendar(CalendarUnit::Day, "UTC").expect("a zone");
        for outside in [i64::MIN, i64::MAX, 300_000_000_000_000] {
            assert!(grid.slice_of(outside).expect_err("no such year").contains("outside of the years"));
        }
        assert!(matches!(Grid::calendar(CalendarUnit::Day, "Nowhere/Land"), Err(WindowError::TimeZone(_))));
    }
}
