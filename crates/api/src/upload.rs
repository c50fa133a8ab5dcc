//! Reading an uploaded image: a form (`multipart/form-data`, RFC 7578), its file streamed to the local disk
//! (contract, section 5).

use std::future::Future;
use std::time::Duration;

use actix_multipart::{Field as Part, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::http::header::{self, Charset};
use actix_web::web::Payload;
use futures_util::StreamExt as _;
use portfolio_domain::field_error::FieldError;
use portfolio_domain::image::{FileSize, MAX_FILE_SIZE};
use portfolio_domain::image_library::{ImageDraft, UploadedFile};
use portfolio_domain::local_file::LocalFile;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::body::header_text;
use crate::composition;
use crate::error::ApiError;

/// How long the parts of a form may be together, beside the file.
const MAX_REST: u64 = 64 * 1024;
/// How long the whole form may take to arrive.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long each piece of it may.
const PIECE_DEADLINE: Duration = Duration::from_secs(10);

/// Reads the file `f` and the text `name`; of a repeated part the last counts, other parts are ignored.
///
/// # Errors
///
/// The first that applies of 415, 413, 408, 400, and 503 or 507 when there is no room for the file.
pub async fn read(request: &HttpRequest, payload: Payload) -> Result<ImageDraft, ApiError> {
    let sent = header_text(request, &header::CONTENT_TYPE).unwrap_or_default();
    let is_form = sent.parse::<mime::Mime>().is_ok_and(|sent| sent.essence_str() == "multipart/form-data");
    if !is_form {
        return Err(ApiError::UnsupportedMediaType { sent, accept_patch: &[] });
    }
    crate::body::check_encoding(request)?;
    let length = crate::body::content_length(request).unwrap_or_default();
    if length > MAX_FILE_SIZE.0 + MAX_REST {
        return Err(ApiError::BodyTooLarge);
    }
    let form = Multipart::new(request.headers(), payload);
    timeout(DEADLINE, read_parts(form)).await.unwrap_or(Err(ApiError::BodyTimeout))
}

async fn read_parts(mut form: Multipart) -> Result<ImageDraft, ApiError> {
    let mut file = Err(FieldError::NoFile);
    let mut name = None;
    let (mut sent, mut rest) = (0, 0);
    while let Some(part) = piece(form.next()).await? {
        let mut part = part.map_err(broken)?;
        // Whoever sends nothing but names of parts shall not do so for ever.
        rest += 256;
        match part.name() {
            Some("f") => {
                match file_name(&part) {
                    Some(file_name) if !file_name.is_empty() => {
                        file = match read_file(&mut part, &mut sent).await? {
                            (FileSize(0), _) => Err(FieldError::EmptyFile),
                            (size, file) => Ok(UploadedFile { file, size, file_name }),
                        };
                    }
                    // What a browser sends when no file was chosen.
                    Some(_) => {
                        read_text(&mut part, &mut rest).await?;
                        file = Err(FieldError::NoFile);
                    }
                    None => {
                        read_text(&mut part, &mut rest).await?;
                        file = Err(FieldError::NotAFile);
                    }
                }
            }
            Some("name") => {
                let text = read_text(&mut part, &mut rest).await?;
                let text = String::from_utf8(text).map_err(|_| ApiError::Form("name is not UTF-8".into()))?;
                name = match file_name(&part) {
                    Some(_) => Some(Err(FieldError::NotAString)),
                    // What a browser sends when nothing was typed.
                    None => Some(Ok(text)).filter(|text| text != &Ok(String::new())),
                };
            }
            _ => {
                read_text(&mut part, &mut rest).await?;
            }
        }
        if rest > MAX_REST {
            return Err(ApiError::BodyTooLarge);
        }
    }
    Ok(ImageDraft { file, name })
}

/// What the client calls the part's file; `None` when the part is none. A name in an extended notation (RFC 5987) that
/// can be read goes before a plain one, although RFC 7578 has it no more: clients still write it for what is no ASCII.
fn file_name(part: &Part) -> Option<String> {
    let sent = part.content_disposition()?;
    let extended = sent.get_filename_ext().and_then(|name| match name.charset {
        Charset::Ext(ref charset) if charset.eq_ignore_ascii_case("utf-8") => {
            String::from_utf8(name.value.clone()).ok()
        }
        Charset::Iso_8859_1 => Some(name.value.iter().copied().map(char::from).collect()),
        _ => None,
    });
    extended.or_else(|| sent.get_filename().map(str::to_owned))
}

/// Streams a part to a file of its own. `sent` counts what all of them take.
async fn read_file(part: &mut Part, sent: &mut u64) -> Result<(FileSize, LocalFile), ApiError> {
    let (file, local) = composition::temporary_file().map_err(|error| no_room(&error))?;
    let mut file = File::from_std(file);
    let mut size = 0;
    while let Some(chunk) = piece(part.next()).await? {
        let chunk = chunk.map_err(broken)?;
        size += chunk.len() as u64;
        *sent += chunk.len() as u64;
        if *sent > MAX_FILE_SIZE.0 {
            return Err(ApiError::BodyTooLarge);
        }
        file.write_all(&chunk).await.map_err(|error| no_room(&error))?;
    }
    file.flush().await.map_err(|error| no_room(&error))?;
    Ok((FileSize(size), local))
}

/// Reads a part that is short, and counts it.
async fn read_text(part: &mut Part, rest: &mut u64) -> Result<Vec<u8>, ApiError> {
    let mut text = Vec::new();
    while let Some(chunk) = piece(part.next()).await? {
        let chunk = chunk.map_err(broken)?;
        *rest += chunk.len() as u64;
        if *rest > MAX_REST {
            return Err(ApiError::BodyTooLarge);
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

async fn piece<T>(next: impl Future<Output = T>) -> Result<T, ApiError> {
    timeout(PIECE_DEADLINE, next).await.map_err(|_| ApiError::BodyTimeout)
}

fn broken(error: MultipartError) -> ApiError {
    match error {
        MultipartError::Payload(error) => ApiError::BodyBroken(error.to_string()),
        error => ApiError::Form(error.to_string()),
    }
}

/// What the local disk says when the file can't be kept: no other request need suffer from it.
fn no_room(error: &std::io::Error) -> ApiError {
    composition::disk_error("the uploaded file", error).into()
}
