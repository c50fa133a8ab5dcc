use std::sync::Arc;

use crate::access::{ChangeImage, Permitted};
use crate::image::{Image, ImageId, MediaPath};
use crate::image_library::NewThumbnail;
use crate::ports::{
    Clock, ImageRepository, MediaStore, PortError, RandomSource, RenderError, Scratch, Thumbnailer,
};
use crate::upload_name::StoredName;
use crate::use_cases::image_files::{delete_all, put_thumbnails};

/// Makes the thumbnails of images anew from their originals.
#[derive(Clone)]
pub struct RebuildThumbnails {
    images: Arc<dyn ImageRepository>,
    media: Arc<dyn MediaStore>,
    scratch: Arc<dyn Scratch>,
    thumbnailer: Arc<dyn Thumbnailer>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
}

/// What became of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebuilt {
    /// It has new thumbnails. Of the old ones these files could not be deleted now, and why.
    Done(Vec<(MediaPath, PortError)>),
    /// It was removed meanwhile.
    Removed,
    /// Its original is gone; the thumbnails are those that they were.
    NoOriginal,
    /// Its original is not what was stored, or nothing that thumbnails can be made of; they are those that
    /// they were.
    Damaged,
}

impl RebuildThumbnails {
    /// How many images are listed at a time.
    const PAGE: u32 = 100;

    /// The use case, over stored images and their files.
    #[must_use]
    pub fn new(
        images: Arc<dyn ImageRepository>,
        media: Arc<dyn MediaStore>,
        scratch: Arc<dyn Scratch>,
        thumbnailer: Arc<dyn Thumbnailer>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn RandomSource>,
    ) -> Self {
        Self { images, media, scratch, thumbnailer, clock, random }
    }

    /// Some of the images that come after `last`, in the order of their ids; none when there are no more.
    ///
    /// # Errors
    ///
    /// [`PortError`] when it can't be found out now.
    pub async fn after(
        &self,
        _permitted: &Permitted<ChangeImage>,
        last: Option<ImageId>,
    ) -> Result<Vec<Image>, PortError> {
        self.images.list_after(last, Self::PAGE).await
    }

    /// Gives `image` new thumbnails. Their files are stored before the row changes, and the old ones deleted
    /// after: whenever it is cut short, the image has all of the old or all of the new ones, and what else is
    /// left is files of nobody, which [`CollectGarbage`](crate::use_cases::CollectGarbage) finds. Any number of
    /// images may be worked on at once, while others see and change them.
    ///
    /// # Errors
    ///
    /// [`PortError`] when a port can't go on; the image has its old thumbnails then, but for an unavailable port,
    /// where that is unknown. It may be done again.
    pub async fn execute(
        &self,
        _permitted: &Permitted<ChangeImage>,
        image: &Image,
    ) -> Result<Rebuilt, PortError> {
        let Some(original) = self.media.read(&image.path, None).await? else {
            return self.unless_removed(image, Rebuilt::NoOriginal).await;
        };
        if original.size != image.size {
            return self.unless_removed(image, Rebuilt::Damaged).await;
        }
        let file = self.scratch.keep(original.chunks).await?;
        let rendering = match self.thumbnailer.render(&file).await {
            Ok(rendering) => rendering,
            Err(RenderError::NotAnImage | RenderError::TooLarge | RenderError::TooManyFrames) => {
                return self.unless_removed(image, Rebuilt::Damaged).await;
            }
            Err(RenderError::Busy) => {
                return Err(PortError::Unavailable("too many images are waiting".into()));
            }
            Err(RenderError::Port(error)) => return Err(error),
        };
        let name = StoredName::new(image.path.as_str(), self.clock.now());
        let new = put_thumbnails(&*self.media, &*self.random, &name, rendering.thumbnails).await?;
        match self.images.replace_thumbnails(image.id, &new).await {
            Ok(Some(old)) => Ok(Rebuilt::Done(delete_all(&*self.media, old).await)),
            // It may have the new ones.
            Err(error @ PortError::Unavailable(_)) => Err(error),
            Err(error) => {
                self.withdraw(new).await;
                Err(error)
            }
            Ok(None) => {
                self.withdraw(new).await;
                match self.images.find(image.id).await? {
                    None => Ok(Rebuilt::Removed),
                    Some(_) => Err(PortError::Internal(format!(
                        "a new thumbnail of image {} is a row's, and was no file's",
                        image.id
                    ))),
                }
            }
        }
    }

