//! The prompt caches: what an organization's models have read before, and need not be paid in full again.
//!
//! OpenAI documents: automatic for prompts of 1,024 tokens or more, on gpt-4o and newer; exact match of the beginning,
//! tools and schemas included; kept for 5 to 10 minutes without use; never shared between organizations; the machine is
//! chosen by a hash of the first tokens together with `prompt_cache_key`. That hits grow in steps of 128 tokens is from
//! older documentation, and a recorded 1,920 = 1,024 + 7 × 128 agrees. Cached tokens count towards the limits as others.
//!
//! A [`PromptCache`] is one organization's, with time as an argument. It knows no text, only chains of hashes: one hash
//! for each place in a prompt, of the model, the key and all that stands before the place. Other keys and models make
//! other chains, so they share nothing. [`Caches`] holds those of all organizations, and has the locks.
//!
//! Left out: that more than some 15 requests a minute for one beginning and key overflow to machines that do not know it.

mod caches;
mod prompt_cache;

pub(super) use caches::Caches;
pub use prompt_cache::PromptCache;
