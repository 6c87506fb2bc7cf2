//! One model, and how it is found by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::name::{fine_tuned_base, without_date};
use super::{Encoding, ImageRule, Price, Tier, table};

/// The endpoint a model is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServedBy {
    /// `/chat/completions`, and `/responses` for most.
    Chat,
    /// `/responses` only.
    Responses,
    /// The legacy `/completions` only.
    Completions,
    /// `/embeddings`.
    Embeddings,
}

/// One model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The name without a date, where there is one.
    pub name: &'static str,
    /// Other names of the same model: the snapshots it stands for.
    pub aliases: &'static [&'static str],
    /// The tokenizer; o200k_base is assumed for gpt-6, whose encoding OpenAI has not published.
    pub encoding: Encoding,
    /// The endpoint it is made for.
    pub served_by: ServedBy,
    /// Most tokens of prompt and answer together; for embeddings, of one input.
    pub context_window: u64,
    /// Most tokens of one answer, reasoning included. 0 for embeddings.
    pub max_output_tokens: u64,
    /// Whether it reasons before it answers.
    pub reasoning: bool,
    /// What images cost; `None` where it takes none or nothing is published.
    pub images: Option<ImageRule>,
    /// The day OpenAI turns it off or has turned it off (`YYYY-MM-DD`), which may lie ahead. `None`: not announced.
    pub retired: Option<&'static str>,
    /// Prices by tier; a tier it is not offered in is missing.
    pub prices: &'static [(Tier, Price)],
}

impl Model {
    /// Whether it refuses `max_tokens` with a 400 and wants `max_completion_tokens`. All reasoning models do, no other.
    pub const fn max_completion_tokens_only(&self) -> bool {
        self.reasoning
    }

    /// Whether it refuses any `temperature` but the default of 1, as reasoning models do.
    pub const fn refuses_temperature(&self) -> bool {
        self.reasoning
    }

    /// Whether it can only be called through the legacy `/completions`.
    pub fn legacy_completions(&self) -> bool {
        self.served_by == ServedBy::Completions
    }

    /// Whether it makes embeddings.
    pub fn embedding(&self) -> bool {
        self.served_by == ServedBy::Embeddings
    }
}

/// The model of this name, or of the name that stands behind it (see the text of this folder). Takes constant time and
/// allocates nothing after the first call.
pub fn find(name: &str) -> Option<&'static Model> {
    static BY_NAME: LazyLock<HashMap<&str, &Model>> = LazyLock::new(|| {
        all()
            .flat_map(|model| {
                let names = std::iter::once(&model.name).chain(model.aliases);
                names.map(move |name| (*name, model))
            })
            .collect()
    });
    let base = fine_tuned_base(name).unwrap_or(name);
    let exact = BY_NAME.get(base);
    exact.or_else(|| BY_NAME.get(without_date(base))).copied()
}

/// Every model of the table.
pub fn all() -> impl Iterator<Item = &'static Model> {
    table::TABLES.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::super::{Rate, encoding, price};
    use super::*;

    fn found(name: &str) -> Option<&'static str> {
        find(name).map(|model| model.name)
    }

    #[test]
    fn every_name_of_the_table_finds_its_model_and_encoding() {
        let mut names = std::collections::HashSet::new();
        for model in all() {
            for name in std::iter::once(&model.name).chain(model.aliases) {
                assert!(names.insert(*name), "{name} is listed twice");
                assert_eq!(found(name), Some(model.name));
                assert_eq!(encoding(name), model.encoding, "{name}");
            }
        }
        assert_eq!(all().count(), 68);
    }

    #[test]
    fn names_are_looked_up_as_alias_as_fine_tuned_and_without_their_date() {
        for (name, expected) in [
            ("gpt-4o", Some("gpt-4o")),
            ("gpt-5.6", Some("gpt-5.6-sol")),
            ("gpt-4o-2024-08-06", Some("gpt-4o")),
            ("gpt-4o-2024-05-13", Some("gpt-4o-2024-05-13")),
            ("gpt-6.2-sol-2026-11-17", Some("gpt-6.2-sol")),
            ("gpt-3.5-turbo-0613", Some("gpt-3.5-turbo")),
            ("ft:gpt-4o-mini-2024-07-18:org:name:id", Some("gpt-4o-mini")),
            ("ft:gpt-4.1-2099-01-01:org::id", Some("gpt-4.1")),
            ("gpt-7", None),
            ("gpt-4o-", None),
            ("GPT-4o", None),
            ("ft:", None),
            ("", None),
        ] {
            assert_eq!(found(name), expected, "{name}");
        }
    }

    #[test]
    fn every_model_has_a_standard_price_and_sane_numbers() {
        for model in all() {
            let name = model.name;
            assert!(price(name, Tier::Standard).is_some(), "{name}");
            for (tier, price) in model.prices {
                let of_tier = model.prices.iter().filter(|(other, _)| other == tier);
                assert_eq!(of_tier.count(), 1, "{name} {tier:?}");
                let long = price.long_context.and_then(|long| long.rates);
                for rates in [Some(price.rates), long].into_iter().flatten() {
                    assert!(
                        rates.input > 0.0 && rates.output != Some(0.0),
                        "{name} {tier:?}"
                    );
                    if let Rate::Usd(cached) = rates.cached_input {
                        assert!(cached < rates.input, "{name} {tier:?}");
                    }
                    assert_eq!(rates.output.is_none(), model.embedding(), "{name}");
                }
            }
            assert!(model.max_output_tokens <= model.context_window, "{name}");
            assert_eq!(model.max_output_tokens == 0, model.embedding(), "{name}");
            assert!(
                model.retired.is_none_or(|day| {
                    day.len() == 10 && without_date(&format!("x-{day}")) == "x"
                })
            );
        }
    }

    #[test]
    fn what_a_model_refuses_follows_from_its_kind() {
        for (name, reasoning, legacy, embedding) in [
            ("gpt-6-luna", true, false, false),
            ("o3-mini", true, false, false),
            ("gpt-4o", false, false, false),
            ("gpt-5-chat-latest", false, false, false),
            ("gpt-3.5-turbo-instruct", false, true, false),
            ("text-embedding-3-small", false, false, true),
        ] {
            let model = find(name).unwrap();
            assert_eq!(model.max_completion_tokens_only(), reasoning, "{name}");
            assert_eq!(model.refuses_temperature(), reasoning, "{name}");
            assert_eq!(model.legacy_completions(), legacy, "{name}");
            assert_eq!(model.embedding(), embedding, "{name}");
        }
    }
}
