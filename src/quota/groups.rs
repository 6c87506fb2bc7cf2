//! The quota groups of a pool: names with numbers.

use std::sync::{Arc, PoisonError, RwLock};

/// Names by their numbers. A name keeps its number for as long as this lives, and no other gets it: lanes are found by it, also by
/// requests that began before the settings changed.
#[derive(Debug, Default)]
pub struct QuotaGroups(RwLock<Vec<Arc<str>>>);

impl QuotaGroups {
    /// The number of a name; a new name gets the next one.
    pub fn number(&self, name: &Arc<str>) -> usize {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = names.iter().position(|known| known == name) {
            return number;
        }
        names.push(name.clone());
        names.len() - 1
    }

    /// The name of a number that was given.
    pub fn name(&self, number: usize) -> Option<Arc<str>> {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(number).cloned()
    }
}

impl FromIterator<Arc<str>> for QuotaGroups {
    fn from_iter<I: IntoIterator<Item = Arc<str>>>(names: I) -> Self {
        QuotaGroups(RwLock::new(names.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let groups: QuotaGroups = ["a", "b"].map(Arc::from).into_iter().collect();
        assert_eq!(groups.number(&"c".into()), 2);
        assert_eq!(groups.number(&"b".into()), 1);
        assert_eq!(groups.name(2).as_deref(), Some("c"));
        assert_eq!(groups.name(3), None);
    }
}
