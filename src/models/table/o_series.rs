//! o1 to o4-mini.

use super::*;

#[rustfmt::skip]
pub(super) static MODELS: &[Model] = models! {
    "o1" ["o1-2024-12-17"] Chat O200kBase
        window 200_000, output 100_000, reasoning true, images tiles(75, 150), ends "2026-10-23";
        Standard     15.0     7.5       -    60.0;
        Batch         7.5       -       -    30.0;

    "o1-mini" [] Chat O200kBase
        window 128_000, output 65_536, reasoning true, images None, ends "2025-10-27";
        Standard      1.1    0.55       -     4.4;

    "o1-preview" [] Chat O200kBase
        window 128_000, output 32_768, reasoning true, images None, ends "2025-07-28";
        Standard     15.0     7.5       -    60.0;

    "o1-pro" ["o1-pro-2025-03-19"] Responses O200kBase
        window 200_000, output 100_000, reasoning true, images tiles(75, 150), ends "2026-10-23";
        Standard    150.0       -       -   600.0;
        Batch        75.0       -       -   300.0;

    "o3" ["o3-2025-04-16"] Chat O200kBase
        window 200_000, output 100_000, reasoning true, images tiles(75, 150), ends "2026-12-11";
        Standard      2.0     0.5       -     8.0;
        Flex          1.0    0.25       -     4.0;
        Priority      3.5   0.875       -    14.0;
        Batch         1.0       -       -     4.0;

    "o3-deep-research" [] Responses O200kBase
        window 200_000, output 100_000, reasoning true, images None, ends "2026-07-23";
        Standard     10.0     2.5       -    40.0;

    "o3-mini" ["o3-mini-2025-01-31"] Chat O200kBase
        window 200_000, output 100_000, reasoning true, images None, ends "2026-10-23";
        Standard      1.1    0.55       -     4.4;
        Batch        0.55       -       -     2.2;

    "o3-pro" ["o3-pro-2025-06-10"] Responses O200kBase
        window 200_000, output 100_000, reasoning true, images None, ends "2026-12-11";
        Standard     20.0       -       -    80.0;
        Batch        10.0       -       -    40.0;

    "o4-mini" ["o4-mini-2025-04-16"] Chat O200kBase
        window 200_000, output 100_000, reasoning true, images patches(1.72), ends "2026-10-23";
        Standard      1.1   0.275       -     4.4;
        Flex         0.55   0.138       -     2.2;
        Priority      2.0     0.5       -     8.0;
        Batch        0.55       -       -     2.2;

    "o4-mini-deep-research" [] Responses O200kBase
        window 200_000, output 100_000, reasoning true, images None, ends "2026-07-23";
        Standard      2.0     0.5       -     8.0;
};
