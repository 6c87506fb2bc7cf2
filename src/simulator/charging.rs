//! What a request costs of the token limits before it runs.
//!
//! OpenAI charges when it admits a request, by an estimate. Documented is "the maximum of `max_tokens` and the tokens
//! estimated from the character count"; recorded responses show that estimate to be a quarter of the characters, and
//! two periods that differ in how the answer counts. Tools, functions and response formats are not counted in any.
//!
//! `fixtures/admission.csv` holds 131 recorded responses from February 2024 to August 2026, found in the test cassettes
//! of open-telemetry/opentelemetry-python-contrib, traceloop/openllmetry and crmne/ruby_llm. Each under the rule of its
//! period:
//!
//! | rule | endpoint | recordings | exact | within ±2 |
//! |---|---|---|---|---|
//! | `2024` | chat | 36 | 25 | 36 |
//! | `2024` | completions | 4 | 3 | 4 |
//! | `2025` | chat | 66 | 24 | 55 |
//! | `2025` | completions | 3 | 3 | 3 |
//! | both | embeddings | 22 | 8 | 20 |
//!
//! A recorded charge is what the header showed as gone, so refill between charge and header lowers it: at 5,000,000
//! tokens a minute, one token returns in 12 µs. Two of the embeddings rows are one batch of 22 inputs, of which only
//! the sum of characters is known, so that rounding each input up (which explains their 6 and 7 above) cannot be
//! replayed. Of the eleven chat rows beyond ±2, seven long texts show 5 to 9 above the rule, four rows 3 to 5 below.

/// Which request is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completions,
    /// `/v1/embeddings`.
    Embeddings,
}

/// What a request asks for, as far as charging needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// The endpoint asked.
    pub endpoint: Endpoint,
    /// Tokens of the input as estimated from its characters; see [`estimate`].
    pub input_estimate: u64,
    /// Image parts of a chat.
    pub images: u64,
    /// Answers to generate: the larger of `n` and `best_of`, 1 by default.
    pub choices: u64,
    /// `max_completion_tokens` or `max_tokens`, if given.
    pub max_tokens: Option<u64>,
}

/// How many tokens a request is charged at admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChargingRule {
    /// `"documented"`: `max(estimate, choices × max_tokens)`.
    Documented,
    /// `"2024"`, measured until January 2025: `estimate + choices × (max_tokens or 16)`.
    Measured2024,
    /// `"2025"`, measured since March 2025: as documented, and one more for chats. The default.
    ///
    /// The one recording with a `max_tokens` (10, on an estimate of 12) agrees with the documented maximum and does
    /// not prove it.
    #[default]
    Measured2025,
    /// `"usage"`: exactly the total that the reply's usage will state. No OpenAI rule; for tests of what a client
    /// reaches when it can compute every charge.
    Usage,
}

/// Names of the rules in settings, in the order of their description.
pub(super) const RULE_NAMES: [(&str, ChargingRule); 4] = [
    ("documented", ChargingRule::Documented),
    ("2024", ChargingRule::Measured2024),
    ("2025", ChargingRule::Measured2025),
    ("usage", ChargingRule::Usage),
];

/// Every image counts as one high-detail picture of four tiles (85 + 4 × 170), whatever its size: measured on chats
/// with images since the middle of 2024.
const IMAGE_TOKENS: u64 = 765;

/// What `2024` adds for each answer without a `max_tokens`.
const ANSWER_TOKENS_2024: u64 = 16;

/// Tokens that OpenAI's limiter estimates for a text of so many characters: a quarter, rounded up.
///
/// For a chat, the characters of all roles and contents together; for a list of inputs, each input on its own.
pub fn estimate(characters: u64) -> u64 {
    characters.div_ceil(4)
}

