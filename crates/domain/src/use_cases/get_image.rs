use std::sync::Arc;

use crate::access::{Permitted, ViewImages};
use crate::image::{Image, ImageId};
use crate::ports::ImageRepository;
use crate::use_cases::ImageError;

/// Finds one image.
#[derive(Clone)]
pub struct GetImage {
    images: Arc<dyn ImageRepository>,
}

impl GetImage {
    /// The use case, over stored images.
    #[must_use]
    pub fn new(images: Arc<dyn ImageRepository>) -> Self {
        Self { images }
    }

    /// Answers image `id`.
    ///
    /// # Errors
    ///
    /// [`ImageError::NotFound`] or [`ImageError::Port`].
    pub async fn execute(
        &self,
        _permitted: &Permitted<ViewImages>,
        id: ImageId,
    ) -> Result<Image, ImageError> {
        self.images.find(id).await?.ok_or(ImageError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MockImageRepository, fixtures};

    #[tokio::test]
    async fn an_image_is_answered_or_not_found() {
        let mut images = MockImageRepository::new();
        images.expect_find().returning(|id| Ok((id == ImageId(6)).then(|| fixtures::image(6))));
        let get = GetImage::new(Arc::new(images));
        let permitted = Permitted::for_tests("maryam");
        assert_eq!(get.execute(&permitted, ImageId(6)).await.unwrap(), fixtures::image(6));
        assert!(matches!(get.execute(&permitted, ImageId(7)).await, Err(ImageError::NotFound)));
    }
}
