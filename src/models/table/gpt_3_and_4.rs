//! gpt-3.5, gpt-4, gpt-4.1, gpt-4o, the audio models and the last base models.

use super::*;

#[rustfmt::skip]
pub(super) static MODELS: &[Model] = models! {
    "babbage-002" [] Completions Cl100kBase
        window 16_384, output 16_384, reasoning false, images None, ends "2026-09-28";
        Standard      0.4       -       -     0.4;

    "chatgpt-4o-latest" [] Chat O200kBase
        window 128_000, output 16_384, reasoning false, images None, ends "2026-02-17";
        Standard      5.0       -       -    15.0;

    "davinci-002" [] Completions Cl100kBase
        window 16_384, output 16_384, reasoning false, images None, ends "2026-09-28";
        Standard      2.0       -       -     2.0;

    "gpt-3.5-turbo" ["gpt-3.5-turbo-0125"] Chat Cl100kBase
        window 16_385, output 4_096, reasoning false, images None, ends "2026-10-23";
        Standard      0.5       -       -     1.5;
        Batch        0.25       -       -    0.75;

    "gpt-3.5-turbo-1106" [] Chat Cl100kBase
        window 16_385, output 4_096, reasoning false, images None, ends "2026-09-28";
        Standard      1.0       -       -     2.0;

    "gpt-3.5-turbo-16k" ["gpt-3.5-turbo-16k-0613"] Chat Cl100kBase
        window 16_385, output 4_096, reasoning false, images None, ends "2024-09-13";
        Standard      3.0       -       -     4.0;

    "gpt-3.5-turbo-instruct" ["gpt-3.5-turbo-instruct-0914"] Completions Cl100kBase
        window 4_096, output 4_096, reasoning false, images None, ends "2026-09-28";
        Standard      1.5       -       -     2.0;

    "gpt-4" ["gpt-4-0613"] Chat Cl100kBase
        window 8_192, output 8_192, reasoning false, images None, ends "2026-10-23";
        Standard     30.0       -       -    60.0;
        Batch        15.0       -       -    30.0;

    "gpt-4-0125-preview" ["gpt-4-turbo-preview"] Chat Cl100kBase
        window 128_000, output 4_096, reasoning false, images None, ends "2026-03-26";
        Standard     10.0       -       -    30.0;
        Batch         5.0       -       -    15.0;

    "gpt-4-0314" [] Chat Cl100kBase
        window 8_192, output 8_192, reasoning false, images None, ends "2026-03-26";
        Standard     30.0       -       -    60.0;
        Batch        15.0       -       -    30.0;

    "gpt-4-1106-preview" [] Chat Cl100kBase
        window 128_000, output 4_096, reasoning false, images None, ends "2026-10-23";
        Standard     10.0       -       -    30.0;
        Batch         5.0       -       -    15.0;

    "gpt-4-32k" [] Chat Cl100kBase
        window 32_768, output 32_768, reasoning false, images None, ends "2025-06-06";
        Standard     60.0       -       -   120.0;

    "gpt-4-turbo" ["gpt-4-turbo-2024-04-09"] Chat Cl100kBase
        window 128_000, output 4_096, reasoning false, images tiles(85, 170), ends "2026-10-23";
        Standard     10.0       -       -    30.0;
        Batch         5.0       -       -    15.0;

    "gpt-4.1" ["gpt-4.1-2025-04-14"] Chat O200kBase
        window 1_047_576, output 32_768, reasoning false, images tiles(85, 170), ends "2027-01-14";
        Standard      2.0     0.5       -     8.0;
        Priority      3.5   0.875       -    14.0;
        Batch         1.0       -       -     4.0;

    "gpt-4.1-mini" ["gpt-4.1-mini-2025-04-14"] Chat O200kBase
        window 1_047_576, output 32_768, reasoning false, images patches(1.62), ends "2027-01-14";
        Standard      0.4     0.1       -     1.6;
        Priority      0.7   0.175       -     2.8;
        Batch         0.2       -       -     0.8;

    "gpt-4.1-nano" ["gpt-4.1-nano-2025-04-14"] Chat O200kBase
        window 1_047_576, output 32_768, reasoning false, images patches(2.46), ends "2026-10-23";
        Standard      0.1   0.025       -     0.4;
        Priority      0.2    0.05       -     0.8;
        Batch        0.05       -       -     0.2;

    "gpt-4o" ["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"] Chat O200kBase
        window 128_000, output 16_384, reasoning false, images tiles(85, 170), ends "2027-01-14";
        Standard      2.5    1.25       -    10.0;
        Priority     4.25   2.125       -    17.0;
        Batch        1.25       -       -     5.0;

    "gpt-4o-2024-05-13" [] Chat O200kBase
        window 128_000, output 4_096, reasoning false, images tiles(85, 170), ends "2026-10-23";
        Standard      5.0       -       -    15.0;
        Priority     8.75       -       -   26.25;
        Batch         2.5       -       -     7.5;

    "gpt-4o-audio-preview" [] Chat O200kBase
        window 128_000, output 16_384, reasoning false, images None, ends "2026-05-07";
        Standard      2.5       -       -    10.0;

    "gpt-4o-mini" ["gpt-4o-mini-2024-07-18"] Chat O200kBase
        window 128_000, output 16_384, reasoning false, images tiles(2833, 5667), ends "2027-01-14";
        Standard     0.15   0.075       -     0.6;
        Priority     0.25   0.125       -     1.0;
        Batch       0.075       -       -     0.3;

    "gpt-4o-mini-audio-preview" [] Chat O200kBase
        window 128_000, output 16_384, reasoning false, images None, ends "2026-05-07";
        Standard     0.15       -       -     0.6;

    "gpt-4o-mini-search-preview" ["gpt-4o-mini-search-preview-2025-03-11"] Chat O200kBase
        window 128_000, output 16_384, reasoning false, images None, ends "2026-07-23";
        Standard     0.15   0.075       -     0.6;
        Priority     0.25   0.125       -     1.0;
        Batch       0.075       -       -     0.3;

    "gpt-4o-search-preview" ["gpt-4o-search-preview-2025-03-11"] Chat O200kBase
        window 128_000, output 16_384, reasoning false, images None, ends "2026-07-23";
        Standard      2.5       -       -    10.0;

    "gpt-audio" ["gpt-audio-2025-08-28", "gpt-audio-1.5"] Chat O200kBase
        window 128_000, output 16_384, reasoning false, images None, ends never;
        Standard      2.5       -       -    10.0;

    "gpt-audio-mini" [] Chat O200kBase
        window 128_000, output 16_384, reasoning false, images None, ends "2027-01-20";
        Standard      0.6       -       -     2.4;
};
