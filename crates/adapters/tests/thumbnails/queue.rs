//! Many at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portfolio_adapters::thumbnails::PooledThumbnailer;
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::ports::{PortError, RenderError, Thumbnailer};

use crate::folder;

#[tokio::test]
async fn a_full_queue_turns_away_and_takes_again_once_there_is_room() {
    let thumbnailer = Arc::new(PooledThumbnailer::with_threads(1));
    let file = LocalFile::lasting(folder("corpus").join("large.jpg"));
    let renders: Vec<_> = (0..40)
        .map(|_| {
            let (thumbnailer, file) = (thumbnailer.clone(), file.clone());
            tokio::spawn(async move { thumbnailer.render(&file).await })
        })
        .collect();
    let (mut done, mut busy) = (0, 0);
    for render in renders {
        match render.await.unwrap() {
            Ok(_) => done += 1,
            Err(RenderError::Busy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    // One runs, sixteen wait.
    assert_eq!((done, busy), (17, 23));
    thumbnailer.render(&file).await.unwrap();
}

#[tokio::test]
async fn who_goes_away_leaves_the_place_to_others() {
    let thumbnailer = PooledThumbnailer::with_threads(1);
    let file = LocalFile::lasting(folder("corpus").join("large.jpg"));
    for _ in 0..40 {
        let waited = tokio::time::timeout(Duration::from_millis(1), thumbnailer.render(&file)).await;
        assert!(!matches!(waited, Ok(Err(error)) if error != RenderError::Busy));
    }
    let start = Instant::now();
    while let Err(error) = thumbnailer.render(&file).await {
        assert_eq!(error, RenderError::Busy);
        assert!(start.elapsed() < Duration::from_secs(30), "the queue stays full");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_the_ports_fault() {
    let rendered = PooledThumbnailer::new().render(&LocalFile::lasting("not/there")).await;
    assert!(matches!(rendered, Err(RenderError::Port(PortError::Unavailable(_)))), "{rendered:?}");
}
