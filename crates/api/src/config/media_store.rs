//! Where the files of images lie: `MEDIA_STORE` and, for a bucket, the variables that every client of
//! Amazon's knows.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use portfolio_adapters::media_store::{S3Location, S3Settings};
use secrecy::SecretString;
use url::Url;

use super::{given, secret, variable};

const DEFAULT: &str = "file:data/media";
/// What other clients take, too, when no region is set; servers other than Amazon's rarely mind.
const DEFAULT_REGION: &str = "us-east-1";

/// Where the files of images lie.
#[derive(Debug, Clone)]
pub enum MediaStoreUrl {
    /// In a folder of the local disk.
    Folder(PathBuf),
    /// In a bucket of S3.
    S3(Box<S3Settings>),
}

impl fmt::Display for MediaStoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "file:{}", folder.display()),
            Self::S3(settings) => settings.location.fmt(f),
        }
    }
}

impl MediaStoreUrl {
    /// Judges `MEDIA_STORE` and, where it names a bucket, what the environment says of S3.
    ///
    /// # Errors
    ///
    /// The first value that is wrong or missing, by its variable.
    pub(super) fn judge(text: &str) -> anyhow::Result<Self> {
        let text = given(Some(text.to_owned()));
        match text.as_deref().unwrap_or(DEFAULT) {
            text if text.starts_with("s3://") => {
                let location = S3Location::parse(text).context("MEDIA_STORE")?;
                Ok(Self::S3(Box::new(s3_settings(location)?)))
            }
            text => match text.strip_prefix("file:") {
                Some(folder) if !folder.is_empty() => Ok(Self::Folder(folder.into())),
                _ => bail!("MEDIA_STORE: must be file: and a folder, as {DEFAULT}, or s3://bucket/prefix"),
            },
        }
    }
}

fn s3_settings(location: S3Location) -> anyhow::Result<S3Settings> {
    let needed = |name: &str| {
        let file = format!("{name}_FILE");
        secret(name)?.ok_or_else(|| anyhow!("{name}: must be set, or {file}, when MEDIA_STORE is {location}"))
    };
    let access_key_id = needed("AWS_ACCESS_KEY_ID")?;
    let secret_access_key = SecretString::from(needed("AWS_SECRET_ACCESS_KEY")?);
    let session_token = secret("AWS_SESSION_TOKEN")?.map(SecretString::from);
    let (endpoint_name, endpoint) = first(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])?;
    let endpoint = endpoint.map(|text| endpoint_of(endpoint_name, &text)).transpose()?;
    let (region_name, region) = first(["AWS_REGION", "AWS_DEFAULT_REGION"])?;
    let region = region.map_or_else(|| Ok(DEFAULT_REGION.to_owned()), |text| region_of(region_name, text))?;
    let virtual_hosted = match variable("AWS_VIRTUAL_HOSTED_STYLE_REQUEST")?.as_deref() {
        // Other servers often have no name for each bucket, and Amazon no certificate for one with a dot.
        None => endpoint.is_none() && !location.bucket().contains('.'),
        Some("true") => true,
        Some("false") => false,
        Some(_) => bail!("AWS_VIRTUAL_HOSTED_STYLE_REQUEST: must be true or false"),
    };
    Ok(S3Settings {
        location,
        region,
        endpoint,
        virtual_hosted,
        access_key_id,
        secret_access_key,
        session_token,
    })
}

/// The first of two variables that is set, or the last one.
fn first(names: [&'static str; 2]) -> anyhow::Result<(&'static str, Option<String>)> {
    Ok(match variable(names[0])? {
        Some(text) => (names[0], Some(text)),
        None => (names[1], variable(names[1])?),
    })
}

fn endpoint_of(name: &str, text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).ok().filter(|url| {
        ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    url.ok_or_else(|| {
        anyhow!("{name}: must be an address like https://s3.example.com, with nothing after it")
    })
}

/// It becomes part of the server's name.
fn region_of(name: &str, text: String) -> anyhow::Result<String> {
    let good =
        text.len() <= 63 && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    if good { Ok(text) } else { Err(anyhow!("{name}: must be a region, as eu-central-1")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_its_path() {
        for (given, folder) in
            [("file:a/b", "file:a/b"), ("file:/srv/media", "file:/srv/media"), ("", DEFAULT)]
        {
            assert_eq!(MediaStoreUrl::judge(given).unwrap().to_string(), folder);
        }
        for wrong in ["file:", "data", "gs://bucket", "s3://", "s3://user:secret@host/a"] {
            let error = format!("{:#}", MediaStoreUrl::judge(wrong).unwrap_err());
            assert!(error.starts_with("MEDIA_STORE: ") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_endpoint_is_a_server_and_nothing_else() {
        for good in ["http://127.0.0.1:9000", "https://s3.example.com", "https://s3.example.com/"] {
            assert!(endpoint_of("AWS_ENDPOINT_URL", good).is_ok(), "{good}");
        }
        for wrong in
            ["127.0.0.1:9000", "ftp://a", "https://a/b", "https://a?b", "https://u:secret@a", "https://a#b"]
        {
            let error = endpoint_of("AWS_ENDPOINT_URL", wrong).unwrap_err().to_string();
            assert!(error.starts_with("AWS_ENDPOINT_URL: ") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_region_can_stand_in_a_servers_name() {
        assert_eq!(region_of("AWS_REGION", "eu-central-1".to_owned()).unwrap(), "eu-central-1");
        for wrong in ["EU", "eu central", "a.b", "a/b"] {
            assert!(region_of("AWS_REGION", wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
