//! Which tokenizer a model reads text with.

/// A tokenizer vocabulary with its splitting rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// gpt-3.5, gpt-4, the embedding models, davinci-002, babbage-002.
    Cl100kBase,
    /// gpt-4o and everything newer.
    O200kBase,
    /// The gpt-oss models: the vocabulary of [`Encoding::O200kBase`] with more special tokens.
    O200kHarmony,
    /// text-davinci-002, text-davinci-003 and the Codex models of 2021.
    P50kBase,
    /// The edit models of 2022.
    P50kEdit,
    /// The GPT-3 models of 2020.
    R50kBase,
    /// GPT-2: the vocabulary of [`Encoding::R50kBase`].
    Gpt2,
}

impl Encoding {
    /// The name tiktoken gives it, such as `o200k_base`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cl100kBase => "cl100k_base",
            Self::O200kBase => "o200k_base",
            Self::O200kHarmony => "o200k_harmony",
            Self::P50kBase => "p50k_base",
            Self::P50kEdit => "p50k_edit",
            Self::R50kBase => "r50k_base",
            Self::Gpt2 => "gpt2",
        }
    }
}

/// The encoding of a model, by tiktoken's rules: exact names first, then prefixes.
///
/// A fine-tuned model has the encoding of its base. (tiktoken reads the whole name by prefix, so that it takes
/// `ft:gpt-4.1-…` for a gpt-4.) A name nobody knows, which includes all of gpt-6, has [`Encoding::O200kBase`]: it is the
/// encoding of every model since gpt-4o, and what other counters assume.
pub fn encoding(model: &str) -> Encoding {
    let base = super::name::fine_tuned_base(model).unwrap_or(model);
    let exact = EXACT.iter().find(|(name, _)| *name == base);
    let by_prefix = || PREFIXES.iter().find(|(prefix, _)| base.starts_with(prefix));
    exact
        .or_else(by_prefix)
        .map_or(Encoding::O200kBase, |(_, encoding)| *encoding)
}

/// Keep in sync with tiktoken 0.14.0 `tiktoken/model.py`, `MODEL_TO_ENCODING`. Names whose answer is the default
/// are left out.
const EXACT: &[(&str, Encoding)] = &[
    ("gpt-4", Encoding::Cl100kBase),
    ("gpt-3.5-turbo", Encoding::Cl100kBase),
    ("gpt-3.5", Encoding::Cl100kBase),
    ("gpt-35-turbo", Encoding::Cl100kBase), // Azure writes no dot
    ("davinci-002", Encoding::Cl100kBase),
    ("babbage-002", Encoding::Cl100kBase),
    ("text-embedding-ada-002", Encoding::Cl100kBase),
    ("text-embedding-3-small", Encoding::Cl100kBase),
    ("text-embedding-3-large", Encoding::Cl100kBase),
    ("text-davinci-003", Encoding::P50kBase),
    ("text-davinci-002", Encoding::P50kBase),
    ("text-davinci-001", Encoding::R50kBase),
    ("text-curie-001", Encoding::R50kBase),
    ("text-babbage-001", Encoding::R50kBase),
    ("text-ada-001", Encoding::R50kBase),
    ("davinci", Encoding::R50kBase),
    ("curie", Encoding::R50kBase),
    ("babbage", Encoding::R50kBase),
    ("ada", Encoding::R50kBase),
    ("code-davinci-002", Encoding::P50kBase),
    ("code-davinci-001", Encoding::P50kBase),
    ("code-cushman-002", Encoding::P50kBase),
    ("code-cushman-001", Encoding::P50kBase),
    ("davinci-codex", Encoding::P50kBase),
    ("cushman-codex", Encoding::P50kBase),
    ("text-davinci-edit-001", Encoding::P50kEdit),
    ("code-davinci-edit-001", Encoding::P50kEdit),
    ("text-similarity-davinci-001", Encoding::R50kBase),
    ("text-similarity-curie-001", Encoding::R50kBase),
    ("text-similarity-babbage-001", Encoding::R50kBase),
    ("text-similarity-ada-001", Encoding::R50kBase),
    ("text-search-davinci-doc-001", Encoding::R50kBase),
    ("text-search-curie-doc-001", Encoding::R50kBase),
    ("text-search-babbage-doc-001", Encoding::R50kBase),
    ("text-search-ada-doc-001", Encoding::R50kBase),
    ("code-search-babbage-code-001", Encoding::R50kBase),
    ("code-search-ada-code-001", Encoding::R50kBase),
    ("gpt2", Encoding::Gpt2),
    ("gpt-2", Encoding::Gpt2),
];

/// Keep in sync with tiktoken 0.14.0 `tiktoken/model.py`, `MODEL_PREFIX_TO_ENCODING`. Prefixes whose answer is the
/// default are left out; that `gpt-4.1-` and `gpt-4o-` do not begin with `gpt-4-` makes this safe.
const PREFIXES: &[(&str, Encoding)] = &[
    ("gpt-4-", Encoding::Cl100kBase), // gpt-4-0314, gpt-4-32k, gpt-4-turbo
    ("gpt-3.5-turbo-", Encoding::Cl100kBase),
    ("gpt-35-turbo-", Encoding::Cl100kBase),
    ("gpt-oss-", Encoding::O200kHarmony),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_follow_tiktokens_rules() {
        for (model, expected) in [
            ("gpt-4o", "o200k_base"),
            ("gpt-4o-mini-2024-07-18", "o200k_base"),
            ("chatgpt-4o-latest", "o200k_base"),
            ("gpt-4.1-nano", "o200k_base"),
            ("gpt-4.5-preview", "o200k_base"),
            ("gpt-5", "o200k_base"),
            ("gpt-5.4-mini", "o200k_base"),
            ("o1-preview", "o200k_base"),
            ("o4-mini-deep-research", "o200k_base"),
            ("gpt-4", "cl100k_base"),
            ("gpt-4-0314", "cl100k_base"),
            ("gpt-4-turbo", "cl100k_base"),
            ("gpt-3.5-turbo-16k-0613", "cl100k_base"),
            ("gpt-3.5-turbo-instruct", "cl100k_base"),
            ("gpt-35-turbo", "cl100k_base"),
            ("gpt-35-turbo-16k", "cl100k_base"),
            ("text-embedding-3-large", "cl100k_base"),
            ("text-davinci-003", "p50k_base"),
            ("code-davinci-edit-001", "p50k_edit"),
            ("text-ada-001", "r50k_base"),
            ("gpt2", "gpt2"),
            ("gpt-oss-120b", "o200k_harmony"),
        ] {
            assert_eq!(encoding(model).name(), expected, "{model}");
        }
    }

    #[test]
    fn a_fine_tuned_model_has_its_bases_encoding() {
        for (model, expected) in [
            ("ft:gpt-4o-mini-2024-07-18:org:name:id", "o200k_base"),
            ("ft:gpt-4.1-2025-04-14:org::id", "o200k_base"),
            ("ft:gpt-4:org::id", "cl100k_base"),
            ("ft:gpt-3.5-turbo-0125:org::id", "cl100k_base"),
            ("ft:davinci-002:org::id", "cl100k_base"),
        ] {
            assert_eq!(encoding(model).name(), expected, "{model}");
        }
    }

    #[test]
    fn an_unknown_model_has_the_newest_encoding() {
        for model in ["gpt-6.2-astra", "my-deployment", "", "ft:", "ft:::"] {
            assert_eq!(encoding(model), Encoding::O200kBase, "{model}");
        }
    }
}
