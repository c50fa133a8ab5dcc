use std::fs::File;
use std::io;
use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use portfolio_domain::image::MediaPath;
use tempfile::NamedTempFile;
use url::Url;

use super::Sqlite;
use super::schema::{images, thumbnails};
use crate::blocking::Engine as _;
use crate::migrations::one_line;

/// A copy of a database as it was at one moment, in one file, its owner's alone, which goes when this is dropped.
#[derive(Debug)]
pub struct Snapshot {
    file: NamedTempFile,
}

/// Why there is no snapshot, or none that can be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SnapshotError(String);

impl Snapshot {
    /// Copies the database at `database` as it is now, into `folder`. Nobody who writes to it waits.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] when there is no such database, or no room.
    pub fn take(database: &Path, folder: &Path) -> Result<Self, SnapshotError> {
        // To connect would make it.
        if !database.is_file() {
            return Err(SnapshotError(format!("{}: there is no such file", database.display())));
        }
        let failed = |error: String| SnapshotError(format!("{}: {error}", database.display()));
        let file = temporary(folder).map_err(|error| failed(format!("a temporary file: {error}")))?;
        let engine = Sqlite { path: database.to_owned(), read_only: false };
        let mut connection = engine.connect().map_err(failed)?;
        // The online backup, which diesel does not have, would begin anew with every write of another process.
        diesel::sql_query("VACUUM INTO ?")
            .bind::<Text, _>(file.path().to_string_lossy().into_owned())
            .execute(&mut connection)
            .map_err(|error| failed(one_line(&error)))?;
        Ok(Self { file })
    }

    /// Takes what is said to be one, into the system's folder for temporary files.
    ///
    /// # Errors
    ///
    /// When it can't be read, or written.
    pub fn copy_of(content: &mut impl io::Read) -> io::Result<Self> {
        let file = temporary(&std::env::temp_dir())?;
        io::copy(content, &mut file.as_file())?;
        Ok(Self { file })
    }

    /// What it is made of, from its beginning.
    ///
    /// # Errors
    ///
    /// When it can't be opened.
    pub fn open(&self) -> io::Result<File> {
        self.file.reopen()
    }

    /// Has SQLite read all of it.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] when it is damaged, or no database.
    pub fn check(&self) -> Result<(), SnapshotError> {
        let found = diesel::sql_query("PRAGMA integrity_check(1)")
            .load::<Finding>(&mut self.connect()?)
            .map_err(|error| unreadable(&one_line(&error)))?;
        match found.first() {
            Some(finding) if finding.integrity_check == "ok" => Ok(()),
            found => Err(unreadable(found.map_or("no answer", |finding| &finding.integrity_check))),
        }
    }

    /// Where the files lie that its rows name, each once.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] when it has no such rows.
    pub fn media_paths(&self) -> Result<Vec<MediaPath>, SnapshotError> {
        let connection = &mut self.connect()?;
        let of_images: Vec<String> = images::table
            .select(images::path)
            .load(connection)
            .map_err(|error| unreadable(&one_line(&error)))?;
        let of_thumbnails: Vec<String> = thumbnails::table
            .select(thumbnails::path)
            .load(connection)
            .map_err(|error| unreadable(&one_line(&error)))?;
        let mut paths: Vec<String> = of_images.into_iter().chain(of_thumbnails).collect();
        paths.sort_unstable();
        paths.dedup();
        Ok(paths.into_iter().map(MediaPath).collect())
    }

    /// Opens it as a file that nobody writes to: SQLite then makes none beside it.
    fn connect(&self) -> Result<SqliteConnection, SnapshotError> {
        let mut url =
            Url::from_file_path(self.file.path()).map_err(|()| unreadable("its path is not absolute"))?;
        url.set_query(Some("immutable=1"));
        SqliteConnection::establish(url.as_str()).map_err(|error| unreadable(&one_line(&error)))
    }
}

fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    // Its mode is 0600.
    tempfile::Builder::new().prefix(".portfolio-").tempfile_in(std::path::absolute(folder)?)
}

fn unreadable(why: &str) -> SnapshotError {
    SnapshotError(format!("the database in it: {why}"))
}

#[derive(QueryableByName)]
struct Finding {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}
