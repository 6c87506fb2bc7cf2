//! Tokens of images, by the rules of OpenAI's images and vision guide.

use crate::models::{ImageRule, PatchLimit, PatchRule};

/// Pixels of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// What is assumed of an image whose size cannot be read from the request. On tile models of the gpt-4o kind it costs 765
/// tokens, the flat charge OpenAI itself books for any image before it has looked at it.
pub const ASSUMED_SIZE: Size = Size {
    width: 1_024,
    height: 1_024,
};

/// The rule of models whose own is not published: gpt-4o's.
pub const ASSUMED_RULE: ImageRule = ImageRule::Tiles {
    base: 85,
    per_tile: 170,
};

/// How closely the model shall look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// At a small version.
    Low,
    /// At a version scaled to the model's ordinary limit.
    High,
    /// At the image as it is, up to a larger limit; as high on models without it.
    Original,
    /// As the model likes, which is known for every rule. The default.
    Auto,
}

impl Detail {
    /// Reads `image_url.detail`; absent or unknown is [`Detail::Auto`].
    pub fn parse(detail: Option<&str>) -> Self {
        match detail {
            Some("low") => Self::Low,
            Some("high") => Self::High,
            Some("original") => Self::Original,
            _ => Self::Auto,
        }
    }
}

/// The tokens of an image of `size` under a model's rule. An image without pixels counts as one pixel.
pub fn count_image(rule: &ImageRule, size: Size, detail: Detail) -> u64 {
    match rule {
        ImageRule::Tiles { base, .. } if detail == Detail::Low => u64::from(*base),
        ImageRule::Tiles { base, per_tile } => {
            u64::from(*base) + tiles(size) * u64::from(*per_tile)
        }
        ImageRule::Patches(rule) => {
            let patches = patches(size, patch_limit(rule, detail));
            (patches as f64 * rule.multiplier).ceil() as u64
        }
    }
}

/// Tiles of 512 × 512 pixels, after fitting the image into 2048 × 2048 and then its shorter side into 768.
fn tiles(size: Size) -> u64 {
    let (width, height) = fit(size, 2_048.0);
    let scale = (768.0 / width.min(height)).min(1.0);
    // Rounding keeps a side of 768.0000001 from opening a new tile.
    let per_side = |side: f64| ((side * scale).round() / 512.0).ceil().max(1.0);
    (per_side(width) * per_side(height)) as u64
}

/// Patches of 32 × 32 pixels, after scaling the image down to the limit.
fn patches(size: Size, limit: PatchLimit) -> u64 {
    const PATCH: f64 = 32.0;
    let (width, height) = fit(size, f64::from(limit.side_px));
    let count = |width: f64, height: f64| {
        // The billionth absorbs what scaling to whole patches leaves: 33.0000000001 patches are 33.
        let per_side = |side: f64| (side / PATCH - 1e-9).ceil().max(1.0);
        per_side(width) * per_side(height)
    };
    let budget = f64::from(limit.patches);
    if count(width, height) <= budget {
        return count(width, height) as u64;
    }
    // Shrink to the area of the budget, then until one side is a whole number of patches, so that rounding up does not
    // exceed the budget again.
    let shrink = (PATCH * PATCH * budget / (width * height)).sqrt();
    let to_whole = |side: f64| {
        let patches = side * shrink / PATCH;
        patches.floor().max(1.0) / patches
    };
    let shrink = shrink * to_whole(width).min(to_whole(height));
    // An extremely long image has one row, which cannot shrink further.
    count(width * shrink, height * shrink).min(budget) as u64
}

fn patch_limit(rule: &PatchRule, detail: Detail) -> PatchLimit {
    match detail {
        // The guide gives the model a version of 512 × 512 pixels; that it costs its patches is inferred.
        Detail::Low => PatchLimit {
            patches: rule.high.patches.min(256),
            side_px: 512,
        },
        Detail::Original => rule.original,
        Detail::Auto if rule.auto_is_original => rule.original,
        Detail::High | Detail::Auto => rule.high,
    }
}

/// Scales down, never up, so that no side is longer than `longest`.
fn fit(size: Size, longest: f64) -> (f64, f64) {
    let width = f64::from(size.width.max(1));
    let height = f64::from(size.height.max(1));
    let scale = (longest / width.max(height)).min(1.0);
    (width * scale, height * scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;

    fn cost(model: &str, width: u32, height: u32, detail: Detail) -> u64 {
        let rule = models::find(model).unwrap().images.unwrap();
        count_image(&rule, Size { width, height }, detail)
    }

    #[test]
    fn images_cost_what_the_guide_says() {
        use Detail::{Auto, High, Low, Original};
        for (model, width, height, detail, expected) in [
            // tiles: 2 × 2, 2 × 3, one, and the base alone
            ("gpt-4o", 1_024, 1_024, High, 765),
            ("gpt-4o", 2_048, 4_096, High, 1_105),
            ("gpt-4o", 4_096, 8_192, Low, 85),
            ("gpt-4o", 512, 512, Auto, 255),
            ("gpt-4o", 513, 512, Auto, 425),
            ("gpt-4o-mini", 1_024, 1_024, High, 2_833 + 4 * 5_667),
            ("gpt-5", 1_024, 1_024, High, 70 + 4 * 140),
            ("o1", 1_024, 1_024, High, 75 + 4 * 150),
            // patches: 1024 within the budget, 33 × 44 = 1452 above it
            ("gpt-5.4", 1_024, 1_024, High, 1_024),
            ("gpt-4.1-mini", 1_024, 1_024, Auto, 1_659),
            ("gpt-4.1-mini", 1_800, 2_400, High, 2_353),
            ("gpt-5-nano", 1_024, 1_024, High, 2_520),
            ("o4-mini", 1_024, 1_024, High, 1_762),
            ("gpt-5-mini", 32, 33, High, 4),
            ("gpt-5-mini", 1_024, 1_024, Low, 415),
            // detail decides the budget of large models
            ("gpt-5.4", 4_000, 3_000, Auto, 2_451),
            ("gpt-5.4", 3_000, 3_000, Original, 8_836),
            ("gpt-5.5", 3_000, 3_000, Auto, 8_836),
            ("gpt-5.6-sol", 6_400, 6_400, Auto, 40_000),
        ] {
            let actual = cost(model, width, height, detail);
            assert_eq!(actual, expected, "{model} {width}×{height} {detail:?}");
        }
    }

    #[test]
    fn no_size_panics_or_exceeds_its_budget() {
        let sides = [0, 1, 31, 32, 33, 767, 1_537, 2_049, 100_000, u32::MAX];
        for width in sides {
            for height in sides {
                for detail in [Detail::Low, Detail::High, Detail::Original, Detail::Auto] {
                    assert!(cost("gpt-4o", width, height, detail) <= 85 + 8 * 170);
                    assert!(cost("gpt-5.2", width, height, detail) <= 1_536);
                    assert!(cost("gpt-5.6-sol", width, height, detail) >= 1);
                }
            }
        }
    }
}
