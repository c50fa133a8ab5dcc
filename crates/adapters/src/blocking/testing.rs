//! A database for the tests of how questions are asked: what comes of a question is in the question.

use std::sync::{Arc, Mutex};

use diesel::Connection as _;
use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use diesel::sqlite::SqliteConnection;

use super::{Database, Engine};

/// Connections of which some are lost.
pub(super) struct Memory;

impl Engine for Memory {
    type Connection = SqliteConnection;

    fn connect(&self) -> Result<SqliteConnection, String> {
        SqliteConnection::establish(":memory:").map_err(|error| error.to_string())
    }

    fn is_lost(_: &mut SqliteConnection, error: &DieselError) -> bool {
        matches!(error, DieselError::BrokenTransactionManager)
    }

    fn is_full(_: &DieselError) -> bool {
        false
    }
}

pub(super) fn lost() -> DieselError {
    DieselError::BrokenTransactionManager
}

pub(super) fn refused() -> DieselError {
    DieselError::DatabaseError(DatabaseErrorKind::CheckViolation, Box::new("out of range".to_owned()))
}

/// What is to come of one question, and where it is written down how many are asked together.
pub(super) struct Key {
    pub(super) asked_together: AskedTogether,
    pub(super) act: Act,
}

/// How many questions each statement had, in their order.
pub(super) type AskedTogether = Arc<Mutex<Vec<usize>>>;

pub(super) type Act = Box<dyn Fn() -> QueryResult<i32> + Send + Sync>;

pub(super) fn together(_: &mut SqliteConnection, keys: &[Key]) -> QueryResult<Vec<i32>> {
    if let Some(key) = keys.first() {
        key.asked_together.lock().unwrap().push(keys.len());
    }
    keys.iter().map(|key| (key.act)()).collect()
}

/// With two connections.
pub(super) fn database() -> Database<Memory> {
    Database::new("memory", Memory, 2, 1)
}
