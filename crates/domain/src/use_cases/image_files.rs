//! What the use cases share that store and delete files.

use bytes::Bytes;

use crate::image::MediaPath;
use crate::image_library::NewThumbnail;
use crate::ports::{MediaSource, MediaStore, PortError, PutError, RandomSource, RenderedThumbnail};
use crate::upload_name::{Mark, StoredName};

/// How often another name is drawn where one is taken. Seven letters drawn twice alike are no accident.
const TRIES: usize = 8;

/// Stores the file of an upload, under its own name or, where that is taken, with a mark.
pub(super) async fn put_original(
    media: &dyn MediaStore,
    random: &dyn RandomSource,
    name: &StoredName,
    extension: &'static str,
    source: MediaSource,
) -> Result<MediaPath, PortError> {
    let mut path = name.path(extension);
    for _ in 0..TRIES {
        match media.put_new(&path, source.clone()).await {
            Ok(()) => return Ok(path),
            Err(PutError::Taken) => path = name.marked_path(&Mark::draw(random)?, extension),
            Err(PutError::Port(error)) => return Err(error),
        }
    }
    Err(no_free_name())
}

/// Stores thumbnails. What was stored before one failed is deleted again.
pub(super) async fn put_thumbnails(
    media: &dyn MediaStore,
    random: &dyn RandomSource,
    name: &StoredName,
    rendered: Vec<RenderedThumbnail>,
) -> Result<Vec<NewThumbnail>, PortError> {
    let mut stored = Vec::new();
    for thumbnail in rendered {
        match put_thumbnail(media, random, name, thumbnail).await {
            Ok(thumbnail) => stored.push(thumbnail),
            Err(error) => {
                // What can't be deleted now is nobody's, and found as such.
                delete_all(media, stored.into_iter().map(|thumbnail| thumbnail.path)).await;
                return Err(error);
            }
        }
    }
    Ok(stored)
}

async fn put_thumbnail(
    media: &dyn MediaStore,
    random: &dyn RandomSource,
    name: &StoredName,
    thumbnail: RenderedThumbnail,
) -> Result<NewThumbnail, PortError> {
    let box_side = u32::from(thumbnail.box_side);
    let source = MediaSource::Bytes(Bytes::from(thumbnail.bytes));
    for _ in 0..TRIES {
        let path = name.thumbnail_path(&Mark::draw(random)?, box_side, thumbnail.format.extension());
        match media.put_new(&path, source.clone()).await {
            Ok(()) => return Ok(NewThumbnail { path, box_side }),
            Err(PutError::Taken) => {}
            Err(PutError::Port(error)) => return Err(error),
        }
    }
    Err(no_free_name())
}

/// Deletes files; answers which could not be deleted, and why.
pub(super) async fn delete_all(
    media: &dyn MediaStore,
    paths: impl IntoIterator<Item = MediaPath>,
) -> Vec<(MediaPath, PortError)> {
    let mut left = Vec::new();
    for path in paths {
        if let Err(error) = media.delete(&path).await {
            left.push((path, error));
        }
    }
    left
}

fn no_free_name() -> PortError {
    PortError::Internal(format!("{TRIES} names were taken"))
}
