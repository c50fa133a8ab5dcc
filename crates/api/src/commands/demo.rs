//! `portfolio demo`: the documented example, to try the service with (contract, section 1).

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use portfolio_domain::employer::{Description, Employer, EmployerId, EmployerName, Version};
use portfolio_domain::image::{FileSize, Image, ImageId, ImageName, MediaPath, Thumbnail};
use portfolio_domain::permission::Permission;
use portfolio_domain::ports::{Demo, Planted};
use portfolio_domain::staff::{NewStaff, StaffName, Standing};
use portfolio_domain::use_cases::IssueToken;

use super::{blocking, say, storage};
use crate::composition;
use crate::config::AddressFlags;

/// Fills an empty database with the example, and prints a key and what to do with it.
///
/// # Errors
///
/// When the database holds what no demo made, or can't be reached.
pub async fn run(flags: &AddressFlags) -> anyhow::Result<ExitCode> {
    let url = flags.local_url()?;
    // Migrations, too, would change a database that is somebody else's.
    if !blocking(composition::pending_migrations).await?.is_empty() {
        if !blocking(composition::holds_nothing).await? {
            bail!("the database is not empty and lacks migrations; nothing was changed");
        }
        blocking(composition::migrate).await?;
    }
    let storage = storage().await?;
    let user = StaffName::parse("demo")?;
    let demo = example(user.clone(), composition::clock().now())?;
    if storage.demo.plant(&demo).await? == Planted::RealData {
        bail!("the database holds users or rows that no demo made; nothing was changed");
    }
    let members = storage.staff.list().await?;
    if !members.iter().any(|member| member.name == user && member.standing.active && member.standing.admin) {
        bail!(
            "the demo's user was disabled or is no admin any more, so that it can't get a key that may do everything"
        );
    }
    let issue = IssueToken::new(storage.tokens, composition::random(), composition::clock());
    let token = issue.execute(user, "demo".to_owned(), None, None).await?;
    say(usage(&url, token.token.expose()))?;
    Ok(ExitCode::SUCCESS)
}

fn usage(url: &str, key: &str) -> String {
    let curl = |employer: i64, body: &str| {
        format!(
            "curl -X PATCH {url}/api/portfolios/employers/{employer} \\\n  -H 'Authorization: Token {key}' \
             -H 'Content-Type: application/json' \\\n  -d '{body}'"
        )
    };
    let lines = [
        "A key that may do everything. It is shown only now:".to_owned(),
        key.to_owned(),
        "Change an employer, give it an image, take the image away:".to_owned(),
        curl(123, r#"{"name": "Apple", "image": 123}"#),
        curl(123, r#"{"image": 456}"#),
        curl(123, r#"{"image": null}"#),
        "See the documented example (an empty change changes nothing):".to_owned(),
        curl(4, "{}"),
    ];
    lines.join("\n\n")
}

/// Employer 4 with image 6 is the documented answer; employer 123 and the images 123 and 456 are what
/// the documented requests name.
fn example(name: StaffName, now: DateTime<Utc>) -> anyhow::Result<Demo> {
    let time = |text: &str| Ok::<_, anyhow::Error>(DateTime::parse_from_rfc3339(text)?.with_timezone(&Utc));
    let employer = |id, name: &str, image: Option<&Image>, description: Option<&str>| {
        let parsed = EmployerName::parse(name).ok().context("a name")?;
        let description = description.map(|text| Description::parse(text).ok().context("a description"));
        Ok::<_, anyhow::Error>(Employer {
            id: EmployerId(id),
            name: parsed,
            image: image.cloned(),
            description: description.transpose()?,
            created_at: time("2026-01-13T09:55:00.750306Z")?,
            updated_at: time("2026-01-13T09:55:00.750315Z")?,
            version: Version(1),
        })
    };
    let technology = image(
        ImageId(6),
        ("core_media/2025/12/02/", "technology", ".png"),
        5123,
        (225, 225),
        "P",
        213,
        "core_media/2026/02/02/thumbnails/test2_ecH0zVV",
    );
    let apple = image(
        ImageId(123),
        ("core_media/2026/01/13/", "apple", ".png"),
        2048,
        (128, 128),
        "RGB",
        301,
        "core_media/2026/01/13/thumbnails/apple_k3Jx90a",
    );
    let orchard = image(
        ImageId(456),
        ("core_media/2026/01/13/", "orchard", ".png"),
        2_621_440,
        (1600, 1200),
        "RGB",
        311,
        "core_media/2026/01/13/thumbnails/orchard_Qm27RtZ",
    );
    let employers = vec![
        employer(4, "همکاران سیستم", Some(&technology), Some("همکاران سیستم شرکتی در زمینه ... است"))?,
        employer(123, "Example Company", None, None)?,
    ];
    Ok(Demo {
        staff: NewStaff {
            name,
            standing: Standing { active: true, staff: true, admin: true },
            permissions: Permission::ALL.into(),
        },
        images: vec![technology, apple, orchard],
        employers,
        now,
    })
}

fn image(
    id: ImageId,
    (folder, name, extension): (&str, &str, &str),
    size: u64,
    extent: (u32, u32),
    mode: &str,
    first_thumbnail: i64,
    thumbnail: &str,
) -> Image {
    let path = MediaPath(format!("{folder}{name}{extension}"));
    let thumbnails = (first_thumbnail..).zip([64, 128, 512, 1080]).map(|(id, side)| Thumbnail {
        id,
        path: MediaPath(format!("{thumbnail}_thumbnail_{side}x{side}.jpg")),
        box_side: Some(side),
    });
    Image::new(id, ImageName::from_stored(name.to_owned()), path, FileSize(size), extent, mode.to_owned())
        .with_thumbnails(thumbnails.collect())
}
