//! One loss, of which many attempts tell.

use std::sync::Arc;

/// The loss of connections to a server, by one event. Whatever was under way on them tells of the same one.
#[derive(Debug, Clone)]
pub struct Loss(Arc<()>);

impl Loss {
    /// One that is no other.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two are equal")]
    pub fn new() -> Self {
        Loss(Arc::new(()))
    }
}

impl PartialEq for Loss {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Loss {}
