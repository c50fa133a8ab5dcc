//! How an employer is written: the documented example, byte for byte (contract, section 1).

use actix_web::HttpResponse;
use actix_web::http::header;
use chrono::{DateTime, SecondsFormat, Utc};
use portfolio_domain::employer::{Description, Employer};
use portfolio_domain::employer_list::{EmployerPage, Page};
use portfolio_domain::image::{Image, MediaPath, Thumbnail};
use serde::Serialize;

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
            .insert_header((header::ETAG, self.etags.tag(employer.version)))
            .json(self.employer_json(employer))
    }

    /// 201 with an employer that was added, its tag and its address.
    #[must_use]
    pub fn created(&self, employer: &Employer) -> HttpResponse {
        let address = format!("{}/api/portfolios/employers/{}", self.public_url, employer.id);
        HttpResponse::Created()
            .insert_header((header::ETAG, self.etags.tag(employer.version)))
            .insert_header((header::LOCATION, address))
            .json(self.employer_json(employer))
    }

    /// 304: the client has this version already.
    #[must_use]
    pub fn not_modified(&self, employer: &Employer) -> HttpResponse {
        HttpResponse::NotModified().insert_header((header::ETAG, self.etags.tag(employer.version))).finish()
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
        let Page { limit, offset } = page;
        let link = |offset: u64| format!("{}{path}?{}", self.public_url, parameters.for_page(limit, offset));
        let next = offset.saturating_add(u64::from(limit));
        HttpResponse::Ok().json(EmployersJson {
            count: found.count,
            next: (next < found.count).then(|| link(next)),
            previous: (offset > 0).then(|| link(offset.saturating_sub(u64::from(limit)))),
            results: found.employers.iter().map(|employer| self.employer_json(employer)).collect(),
        })
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
            name: &image.name,
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

    fn link(&self, path: &MediaPath) -> String {
        [&self.media_url, path.0.as_str()].concat()
    }
}

/// UTC, six fractional digits, `Z`.
fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[derive(Debug, Serialize)]
struct EmployersJson<'a> {
    count: u64,
    next: Option<String>,
    previous: Option<String>,
    results: Vec<EmployerJson<'a>>,
}

#[derive(Debug, Serialize)]
struct EmployerJson<'a> {
    id: i64,
    name: &'a str,
    image_data: Option<ImageJson<'a>>,
    description: Option<&'a str>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct ImageJson<'a> {
    id: i64,
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    size: u64,
    human_readable_size: String,
    f: String,
    width: u32,
    height: u32,
    mode: &'a str,
    thumbnails: Vec<ThumbnailJson>,
}

#[derive(Debug, Serialize)]
struct ThumbnailJson {
    id: i64,
    f: String,
    size: Option<i32>,
}
