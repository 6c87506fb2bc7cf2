//! The settings in use, which change while requests are under way.

use std::{
    convert::Infallible,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{books::Books, client::Client, config::Settings, error::Result, scheduler::Scheduler};

/// The settings of a manager and those who work by them.
#[derive(Debug)]
pub(super) struct Live {
    /// Locked for a few instructions by those who look, and while changes are read.
    current: RwLock<Arc<Current>>,
    scheduler: Arc<Scheduler>,
    books: Arc<Books>,
}

/// What a request takes once, when it begins, and keeps to its end. Accounts and their limits are the scheduler's: they change also for
/// those who wait.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) settings: Arc<Settings>,
    /// Another one only where the time to connect changes: its connections are of use to all accounts.
    pub(super) client: Arc<Client>,
}

impl Live {
    pub(super) fn new(settings: Settings, scheduler: Arc<Scheduler>, books: Arc<Books>) -> Self {
        set_budgets(&books, &settings);
        let client = Arc::new(Client::new(settings.timeouts.connect));
        let settings = Arc::new(settings);
        Live {
            current: RwLock::new(Arc::new(Current { settings, client })),
            scheduler,
            books,
        }
    }

    pub(super) fn current(&self) -> Arc<Current> {
        // It is replaced whole.
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Replaces the settings by what `change` makes of them; changes nothing where it fails.
    pub(super) fn change<E>(
        &self,
        change: impl FnOnce(&Settings) -> Result<Settings, E>,
    ) -> Result<(), E> {
        // Locked from reading to writing, so that no two changes get lost in each other.
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let settings = change(&current.settings)?;
        let connect = settings.timeouts.connect;
        let client = match connect == current.settings.timeouts.connect {
            true => current.client.clone(),
            false => Arc::new(Client::new(connect)),
        };
        set_budgets(&self.books, &settings);
        self.scheduler.update(&settings.accounts);
        let settings = Arc::new(settings);
        *current = Arc::new(Current { settings, client });
        Ok(())
    }

    /// Takes over settings that processes share. One that cannot be used here leaves the others as they are: whoever shared it has
    /// another version, or wrote it by hand.
    pub(super) fn take_over<'a>(&self, shared: impl Iterator<Item = (&'a str, &'a str)>) {
        let Ok(()) = self.change(|settings| {
            let mut settings = settings.clone();
            for (name, json) in shared {
                let _ = settings.take_over(name, json);
            }
            Ok::<_, Infallible>(settings)
        });
    }
}

fn set_budgets(books: &Books, settings: &Settings) {
    let accounts = settings.accounts.iter();
    let budgets: Vec<_> = accounts
        .map(|account| (account.label.clone(), account.budget))
        .collect();
    books.set_budgets(settings.budget, &budgets);
}
