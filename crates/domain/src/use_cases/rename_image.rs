use std::sync::Arc;

use crate::access::{ChangeImage, Permitted};
use crate::employer_patch::{Draft, Patch};
use crate::field_error::{Field, FieldError};
use crate::image::{Image, ImageId, ImageName};
use crate::ports::ImageRepository;
use crate::use_cases::ImageError;

/// Gives an image another name.
#[derive(Clone)]
pub struct RenameImage {
    images: Arc<dyn ImageRepository>,
}

impl RenameImage {
    /// The use case, over stored images.
    #[must_use]
    pub fn new(images: Arc<dyn ImageRepository>) -> Self {
        Self { images }
    }

    /// Gives image `id` the name that `draft` holds, if it holds one, and answers it as it then is.
    ///
    /// # Errors
    ///
    /// [`ImageError::NotFound`], [`ImageError::Invalid`] with everything that is wrong, or
    /// [`ImageError::Port`]; nothing was changed then, but for an unavailable port, where that is unknown.
    pub async fn execute(
        &self,
        _permitted: &Permitted<ChangeImage>,
        id: ImageId,
        draft: Draft<String>,
    ) -> Result<Image, ImageError> {
        let name = match draft {
            Ok(Patch::Keep) => Ok(None),
            Ok(Patch::Clear) => Err(vec![FieldError::Null]),
            Ok(Patch::Set(raw)) => ImageName::parse(&raw).map(Some),
            Err(error) => Err(vec![error]),
        };
        let image = match &name {
            Ok(Some(name)) => self.images.rename(id, name).await?,
            // An image that is not there is the graver error.
            Ok(None) | Err(_) => self.images.find(id).await?,
        };
        let image = image.ok_or(ImageError::NotFound)?;
        match name {
            Ok(_) => Ok(image),
            Err(wrong) => {
                Err(ImageError::Invalid(wrong.into_iter().map(|error| (Field::Name, error)).collect()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MockImageRepository, fixtures};

    async fn rename(images: MockImageRepository, draft: Draft<String>) -> Result<Image, ImageError> {
        RenameImage::new(Arc::new(images)).execute(&Permitted::for_tests("maryam"), ImageId(6), draft).await
    }

    /// Images of which only 6 is there, and none is ever renamed.
    fn unchanged(there: bool) -> MockImageRepository {
        let mut images = MockImageRepository::new();
        images.expect_find().once().returning(move |_| Ok(there.then(|| fixtures::image(6))));
        images
    }

    #[tokio::test]
    async fn a_good_name_is_one_call() {
        let mut images = MockImageRepository::new();
        images
            .expect_rename()
            .withf(|id, name| *id == ImageId(6) && name.as_str() == "Sign")
            .once()
            .returning(|_, _| Ok(Some(fixtures::image(6))));
        assert!(rename(images, Ok(Patch::Set(" Sign ".into()))).await.is_ok());
    }

    #[tokio::test]
    async fn no_name_changes_nothing() {
        assert_eq!(rename(unchanged(true), Ok(Patch::Keep)).await.unwrap(), fixtures::image(6));
    }

    #[tokio::test]
    async fn a_bad_name_is_told_unless_there_is_no_such_image() {
        for (draft, wrong) in [
            (Ok(Patch::Clear), FieldError::Null),
            (Ok(Patch::Set(" ".into())), FieldError::Blank),
            (Err(FieldError::NotAString), FieldError::NotAString),
        ] {
            let Err(ImageError::Invalid(errors)) = rename(unchanged(true), draft.clone()).await else {
                panic!("it is taken")
            };
            assert_eq!(errors, [(Field::Name, wrong)].into_iter().collect());
            assert!(matches!(rename(unchanged(false), draft).await, Err(ImageError::NotFound)));
        }
    }
}
