//! How a model turns the size of an image into tokens. The arithmetic is in `tokens::images`.

/// The image rule of a model, from OpenAI's images and vision guide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ImageRule {
    /// The image is scaled down and laid out in tiles of 512 × 512 pixels: tokens = base + tiles × per_tile.
    Tiles {
        /// Tokens of any image; all that `detail: "low"` costs.
        base: u32,
        /// Tokens of each tile.
        per_tile: u32,
    },
    /// The image is laid out in patches of 32 × 32 pixels, scaled down until they are few enough: tokens = patches ×
    /// multiplier.
    Patches(PatchRule),
}

/// The numbers of [`ImageRule::Patches`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchRule {
    /// Tokens per patch.
    pub multiplier: f64,
    /// What an image must fit in with `detail: "high"`.
    pub high: PatchLimit,
    /// What an image must fit in with `detail: "original"`.
    pub original: PatchLimit,
    /// Whether `detail: "auto"`, which is also the default, means original rather than high.
    pub auto_is_original: bool,
}

/// What an image is scaled down to fit in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchLimit {
    /// Most patches.
    pub patches: u32,
    /// Longest side in pixels.
    pub side_px: u32,
}

impl PatchLimit {
    /// Never scaled down.
    pub const NONE: Self = Self::new(u32::MAX, u32::MAX);

    const fn new(patches: u32, side_px: u32) -> Self {
        Self { patches, side_px }
    }
}

pub(super) const fn tiles(base: u32, per_tile: u32) -> Option<ImageRule> {
    Some(ImageRule::Tiles { base, per_tile })
}

/// The small models up to gpt-5.4: 1,536 patches whatever the detail.
pub(super) const fn patches(multiplier: f64) -> Option<ImageRule> {
    let limit = PatchLimit::new(1_536, 2_048);
    Some(ImageRule::Patches(PatchRule {
        multiplier,
        high: limit,
        original: limit,
        auto_is_original: false,
    }))
}

/// gpt-5.4 and gpt-5.5. The guide lists no multiplier for them, taken as 1.
pub(super) const fn patches_large(auto_is_original: bool) -> Option<ImageRule> {
    Some(ImageRule::Patches(PatchRule {
        multiplier: 1.0,
        high: PatchLimit::new(2_500, 2_048),
        original: PatchLimit::new(10_000, 6_000),
        auto_is_original,
    }))
}

/// gpt-5.6: an original image is not scaled at all. The guide lists no multiplier, taken as 1.
pub(super) const fn patches_whole() -> Option<ImageRule> {
    Some(ImageRule::Patches(PatchRule {
        multiplier: 1.0,
        high: PatchLimit::new(2_500, 2_048),
        original: PatchLimit::NONE,
        auto_is_original: true,
    }))
}
