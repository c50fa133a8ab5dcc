//! What of a SQLite file, and of where it lies, breaks what the service promises.

use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use portfolio_domain::finding::Finding;

use super::{Sqlite, is_locked};
use crate::blocking::Engine as _;
use crate::file_system::{self, FileSystem};
use crate::migrations::{MigrateError, one_line};

/// Looks at the file at `path` through a connection as the service makes them. It makes no file.
///
/// # Errors
///
/// [`MigrateError`] when there is a file that can't be opened.
pub fn examine(path: &Path) -> Result<Vec<Finding>, MigrateError> {
    let mut findings = vec![file_system(path)];
    findings.extend(rights(path));
    if path.exists() {
        let engine = Sqlite { path: path.to_owned(), read_only: false };
        let mut connection = engine.connect().map_err(|error| {
            let error = format!("{}: {error}", path.display());
            if is_locked(&error) { MigrateError::Unreachable(error) } else { MigrateError::Refused(error) }
        })?;
        let seen = connected(&mut connection);
        findings.extend(seen.map_err(|error| MigrateError::Failed(one_line(&error)))?);
    }
    Ok(findings)
}

/// What a connection is set to.
fn connected(connection: &mut SqliteConnection) -> QueryResult<[Finding; 2]> {
    const FULL: i64 = 2;
    let level = diesel::select(diesel::dsl::sql::<BigInt>("synchronous FROM pragma_synchronous"));
    let level: i64 = level.get_result(connection)?;
    let mode = diesel::select(diesel::dsl::sql::<Text>("journal_mode FROM pragma_journal_mode"));
    let mode: String = mode.get_result(connection)?;
    let synchronous = if level >= FULL {
        Finding::ok("synchronous", if level == FULL { "FULL" } else { "EXTRA" })
    } else {
        Finding::breaks(
            "synchronous",
            if level == 0 { "OFF" } else { "NORMAL" },
            "an answered change is not on disk yet, and a power cut loses it; only another program can have built it \
             so: use the one of this project",
        )
    };
    let journal = match mode.as_str() {
        "wal" => Finding::ok("journal mode", mode),
        "off" | "memory" => Finding::breaks(
            "journal mode",
            mode,
            "a crash in the middle of a change ruins the database; put it on a local disk",
        ),
        _ => Finding::warning(
            "journal mode",
            mode,
            "the file system does without the log (WAL), so that whoever reads waits for whoever writes; put the \
             database on a local disk",
        ),
    };
    Ok([synchronous, journal])
}

fn file_system(path: &Path) -> Finding {
    const NAME: &str = "file system of the database";
    let found = |what: &str| format!("{what}: {}", path.display());
    match FileSystem::of(path) {
        Ok(FileSystem::Local) => Finding::ok(NAME, "a disk of this machine, as far as can be told"),
        Ok(FileSystem::Memory) => {
            Finding::breaks(NAME, found("in memory"), "all is gone with the machine; put it on a disk")
        }
        Ok(FileSystem::Network) => Finding::breaks(
            NAME,
            found("on another machine"),
            "SQLite's locks and its log do not hold there (sqlite.org/wal.html); put it on a local disk, or use \
             PostgreSQL",
        ),
        Ok(FileSystem::Layer) => Finding::warning(
            NAME,
            found("the container's own"),
            "all is gone with the container; put it on a volume",
        ),
        Err(error) => Finding::warning(NAME, found(&error.to_string()), "it could not be told"),
    }
}

/// Who may read the file and its log, and write to their folder.
fn rights(path: &Path) -> Vec<Finding> {
    const READ: u32 = 0o044;
    const WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let log = |suffix: &str| {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        PathBuf::from(file)
    };
    let mut findings = Vec::new();
    for file in [path.to_owned(), log("-wal"), log("-shm")] {
        // What is not there is nobody's to read.
        let Ok(mode) = file_system::mode(&file) else { continue };
        if mode & (READ | WRITE) != 0 {
            let found = format!("{} has the mode {mode:04o}", file.display());
            let advice = "others can read what keys hash to, or change rows; `chmod 600`";
            findings.push(Finding::warning("rights of the database", found, advice));
        }
    }
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    };
    if let Ok(mode) = file_system::mode(folder)
        && mode & WRITE != 0
        && mode & STICKY == 0
    {
        let found = format!("{} has the mode {mode:04o}", folder.display());
        let advice = "others can put another database in its place; `chmod go-w`";
        findings.push(Finding::warning("rights of the database's folder", found, advice));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("rights of the database", "its owner's alone"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use portfolio_domain::finding::Severity;

    use super::*;

    /// A connection as the service makes them, on a file of its own.
    fn connection() -> (tempfile::TempDir, SqliteConnection) {
        let folder = tempfile::tempdir().unwrap();
        let engine = Sqlite { path: folder.path().join("a.db"), read_only: false };
        let connection = engine.connect().unwrap();
        (folder, connection)
    }

    #[test]
    fn a_connection_that_answers_before_it_is_on_disk_is_named() {
        let (_folder, mut connection) = connection();
        let severities = |connection: &mut SqliteConnection| {
            connected(connection).unwrap().map(|finding| (finding.severity, finding.found))
        };
        let wal = (Severity::Ok, "wal".to_owned());
        assert_eq!(severities(&mut connection), [(Severity::Ok, "FULL".to_owned()), wal.clone()]);
        for level in ["OFF", "NORMAL"] {
            connection.batch_execute(&format!("PRAGMA synchronous = {level}")).unwrap();
            assert_eq!(
                severities(&mut connection),
                [(Severity::BreaksPromise, level.to_owned()), wal.clone()]
            );
        }
        connection.batch_execute("PRAGMA synchronous = EXTRA; PRAGMA journal_mode = DELETE").unwrap();
        assert_eq!(
            severities(&mut connection),
            [(Severity::Ok, "EXTRA".to_owned()), (Severity::Warning, "delete".to_owned())]
        );
        connection.batch_execute("PRAGMA journal_mode = MEMORY").unwrap();
        assert_eq!(severities(&mut connection)[1], (Severity::BreaksPromise, "memory".to_owned()));
    }
}
