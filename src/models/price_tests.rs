//! Costs worked out by hand from the price table.

use super::{Price, Rate, Tier, price};
use crate::usage::Usage;

fn usage(input: u64, cached: u64, written: u64, output: u64) -> Usage {
    Usage {
        input_tokens: input,
        cached_input_tokens: cached,
        cache_write_tokens: written,
        output_tokens: output,
        total_tokens: input + output,
    }
}

/// Cost in dollars, to a trillionth.
fn assert_cost(actual: Option<f64>, expected: f64, what: &str) {
    let actual = actual.unwrap_or_else(|| panic!("{what}: no cost"));
    assert!(
        (actual - expected).abs() < 1e-12,
        "{what}: {actual} != {expected}"
    );
}

#[test]
fn costs_equal_those_worked_out_by_hand() {
    use Tier::{Batch, Flex, Priority, Standard};
    let cases = [
        // 1,000 × 2.50 + 500 × 10
        ("gpt-4o", Standard, usage(1_000, 0, 0, 500), 0.0075),
        // 76 × 2.50 + 1,920 cached × 1.25 + 300 × 10
        ("gpt-4o", Standard, usage(1_996, 1_920, 0, 300), 0.00559),
        // an alias; 1,000 × 4.25 + 100 cached × 2.125 + 10 × 17
        (
            "gpt-4o-2024-08-06",
            Priority,
            usage(1_100, 100, 0, 10),
            0.0046325,
        ),
        // no cache discount in batch: 2,000 × 1.25 + 100 × 5
        ("gpt-4o", Batch, usage(2_000, 1_500, 0, 100), 0.003),
        // a free cache write before gpt-5.6: 3,000 × 1.25 + 10 × 10
        ("gpt-5", Standard, usage(3_000, 0, 2_000, 10), 0.00385),
        // 1,000 × 4 + 2,000 cached × 0.40 + 3,000 written × 5 + 1,000 × 20
        (
            "gpt-5.6-sol",
            Standard,
            usage(6_000, 2_000, 3_000, 1_000),
            0.0398,
        ),
        // 100 × 0.05 + 900 cached × 0.005 + 200 × 0.25
        ("gpt-6-luna", Flex, usage(1_000, 900, 0, 200), 0.0000595),
        // 1 × 4 + 1 × 20
        ("gpt-6-sol", Priority, usage(1, 0, 0, 1), 0.000024),
        // exactly at the threshold: 272,000 × 2 + 1,000 × 10
        ("gpt-6.1-sol", Standard, usage(272_000, 0, 0, 1_000), 0.554),
        // one above it, the whole request: 272,001 × 4 + 1,000 × 15
        (
            "gpt-6.1-sol",
            Standard,
            usage(272_001, 0, 0, 1_000),
            1.103004,
        ),
        // 100,000 × 4 + 200,000 cached × 0.20 + 100,000 written × 5 + 10,000 × 15
        (
            "gpt-6.1-sol",
            Standard,
            usage(400_000, 200_000, 100_000, 10_000),
            1.09,
        ),
        // 300,000 × 30 + 100 × 135
        ("gpt-5.4-pro", Batch, usage(300_000, 0, 0, 100), 9.0135),
        // no cache discount on pro models: 10,000 × 15 + 10 × 120
        ("gpt-5-pro", Standard, usage(10_000, 9_000, 0, 10), 0.1512),
        // 8,192 × 0.02
        (
            "text-embedding-3-small",
            Standard,
            usage(8_192, 0, 0, 0),
            0.00016384,
        ),
        // a snapshot the table does not list: 10 × 2 + 10 × 10
        (
            "gpt-6.2-sol-2026-11-17",
            Standard,
            usage(10, 0, 0, 10),
            0.00012,
        ),
        // cached and written prices of gpt-6.2-astra are not known, but nothing needs them: 10 × 8 + 10 × 40
        ("gpt-6.2-astra", Standard, usage(10, 0, 0, 10), 0.00048),
        ("gpt-4o", Standard, usage(0, 0, 0, 0), 0.0),
    ];
    for (model, tier, used, expected) in cases {
        let cost = price(model, tier).and_then(|price| price.cost(&used));
        assert_cost(cost, expected, &format!("{model} {tier:?} {used:?}"));
    }
}

#[test]
fn what_is_not_known_has_no_cost() {
    let cases = [
        ("gpt-6.2-astra", Tier::Standard, usage(10, 5, 0, 1)),
        ("gpt-6.2-astra", Tier::Standard, usage(10, 0, 5, 1)),
        // no source states the long rates of these tiers
        ("gpt-6.2-sol", Tier::Batch, usage(272_001, 0, 0, 1)),
        ("gpt-5.5", Tier::Priority, usage(300_000, 0, 0, 1)),
        // embeddings generate nothing
        ("text-embedding-3-large", Tier::Standard, usage(10, 0, 0, 1)),
    ];
    for (model, tier, used) in cases {
        let price = price(model, tier).unwrap();
        assert_eq!(price.cost(&used), None, "{model} {tier:?} {used:?}");
    }
}

#[test]
fn a_model_or_tier_that_is_not_known_has_no_price() {
    for (model, tier) in [
        ("gpt-7", Tier::Standard),
        ("my-deployment", Tier::Standard),
        ("", Tier::Standard),
        ("ft:gpt-4o-2024-08-06:org::id", Tier::Standard),
        ("gpt-5-nano", Tier::Priority),
        ("gpt-3.5-turbo", Tier::Flex),
        ("text-embedding-3-small", Tier::Batch),
    ] {
        assert_eq!(price(model, tier), None, "{model} {tier:?}");
    }
}

#[test]
fn a_users_price_needs_only_an_input_rate() {
    let all = Price::new(3.0, Some(0.3), Some(15.0));
    assert_cost(all.cost(&usage(1_000, 400, 100, 100)), 0.00342, "all rates");
    let no_discount = Price::new(3.0, None, Some(15.0));
    assert_cost(
        no_discount.cost(&usage(1_000, 400, 100, 100)),
        0.0045,
        "no discount",
    );
    let input_only = Price::new(3.0, None, None);
    assert_cost(input_only.cost(&usage(1_000, 0, 0, 0)), 0.003, "input only");
    assert_eq!(input_only.cost(&usage(1_000, 0, 0, 1)), None);
}

#[test]
fn a_response_names_its_tier() {
    for (word, expected) in [
        (None, Some(Tier::Standard)),
        (Some("default"), Some(Tier::Standard)),
        (Some("flex"), Some(Tier::Flex)),
        (Some("priority"), Some(Tier::Priority)),
        (Some("fast"), Some(Tier::Priority)),
        (Some("scale"), None),
        (Some("ultrafast"), None),
        (Some(""), None),
    ] {
        assert_eq!(Tier::from_response(word), expected, "{word:?}");
    }
}

#[test]
fn usage_that_contradicts_itself_does_not_panic() {
    let price = price("gpt-5.6-sol", Tier::Standard).unwrap();
    let absurd = usage(1, u64::MAX / 2, u64::MAX / 2, 0);
    assert!(price.cost(&absurd).is_some_and(|cost| cost > 0.0));
    assert_eq!(price.rates.cache_write, Rate::Usd(5.0));
}