    async fn withdraw(&self, thumbnails: Vec<NewThumbnail>) {
        // What can't be deleted now is nobody's, and found as such.
        delete_all(&*self.media, thumbnails.into_iter().map(|thumbnail| thumbnail.path)).await;
    }

    /// Of an image that is being removed the row goes first, and then its files.
    async fn unless_removed(&self, image: &Image, otherwise: Rebuilt) -> Result<Rebuilt, PortError> {
        let there = self.images.find(image.id).await?.is_some();
        Ok(if there { otherwise } else { Rebuilt::Removed })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use futures_core::Stream;
    use rstest::rstest;

    use super::*;
    use crate::image::{FileSize, ImageFormat};
    use crate::local_file::LocalFile;
    use crate::ports::{MediaFile, RenderedThumbnail, Rendering};
    use crate::testing::{
        FixedClock, MockImageRepository, MockMediaStore, MockRandomSource, MockScratch, MockThumbnailer,
        fixtures,
    };

    struct Nothing;

    impl Stream for Nothing {
        type Item = Result<Bytes, PortError>;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(None)
        }
    }

    type Log = Arc<Mutex<Vec<String>>>;

    fn note(log: &Log, what: &str, path: &MediaPath) {
        log.lock().unwrap().push(format!("{what}{}", path.as_str()));
    }

    /// A store that has the original with this length, and notes what is put and deleted.
    fn store(original: Option<u64>, log: &Log) -> MockMediaStore {
        let (mut media, puts, deletes) = (MockMediaStore::new(), log.clone(), log.clone());
        media
            .expect_read()
            .withf(|path, range| path.as_str().ends_with("/logo6.png") && range.is_none())
            .returning(move |_, _| {
                Ok(original.map(|size| MediaFile {
                    size: FileSize(size),
                    modified: fixtures::now(),
                    range: 0..size,
                    chunks: Box::pin(Nothing),
                }))
            });
        media.expect_put_new().returning(move |path, _| {
            note(&puts, "+", path);
            Ok(())
        });
        media.expect_delete().returning(move |path| {
            note(&deletes, "-", path);
            Ok(())
        });
        media
    }

    fn renders(outcome: Result<(), RenderError>) -> MockThumbnailer {
        let mut thumbnailer = MockThumbnailer::new();
        thumbnailer.expect_render().withf(|file| file.path().ends_with("original")).returning(move |_| {
            outcome.clone().map(|()| Rendering {
                format: ImageFormat::Png,
                width: 225,
                height: 225,
                mode: "RGB".into(),
                thumbnails: [64, 128]
                    .map(|box_side| RenderedThumbnail { box_side, format: ImageFormat::Jpeg, bytes: vec![1] })
                    .into(),
            })
        });
        thumbnailer
    }

    async fn rebuild(
        images: MockImageRepository,
        media: MockMediaStore,
        thumbnailer: MockThumbnailer,
    ) -> Result<Rebuilt, PortError> {
        let mut scratch = MockScratch::new();
        scratch.expect_keep().returning(|_| Ok(LocalFile::lasting("original")));
        let mut random = MockRandomSource::new();
        random.expect_fill().returning(|bytes| {
            bytes.fill(0);
            Ok(())
        });
        RebuildThumbnails::new(
            Arc::new(images),
            Arc::new(media),
            Arc::new(scratch),
            Arc::new(thumbnailer),
            Arc::new(FixedClock::at(fixtures::now())),
            Arc::new(random),
        )
        .execute(&Permitted::for_tests("maryam"), &fixtures::image(6))
        .await
    }

