use std::sync::Arc;

use crate::access::{CreateImage, Permitted};
use crate::field_error::{Field, FieldError, FieldErrors};
use crate::image::{Image, ImageName, MAX_FRAMES, MAX_SIDE};
use crate::image_library::{ImageDraft, NewImage, UploadedFile};
use crate::ports::{
    Clock, ImageRepository, MediaSource, MediaStore, PortError, RandomSource, RenderError, Rendering,
    Thumbnailer,
};
use crate::upload_name::{StoredName, display_name};
use crate::use_cases::ImageError;
use crate::use_cases::image_files::{delete_all, put_original, put_thumbnails};

/// Adds an image to the library, with thumbnails.
#[derive(Clone)]
pub struct UploadImage {
    images: Arc<dyn ImageRepository>,
    media: Arc<dyn MediaStore>,
    thumbnailer: Arc<dyn Thumbnailer>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
}

impl UploadImage {
    /// The use case, over stored images and their files.
    #[must_use]
    pub fn new(
        images: Arc<dyn ImageRepository>,
        media: Arc<dyn MediaStore>,
        thumbnailer: Arc<dyn Thumbnailer>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn RandomSource>,
    ) -> Self {
        Self { images, media, thumbnailer, clock, random }
    }

    /// Adds what `draft` describes, and answers it as it then is. The files are stored before the row: what
    /// is left when that is cut short is files of nobody, which
    /// [`CollectGarbage`](crate::use_cases::CollectGarbage) finds.
    ///
    /// # Errors
    ///
    /// [`ImageError::Invalid`] with everything that is wrong, or [`ImageError::Port`], unavailable when too
    /// many images are waiting; no image was added then, but for an unavailable port, where that is unknown.
    pub async fn execute(
        &self,
        _permitted: &Permitted<CreateImage>,
        draft: ImageDraft,
    ) -> Result<Image, ImageError> {
        let ImageDraft { file, name } = draft;
        let parse = |raw: String| ImageName::parse(&raw);
        let name = name.map(|given| given.map_err(|error| vec![error]).and_then(parse)).transpose();
        let file = match file {
            Ok(upload) => match self.thumbnailer.render(&upload.file).await {
                Ok(rendering) => Ok((upload, rendering)),
                Err(RenderError::NotAnImage) => Err(FieldError::NotAnImage),
                Err(RenderError::TooLarge) => Err(FieldError::ImageTooLarge { max: MAX_SIDE }),
                Err(RenderError::TooManyFrames) => Err(FieldError::TooManyFrames { max: MAX_FRAMES }),
                Err(RenderError::Busy) => {
                    return Err(PortError::Unavailable("too many images are waiting".into()).into());
                }
                Err(RenderError::Port(error)) => return Err(error.into()),
            },
            Err(error) => Err(error),
        };
        match (file, name) {
            (Ok((upload, rendering)), Ok(name)) => Ok(self.add(upload, rendering, name).await?),
            (file, name) => {
                let of_name = name.err().into_iter().flatten().map(|error| (Field::Name, error));
                let of_file = file.err().map(|error| (Field::File, error));
                Err(ImageError::Invalid(of_name.chain(of_file).collect::<FieldErrors>()))
            }
        }
    }

