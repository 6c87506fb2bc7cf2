//! The embedding models.

use super::*;

#[rustfmt::skip]
pub(super) static MODELS: &[Model] = models! {
    "text-embedding-3-large" [] Embeddings Cl100kBase
        window 8_192, output 0, reasoning false, images None, ends never;
        Standard     0.13       -       -       x;

    "text-embedding-3-small" [] Embeddings Cl100kBase
        window 8_192, output 0, reasoning false, images None, ends never;
        Standard     0.02       -       -       x;

    "text-embedding-ada-002" [] Embeddings Cl100kBase
        window 8_192, output 0, reasoning false, images None, ends never;
        Standard      0.1       -       -       x;
};
