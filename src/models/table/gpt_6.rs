//! gpt-6 to gpt-6.2: reasoning models whose encoding and image rules are not published.

use super::*;

#[rustfmt::skip]
pub(super) static MODELS: &[Model] = models! {
    "gpt-6-astra" [] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images None, ends never;
        Standard     10.0     1.0    12.5    50.0 |    20.0     2.0    25.0    75.0;
        Flex          5.0     0.5    6.25    25.0 |    10.0     1.0    12.5    37.5;
        Priority     20.0     2.0    25.0   100.0 |    40.0     4.0    50.0   150.0;
        Batch         5.0     0.5    6.25    25.0 |    10.0     1.0    12.5    37.5;

    "gpt-6-luna" [] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images None, ends never;
        Standard      0.1    0.01   0.125     0.5 |     0.2    0.02    0.25    0.75;
        Flex         0.05   0.005  0.0625    0.25 |     0.1    0.01   0.125   0.375;
        Priority      0.2    0.02    0.25     1.0 |     0.4    0.04     0.5     1.5;
        Batch        0.05   0.005  0.0625    0.25 |     0.1    0.01   0.125   0.375;

    "gpt-6-sol" [] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images None, ends never;
        Standard      2.0     0.2     2.5    10.0 |     4.0     0.4     5.0    15.0;
        Flex          1.0     0.1    1.25     5.0 |     2.0     0.2     2.5     7.5;
        Priority      4.0     0.4     5.0    20.0 |     8.0     0.8    10.0    30.0;
        Batch         1.0     0.1    1.25     5.0 |     2.0     0.2     2.5     7.5;

    "gpt-6.1-sol" [] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images None, ends never;
        Standard      2.0     0.1     2.5    10.0 |     4.0     0.2     5.0    15.0;
        Flex          1.0    0.05    1.25     5.0 |     2.0     0.1     2.5     7.5;
        Priority      4.0     0.2     5.0    20.0 |     8.0     0.4    10.0    30.0;
        Batch         1.0    0.05    1.25     5.0 |     2.0     0.1     2.5     7.5;

    "gpt-6.1-terra" [] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images None, ends never;
        Standard      1.0    0.05    1.25     5.0 |     2.0     0.1     2.5     7.5;
        Flex          0.5   0.025   0.625     2.5 |     1.0    0.05    1.25    3.75;
        Priority      2.0     0.1     2.5    10.0 |     4.0     0.2     5.0    15.0;
        Batch         0.5   0.025   0.625     2.5 |     1.0    0.05    1.25    3.75;

    "gpt-6.2-astra" [] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images None, ends never;
        Standard      8.0       ?       ?    40.0 |    16.0       ?       ?    60.0;
        Priority     16.0       ?       ?    80.0 |       ?       ?       ?       ?;
        Batch         4.0       ?       ?    20.0 |       ?       ?       ?       ?;

    "gpt-6.2-sol" [] Chat O200kBase
        window 1_050_000, output 128_000, reasoning true, images None, ends never;
        Standard      2.0     0.1     2.5    10.0 |     4.0     0.2     5.0    15.0;
        Priority      4.0     0.2     5.0    20.0 |       ?       ?       ?       ?;
        Batch         1.0    0.05    1.25     5.0 |       ?       ?       ?       ?;
};