    async fn add(
        &self,
        upload: UploadedFile,
        rendering: Rendering,
        name: Option<ImageName>,
    ) -> Result<Image, PortError> {
        let now = self.clock.now();
        let stored = StoredName::new(&upload.file_name, now);
        let Rendering { format, width, height, mode, thumbnails } = rendering;
        let (media, random) = (&*self.media, &*self.random);
        let source = MediaSource::File(upload.file);
        let path = put_original(media, random, &stored, format.extension(), source).await?;
        let thumbnails = match put_thumbnails(media, random, &stored, thumbnails).await {
            Ok(thumbnails) => thumbnails,
            Err(error) => {
                delete_all(media, [path]).await;
                return Err(error);
            }
        };
        // Of a name that nothing can be seen of, nothing is shown either.
        let own =
            || ImageName::parse(&display_name(&upload.file_name)).unwrap_or_else(|_| ImageName::fallback());
        let name = name.unwrap_or_else(own);
        let new = NewImage { name, path, size: upload.size, width, height, mode, thumbnails };
        let error = match self.images.create(&new, now).await {
            Ok(Some(image)) => return Ok(image),
            Ok(None) => PortError::Internal(format!("{} is a row's, and was no file's", new.path.as_str())),
            Err(error) => error,
        };
        // Unavailable, it may have the row: then the files are its.
        if !matches!(error, PortError::Unavailable(_)) {
            let thumbnails = new.thumbnails.into_iter().map(|thumbnail| thumbnail.path);
            delete_all(media, thumbnails.chain([new.path])).await;
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::image::{FileSize, ImageFormat};
    use crate::local_file::LocalFile;
    use crate::ports::{PutError, RenderedThumbnail};
    use crate::testing::{
        FixedClock, MockImageRepository, MockMediaStore, MockRandomSource, MockThumbnailer, fixtures,
    };

    fn draft(name: Option<&str>) -> ImageDraft {
        let file = UploadedFile {
            file: LocalFile::lasting("/tmp/upload"),
            size: FileSize(5123),
            file_name: "C:\\logos\\Sign 1.tar.png".into(),
        };
        ImageDraft { file: Ok(file), name: name.map(|name| Ok(name.to_owned())) }
    }

    fn renders(outcome: Result<(), RenderError>) -> MockThumbnailer {
        let mut thumbnailer = MockThumbnailer::new();
        thumbnailer.expect_render().return_once(|_| {
            outcome.map(|()| Rendering {
                format: ImageFormat::Gif,
                width: 3,
                height: 2,
                mode: "P".into(),
                thumbnails: [64, 128]
                    .map(|box_side| RenderedThumbnail { box_side, format: ImageFormat::Png, bytes: vec![1] })
                    .into(),
            })
        });
        thumbnailer
    }

    /// A store of which these paths are taken, and what was put and deleted, in turn.
    fn store(taken: &'static [&'static str], full_after: usize) -> (MockMediaStore, Arc<Mutex<Vec<String>>>) {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut media = MockMediaStore::new();
        let puts = log.clone();
        media.expect_put_new().returning(move |path, _| {
            let mut puts = puts.lock().unwrap();
            if taken.contains(&path.as_str()) {
                return Err(PutError::Taken);
            }
            if puts.len() == full_after {
                return Err(PutError::Port(PortError::StorageFull("full".into())));
            }
            puts.push(format!("+{}", path.as_str()));
            Ok(())
        });
        let deletes = log.clone();
        media.expect_delete().returning(move |path| {
            deletes.lock().unwrap().push(format!("-{}", path.as_str()));
            Ok(())
        });
        (media, log)
    }

    async fn upload(
        images: MockImageRepository,
        media: MockMediaStore,
        thumbnailer: MockThumbnailer,
        draft: ImageDraft,
    ) -> Result<Image, ImageError> {
        let mut random = MockRandomSource::new();
        random.expect_fill().returning(|bytes| {
            bytes.fill(0);
            Ok(())
        });
        UploadImage::new(
            Arc::new(images),
            Arc::new(media),
            Arc::new(thumbnailer),
            Arc::new(FixedClock::at(fixtures::now())),
            Arc::new(random),
        )
        .execute(&Permitted::for_tests("maryam"), draft)
        .await
    }

    fn creates(check: impl Fn(&NewImage) + Send + 'static) -> MockImageRepository {
        let mut images = MockImageRepository::new();
        images.expect_create().once().returning(move |new, now| {
            assert_eq!(now, fixtures::now());
            check(new);
            Ok(Some(fixtures::image(6)))
        });
        images
    }

    const ORIGINAL: &str = "core_media/2026/01/13/Sign_1.tar.gif";

    #[tokio::test]
    async fn the_files_are_stored_before_the_row_and_named_by_day_and_file() {
        let (media, log) = store(&[], usize::MAX);
        let images = creates(|new| {
            assert_eq!((new.path.as_str(), new.name.as_str()), (ORIGINAL, "Sign 1.tar"));
            assert_eq!((new.size, new.width, new.height, new.mode.as_str()), (FileSize(5123), 3, 2, "P"));
            assert_eq!(
                new.thumbnails.iter().map(|thumbnail| thumbnail.box_side).collect::<Vec<_>>(),
                [64, 128]
            );
        });
        assert!(upload(images, media, renders(Ok(())), draft(None)).await.is_ok());
        let log = log.lock().unwrap();
        assert_eq!((log.len(), log[0].as_str()), (3, format!("+{ORIGINAL}").as_str()));
        assert!(log[1].starts_with("+core_media/2026/01/13/thumbnails/Sign_1.tar_"), "{}", log[1]);
        assert!(log[1].ends_with("_thumbnail_64x64.png"), "{}", log[1]);
    }

    #[tokio::test]
    async fn a_file_whose_name_is_taken_gets_another_and_a_given_name_counts() {
        let (media, _) = store(&[ORIGINAL], usize::MAX);
        let images = creates(|new| {
            assert!(new.path.as_str().starts_with("core_media/2026/01/13/Sign_1.tar_"));
            assert_eq!(new.name.as_str(), "Logo");
        });
        assert!(upload(images, media, renders(Ok(())), draft(Some(" Logo "))).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_wrong_with_file_and_name_is_told_at_once_and_nothing_is_stored() {
        let wrong = [
            (Err(RenderError::NotAnImage), FieldError::NotAnImage),
            (Err(RenderError::TooLarge), FieldError::ImageTooLarge { max: 8192 }),
            (Err(RenderError::TooManyFrames), FieldError::TooManyFrames { max: 1000 }),
        ];
        for (rendered, error) in wrong {
            let (images, media) = (MockImageRepository::new(), MockMediaStore::new());
            let answer = upload(images, media, renders(rendered), draft(Some(" "))).await;
            let Err(ImageError::Invalid(errors)) = answer else { panic!("{answer:?}") };
            let expected = [(Field::Name, FieldError::Blank), (Field::File, error)];
            assert_eq!(errors, expected.into_iter().collect());
        }
        let missing = ImageDraft { file: Err(FieldError::NoFile), name: None };
        let thumbnailer = MockThumbnailer::new();
        let answer = upload(MockImageRepository::new(), MockMediaStore::new(), thumbnailer, missing).await;
        assert!(matches!(answer, Err(ImageError::Invalid(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn a_full_queue_is_a_while_to_wait() {
        let (images, media) = (MockImageRepository::new(), MockMediaStore::new());
        let answer = upload(images, media, renders(Err(RenderError::Busy)), draft(None)).await;
        assert!(matches!(answer, Err(ImageError::Port(PortError::Unavailable(_)))), "{answer:?}");
    }

    #[tokio::test]
    async fn what_was_stored_before_a_failure_is_deleted() {
        for full_after in [0, 1, 2] {
            let (media, log) = store(&[], full_after);
            let answer = upload(MockImageRepository::new(), media, renders(Ok(())), draft(None)).await;
            assert!(matches!(answer, Err(ImageError::Port(PortError::StorageFull(_)))), "{answer:?}");
            left_nothing(&log.lock().unwrap(), full_after);
        }
    }

    fn left_nothing(log: &[String], stored: usize) {
        let (put, deleted) = log.split_at(stored);
        let mut put: Vec<_> = put.iter().map(|path| path.replacen('+', "-", 1)).collect();
        let mut deleted = deleted.to_vec();
        put.sort_unstable();
        deleted.sort_unstable();
        assert_eq!(put, deleted);
    }

    /// When it is not known whether the row is there, the files may be its.
    #[tokio::test]
    async fn the_files_are_deleted_only_when_there_is_no_row() {
        for (answer, kept) in [
            (Ok(None), false),
            (Err(PortError::StorageFull("full".into())), false),
            (Err(PortError::Unavailable("away".into())), true),
        ] {
            let (media, log) = store(&[], usize::MAX);
            let mut images = MockImageRepository::new();
            images.expect_create().once().return_once(|_, _| answer);
            assert!(upload(images, media, renders(Ok(())), draft(None)).await.is_err());
            let log = log.lock().unwrap();
            if kept { assert_eq!(log.len(), 3) } else { left_nothing(&log, 3) }
        }
    }
}
