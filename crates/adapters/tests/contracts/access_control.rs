//! [`AccessControl`](portfolio_domain::ports::AccessControl).

use chrono::{DateTime, TimeDelta, Utc};
use portfolio_domain::access::Grant;
use portfolio_domain::permission::Permission;
use portfolio_domain::ports::Issued;
use portfolio_domain::staff::{NewStaff, StaffChange, StaffMember, Standing};
use portfolio_domain::testing::fixtures;
use portfolio_domain::token::{NewToken, Token, TokenId};
use portfolio_testkit::Kind;
use rstest::rstest;

use crate::fixture::{Fixture, eventually, new_staff, new_token, set, staff_name};

const KEY: &str = "pf_0123456789ABCDEFGHIJKLMNOPQRSTUVabcdef";

/// A database with the user `maryam`, who holds these permissions and has [`KEY`].
async fn with_maryam(kind: Kind, permissions: &[Permission]) -> (Fixture, TokenId) {
    let fixture = Fixture::new(kind);
    fixture.ports.staff.add(&new_staff("maryam", permissions)).await.unwrap().unwrap();
    let token = issue(&fixture, &new_token("maryam", KEY)).await;
    (fixture, token)
}

async fn issue(fixture: &Fixture, token: &NewToken) -> TokenId {
    match fixture.ports.tokens.issue(token).await.unwrap() {
        Issued::Stored(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn grant(fixture: &Fixture, key: &str) -> Option<Grant> {
    fixture.ports.access.find_grant(&Token::presented(key)).await.unwrap()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_holds_all_that_is_stored_of_a_key_and_its_user(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::new(kind);
    let everything = NewStaff {
        standing: Standing { active: false, staff: false, admin: true },
        ..new_staff("Anna Lena", &Permission::ALL)
    };
    let holder = fixture.ports.staff.add(&everything).await.unwrap().unwrap();
    // Another user's permissions and keys are nobody else's.
    fixture.ports.staff.add(&new_staff("other", &[Permission::ViewImages])).await.unwrap().unwrap();
    issue(&fixture, &new_token("other", "another-key-of-another")).await;
    let expires_at = Some(fixtures::now() + TimeDelta::microseconds(1));
    let token = issue(&fixture, &NewToken { expires_at, ..new_token("Anna Lena", KEY) }).await;
    assert_eq!(
        grant(&fixture, KEY).await,
        Some(Grant { token, revoked: false, expires_at, last_used_at: None, holder })
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_permissions_is_found_all_the_same(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let (fixture, token) = with_maryam(kind, &[]).await;
    let found = grant(&fixture, KEY).await.unwrap();
    assert_eq!((found.token, found.expires_at, found.holder.permissions), (token, None, set(&[])));
}

#[rstest]
#[case::another("pf_0123456789ABCDEFGHIJKLMNOPQRSTUVabcdeg")]
#[case::other_letters("PF_0123456789abcdefghijklmnopqrstuvABCDEF")]
#[case::its_beginning("pf_0123")]
#[case::more("pf_0123456789ABCDEFGHIJKLMNOPQRSTUVabcdef ")]
#[case::nothing("")]
#[case::a_pattern("%")]
#[case::a_statement("' OR '1'='1")]
#[case::a_nul("\0")]
#[case::much(&"x".repeat(100_000))]
#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_a_key_that_was_not_issued(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] key: &str,
) {
    let (fixture, _) = with_maryam(kind, &[]).await;
    assert_eq!(grant(&fixture, key).await, None);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_of_a_key_is_no_key(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let (fixture, _) = with_maryam(kind, &[]).await;
    let hash = fixture.raw().lines(match kind {
        Kind::Sqlite => "SELECT hex(key_hash) AS value FROM tokens",
        Kind::Postgres => "SELECT encode(key_hash, 'hex') AS value FROM tokens",
    });
    for key in [hash[0].to_lowercase(), hash[0].to_uppercase()] {
        assert_eq!(grant(&fixture, &key).await, None);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_shows_at_once_in_every_instance(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let (fixture, _) = with_maryam(kind, &[]).await;
    let other = fixture.base.open();
    for round in 0..10 {
        let key = format!("key-number-{round}-of-maryam");
        let id = issue(&fixture, &new_token("maryam", &key)).await;
        let token = Token::presented(&key);
        for access in [&fixture.ports.access, &other.access] {
            assert!(!access.find_grant(&token).await.unwrap().unwrap().revoked);
        }
        fixture.ports.tokens.revoke(id, fixtures::now()).await.unwrap().unwrap();
        for access in [&fixture.ports.access, &other.access] {
            assert!(access.find_grant(&token).await.unwrap().unwrap().revoked);
        }
    }
    assert!(!grant(&fixture, KEY).await.unwrap().revoked, "another key was not revoked");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_user_shows_at_once_in_every_instance(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    use Permission::{ChangeEmployers, ViewEmployers};
    let (fixture, _) = with_maryam(kind, &[ChangeEmployers, ViewEmployers]).await;
    let other = fixture.base.open();
    let changes = [
        StaffChange { active: Some(false), ..StaffChange::default() },
        StaffChange { active: Some(true), ..StaffChange::default() },
        StaffChange { withdraw: set(&[ChangeEmployers]), ..StaffChange::default() },
        StaffChange { grant: set(&[ChangeEmployers]), ..StaffChange::default() },
        StaffChange { withdraw: set(&[ChangeEmployers, ViewEmployers]), ..StaffChange::default() },
        StaffChange { staff: Some(false), ..StaffChange::default() },
        StaffChange { admin: Some(true), ..StaffChange::default() },
        StaffChange { admin: Some(false), ..StaffChange::default() },
    ];
    let mut seen: Vec<StaffMember> = Vec::new();
    for change in changes {
        let member = fixture.ports.staff.change(&staff_name("maryam"), &change).await.unwrap().unwrap();
        for access in [&fixture.ports.access, &other.access] {
            let found = access.find_grant(&Token::presented(KEY)).await.unwrap().unwrap();
            assert_eq!(found.holder, member, "{change:?}");
        }
        assert_ne!(seen.last(), Some(&member), "{change:?} changed nothing");
        seen.push(member);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn codes_that_nobody_knows_are_ignored_and_kept(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let known = [Permission::ChangeEmployers, Permission::DeleteImages];
    let (fixture, _) = with_maryam(kind, &known).await;
    fixture.raw().run(
        "INSERT INTO staff_permissions (staff_id, code) SELECT id, 4225 FROM staff;
         INSERT INTO staff_permissions (staff_id, code) SELECT id, -1 FROM staff;
         INSERT INTO staff_permissions (staff_id, code) SELECT id, 2147483647 FROM staff;",
    );
    assert_eq!(grant(&fixture, KEY).await.unwrap().holder.permissions, set(&known));
    assert_eq!(fixture.ports.staff.list().await.unwrap()[0].permissions, set(&known));
    // They are a newer release's, which may run beside this one.
    let withdraw = StaffChange { withdraw: set(&Permission::ALL), ..StaffChange::default() };
    fixture.ports.staff.change(&staff_name("maryam"), &withdraw).await.unwrap().unwrap();
    assert_eq!(grant(&fixture, KEY).await.unwrap().holder.permissions, set(&[]));
    assert_eq!(fixture.raw().count("staff_permissions"), 3);
}

/// Waits until the use of `key` at `at` is noted.
async fn noted(fixture: &Fixture, key: &str, at: DateTime<Utc>) {
    eventually("the use is noted", async || {
        grant(fixture, key).await.unwrap().last_used_at.filter(|noted| *noted == at)
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_noted_later_and_changes_nothing_else(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let (fixture, token) = with_maryam(kind, &[Permission::ViewEmployers]).await;
    let other_key = "another-key-of-maryam";
    issue(&fixture, &new_token("maryam", other_key)).await;
    let (before, other) = (grant(&fixture, KEY).await.unwrap(), grant(&fixture, other_key).await);
    let at = fixtures::now() + TimeDelta::microseconds(7);
    fixture.ports.access.note_use(token, at);
    noted(&fixture, KEY, at).await;
    assert_eq!(grant(&fixture, KEY).await, Some(Grant { last_used_at: Some(at), ..before }));
    assert_eq!(grant(&fixture, other_key).await, other);
    let listed = fixture.ports.tokens.list(None).await.unwrap();
    assert_eq!(listed[0].last_used_at, Some(at));
}

/// Makes the database keep a list of every note that it writes.
fn count_notes(fixture: &Fixture) {
    fixture.raw().run(match fixture.kind {
        Kind::Sqlite => {
            "CREATE TABLE notes (token INTEGER);
             CREATE TRIGGER note AFTER UPDATE OF last_used_at ON tokens
             BEGIN INSERT INTO notes VALUES (new.id); END;"
        }
        Kind::Postgres => {
            "CREATE TABLE notes (token bigint);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN INSERT INTO notes VALUES (new.id); RETURN new; END';
             CREATE TRIGGER note AFTER UPDATE OF last_used_at ON tokens
             FOR EACH ROW EXECUTE FUNCTION note();"
        }
    });
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn many_uses_within_a_minute_are_noted_once_by_all_instances_together(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let (fixture, token) = with_maryam(kind, &[]).await;
    count_notes(&fixture);
    let instances = [fixture.ports.access.clone(), fixture.base.open().access];
    let start = fixtures::now();
    for minute in 0..3 {
        let begin = start + TimeDelta::minutes(2 * minute);
        for access in &instances {
            for seconds in 0..50 {
                access.note_use(token, begin + TimeDelta::milliseconds(seconds * 1_100));
            }
        }
        noted(&fixture, KEY, begin).await;
    }
    assert_eq!(fixture.raw().count("notes"), 3);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_noted_without_waiting_for_the_database(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let (fixture, token) = with_maryam(kind, &[]).await;
    let mut lock = fixture.raw();
    lock.run(match kind {
        Kind::Sqlite => "BEGIN IMMEDIATE",
        Kind::Postgres => "BEGIN; SELECT * FROM tokens FOR UPDATE",
    });
    // If it waited for the lock, it would wait in vain: only afterwards is it let go.
    fixture.ports.access.note_use(token, fixtures::now());
    lock.run("ROLLBACK");
    noted(&fixture, KEY, fixtures::now()).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_note_of_a_key_that_is_gone_does_no_harm(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let (fixture, token) = with_maryam(kind, &[]).await;
    fixture.ports.access.note_use(TokenId(token.0 + 1), fixtures::now());
    fixture.ports.access.note_use(token, fixtures::now());
    noted(&fixture, KEY, fixtures::now()).await;
    assert_eq!(fixture.raw().count("tokens"), 1);
}
