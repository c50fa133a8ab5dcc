use std::pin::pin;
use std::process::ExitCode;

use clap::Args;
use futures_util::stream::{self, TryStreamExt as _};
use portfolio_domain::access::{ChangeImage, ViewImages};
use portfolio_domain::image::Image;
use portfolio_domain::image_library::ImageQuery;
use portfolio_domain::ports::PortError;
use portfolio_domain::use_cases::{ListImages, RebuildThumbnails, Rebuilt};
use serde_json::{Value, json};

use crate::commands::{complain, operator, progress_bar, say, storage};
use crate::composition;
use crate::config::MediaFlags;

/// How many images are worked on at once: enough that no thread of the thumbnailer waits for a disk or a bucket,
/// and fewer than it lets wait.
const AT_ONCE: usize = 8;

/// The flags of `images rebuild-thumbnails`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    media: MediaFlags,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let media = composition::open_media_store(&flags.media.judge()?)?;
    let images = storage().await?.images;
    let listed =
        ListImages::new(images.clone()).execute(&operator::<ViewImages>(), &ImageQuery::default()).await?;
    let bar = progress_bar(listed.count, "images")?;
    let rebuild = RebuildThumbnails::new(
        images,
        media,
        composition::scratch(),
        composition::thumbnailer(),
        composition::clock(),
        composition::random(),
    );
    let permitted = operator::<ChangeImage>();
    let pages = stream::try_unfold(None, |last| {
        let page = rebuild.after(&permitted, last);
        async {
            let page = page.await?;
            Ok::<_, PortError>(page.last().map(|image| image.id).map(|last| (page, Some(last))))
        }
    });
    let images =
        pages.map_ok(|page| stream::iter(page.into_iter().map(Ok::<Image, PortError>))).try_flatten();
    let outcomes = images.map_ok(|image| async {
        let outcome = rebuild.execute(&permitted, &image).await?;
        Ok::<_, PortError>((image, outcome))
    });
    let mut outcomes = pin!(outcomes.try_buffer_unordered(AT_ONCE));
    let (mut done, mut skipped) = (0_u64, Vec::new());
    while let Some((image, outcome)) = outcomes.try_next().await? {
        let why = match outcome {
            Rebuilt::Done(left) => {
                done += 1;
                for (path, error) in left {
                    // The image has it no more.
                    complain(&bar, format_args!("{} is left to `images gc`: {error}", path.as_str()));
                }
                None
            }
            Rebuilt::Removed => None,
            Rebuilt::NoOriginal => Some("its file is gone"),
            Rebuilt::Damaged => Some("its file is damaged"),
        };
        if let Some(why) = why {
            complain(&bar, format_args!("image {}: {why}: {}", image.id, image.path.as_str()));
            skipped.push(to_json(&image, why));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let all_well = skipped.is_empty();
    if flags.json {
        say(format_args!("{:#}", json!({ "rebuilt": done, "skipped": skipped })))?;
    } else {
        say(format_args!("{done} images have new thumbnails, {} were skipped", skipped.len()))?;
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn to_json(image: &Image, why: &str) -> Value {
    json!({ "id": image.id.0, "name": image.name.as_str(), "path": image.path.as_str(), "why": why })
}
