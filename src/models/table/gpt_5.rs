//! gpt-5 to gpt-5.6, with the codex and pro models.

use super::*;

#[rustfmt::skip]
pub(super) static MODELS: &[Model] = models! {
    "gpt-5" ["gpt-5-2025-08-07"] Chat O200kBase
        window 400_000, output 128_000, reasoning true, images tiles(70, 140), ends "2026-12-11";
        Standard     1.25   0.125       -    10.0;
        Flex        0.625  0.0625       -     5.0;
        Priority      2.5    0.25       -    20.0;
        Batch       0.625  0.0625       -     5.0;

    "gpt-5-chat-latest" [] Chat O200kBase
        window 128_000, output 16_384, reasoning false, images tiles(70, 140), ends "2026-07-23";
        Standard     1.25   0.125       -    10.0;
        Flex        0.625  0.0625       -     5.0;
        Priority      2.5    0.25       -    20.0;
        Batch       0.625  0.0625       -     5.0;

    "gpt-5-codex" [] Responses O200kBase
        window 400_000, output 128_000, reasoning true, images None, ends "2026-07-23";
        Standard     1.25   0.125       -    10.0;
        Flex        0.625  0.0625       -     5.0;
        Priority      2.5    0.25       -    20.0;
        Batch       0.625  0.0625       -     5.0;

    "gpt-5-mini" ["gpt-5-mini-2025-08-07"] Chat O200kBase
        window 400_000, output 128_000, reasoning true, images patches(1.62), ends "2026-12-11";
        Standard     0.25   0.025       -     2.0;
        Flex        0.125  0.0125       -     1.0;
        Priority     0.45   0.045       -     3.6;
        Batch       0.125  0.0125       -     1.0;

    "gpt-5-nano" ["gpt-5-nano-2025-08-07"] Chat O200kBase
        window 400_000, output 128_000, reasoning true, images patches(2.46), ends "2026-12-11";
        Standard     0.05   0.005       -     0.4;
        Flex        0.025  0.0025       -     0.2;
        Batch       0.025  0.0025       -     0.2;

    "gpt-5-pro" ["gpt-5-pro-2025-10-06"] Responses O200kBase
        window 400_000, output 272_000, reasoning true, images None, ends "2026-12-11";
        Standard     15.0       -       -   120.0;
        Batch         7.5       -       -    60.0;

    "gpt-5.1" ["gpt-5.1-2025-11-13"] Chat O200kBase
        window 400_000, output 128_000, reasoning true, images None, ends "2027-04-01";
        Standard     1.25   0.125       -    10.0;
        Flex        0.625  0.0625       -     5.0;
        Priority      2.5    0.25       -    20.0;
        Batch       0.625  0.0625       -     5.0;

    "gpt-5.1-codex" [] Responses O200kBase
        window 400_000, output 128_000, reasoning true, images None, ends "2026-07-23";
        Standard     1.25   0.125       -    10.0;
        Flex        0.625  0.0625       -     5.0;
        Priority      2.5    0.25       -    20.0;
        Batch       0.625  0.0625       -     5.0;

    "gpt-5.1-codex-max" [] Responses O200kBase
        window 400_000, output 128_000, reasoning true, images None, ends "2026-07-23";
        Standard     1.25   0.125       -    10.0;
        Flex        0.625  0.0625       -     5.0;
        Priority      2.5    0.25       -    20.0;
        Batch       0.625  0.0625       -     5.0;

    "gpt-5.1-codex-mini" [] Responses O200kBase
        window 400_000, output 128_000, reasoning true, images None, ends "2026-07-23";
        Standard     0.25   0.025       -     2.0;

    "gpt-5.2" ["gpt-5.2-2025-12-11"] Chat O200kBase
        window 400_000, output 128_000, reasoning true, images patches(1.0), ends never;
        Standard     1.75   0.175       -    14.0;
        Flex        0.875  0.0875       -     7.0;
        Priority      3.5    0.35       -    28.0;
        Batch       0.875  0.0875       -     7.0;

    "gpt-5.2-codex" [] Responses O200kBase
        window 400_000, output 128_000, reasoning true, images None, ends "2026-07-23";
        Standard     1.75   0.175       -    14.0;
        Flex        0.875  0.0875       -     7.0;
        Priority      3.5    0.35       -    28.0;
        Batch       0.875  0.0875       -     7.0;

    "gpt-5.2-pro" ["gpt-5.2-pro-2025-12-11"] Responses O200kBase
        window 400_000, output 128_000, reasoning true, images None, ends never;
        Standard     21.0       -       -   168.0;
        Batch        10.5       -       -    84.0;

    "gpt-5.3-codex" [] Responses O200kBase
        window 400_000, output 128_000, reasoning true, images None, ends never;
        Standard     1.75   0.175       -    14.0;
        Priority      3.5    0.35       -    28.0;

    "gpt-5.4" ["gpt-5.4-2026-03-05"] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images patches_large(false), ends never;
        Standard      2.5    0.25       -    15.0 |     5.0     0.5       -    22.5;
        Flex         1.25    0.13       -     7.5 |     2.5    0.25       -   11.25;
        Priority      5.0     0.5       -    30.0 |       ?       ?       ?       ?;
        Batch        1.25    0.13       -     7.5 |     2.5    0.25       -   11.25;

    "gpt-5.4-mini" ["gpt-5.4-mini-2026-03-17"] Chat O200kBase
        window 400_000, output 128_000, reasoning true, images patches(1.62), ends never;
        Standard     0.75   0.075       -     4.5;
        Flex        0.375  0.0375       -    2.25;
        Priority      1.5    0.15       -     9.0;
        Batch       0.375  0.0375       -    2.25;

    "gpt-5.4-nano" ["gpt-5.4-nano-2026-03-17"] Chat O200kBase
        window 400_000, output 128_000, reasoning true, images patches(2.46), ends "2027-04-01";
        Standard      0.2    0.02       -    1.25;
        Flex          0.1    0.01       -   0.625;
        Batch         0.1    0.01       -   0.625;

    "gpt-5.4-pro" ["gpt-5.4-pro-2026-03-05"] Responses O200kBase
        window 1_050_000, output 128_000, reasoning true, images None, ends never;
        Standard     30.0       -       -   180.0 |    60.0       -       -   270.0;
        Flex         15.0       -       -    90.0 |    30.0       -       -   135.0;
        Batch        15.0       -       -    90.0 |    30.0       -       -   135.0;

    "gpt-5.5" ["gpt-5.5-2026-04-23"] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images patches_large(true), ends never;
        Standard      5.0     0.5       -    30.0 |    10.0     1.0       -    45.0;
        Flex          2.5    0.25       -    15.0 |     5.0     0.5       -    22.5;
        Priority     12.5    1.25       -    75.0 |       ?       ?       ?       ?;
        Batch         2.5    0.25       -    15.0 |     5.0     0.5       -    22.5;

    "gpt-5.5-pro" ["gpt-5.5-pro-2026-04-23"] Responses O200kBase
        window 1_050_000, output 128_000, reasoning true, images None, ends never;
        Standard     30.0       -       -   180.0 |    60.0       -       -   270.0;
        Flex         15.0       -       -    90.0 |       ?       ?       ?       ?;
        Batch        15.0       -       -    90.0 |       ?       ?       ?       ?;

    "gpt-5.6-luna" [] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images patches_whole(), ends never;
        Standard      0.2    0.02    0.25     1.2 |     0.4    0.04     0.5     1.8;
        Flex          0.1    0.01   0.125     0.6 |     0.2    0.02    0.25     0.9;
        Priority      0.4    0.04     0.5     2.4 |     0.8    0.08     1.0     3.6;
        Batch         0.1    0.01   0.125     0.6 |     0.2    0.02    0.25     0.9;

    "gpt-5.6-sol" ["gpt-5.6"] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images patches_whole(), ends never;
        Standard      4.0     0.4     5.0    20.0 |     8.0     0.8    10.0    30.0;
        Flex          2.0     0.2     2.5    10.0 |     4.0     0.4     5.0    15.0;
        Priority      8.0     0.8    10.0    40.0 |    16.0     1.6    20.0    60.0;
        Batch         2.0     0.2     2.5    10.0 |     4.0     0.4     5.0    15.0;

    "gpt-5.6-terra" [] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images patches_whole(), ends never;
        Standard      2.0     0.2     2.5    12.0 |     4.0     0.4     5.0    18.0;
        Flex          1.0     0.1    1.25     6.0 |     2.0     0.2     2.5     9.0;
        Priority      4.0     0.4     5.0    24.0 |     8.0     0.8    10.0    36.0;
        Batch         1.0     0.1    1.25     6.0 |     2.0     0.2     2.5     9.0;
};
