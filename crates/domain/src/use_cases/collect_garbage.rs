use std::future::poll_fn;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::image::FileSize;
use crate::ports::{Clock, ImageRepository, MediaEntry, MediaStore, PortError};

/// Deletes the files that are no image's: what uploads and removals that were cut short have left.
#[derive(Clone)]
pub struct CollectGarbage {
    images: Arc<dyn ImageRepository>,
    media: Arc<dyn MediaStore>,
    clock: Arc<dyn Clock>,
}

/// What was found so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Garbage {
    /// How many files were looked at.
    pub files: u64,
    /// How many of them are nobody's.
    pub garbage: u64,
    /// How long these are together.
    pub size: u64,
}

impl CollectGarbage {
    /// How old a file is before it can be nobody's: an upload stores its files some seconds before its row.
    pub const AGE: TimeDelta = TimeDelta::hours(1);

    /// How many files the database is asked about at a time.
    const BATCH: usize = 500;

    /// The use case, over stored images and their files.
    #[must_use]
    pub fn new(images: Arc<dyn ImageRepository>, media: Arc<dyn MediaStore>, clock: Arc<dyn Clock>) -> Self {
        Self { images, media, clock }
    }

    /// Looks at every file, and deletes those that are nobody's and older than [`Self::AGE`], unless it is a
    /// `dry_run`. It tells `progress` of each file that is nobody's, with what was found so far, and of each
    /// batch.
    ///
    /// # Errors
    ///
    /// [`PortError`] when it can't go on; it may be begun again.
    pub async fn execute(
        &self,
        dry_run: bool,
        mut progress: impl FnMut(Option<&MediaEntry>, &Garbage) + Send,
    ) -> Result<Garbage, PortError> {
        let before = self.clock.now() - Self::AGE;
        let mut found = Garbage::default();
        let mut files = self.media.list();
        let mut batch = Vec::new();
        loop {
            let next = poll_fn(|context| files.as_mut().poll_next(context)).await.transpose()?;
            let ended = next.is_none();
            if let Some(entry) = next {
                found.files += 1;
                batch.extend((entry.modified < before).then_some(entry));
            }
            if batch.len() == Self::BATCH || ended {
                self.judge(std::mem::take(&mut batch), dry_run, &mut found, &mut progress).await?;
                progress(None, &found);
            }
            if ended {
                return Ok(found);
            }
        }
    }

    async fn judge(
        &self,
        batch: Vec<MediaEntry>,
        dry_run: bool,
        found: &mut Garbage,
        progress: &mut (impl FnMut(Option<&MediaEntry>, &Garbage) + Send),
    ) -> Result<(), PortError> {
        let paths: Vec<_> = batch.iter().map(|entry| entry.path.clone()).collect();
        let known = self.images.known_paths(&paths).await?;
        for entry in batch.into_iter().filter(|entry| !known.contains(&entry.path)) {
            if !dry_run {
                self.media.delete(&entry.path).await?;
            }
            let FileSize(size) = entry.size;
            found.garbage += 1;
            found.size += size;
            progress(Some(&entry), found);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll};

    use futures_core::Stream;

    use super::*;
    use crate::image::MediaPath;
    use crate::testing::{FixedClock, MockImageRepository, MockMediaStore, fixtures};

    struct Entries(std::vec::IntoIter<MediaEntry>);

    impl Stream for Entries {
        type Item = Result<MediaEntry, PortError>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.next().map(Ok))
        }
    }

    /// Of 1,200 files every third is an image's; the last three hundred are new.
    async fn collect(dry_run: bool) -> (Garbage, Vec<String>) {
        let entry = |n: i64| MediaEntry {
            path: MediaPath(n.to_string()),
            size: FileSize(2),
            modified: fixtures::now() - CollectGarbage::AGE - TimeDelta::seconds(i64::from(n < 900)),
        };
        let deleted = Arc::new(Mutex::new(Vec::new()));
        let (mut media, log) = (MockMediaStore::new(), deleted.clone());
        media
            .expect_list()
            .once()
            .return_once(move || Box::pin(Entries((0..1_200).map(entry).collect::<Vec<_>>().into_iter())));
        media.expect_delete().returning(move |path| {
            log.lock().unwrap().push(path.as_str().to_owned());
            Ok(())
        });
        let mut images = MockImageRepository::new();
        images.expect_known_paths().times(2).returning(|paths| {
            assert!(paths.len() <= 500);
            let known = |path: &&MediaPath| path.as_str().parse::<i64>().unwrap() % 3 == 0;
            Ok(paths.iter().filter(known).cloned().collect())
        });
        let clock = Arc::new(FixedClock::at(fixtures::now()));
        let collect = CollectGarbage::new(Arc::new(images), Arc::new(media), clock);
        let mut told = 0;
        let found = collect.execute(dry_run, |entry, _| told += i32::from(entry.is_some())).await.unwrap();
        assert_eq!(told, 600);
        let deleted = deleted.lock().unwrap().clone();
        (found, deleted)
    }

    #[tokio::test]
    async fn old_files_of_nobody_are_deleted_and_no_others() {
        let (found, deleted) = collect(false).await;
        assert_eq!(found, Garbage { files: 1_200, garbage: 600, size: 1_200 });
        assert_eq!(deleted.len(), 600);
        assert!(deleted.iter().map(|path| path.parse::<i64>().unwrap()).all(|n| n < 900 && n % 3 > 0));
    }

    #[tokio::test]
    async fn a_dry_run_tells_the_same_and_deletes_nothing() {
        let (found, deleted) = collect(true).await;
        assert_eq!((found.garbage, deleted.len()), (600, 0));
    }
}
