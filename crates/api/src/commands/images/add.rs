use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use clap::error::ErrorKind;
use futures_util::stream::{self, StreamExt as _};
use portfolio_domain::access::CreateImage;
use portfolio_domain::field_error::FieldError;
use portfolio_domain::image::{FileSize, Image, MAX_FILE_SIZE};
use portfolio_domain::image_library::{ImageDraft, UploadedFile};
use portfolio_domain::ports::Scratch;
use portfolio_domain::use_cases::{ImageError, UploadImage};
use serde_json::{Value, json};

use crate::audit::Change;
use crate::commands::{complain, operator, progress_bar, say, storage};
use crate::composition;
use crate::config::MediaFlags;
use crate::error::ApiError;

/// The flags of `images add`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    media: MediaFlags,
    /// JPEG, PNG, GIF or WebP, of at most 10 MiB, 8192 pixels a side and 128 MiB decoded; it is only read
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the image is called, its file's name without the extension unless given; with one file only
    #[arg(long)]
    name: Option<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// Why a file was not added. What is wrong with the database or the media store is none of its reasons: that ends
/// the command.
enum Refusal {
    Unreadable(std::io::Error),
    Wrong(ApiError),
}

pub(super) async fn run(flags: Flags) -> anyhow::Result<ExitCode> {
    if flags.name.is_some() && flags.files.len() > 1 {
        clap::Error::raw(ErrorKind::ArgumentConflict, "--name goes with one FILE only\n").exit();
    }
    let media = composition::open_media_store(&flags.media.judge()?)?;
    let scratch = composition::scratch();
    let upload = UploadImage::new(
        storage().await?.images,
        media,
        composition::thumbnailer(),
        composition::clock(),
        composition::random(),
    );
    let bar = progress_bar(flags.files.len() as u64, "images")?;
    let mut added = Vec::new();
    let mut all_well = true;
    for path in &flags.files {
        match add(&upload, &*scratch, path, flags.name.clone()).await? {
            Ok(image) if flags.json => added.push(to_json(&image)),
            Ok(image) => bar.suspend(|| say(line(&image)))?,
            Err(refusal) => {
                all_well = false;
                let why = match refusal {
                    Refusal::Unreadable(error) => error.to_string(),
                    Refusal::Wrong(error) => error.words(),
                };
                complain(&bar, format_args!("{}: {why}", path.display()));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if flags.json {
        say(format_args!("{:#}", Value::from(added)))?;
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn add(
    upload: &UploadImage,
    scratch: &dyn Scratch,
    path: &Path,
    name: Option<String>,
) -> anyhow::Result<Result<Image, Refusal>> {
    let content = match read(path) {
        Ok(content) => content,
        Err(error) => return Ok(Err(Refusal::Unreadable(error))),
    };
    let size = content.len() as u64;
    if size > MAX_FILE_SIZE.0 {
        return Ok(Err(Refusal::Wrong(ApiError::BodyTooLarge)));
    }
    let file = if content.is_empty() {
        Err(FieldError::EmptyFile)
    } else {
        // A copy: what is judged is what is stored, whoever writes to the file meanwhile.
        let file = scratch.keep(stream::iter([Ok(content.into())]).boxed()).await?;
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(UploadedFile { file, size: FileSize(size), file_name })
    };
    let permitted = operator::<CreateImage>();
    let named: &[_] = if name.is_some() { &["f", "name"] } else { &["f"] };
    let change = Change::by_command("images add", &permitted, "uploaded", "image").naming(named);
    let uploaded = upload.execute(&permitted, ImageDraft { file, name: name.map(Ok) }).await;
    match change.told(uploaded, |image| Some(image.id.0)) {
        Ok(image) => Ok(Ok(image)),
        Err(ImageError::Port(error)) => Err(error).with_context(|| path.display().to_string()),
        Err(error) => Ok(Err(Refusal::Wrong(error.into()))),
    }
}

/// No more of it than shows that it is too long.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(MAX_FILE_SIZE.0 + 1).read_to_end(&mut content)?;
    Ok(content)
}

fn line(image: &Image) -> String {
    format!("{}  {}  {}", image.id, image.name.as_str(), image.path.as_str())
}

fn to_json(image: &Image) -> Value {
    json!({ "id": image.id.0, "name": image.name.as_str(), "path": image.path.as_str() })
}
