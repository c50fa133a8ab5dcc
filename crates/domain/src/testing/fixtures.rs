//! Ready-made entities.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::employer::{Employer, EmployerId, EmployerName, Version};
use crate::image::{FileSize, Image, ImageId, ImageName, MediaPath, Thumbnail};
use crate::staff::{StaffId, StaffMember, StaffName, Standing};

/// 2026-01-13 09:55:00.750306 UTC: the documented example's `created_at`.
#[must_use]
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_768_298_100_750_306).unwrap_or_default()
}

/// An employer without image and description, of version 1.
#[must_use]
pub fn employer(id: i64, name: &str) -> Employer {
    Employer {
        id: EmployerId(id),
        name: EmployerName::from_stored(name.to_owned()),
        image: None,
        description: None,
        created_at: now(),
        updated_at: now(),
        version: Version(1),
    }
}

/// An image with a thumbnail in each of the four boxes, the ids of which start at `100 * id`.
#[must_use]
pub fn image(id: i64) -> Image {
    let boxes = [64, 128, 512, 1080];
    let thumbnails = (100 * id..).zip(boxes).map(|(thumbnail, side)| Thumbnail {
        id: thumbnail,
        path: MediaPath(format!("core_media/2026/01/13/thumbnails/logo{id}_thumbnail_{side}x{side}.png")),
        box_side: Some(side),
    });
    Image::new(
        ImageId(id),
        ImageName::from_stored(format!("logo{id}")),
        MediaPath(format!("core_media/2026/01/13/logo{id}.png")),
        FileSize(5123),
        (225, 225),
        "RGB".to_owned(),
    )
    .with_thumbnails(thumbnails.collect())
}

/// An active user, staff, without permissions.
#[must_use]
pub fn staff_member(name: &str) -> StaffMember {
    StaffMember {
        id: StaffId(1),
        name: StaffName::from_stored(name.to_owned()),
        standing: Standing { active: true, staff: true, admin: false },
        permissions: BTreeSet::new(),
    }
}
