use std::sync::Arc;

use crate::access::{Permitted, ViewImages};
use crate::image_library::{ImagePage, ImageQuery};
use crate::ports::{ImageRepository, PortError};

/// Lists images, a page at a time.
#[derive(Clone)]
pub struct ListImages {
    images: Arc<dyn ImageRepository>,
}

impl ListImages {
    /// The use case, over stored images.
    #[must_use]
    pub fn new(images: Arc<dyn ImageRepository>) -> Self {
        Self { images }
    }

    /// Answers the page that `query` asks for.
    ///
    /// # Errors
    ///
    /// [`PortError`] when it can't be found out now.
    pub async fn execute(
        &self,
        _permitted: &Permitted<ViewImages>,
        query: &ImageQuery,
    ) -> Result<ImagePage, PortError> {
        self.images.list(query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MockImageRepository, fixtures};

    #[tokio::test]
    async fn a_page_is_one_call() {
        let page = ImagePage { count: 1, images: vec![fixtures::image(6)] };
        let (mut images, found) = (MockImageRepository::new(), page.clone());
        images.expect_list().withf(|query| *query == ImageQuery::default()).once().return_once(|_| Ok(found));
        let list = ListImages::new(Arc::new(images));
        let answer = list.execute(&Permitted::for_tests("maryam"), &ImageQuery::default()).await;
        assert_eq!(answer.unwrap(), page);
    }
}
