//! Uploads of a picture.

use std::path::{Path, PathBuf};

use portfolio_testkit::{Answer, Client, Site};

const PICTURE: &[u8] = include_bytes!("../../api/tests/http/images/photo.jpg");

/// Uploads the picture with this many bytes after its end, which are kept as they are.
///
/// # Errors
///
/// Why there is no whole answer.
pub(crate) fn upload(client: &Client, key: &str, bytes_more: usize) -> Result<Answer, String> {
    let head = "--edge\r\nContent-Disposition: form-data; name=\"f\"; filename=\"photo.jpg\"\r\n\r\n";
    let padding = vec![b'x'; bytes_more];
    let body = [head.as_bytes(), PICTURE, &padding, b"\r\n--edge--\r\n"].concat();
    let token = format!("Token {key}");
    let headers =
        [("authorization", token.as_bytes()), ("content-type", &b"multipart/form-data; boundary=edge"[..])];
    client.send("POST", "/api/images", &headers, Some(&body))
}

/// The path in the media store of the file that an answer shows.
pub(crate) fn path_of(image: &Answer) -> String {
    let json = image.json();
    let address = json["f"].as_str().expect("an image has a file");
    address.split_once("/media/").expect("its address").1.to_owned()
}

/// What of the media store the database knows.
pub(crate) fn known_paths(site: &Site) -> Vec<String> {
    site.lines("SELECT path AS line FROM images UNION ALL SELECT path FROM thumbnails")
}

/// The files below `root`, from there.
pub(crate) fn files_below(root: &Path) -> Vec<String> {
    let mut folders = vec![PathBuf::new()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(root.join(&folder)) else { continue };
        for entry in entries {
            let entry = entry.expect("a folder that can be read");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("its kind").is_dir() {
                folders.push(path);
            } else {
                files.push(path.to_str().expect("names that are text").to_owned());
            }
        }
    }
    files
}
