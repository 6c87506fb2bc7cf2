//! The table.

use std::fmt;

use crate::figures::Figures;

/// The table's head.
pub(crate) const HEAD: &str = "\
| scenario | used | used, ideal server | 429s per success | p50 s | p99 s | longest s | longest s, ideal server | longest inversion s | cached, of one account's | met |
|-|-:|-:|-:|-:|-:|-:|-:|-:|-:|-|";

/// What must be reached. Where charges are what we estimated, nothing but the network is in the way.
#[derive(Debug)]
struct Bars {
    least_used: f64,
    most_refused: f64,
}

const BARS: Bars = Bars {
    least_used: 0.99,
    most_refused: 0.003,
};

const BARS_OF_EXACT_CHARGES: Bars = Bars {
    least_used: 0.995,
    most_refused: 0.001,
};

/// The longest wait may be this many times the ideal server's.
const MOST_TIMES_IDEAL: f64 = 1.5;

/// Cached tokens, as a share of a single account's, where prompts have homes.
const LEAST_CACHED: f64 = 0.95;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Whether every charge is what we estimated.
    pub(crate) exact: bool,
    /// Whether prompts that repeat are to go where they are cached.
    pub(crate) with_homes: bool,
    pub(crate) reached: Figures,
    pub(crate) ideal: Figures,
}

impl Row {
    /// The bars that were missed.
    fn missed(&self) -> Vec<&'static str> {
        let bars = match self.exact {
            true => BARS_OF_EXACT_CHARGES,
            false => BARS,
        };
        let reached = &self.reached;
        [
            ("used", reached.used < bars.least_used),
            ("429s", reached.refused > bars.most_refused),
            (
                "longest",
                reached.longest_s > MOST_TIMES_IDEAL * self.ideal.longest_s,
            ),
            ("cached", self.with_homes && reached.cached < LEAST_CACHED),
            // A request that the ideal server could not place either is nobody's fault.
            ("given up", reached.given_up > self.ideal.given_up),
        ]
        .into_iter()
        .filter_map(|(bar, missed)| missed.then_some(bar))
        .collect()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row {
            name,
            reached,
            ideal,
            ..
        } = self;
        let missed = self.missed();
        let met = match missed.is_empty() {
            true => "yes".to_owned(),
            false => format!("no: {}", missed.join(", ")),
        };
        let cached = match reached.cached {
            1.0 => "–".to_owned(),
            share => format!("{:.1} %", 100.0 * share),
        };
        write!(
            out,
            "| {name} | {:.2} % | {:.2} % | {:.2} % | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {cached} | {met} |",
            100.0 * reached.used,
            100.0 * ideal.used,
            100.0 * reached.refused,
            reached.p50_s,
            reached.p99_s,
            reached.longest_s,
            ideal.longest_s,
            reached.inversion_s,
        )
    }
}
