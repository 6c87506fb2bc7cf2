//! One limit as the headers give it, and the window that it counts over.

use std::time::Duration;

/// One limit as the headers give it: [`Default`] is a limit of which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Meter {
    /// What the window holds; above zero.
    ///
    /// A limit that the server counts over less than a minute is told per minute: 10 in ten seconds is 60. A bucket of 60
    /// refills exactly as fast. It only lets a larger burst through after a pause, as an unknown limit would at any time.
    pub limit: Option<f64>,
    /// What was left after this request was charged, from zero to the limit.
    ///
    /// Unknown where the server claims a full bucket and names no reset: then it does not count here (xAI).
    ///
    /// It is never scaled: where the server counts over less than a minute, this much and no more can start at once. Without a
    /// limit it stands alone and says that at least this much still fits.
    pub remaining: Option<f64>,
    /// The time until the bucket is full again (not the time to wait for the next request).
    pub reset: Option<Duration>,
    /// The window where the headers say it themselves, in a header's name or in one of its own.
    pub stated_window: Option<Window>,
}

/// The window that a limit counts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Sixty seconds.
    Minute,
    /// 24 hours.
    Day,
}

impl Meter {
    /// Which window this limit counts over: what the headers say; else, as OpenAI's never say it, what follows from
    /// `reset = (limit - remaining) × window / limit`. A full bucket or one without a reset tells nothing and is taken to be per
    /// minute.
    pub fn window(&self) -> Window {
        self.stated_window
            .or_else(|| self.inferred_window())
            .unwrap_or(Window::Minute)
    }

    fn inferred_window(&self) -> Option<Window> {
        let limit = self.limit?;
        let missing = limit - self.remaining?;
        let seconds = self.reset?.as_secs_f64();
        // The two windows lie 1,440-fold apart, so their geometric mean (38 minutes) tells them apart in spite of the
        // header's truncation to milliseconds and the time that passed since the last request.
        (missing > 0.0).then(|| {
            if seconds * limit / missing > 2_280.0 {
                Window::Day
            } else {
                Window::Minute
            }
        })
    }

    /// Whether the headers said anything about this limit.
    pub(super) fn is_known(&self) -> bool {
        self.limit.is_some() || self.remaining.is_some()
    }

    /// The one of two limits on the same thing that runs out first. An unknown one never does.
    pub(super) fn tighter(self, other: Meter) -> Meter {
        // A request fits by what is left, not by the share of the limit that is left.
        let room = |meter: &Meter| meter.remaining.or(meter.limit).unwrap_or(f64::INFINITY);
        let limit = |meter: &Meter| meter.limit.unwrap_or(f64::INFINITY);
        let order = room(&self)
            .total_cmp(&room(&other))
            .then(limit(&self).total_cmp(&limit(&other)));
        if order.is_le() { self } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::go_duration;

    #[test]
    fn the_reset_header_tells_a_day_from_a_minute() {
        for (limit, remaining, reset, window) in [
            (500.0, 499.0, "120ms", Window::Minute),
            (10_000.0, 9_999.0, "8.64s", Window::Day),
            (10_000.0, 9_993.0, "59.369s", Window::Day),
            (200.0, 197.0, "20m52.666s", Window::Day),
            (30_000.0, 0.0, "1m0.052s", Window::Minute),
            (30_000.0, 29_999.0, "2ms", Window::Minute),
            (30_000.0, 30_000.0, "0s", Window::Minute),
        ] {
            let meter = Meter {
                limit: Some(limit),
                remaining: Some(remaining),
                reset: go_duration(reset),
                ..Meter::default()
            };
            assert_eq!(meter.window(), window, "{limit} {remaining} {reset}");
        }
    }

    #[test]
    fn a_stated_window_is_believed_before_the_reset() {
        let meter = Meter {
            limit: Some(10_000.0),
            remaining: Some(9_999.0),
            reset: go_duration("8.64s"),
            stated_window: Some(Window::Minute),
        };
        assert_eq!(meter.window(), Window::Minute);
    }

    #[test]
    fn what_runs_out_first_is_tighter_and_the_unknown_never_is() {
        let meter = |limit, remaining| Meter {
            limit,
            remaining,
            ..Meter::default()
        };
        let unknown = Meter::default();
        for (tight, loose) in [
            (
                meter(Some(500.0), Some(10.0)),
                meter(Some(100.0), Some(90.0)),
            ),
            (
                meter(Some(100.0), Some(90.0)),
                meter(Some(500.0), Some(90.0)),
            ),
            (meter(Some(100.0), None), meter(Some(500.0), Some(400.0))),
            (meter(None, Some(5.0)), meter(Some(500.0), None)),
            (meter(Some(100.0), Some(90.0)), unknown),
            (unknown, unknown),
        ] {
            assert_eq!(tight.tighter(loose), tight, "{tight:?} {loose:?}");
            assert_eq!(loose.tighter(tight), tight, "{loose:?} {tight:?}");
        }
    }
}
