//! The text of answers: real words whose token count is known without counting.

use fastrand::Rng;

/// 256 common words, each with the space before it. With or without that space, every one is a single token in every
/// encoding, and no encoding joins two of them; so a text of n words has n tokens. A test holds this.
#[rustfmt::skip]
const VOCABULARY: [&str; 256] = [
    " the", " of", " and", " to", " in", " is", " that", " it", " was", " for",
    " on", " are", " as", " with", " his", " they", " at", " be", " this", " from",
    " have", " or", " by", " one", " had", " not", " but", " what", " all", " were",
    " when", " we", " there", " can", " an", " your", " which", " their", " said", " if",
    " do", " will", " each", " about", " how", " up", " out", " them", " then", " she",
    " many", " some", " so", " these", " would", " other", " into", " has", " more", " her",
    " two", " like", " him", " see", " time", " could", " no", " make", " than", " first",
    " been", " its", " who", " now", " people", " my", " made", " over", " did", " down",
    " only", " way", " find", " use", " may", " water", " long", " little", " very", " after",
    " words", " called", " just", " where", " most", " know", " get", " through", " back", " much",
    " before", " go", " good", " new", " write", " our", " used", " me", " man", " too",
    " any", " day", " same", " right", " look", " think", " also", " around", " another", " come",
    " work", " three", " word", " must", " because", " does", " part", " even", " place", " well",
    " such", " here", " take", " why", " things", " help", " put", " years", " different", " away",
    " again", " off", " went", " old", " number", " great", " tell", " men", " say", " small",
    " every", " found", " still", " between", " name", " should", " home", " big", " give", " air",
    " line", " set", " own", " under", " read", " last", " never", " us", " left", " end",
    " along", " while", " might", " next", " sound", " below", " something", " thought", " both", " few",
    " those", " always", " show", " large", " often", " house", " top", " world", " going", " want",
    " school", " important", " until", " form", " food", " keep", " children", " land", " side", " without",
    " boy", " once", " life", " sometimes", " four", " head", " above", " kind", " almost", " live",
    " page", " got", " earth", " need", " far", " hand", " high", " year", " mother", " light",
    " parts", " country", " father", " let", " night", " picture", " being", " study", " second", " eyes",
    " soon", " times", " story", " boys", " since", " white", " days", " ever", " paper", " hard",
    " near", " better", " best", " during", " today", " sure", " try", " young", " sun", " ways",
    " thing", " example", " heard", " change", " answer", " room",
];

/// An endless text, token by token, that depends on its seed alone. Letters and spaces only: it needs no escaping.
#[derive(Debug, Clone)]
pub(in crate::simulator) struct Words {
    rng: Rng,
    begun: bool,
}

impl Words {
    pub(in crate::simulator) fn new(seed: u64) -> Words {
        Words {
            rng: Rng::with_seed(seed),
            begun: false,
        }
    }

    /// The first so many tokens as one text.
    pub(in crate::simulator) fn text(seed: u64, tokens: u32) -> String {
        let mut text = String::with_capacity(6 * tokens as usize);
        text.extend(Words::new(seed).take(tokens as usize));
        text
    }
}

impl Iterator for Words {
    type Item = &'static str;

    fn next(&mut self) -> Option<&'static str> {
        let word = VOCABULARY[usize::from(self.rng.u8(..))];
        let begun = std::mem::replace(&mut self.begun, true);
        Some(if begun { word } else { word.trim_start() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Encoding;
    use crate::tokens::count_text;

    #[test]
    fn a_text_has_as_many_tokens_as_words_in_every_encoding() {
        for encoding in [
            Encoding::Cl100kBase,
            Encoding::O200kBase,
            Encoding::O200kHarmony,
            Encoding::P50kBase,
            Encoding::P50kEdit,
            Encoding::R50kBase,
            Encoding::Gpt2,
        ] {
            for word in VOCABULARY {
                assert_eq!(count_text(word, encoding), 1, "{word:?} in {encoding:?}");
                assert_eq!(count_text(word.trim_start(), encoding), 1, "{word:?}");
            }
            for (seed, tokens) in [(1, 0), (2, 1), (3, 60), (4, 5_000)] {
                let text = Words::text(seed, tokens);
                assert_eq!(count_text(&text, encoding), tokens as usize);
            }
        }
    }

    #[test]
    fn a_text_depends_on_its_seed_alone() {
        assert_eq!(Words::text(9, 40), Words::text(9, 40));
        assert_ne!(Words::text(9, 40), Words::text(10, 40));
        assert!(Words::text(9, 40).starts_with(&Words::text(9, 10)));
        assert!(
            Words::text(9, 40)
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_lowercase())
        );
    }
}
