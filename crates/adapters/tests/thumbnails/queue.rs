//! Many at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portfolio_adapters::thumbnails::PooledThumbnailer;
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::ports::{PortError, RenderError, Thumbnailer};

use crate::hostile::png;
use crate::{corpus, folder};

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
    // One runs, sixteen wait; one more has its turn for each that ends before the last has asked.
    assert!(done >= 17 && busy > 0 && done + busy == 40, "{done} done, {busy} busy");
    thumbnailer.render(&file).await.unwrap();
}

#[tokio::test]
async fn who_goes_away_leaves_the_place_to_others() {
    let thumbnailer = PooledThumbnailer::with_threads(1);
    let file = LocalFile::lasting(folder("corpus").join("large.jpg"));
    let mut waited = 0;
    for _ in 0..40 {
        let rendered = tokio::time::timeout(Duration::from_millis(5), thumbnailer.render(&file)).await;
        assert!(!matches!(rendered, Ok(Err(error)) if error != RenderError::Busy));
        waited = waited.max(thumbnailer.status().waiting);
    }
    assert!(waited > 0, "none of them had a place");
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

#[tokio::test]
async fn what_the_header_condemns_is_refused_at_once_though_the_queue_is_full() {
    let thumbnailer = Arc::new(PooledThumbnailer::with_threads(1));
    let file = LocalFile::lasting(folder("corpus").join("large.jpg"));
    let renders: Vec<_> = (0..40)
        .map(|_| {
            let (thumbnailer, file) = (thumbnailer.clone(), file.clone());
            tokio::spawn(async move { thumbnailer.render(&file).await })
        })
        .collect();
    while thumbnailer.status().waiting < 16 {
        tokio::task::yield_now().await;
    }
    let hostile = tempfile::NamedTempFile::new().unwrap();
    for (bytes, expected) in [
        (&corpus("large.jpg")[..1000], RenderError::NotAnImage),
        (b"<script>alert(1)</script>", RenderError::NotAnImage),
        (&png(60_000, 60_000, 8, 2, b"", b""), RenderError::TooLarge),
    ] {
        std::fs::write(&hostile, bytes).unwrap();
        let refused = thumbnailer.render(&LocalFile::lasting(hostile.path())).await;
        assert_eq!(refused.map(|_| ()), Err(expected));
        assert!(thumbnailer.status().waiting > 0, "it waited for those before it");
    }
    for render in renders {
        assert!(matches!(render.await.unwrap(), Ok(_) | Err(RenderError::Busy)));
    }
}
