//! The names of the keys: the same in all processes of a pool, and of one model group all in one slot.

use std::sync::Arc;

use crate::quota::QuotaGroups;

/// What names the lanes of a pool.
#[derive(Debug)]
pub(super) struct Keys {
    pool: String,
    groups: Arc<QuotaGroups>,
}

impl Keys {
    pub(super) fn new(pool: &str, groups: Arc<QuotaGroups>) -> Self {
        Keys {
            pool: pool_name(pool),
            groups,
        }
    }

    /// The key of what the lanes of a model group have in common: the last ticket given, the processes.
    pub(super) fn line(&self, model_group: &str) -> String {
        format!("{}:line", self.tag(model_group))
    }

    /// The key of a lane.
    pub(super) fn lane(&self, model_group: &str, quota_group: usize) -> String {
        let tag = self.tag(model_group);
        match self.groups.name(quota_group) {
            Some(name) => format!("{tag}:lane:{name}"),
            // A number without a name has at least a lane of its own.
            None => format!("{tag}:lane:#{quota_group}"),
        }
    }

    fn tag(&self, model_group: &str) -> String {
        format!("orm:{{{}:{}}}", self.pool, escaped(model_group))
    }
}

/// The key of the settings that the processes of a pool share. No lane and no line has it: theirs do not end with the braces.
pub fn settings_key(pool: &str) -> String {
    format!("orm:{{{}:settings}}", pool_name(pool))
}

/// The key under which a pool remembers who made something. Any slot will do.
pub fn made_key(pool: &str, id: &str) -> String {
    format!("orm:{}:made:{}", pool_name(pool), escaped(id))
}

/// A colon ends the pool's name, so that no pool can have the keys of another.
fn pool_name(pool: &str) -> String {
    escaped(pool).replace(':', "%3A")
}

/// A name without braces, which would end the part of the key that decides on its slot.
fn escaped(name: &str) -> String {
    name.replace('%', "%25")
        .replace('{', "%7B")
        .replace('}', "%7D")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_readable_and_no_two_pools_share_any() {
        let keys = Keys::new("shop", Arc::new(["acme".into()].into_iter().collect()));
        assert_eq!(keys.line("gpt-4o"), "orm:{shop:gpt-4o}:line");
        assert_eq!(keys.lane("gpt-4o", 0), "orm:{shop:gpt-4o}:lane:acme");
        assert_eq!(keys.lane("gpt-4o", 1), "orm:{shop:gpt-4o}:lane:#1");
        assert_eq!(settings_key("a:{b}"), "orm:{a%3A%7Bb%7D:settings}");
        let odd = Keys::new("a:{b}", Arc::default());
        assert_eq!(odd.line("ft:c}"), "orm:{a%3A%7Bb%7D:ft:c%7D}:line");
        assert_ne!(
            Keys::new("a:b", Arc::default()).line("c"),
            Keys::new("a", Arc::default()).line("b:c")
        );
    }
}