    fn there(is_there: bool) -> MockImageRepository {
        let mut images = MockImageRepository::new();
        images.expect_find().returning(move |id| Ok(is_there.then(|| fixtures::image(id.0))));
        images
    }

    #[tokio::test]
    async fn new_files_are_stored_before_the_row_and_old_ones_deleted_after() {
        let log = Log::default();
        let (mut images, rows) = (MockImageRepository::new(), log.clone());
        images.expect_replace_thumbnails().once().returning(move |id, new| {
            let boxes: Vec<_> = new.iter().map(|thumbnail| thumbnail.box_side).collect();
            assert_eq!((id, boxes), (ImageId(6), vec![64, 128]));
            note(&rows, "row", &MediaPath(String::new()));
            Ok(Some(vec![MediaPath("old".into())]))
        });
        let answer = rebuild(images, store(Some(5123), &log), renders(Ok(()))).await;
        assert_eq!(answer, Ok(Rebuilt::Done(vec![])));
        let log = log.lock().unwrap();
        assert!(log[0].starts_with("+core_media/2026/01/13/thumbnails/logo6_"), "{log:?}");
        assert!(log[1].ends_with("_thumbnail_128x128.jpg"), "{log:?}");
        assert_eq!(log[2..], ["row", "-old"]);
    }

    #[rstest]
    #[case::gone(None, Ok(()), Rebuilt::NoOriginal)]
    #[case::of_another_length(Some(5122), Ok(()), Rebuilt::Damaged)]
    #[case::no_image(Some(5123), Err(RenderError::NotAnImage), Rebuilt::Damaged)]
    #[case::too_large(Some(5123), Err(RenderError::TooLarge), Rebuilt::Damaged)]
    #[case::too_many_frames(Some(5123), Err(RenderError::TooManyFrames), Rebuilt::Damaged)]
    #[tokio::test]
    async fn an_original_that_is_gone_or_damaged_is_told_unless_the_image_is_gone_too(
        #[case] original: Option<u64>,
        #[case] rendered: Result<(), RenderError>,
        #[case] told: Rebuilt,
    ) {
        for (is_there, answer) in [(true, told), (false, Rebuilt::Removed)] {
            let log = Log::default();
            let rebuilt = rebuild(there(is_there), store(original, &log), renders(rendered.clone())).await;
            assert_eq!((rebuilt, log.lock().unwrap().len()), (Ok(answer), 0));
        }
    }

    #[rstest]
    #[case::removed(Ok(None), false, Some(Ok(Rebuilt::Removed)), true)]
    #[case::another_ones_path(Ok(None), true, None, true)]
    #[case::full(Err(PortError::StorageFull("full".into())), true, None, true)]
    #[case::it_may_have_them(Err(PortError::Unavailable("away".into())), true, None, false)]
    #[tokio::test]
    async fn new_files_go_when_the_row_has_none_of_them(
        #[case] replaced: Result<Option<Vec<MediaPath>>, PortError>,
        #[case] is_there: bool,
        #[case] answer: Option<Result<Rebuilt, PortError>>,
        #[case] withdrawn: bool,
    ) {
        let log = Log::default();
        let mut images = there(is_there);
        images.expect_replace_thumbnails().return_once(|_, _| replaced);
        let rebuilt = rebuild(images, store(Some(5123), &log), renders(Ok(()))).await;
        assert!(answer.map_or(rebuilt.is_err(), |answer| rebuilt == answer), "{rebuilt:?}");
        let log = log.lock().unwrap();
        assert_eq!(log.len(), if withdrawn { 4 } else { 2 }, "{log:?}");
        if withdrawn {
            assert_eq!([&log[0][1..], &log[1][1..]], [&log[2][1..], &log[3][1..]]);
        }
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_no_damage() {
        let mut media = MockMediaStore::new();
        media.expect_read().returning(|_, _| Err(PortError::Unavailable("away".into())));
        let answer = rebuild(MockImageRepository::new(), media, MockThumbnailer::new()).await;
        assert!(matches!(answer, Err(PortError::Unavailable(_))), "{answer:?}");
    }
}
