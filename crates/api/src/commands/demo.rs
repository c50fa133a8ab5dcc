//! `portfolio demo`: the documented example, to try the service with (contract, section 1).

mod example;

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Args;
use portfolio_domain::staff::StaffName;
use portfolio_domain::use_cases::{IssueToken, PlantDemo, PlantError};

use super::{blocking, operator, say, storage};
use crate::audit::Change;
use crate::composition;
use crate::config::{AddressFlags, MediaFlags};

/// The flags of `demo`.
#[derive(Debug, Args)]
pub struct Flags {
    #[command(flatten)]
    address: AddressFlags,
    #[command(flatten)]
    media: MediaFlags,
}

/// Fills an empty database with the example, and prints a key and what to do with it.
///
/// # Errors
///
/// When the database holds what no demo made, another file lies where one of the example's belongs, or the
/// database or the media store can't be used.
pub async fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let url = flags.address.local_url()?;
    let media_store = flags.media.judge()?;
    // Migrations, too, would change a database that is somebody else's.
    if !blocking(composition::pending_migrations).await?.is_empty() {
        if !blocking(composition::holds_nothing).await? {
            bail!("the database is not empty and lacks migrations; nothing was changed");
        }
        blocking(composition::migrate).await?;
    }
    let storage = storage().await?;
    let user = StaffName::parse("demo")?;
    let (demo, files) = example::of(user.clone(), composition::clock().now())?;
    let plant = PlantDemo::new(storage.demo, composition::open_media_store(&media_store)?);
    let audit = |done, resource| Change::by_command("demo", &operator::<()>(), done, resource);
    let planted = plant.execute(&demo, files).await;
    match &planted {
        Ok(()) => audit("planted", "demo").made(),
        Err(error) => audit("planted", "demo").failed(error),
    }
    planted.map_err(|error| match error {
        PlantError::RealData => anyhow!("{error}; nothing was changed"),
        PlantError::Taken(_) => anyhow!("MEDIA_STORE: {error}; nothing was changed"),
        PlantError::Port(error) => error.into(),
    })?;
    let members = storage.staff.list().await?;
    if !members.iter().any(|member| member.name == user && member.standing.active && member.standing.admin) {
        bail!(
            "the demo's user was disabled or is no admin any more, so that it can't get a key that may do everything"
        );
    }
    let issue = IssueToken::new(storage.tokens, composition::random(), composition::clock());
    let audit = audit("issued", "token").of_user(user.clone());
    let issued = issue.execute(user, "demo".to_owned(), None, None).await;
    let token = audit.told(issued, |issued| Some(issued.id.0))?;
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
