//! How employers and images are written: the documented example, byte for byte (contract, section 1).

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::header;
use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use portfolio_domain::employer::{Description, Employer};
use portfolio_domain::employer_list::EmployerPage;
use portfolio_domain::image::{Image, MediaPath, Thumbnail};
use portfolio_domain::image_library::ImagePage;
use portfolio_domain::list::Page;
use serde::Serialize;
use utoipa::ToSchema;

use crate::etag::ETags;
use crate::parameters::Parameters;

/// Writes answers that show `PUBLIC_URL`.
#[derive(Debug, Clone)]
pub struct Representation {
    public_url: String,
    media_url: String,
    /// The tags that go with the answers.
    pub etags: ETags,
}

impl Representation {
    /// Answers whose links start with `public_url`, which has no slash at its end.
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        Self {
            public_url: public_url.to_owned(),
            media_url: format!("{public_url}/media/"),
            etags: ETags::new(public_url),
        }
    }

    /// 200 with an employer and its tag.
    #[must_use]
    pub fn employer(&self, employer: &Employer) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((header::ETAG, self.etags.tag(employer)))
            .json(self.employer_json(employer))
    }

    /// 201 with an employer that was added, its tag and its address.
    #[must_use]
    pub fn created(&self, employer: &Employer) -> HttpResponse {
        let address = format!("{}/api/portfolios/employers/{}", self.public_url, employer.id);
        HttpResponse::Created()
            .insert_header((header::ETAG, self.etags.tag(employer)))
            .insert_header((header::LOCATION, address))
            .json(self.employer_json(employer))
    }

    /// 304: the client has this version already.
    #[must_use]
    pub fn not_modified(&self, employer: &Employer) -> HttpResponse {
        HttpResponse::NotModified().insert_header((header::ETAG, self.etags.tag(employer))).finish()
    }

    /// 200 with a page of a list that was asked for at `path` with these parameters.
    #[must_use]
    pub fn employers(
        &self,
        path: &str,
        parameters: &Parameters,
        page: Page,
        found: &EmployerPage,
    ) -> HttpResponse {
        let (previous, next) = self.links(path, parameters, page, found.count);
        HttpResponse::Ok().json(EmployersJson {
            count: found.count,
            next,
            previous,
            results: found.employers.iter().map(|employer| self.employer_json(employer)).collect(),
        })
    }

    /// 200 with an image.
    #[must_use]
    pub fn image(&self, image: &Image) -> HttpResponse {
        HttpResponse::Ok().json(self.image_json(image))
    }

    /// 201 with an image that was added, and its address.
    #[must_use]
    pub fn added(&self, image: &Image) -> HttpResponse {
        let address = format!("{}/api/images/{}", self.public_url, image.id);
        HttpResponse::Created().insert_header((header::LOCATION, address)).json(self.image_json(image))
    }

    /// 200 with a page of images that was asked for at `path` with these parameters.
    #[must_use]
    pub fn images(&self, path: &str, parameters: &Parameters, page: Page, found: &ImagePage) -> HttpResponse {
        let (previous, next) = self.links(path, parameters, page, found.count);
        HttpResponse::Ok().json(ImagesJson {
            count: found.count,
            next,
            previous,
            results: found.images.iter().map(|image| self.image_json(image)).collect(),
        })
    }

    /// The addresses of the pages before and after one.
    fn links(
        &self,
        path: &str,
        parameters: &Parameters,
        Page { limit, offset }: Page,
        count: u64,
    ) -> (Option<String>, Option<String>) {
        let link = |offset: u64| format!("{}{path}?{}", self.public_url, parameters.for_page(limit, offset));
        let next = offset.saturating_add(u64::from(limit));
        let previous = (offset > 0).then(|| link(offset.saturating_sub(u64::from(limit))));
        (previous, (next < count).then(|| link(next)))
    }

    fn employer_json<'a>(&self, employer: &'a Employer) -> EmployerJson<'a> {
        EmployerJson {
            id: employer.id.0,
            name: employer.name.as_str(),
            image_data: employer.image.as_ref().map(|image| self.image_json(image)),
            description: employer.description.as_ref().map(Description::as_str),
            created_at: timestamp(employer.created_at),
            updated_at: timestamp(employer.updated_at),
        }
    }

    fn image_json<'a>(&self, image: &'a Image) -> ImageJson<'a> {
        ImageJson {
            id: image.id.0,
            kind: "image",
            name: image.name.as_str(),
            size: image.size.0,
            human_readable_size: image.size.to_string(),
            f: self.link(&image.path),
            width: image.width,
            height: image.height,
            mode: &image.mode,
            thumbnails: image.thumbnails().iter().map(|thumbnail| self.thumbnail_json(thumbnail)).collect(),
        }
    }

    fn thumbnail_json(&self, thumbnail: &Thumbnail) -> ThumbnailJson {
        ThumbnailJson { id: thumbnail.id, f: self.link(&thumbnail.path), size: thumbnail.box_side }
    }

    /// What of a path stands for something else in an address is encoded, and what is not ASCII.
    fn link(&self, path: &MediaPath) -> String {
        let path = utf8_percent_encode(&path.0, NOT_IN_PATHS);
        [Cow::Borrowed(self.media_url.as_str()), path.into()].concat()
    }
}

/// RFC 3986, section 3.3.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// UTC, six fractional digits, `Z`.
fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A page of employers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Employers)]
pub(crate) struct EmployersJson<'a> {
    /// How many match in all.
    count: u64,
    /// The address of the page after this one.
    #[schema(required, format = "uri")]
    next: Option<String>,
    /// The address of the page before this one.
    #[schema(required, format = "uri")]
    previous: Option<String>,
    results: Vec<EmployerJson<'a>>,
}

/// A page of images.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Images)]
pub(crate) struct ImagesJson<'a> {
    /// How many match in all.
    count: u64,
    /// The address of the page after this one.
    #[schema(required, format = "uri")]
    next: Option<String>,
    /// The address of the page before this one.
    #[schema(required, format = "uri")]
    previous: Option<String>,
    results: Vec<ImageJson<'a>>,
}

/// A client company that the site shows in its portfolio.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Employer)]
pub(crate) struct EmployerJson<'a> {
    id: i64,
    name: &'a str,
    #[schema(required)]
    image_data: Option<ImageJson<'a>>,
    #[schema(required)]
    description: Option<&'a str>,
    /// UTC, six fractional digits.
    #[schema(format = DateTime)]
    created_at: String,
    /// UTC, six fractional digits. It increases with every change.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// An image of the library.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Image)]
pub(crate) struct ImageJson<'a> {
    id: i64,
    /// The kind of medium: `image`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its file's name without the extension, unless it was given another.
    name: &'a str,
    /// The length of its file in bytes.
    size: u64,
    /// The same for people: powers of 1024, two decimals.
    #[schema(example = "5.00 KB")]
    human_readable_size: String,
    /// The address of its file.
    #[schema(format = "uri")]
    f: String,
    /// In pixels, as seen.
    width: u32,
    /// In pixels, as seen.
    height: u32,
    /// How its pixels are stored, in Pillow's names.
    #[schema(example = "RGB")]
    mode: &'a str,
    /// From small to large.
    thumbnails: Vec<ThumbnailJson>,
}

/// A smaller copy of an image.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Thumbnail)]
pub(crate) struct ThumbnailJson {
    id: i64,
    /// The address of its file.
    #[schema(format = "uri")]
    f: String,
    /// The side of the square box that it fits, in pixels; null for one from an older site.
    #[schema(required)]
    size: Option<i32>,
}