impl ChargingRule {
    /// Tokens that `demand` is charged. `usage` is asked only by [`ChargingRule::Usage`], for the true total.
    pub fn charge(self, demand: &Demand, usage: impl FnOnce() -> u64) -> u64 {
        let input = demand
            .input_estimate
            .saturating_add(demand.images.saturating_mul(IMAGE_TOKENS));
        let answer = demand
            .choices
            .saturating_mul(demand.max_tokens.unwrap_or(0));
        match (self, demand.endpoint) {
            (ChargingRule::Usage, _) => usage(),
            (_, Endpoint::Embeddings) => input,
            (ChargingRule::Documented, _) | (ChargingRule::Measured2025, Endpoint::Completions) => {
                input.max(answer)
            }
            (ChargingRule::Measured2025, Endpoint::Chat) => input.saturating_add(1).max(answer),
            (ChargingRule::Measured2024, _) => {
                let each = demand.max_tokens.unwrap_or(ANSWER_TOKENS_2024);
                input.saturating_add(demand.choices.saturating_mul(each))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::duration::go_duration;
    use super::super::limits::{Lane, Limits};
    use super::*;
    use std::num::NonZeroU64;

    fn demand(endpoint: Endpoint, characters: u64) -> Demand {
        Demand {
            endpoint,
            input_estimate: estimate(characters),
            images: 0,
            choices: 1,
            max_tokens: None,
        }
    }

    struct Recording {
        period: ChargingRule,
        demand: Demand,
        limits: [u64; 2],
        charged: i64,
        reset_tokens: String,
        remaining_requests: u64,
        reset_requests: String,
    }

    fn recordings() -> Vec<Recording> {
        include_str!("fixtures/admission.csv")
            .lines()
            .skip(1)
            .map(|line| {
                let cells: Vec<&str> = line.split(',').collect();
                let number = |at: usize| cells[at].parse::<u64>().unwrap();
                let endpoint = match cells[0] {
                    "chat/completions" => Endpoint::Chat,
                    "completions" => Endpoint::Completions,
                    _ => Endpoint::Embeddings,
                };
                Recording {
                    period: if cells[1] < "2025-03" {
                        ChargingRule::Measured2024
                    } else {
                        ChargingRule::Measured2025
                    },
                    demand: Demand {
                        choices: number(4),
                        max_tokens: cells[5].parse().ok(),
                        ..demand(endpoint, number(3))
                    },
                    limits: [number(6), number(9)],
                    charged: cells[7].parse().unwrap(),
                    reset_tokens: cells[8].to_owned(),
                    remaining_requests: number(10),
                    reset_requests: cells[11].to_owned(),
                }
            })
            .collect()
    }

    #[test]
    fn recorded_charges_come_out_as_the_table_above_says() {
        use ChargingRule::{Measured2024, Measured2025};
        for (rule, endpoint, of, exact, close) in [
            (Some(Measured2024), Endpoint::Chat, 36, 25, 36),
            (Some(Measured2024), Endpoint::Completions, 4, 3, 4),
            (Some(Measured2025), Endpoint::Chat, 66, 24, 55),
            (Some(Measured2025), Endpoint::Completions, 3, 3, 3),
            (None, Endpoint::Embeddings, 22, 8, 20),
        ] {
            let errors: Vec<i64> = recordings()
                .iter()
                .filter(|row| row.demand.endpoint == endpoint)
                .filter(|row| rule.is_none_or(|rule| rule == row.period))
                .map(|row| row.charged - row.period.charge(&row.demand, || 0) as i64)
                .collect();
            assert_eq!(errors.len(), of);
            assert_eq!(errors.iter().filter(|error| **error == 0).count(), exact);
            assert_eq!(
                errors.iter().filter(|error| error.abs() <= 2).count(),
                close
            );
        }
    }

    #[test]
    fn recorded_headers_follow_from_the_recorded_charge() {
        let mut one_millisecond_off = 0;
        for row in recordings() {
            let mut lane = Lane::new(
                &Limits {
                    tokens_per_minute: NonZeroU64::new(row.limits[0]),
                    ..Limits::default()
                },
                0.0,
            );
            let tokens = lane.admit(row.charged as u64, 0.0).unwrap().tokens.unwrap();
            assert_eq!(tokens.remaining, row.limits[0] - row.charged as u64);
            if go_duration(tokens.reset_ms) != row.reset_tokens {
                // Refill between the two headers: 17.1 shown as 16, and 6.0 as 5.
                assert_eq!(go_duration(tokens.reset_ms - 1.0), row.reset_tokens);
                one_millisecond_off += 1;
            }
            // Rows with more than one request gone are replayed in the bucket's own tests.
            if row.remaining_requests + 1 == row.limits[1] {
                let requests = NonZeroU64::new(row.limits[1]);
                let daily = row.reset_requests == "8.64s";
                let limits = Limits {
                    requests_per_minute: requests.filter(|_| !daily),
                    requests_per_day: requests.filter(|_| daily),
                    ..Limits::default()
                };
                let reading = Lane::new(&limits, 0.0).admit(0, 0.0).unwrap().requests;
                assert_eq!(go_duration(reading.unwrap().reset_ms), row.reset_requests);
            }
        }
        assert_eq!(one_millisecond_off, 2, "of 131");
    }

    #[test]
    fn single_recordings_are_charged_as_shown() {
        // An 18-character user message: 22 for one answer, 38 for two, 57 with max_tokens
        // 50. With its role the message has 22 characters.
        let chat = demand(Endpoint::Chat, 22);
        let charge = |demand| ChargingRule::Measured2024.charge(&demand, || 0);
        assert_eq!(charge(chat), 22);
        assert_eq!(charge(Demand { choices: 2, ..chat }), 38);
        let bounded = Demand {
            max_tokens: Some(50),
            ..chat
        };
        assert_eq!(charge(bounded), 56, "57 was shown");
    }

    #[test]
    fn each_rule_counts_the_answer_its_own_way() {
        use ChargingRule::{Documented, Measured2024, Measured2025, Usage};
        let chat = |max_tokens, choices, images| Demand {
            max_tokens,
            choices,
            images,
            ..demand(Endpoint::Chat, 400)
        };
        for (rule, demand, charge) in [
            (Documented, chat(None, 1, 0), 100),
            (Documented, chat(Some(90), 1, 0), 100),
            (Documented, chat(Some(90), 2, 0), 180),
            (Measured2025, chat(None, 1, 0), 101),
            (Measured2025, chat(Some(500), 1, 0), 500),
            (Measured2024, chat(None, 1, 0), 116),
            (Measured2024, chat(Some(90), 2, 0), 280),
            (Documented, chat(None, 1, 2), 1_630),
            (Usage, chat(Some(90), 2, 0), 7),
            (Documented, chat(Some(u64::MAX), u64::MAX, 0), u64::MAX),
        ] {
            assert_eq!(rule.charge(&demand, || 7), charge, "{rule:?} {demand:?}");
        }
    }
}
