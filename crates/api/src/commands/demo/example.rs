//! What the documentation shows: employer 4 with image 6 is its answer; employer 123 and the images 123 and 456 are
//! what its requests name. The images are drawn by `scripts/demo-images`.

use anyhow::Context as _;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use portfolio_domain::employer::{Description, Employer, EmployerId, EmployerName, Version};
use portfolio_domain::image::{FileSize, Image, ImageId, ImageName, MediaPath, THUMBNAIL_BOXES, Thumbnail};
use portfolio_domain::permission::Permission;
use portfolio_domain::ports::Demo;
use portfolio_domain::staff::{NewStaff, StaffName, Standing};

/// An image, its files and where they lie.
struct Drawing {
    id: i64,
    name: &'static str,
    folder: &'static str,
    file: &'static [u8],
    extent: (u32, u32),
    mode: &'static str,
    first_thumbnail: i64,
    /// What the paths of the thumbnails begin with.
    thumbnail: &'static str,
    /// One for each box: the same for those that the image fits as it is.
    thumbnails: [&'static [u8]; 4],
}

/// Some of what lies in `images`.
macro_rules! drawn {
    ($($file:literal),*) => { [$(include_bytes!(concat!("images/", $file)) as &[u8]),*] };
}

const TECHNOLOGY: Drawing = Drawing {
    id: 6,
    name: "technology",
    folder: "core_media/2025/12/02",
    file: include_bytes!("images/technology.png"),
    extent: (225, 225),
    mode: "P",
    first_thumbnail: 213,
    thumbnail: "core_media/2026/02/02/thumbnails/test2_ecH0zVV",
    thumbnails: drawn!["technology_64.jpg", "technology_128.jpg", "technology_225.jpg", "technology_225.jpg"],
};

const APPLE: Drawing = Drawing {
    id: 123,
    name: "apple",
    folder: "core_media/2026/01/13",
    file: include_bytes!("images/apple.png"),
    extent: (128, 128),
    mode: "RGB",
    first_thumbnail: 301,
    thumbnail: "core_media/2026/01/13/thumbnails/apple_k3Jx90a",
    thumbnails: drawn!["apple_64.jpg", "apple_128.jpg", "apple_128.jpg", "apple_128.jpg"],
};

const ORCHARD: Drawing = Drawing {
    id: 456,
    name: "orchard",
    folder: "core_media/2026/01/13",
    file: include_bytes!("images/orchard.png"),
    extent: (480, 300),
    mode: "RGB",
    first_thumbnail: 311,
    thumbnail: "core_media/2026/01/13/thumbnails/orchard_Qm27RtZ",
    thumbnails: drawn!["orchard_64.jpg", "orchard_128.jpg", "orchard_480.jpg", "orchard_480.jpg"],
};

impl Drawing {
    fn image(&self) -> Image {
        let thumbnails = (self.first_thumbnail..).zip(THUMBNAIL_BOXES).map(|(id, side)| Thumbnail {
            id,
            path: MediaPath(format!("{}_thumbnail_{side}x{side}.jpg", self.thumbnail)),
            box_side: Some(side.into()),
        });
        Image::new(
            ImageId(self.id),
            ImageName::from_stored(self.name.to_owned()),
            MediaPath(format!("{}/{}.png", self.folder, self.name)),
            FileSize(self.file.len() as u64),
            self.extent,
            self.mode.to_owned(),
        )
        .with_thumbnails(thumbnails.collect())
    }

    /// The files of [`Self::image`].
    fn files(&self, image: &Image) -> Vec<(MediaPath, Bytes)> {
        let paths = image.thumbnails().iter().map(|thumbnail| thumbnail.path.clone());
        let thumbnails = paths.zip(self.thumbnails);
        let files = [(image.path.clone(), self.file)].into_iter().chain(thumbnails);
        files.map(|(path, content)| (path, Bytes::from_static(content))).collect()
    }
}

/// The example, of a user with this `name`, and the files of its images.
pub(super) fn of(name: StaffName, now: DateTime<Utc>) -> anyhow::Result<(Demo, Vec<(MediaPath, Bytes)>)> {
    let drawings = [TECHNOLOGY, APPLE, ORCHARD];
    let images: Vec<Image> = drawings.iter().map(Drawing::image).collect();
    let files = drawings.iter().zip(&images).flat_map(|(drawing, image)| drawing.files(image)).collect();
    let description = "همکاران سیستم شرکتی در زمینه ... است";
    let employers = vec![
        employer(4, "همکاران سیستم", images.first(), Some(description))?,
        employer(123, "Example Company", None, None)?,
    ];
    let staff = NewStaff {
        name,
        standing: Standing { active: true, staff: true, admin: true },
        permissions: Permission::ALL.into(),
    };
    Ok((Demo { staff, images, employers, now }, files))
}

fn employer(
    id: i64,
    name: &str,
    image: Option<&Image>,
    description: Option<&str>,
) -> anyhow::Result<Employer> {
    let time = |text: &str| Ok::<_, anyhow::Error>(DateTime::parse_from_rfc3339(text)?.with_timezone(&Utc));
    let description = description.map(|text| Description::parse(text).ok().context("a description"));
    Ok(Employer {
        id: EmployerId(id),
        name: EmployerName::parse(name).ok().context("a name")?,
        image: image.cloned(),
        description: description.transpose()?,
        created_at: time("2026-01-13T09:55:00.750306Z")?,
        updated_at: time("2026-01-13T09:55:00.750315Z")?,
        version: Version(1),
    })
}
