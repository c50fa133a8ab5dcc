//! Whether the service can do its work: what `/readyz` says.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use portfolio_domain::ports::Probe;
use tokio::sync::Mutex;

/// How long an answer of the probes counts: however many ask, the database is asked once.
const COUNTS_FOR: Duration = Duration::from_secs(1);

/// What the service waits for. It is told to whoever asks, and so names no host and no cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// It starts, and the database has not answered yet.
    ForDatabase,
    /// Migrations are pending, and it was told not to apply them.
    ForMigrations,
    /// It was told to stop: there is nothing to wait for, and another instance is to be asked.
    Stopping,
    /// What it needs does not work, by the name of it.
    For(&'static str),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForDatabase => f.write_str("Waiting for the database."),
            Self::ForMigrations => f.write_str("Waiting for pending migrations to be applied."),
            Self::Stopping => f.write_str("The service is stopping."),
            Self::For(name) => write!(f, "The {name} does not answer."),
        }
    }
}

/// Whether the service has started, and whether what it needs works.
pub struct Readiness {
    waiting: RwLock<Option<Waiting>>,
    stopping: AtomicBool,
    probes: Vec<Arc<dyn Probe>>,
    last: Mutex<Option<(Instant, Result<(), Waiting>)>>,
}

impl Readiness {
    /// Not started yet, and in need of what `probes` ask.
    #[must_use]
    pub fn new(probes: Vec<Arc<dyn Probe>>) -> Self {
        Self {
            waiting: RwLock::new(Some(Waiting::ForDatabase)),
            stopping: AtomicBool::new(false),
            probes,
            last: Mutex::default(),
        }
    }

    /// Says what the start waits for; `None` when it is done.
    pub fn set_waiting(&self, waiting: Option<Waiting>) {
        *self.waiting.write().unwrap_or_else(PoisonError::into_inner) = waiting;
    }

    /// Says that it is ready no more. What comes nevertheless is served.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the start is done.
    ///
    /// # Errors
    ///
    /// What it waits for.
    pub fn started(&self) -> Result<(), Waiting> {
        match &*self.waiting.read().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(waiting) => Err(waiting.clone()),
        }
    }

    /// Whether the service can do its work now, true to a second.
    ///
    /// # Errors
    ///
    /// What it waits for.
    pub async fn check(&self) -> Result<(), Waiting> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Waiting::Stopping);
        }
        self.started()?;
        // Whoever comes while the probes are asked waits here for their answer.
        let mut last = self.last.lock().await;
        if let Some((asked, answer)) = &*last
            && asked.elapsed() < COUNTS_FOR
        {
            return answer.clone();
        }
        let mut answer = Ok(());
        for probe in &self.probes {
            if let Err(error) = probe.check().await {
                tracing::warn!(probe = probe.name(), %error, "not ready");
                answer = Err(Waiting::For(probe.name()));
                break;
            }
        }
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use portfolio_domain::ports::PortError;
    use portfolio_domain::testing::MockProbe;

    use super::*;

    #[actix_web::test]
    async fn however_many_ask_the_probe_is_asked_once() {
        let mut probe = MockProbe::new();
        probe.expect_check().once().returning(|| Ok(()));
        let readiness = Readiness::new(vec![Arc::new(probe)]);
        readiness.set_waiting(None);
        let answers = futures_util::future::join_all((0..100).map(|_| readiness.check())).await;
        assert!(answers.iter().all(Result::is_ok));
    }

    #[actix_web::test]
    async fn it_says_what_it_waits_for() {
        let mut probe = MockProbe::new();
        probe.expect_name().return_const("media store");
        probe.expect_check().returning(|| Err(PortError::Unavailable("/srv/secret: gone".into())));
        let readiness = Readiness::new(vec![Arc::new(probe)]);
        assert_eq!(readiness.check().await, Err(Waiting::ForDatabase));
        readiness.set_waiting(None);
        let waiting = readiness.check().await.unwrap_err();
        assert_eq!(waiting.to_string(), "The media store does not answer.");
        readiness.stop();
        assert_eq!(readiness.check().await, Err(Waiting::Stopping));
        assert_eq!(readiness.started(), Ok(()), "what comes is served");
    }
}
