use std::sync::Arc;

use crate::access::{self, Permitted};
use crate::image::{ImageId, MediaPath};
use crate::ports::{ImageRemoval, ImageRepository, MediaStore, PortError};
use crate::use_cases::ImageError;
use crate::use_cases::image_files::delete_all;

/// Removes an image that no employer shows.
#[derive(Clone)]
pub struct DeleteImage {
    images: Arc<dyn ImageRepository>,
    media: Arc<dyn MediaStore>,
}

impl DeleteImage {
    /// The use case, over stored images and their files.
    #[must_use]
    pub fn new(images: Arc<dyn ImageRepository>, media: Arc<dyn MediaStore>) -> Self {
        Self { images, media }
    }

    /// Removes image `id` for ever, its row first: what is left when that is cut short is files of nobody,
    /// which [`CollectGarbage`](crate::use_cases::CollectGarbage) finds. Answers which files could not be
    /// deleted now, and why.
    ///
    /// # Errors
    ///
    /// [`ImageError`] but [`ImageError::Invalid`]; nothing was removed then, but for an unavailable port, where
    /// that is unknown.
    pub async fn execute(
        &self,
        _permitted: &Permitted<access::DeleteImage>,
        id: ImageId,
    ) -> Result<Vec<(MediaPath, PortError)>, ImageError> {
        match self.images.remove(id).await? {
            ImageRemoval::Removed(paths) => Ok(delete_all(&*self.media, paths).await),
            ImageRemoval::NotFound => Err(ImageError::NotFound),
            ImageRemoval::InUse(users) => Err(ImageError::InUse(users)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::employer::EmployerId;
    use crate::testing::{MockImageRepository, MockMediaStore};

    async fn delete(
        removal: ImageRemoval,
        media: MockMediaStore,
    ) -> Result<Vec<(MediaPath, PortError)>, ImageError> {
        let mut images = MockImageRepository::new();
        images.expect_remove().once().return_once(|_| Ok(removal));
        let delete = DeleteImage::new(Arc::new(images), Arc::new(media));
        delete.execute(&Permitted::for_tests("maryam"), ImageId(6)).await
    }

    #[tokio::test]
    async fn the_files_go_after_the_row_and_what_stays_is_told() {
        let mut media = MockMediaStore::new();
        let away = PortError::Unavailable("away".into());
        let answer = away.clone();
        media.expect_delete().times(2).returning(move |path| match path.as_str() {
            "stuck" => Err(answer.clone()),
            _ => Ok(()),
        });
        let paths = ["stuck", "free"].map(|path| MediaPath(path.into()));
        let left = delete(ImageRemoval::Removed(paths.clone().into()), media).await.unwrap();
        assert_eq!(left, [(paths[0].clone(), away)]);
    }

    #[tokio::test]
    async fn the_files_of_an_image_that_stays_stay() {
        let in_use = ImageRemoval::InUse(vec![EmployerId(4)]);
        let answer = delete(in_use, MockMediaStore::new()).await;
        assert!(matches!(answer, Err(ImageError::InUse(users)) if users == [EmployerId(4)]));
        let answer = delete(ImageRemoval::NotFound, MockMediaStore::new()).await;
        assert!(matches!(answer, Err(ImageError::NotFound)));
    }
}
