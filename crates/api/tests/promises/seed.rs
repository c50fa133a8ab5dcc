//! Employers to work on. There is no request that makes one yet, so they come through the port.

use portfolio_adapters::database_url::DatabaseUrl;
use portfolio_api::composition::Storage;
use portfolio_domain::ports::{Demo, Planted};
use portfolio_domain::staff::{NewStaff, StaffName, Standing};
use portfolio_domain::testing::fixtures;
use portfolio_testkit::Site;

/// Makes the employers 1 to `count`, named `employer 1` and so on, and a user who may do everything;
/// answers a key of that user's.
pub(crate) fn seed(site: &Site, count: i64) -> String {
    site.ok(&["migrate"]);
    let demo = Demo {
        staff: NewStaff {
            name: StaffName::parse("maryam").unwrap(),
            standing: Standing { active: true, staff: true, admin: true },
            permissions: [].into(),
        },
        images: Vec::new(),
        employers: (1..=count).map(|id| fixtures::employer(id, &format!("employer {id}"))).collect(),
        now: fixtures::now(),
    };
    let url = DatabaseUrl::parse(site.database_url()).unwrap();
    let planted = actix_web::rt::System::new()
        .block_on(async { Storage::open(&url, Some(1)).demo.plant(&demo).await })
        .unwrap();
    assert_eq!(planted, Planted::Done);
    site.ok(&["token", "issue", "maryam"]).trim().to_owned()
}
