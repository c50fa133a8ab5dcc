use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;

use crate::image::MediaPath;
use crate::ports::{Demo, DemoRepository, MediaSource, MediaStore, Planted, PortError, PutError};
use crate::use_cases::image_files::delete_all;

/// Fills an empty database with example data, and the media store with the files of its images.
#[derive(Clone)]
pub struct PlantDemo {
    demo: Arc<dyn DemoRepository>,
    media: Arc<dyn MediaStore>,
}

/// Why a demo was not planted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlantError {
    /// The database holds users or rows and was not made by a demo.
    #[error("the database holds users or rows that no demo made")]
    RealData,
    /// Another file lies where one of the demo's belongs.
    #[error("{} is another file already", .0.as_str())]
    Taken(MediaPath),
    /// It could not be done now.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl PlantDemo {
    /// The use case, over the example data and the files of images.
    #[must_use]
    pub fn new(demo: Arc<dyn DemoRepository>, media: Arc<dyn MediaStore>) -> Self {
        Self { demo, media }
    }

    /// Puts what is missing of `demo` into the database, and before that what is missing of `files`, those of its
    /// images, into the media store.
    ///
    /// # Errors
    ///
    /// [`PlantError`]; no row was added then, nor a file, but for an unavailable port, where that is unknown.
    pub async fn execute(&self, demo: &Demo, files: Vec<(MediaPath, Bytes)>) -> Result<(), PlantError> {
        if !self.demo.may_plant().await? {
            return Err(PlantError::RealData);
        }
        let mut missing = Vec::new();
        for (path, content) in files {
            match self.holds(&path, &content).await? {
                Some(true) => {}
                Some(false) => return Err(PlantError::Taken(path)),
                None => missing.push((path, content)),
            }
        }
        let mut stored = Vec::new();
        let planted = self.plant(demo, missing, &mut stored).await;
        // Of an unavailable database it is not known whether it has the rows; the files may be theirs.
        if planted.as_ref().is_err_and(|error| !matches!(error, PlantError::Port(PortError::Unavailable(_))))
        {
            // What can't be deleted now is nobody's, and found as such.
            delete_all(&*self.media, stored).await;
        }
        planted
    }

    async fn plant(
        &self,
        demo: &Demo,
        files: Vec<(MediaPath, Bytes)>,
        stored: &mut Vec<MediaPath>,
    ) -> Result<(), PlantError> {
        for (path, content) in files {
            match self.media.put_new(&path, MediaSource::Bytes(content.clone())).await {
                Ok(()) => stored.push(path),
                // Another demo may have been quicker.
                Err(PutError::Taken) if self.holds(&path, &content).await? == Some(true) => {}
                Err(PutError::Taken) => return Err(PlantError::Taken(path)),
                Err(PutError::Port(error)) => return Err(error.into()),
            }
        }
        match self.demo.plant(demo).await? {
            Planted::Done => Ok(()),
            Planted::RealData => Err(PlantError::RealData),
        }
    }

    /// Whether the file at `path` is `content`; `None` when there is none.
    async fn holds(&self, path: &MediaPath, content: &[u8]) -> Result<Option<bool>, PortError> {
        let Some(mut file) = self.media.read(path, None).await? else { return Ok(None) };
        let mut rest = content;
        while let Some(chunk) = poll_fn(|context| file.chunks.as_mut().poll_next(context)).await {
            match rest.strip_prefix(&*chunk?) {
                Some(after) => rest = after,
                None => return Ok(Some(false)),
            }
        }
        Ok(Some(rest.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll};

    use futures_core::Stream;

    use super::*;
    use crate::image::FileSize;
    use crate::ports::MediaFile;
    use crate::staff::NewStaff;
    use crate::testing::{MockDemoRepository, MockMediaStore, fixtures};

    struct Pieces(std::vec::IntoIter<Bytes>);

    impl Stream for Pieces {
        type Item = Result<Bytes, PortError>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.next().map(Ok))
        }
    }

    type Log = Arc<Mutex<Vec<String>>>;

    /// A store that holds one file, and notes what is done.
    fn store(held: Option<(&'static str, &'static [u8])>, log: &Log) -> MockMediaStore {
        let (mut media, puts, deletes) = (MockMediaStore::new(), log.clone(), log.clone());
        media.expect_read().returning(move |path, _| {
            let content = held.filter(|(held, _)| *held == path.as_str()).map(|(_, content)| content);
            Ok(content.map(|content| MediaFile {
                size: FileSize(content.len() as u64),
                modified: fixtures::now(),
                range: 0..content.len() as u64,
                chunks: Box::pin(Pieces(
                    content.chunks(2).map(Bytes::from_static).collect::<Vec<_>>().into_iter(),
                )),
            }))
        });
        media.expect_put_new().returning(move |path, _| {
            puts.lock().unwrap().push(format!("+{}", path.as_str()));
            Ok(())
        });
        media.expect_delete().returning(move |path| {
            deletes.lock().unwrap().push(format!("-{}", path.as_str()));
            Ok(())
        });
        media
    }

    async fn plant(
        held: Option<(&'static str, &'static [u8])>,
        may: bool,
        planted: Result<Planted, PortError>,
    ) -> (Result<(), PlantError>, Vec<String>) {
        let log = Log::default();
        let (mut demo, rows) = (MockDemoRepository::new(), log.clone());
        demo.expect_may_plant().return_once(move || Ok(may));
        demo.expect_plant().returning(move |_| {
            rows.lock().unwrap().push("rows".into());
            planted.clone()
        });
        let member = fixtures::staff_member("demo");
        let staff =
            NewStaff { name: member.name, standing: member.standing, permissions: member.permissions };
        let example = Demo { staff, images: vec![], employers: vec![], now: fixtures::now() };
        let files = [("a", "aaaaa"), ("b", "bbbbb")]
            .map(|(path, content)| (MediaPath(path.into()), Bytes::from(content)));
        let plant = PlantDemo::new(Arc::new(demo), Arc::new(store(held, &log)));
        let answer = plant.execute(&example, files.into()).await;
        let log = log.lock().unwrap().clone();
        (answer, log)
    }

    #[tokio::test]
    async fn files_are_stored_before_rows_and_those_that_are_there_stay() {
        let done = Ok(Planted::Done);
        assert_eq!(
            plant(None, true, done.clone()).await,
            (Ok(()), ["+a", "+b", "rows"].map(Into::into).into())
        );
        let again = plant(Some(("a", b"aaaaa")), true, done).await;
        assert_eq!(again, (Ok(()), ["+b", "rows"].map(Into::into).into()));
    }

    #[tokio::test]
    async fn nothing_is_touched_where_there_is_something_real() {
        let (answer, log) = plant(None, false, Ok(Planted::Done)).await;
        assert_eq!((answer, log.len()), (Err(PlantError::RealData), 0));
        for other in [&b"aaaa"[..], b"aaaaaa", b"aaaab", b""] {
            let (answer, log) = plant(Some(("a", other)), true, Ok(Planted::Done)).await;
            assert_eq!((answer, log.len()), (Err(PlantError::Taken(MediaPath("a".into()))), 0));
        }
    }

    #[tokio::test]
    async fn files_go_again_when_there_are_no_rows() {
        let (answer, log) = plant(None, true, Ok(Planted::RealData)).await;
        assert_eq!(answer, Err(PlantError::RealData));
        assert_eq!(log, ["+a", "+b", "rows", "-a", "-b"]);
        let (answer, log) = plant(None, true, Err(PortError::Unavailable("away".into()))).await;
        assert!(answer.is_err());
        assert_eq!(log, ["+a", "+b", "rows"], "the rows may be there");
    }
}
