//! What of a SQLite file, and of where it lies, breaks what the service promises.

use std::io;
use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;
use portfolio_domain::finding::Finding;

use super::{beside, connect_to_look, refused};
use crate::file_system::{self, FileSystem};
use crate::migrations::MigrateError;

/// Looks at the file at `path`, and changes nothing. What every connection of the service is set to is not asked: the
/// service sees to that itself.
///
/// # Errors
///
/// [`MigrateError`] when the file can't be opened, written or, where it is not there, made.
pub fn examine(path: &Path) -> Result<Vec<Finding>, MigrateError> {
    let is_there = path.try_exists().map_err(|error| refused(path, error))?;
    let place = place(path, is_there).map_err(|error| MigrateError::Refused(error.to_string()))?;
    let mut findings = vec![file_system(path), place];
    findings.extend(rights(path));
    if is_there {
        let mut connection = connect_to_look(path)?;
        findings.push(journal(&mut connection).map_err(|error| refused(path, error))?);
    }
    Ok(findings)
}

/// How the file says that its log is kept.
fn journal(connection: &mut SqliteConnection) -> QueryResult<Finding> {
    const NAME: &str = "journal mode";
    let mode = diesel::select(diesel::dsl::sql::<Text>("journal_mode FROM pragma_journal_mode"));
    let mode: String = mode.get_result(connection)?;
    Ok(if mode == "wal" {
        Finding::ok(NAME, mode)
    } else {
        Finding::warning(
            NAME,
            mode,
            "`portfolio serve` turns the log (WAL) on; where it was turned on before, the file system does without \
             it, so that whoever reads waits for whoever writes: put the database on a local disk",
        )
    })
}

/// Sees that the service may write to the file, or make it, and its log beside it.
fn place(path: &Path, is_there: bool) -> io::Result<Finding> {
    const NAME: &str = "database file";
    if is_there {
        file_system::may_write(path)?;
        file_system::may_write(folder_of(path))?;
        return Ok(Finding::ok(NAME, "can be written, and its log beside it"));
    }
    file_system::may_make(path)?;
    Ok(Finding::ok(NAME, "is not there yet, and can be made"))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    }
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
    let mut findings = Vec::new();
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        // What is not there is nobody's to read.
        let Ok(mode) = file_system::mode(&file) else { continue };
        if mode & (READ | WRITE) != 0 {
            let found = format!("{} has the mode {mode:04o}", file.display());
            let advice = "others can read what keys hash to, or change rows; `chmod 600`";
            findings.push(Finding::warning("rights of the database", found, advice));
        }
    }
    let folder = folder_of(path);
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
    use std::collections::BTreeMap;
    use std::fs;

    use diesel::connection::SimpleConnection as _;
    use portfolio_domain::finding::Severity;

    use super::super::Sqlite;
    use super::*;
    use crate::blocking::Engine as _;

    /// Every file of a folder, by its name, but for the index of a log, in which whoever reads marks where.
    fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let named = files.map(|file| (file.file_name().unwrap().to_str().unwrap().to_owned(), file));
        let kept = named.filter(|(name, _)| !name.ends_with("-shm"));
        kept.map(|(name, file)| (name, fs::read(file).unwrap())).collect()
    }

    /// What the file's journal is found to be.
    fn journal_of(path: &Path) -> (Severity, String) {
        let findings = examine(path).unwrap();
        let journal = findings.into_iter().find(|finding| finding.subject == "journal mode").unwrap();
        (journal.severity, journal.found)
    }

    #[test]
    fn to_look_changes_nothing_however_the_log_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        // As a URI has it, the name would be another.
        let path = folder.path().join("a b?c#d%41.db");
        let connect = || Sqlite { path: path.clone(), read_only: false }.connect().unwrap();
        let wal = (Severity::Ok, "wal".to_owned());

        let mut connection = connect();
        connection.batch_execute("CREATE TABLE a (b)").unwrap();
        let before = files(folder.path());
        assert_eq!(before.len(), 2, "a log is there");
        assert_eq!(journal_of(&path), wal);
        assert_eq!(files(folder.path()), before, "while it is used");

        // As after a crash.
        let other = tempfile::tempdir().unwrap();
        let copy = other.path().join("copy.db");
        fs::copy(&path, &copy).unwrap();
        fs::copy(beside(&path, "-wal"), beside(&copy, "-wal")).unwrap();
        let left = files(other.path());
        assert_eq!(journal_of(&copy), wal);
        assert_eq!(files(other.path()), left, "with the log of a crash");

        connection.batch_execute("PRAGMA journal_mode = DELETE").unwrap();
        drop(connection);
        for mode in ["delete", "wal"] {
            drop((mode == "wal").then(connect));
            let before = files(folder.path());
            assert_eq!(before.len(), 1, "{mode}");
            let severity = if mode == "wal" { Severity::Ok } else { Severity::Warning };
            assert_eq!(journal_of(&path), (severity, mode.to_owned()));
            super::super::pending_migrations(&path).unwrap();
            assert_eq!(files(folder.path()), before, "{mode}");
        }
    }

    #[test]
    fn a_connection_of_the_service_answers_when_it_is_on_disk() {
        const FULL: i64 = 2;
        let folder = tempfile::tempdir().unwrap();
        let engine = Sqlite { path: folder.path().join("a.db"), read_only: false };
        let level = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
            "synchronous FROM pragma_synchronous",
        ));
        assert_eq!(level.get_result::<i64>(&mut engine.connect().unwrap()).unwrap(), FULL);
    }
}
