//! [`TokenRepository`](portfolio_domain::ports::TokenRepository).

use chrono::{DateTime, TimeDelta, Utc};
use portfolio_domain::ports::{Issued, Revoked};
use portfolio_domain::testing::fixtures;
use portfolio_domain::token::{NewToken, Token, TokenId, TokenRecord};
use portfolio_testkit::Kind;
use rstest::rstest;
use tokio::task::JoinSet;

use crate::fixture::{Fixture, new_staff, new_token, staff_name};

const KEY: &str = "Legacy-Key-0123456789-abcdefghij";
/// Computed apart from this code, by `sha256sum`.
const SHA_256: &str = "6c8c9c767106c9570c3cf713baf4ff3507bc3d13de444ecc0f022ed405986242";

/// A database with the users `maryam` and `Maryam`.
async fn with_users(kind: Kind) -> Fixture {
    let fixture = Fixture::new(kind);
    for name in ["maryam", "Maryam"] {
        fixture.ports.staff.add(&new_staff(name, &[])).await.unwrap().unwrap();
    }
    fixture
}

async fn issue(fixture: &Fixture, token: &NewToken) -> TokenId {
    match fixture.ports.tokens.issue(token).await.unwrap() {
        Issued::Stored(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn list(fixture: &Fixture) -> Vec<TokenRecord> {
    fixture.ports.tokens.list(None).await.unwrap()
}

fn later(seconds: i64) -> DateTime<Utc> {
    fixtures::now() + TimeDelta::seconds(seconds)
}

#[rstest]
#[case::without_label_for_ever("", None)]
#[case::with_label_and_expiry("کلید 'one' 😀", Some(TimeDelta::microseconds(1)))]
#[case::expired_already("old", Some(TimeDelta::days(-1)))]
#[tokio::test(flavor = "multi_thread")]
async fn a_stored_key_is_listed_with_all_that_can_be_told_of_it(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] label: &str,
    #[case] lasts: Option<TimeDelta>,
) {
    let fixture = with_users(kind).await;
    let expires_at = lasts.map(|lasts| fixtures::now() + lasts);
    let token = NewToken { label: label.to_owned(), expires_at, ..new_token("maryam", KEY) };
    let id = issue(&fixture, &token).await;
    let record = TokenRecord {
        id,
        owner: staff_name("maryam"),
        prefix: "Legacy-".to_owned(),
        label: label.to_owned(),
        created_at: fixtures::now(),
        last_used_at: None,
        expires_at,
        revoked_at: None,
    };
    assert_eq!(list(&fixture).await, [record]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_a_user_who_is_not_there_is_not_stored(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values("MARYAM", "mary", "maryam ", "")] owner: &str,
) {
    let fixture = with_users(kind).await;
    let issued = fixture.ports.tokens.issue(&new_token(owner, KEY)).await;
    assert_eq!(issued, Ok(Issued::UnknownOwner));
    assert_eq!(list(&fixture).await, []);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_stored_once_whoever_has_it_and_revoked_or_not(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values("maryam", "Maryam")] second: &str,
    #[values(false, true)] revoked: bool,
) {
    let fixture = with_users(kind).await;
    let id = issue(&fixture, &new_token("maryam", KEY)).await;
    if revoked {
        fixture.ports.tokens.revoke(id, later(1)).await.unwrap().unwrap();
    }
    let before = list(&fixture).await;
    let again = NewToken { label: "again".to_owned(), created_at: later(9), ..new_token(second, KEY) };
    assert_eq!(fixture.ports.tokens.issue(&again).await, Ok(Issued::KeyInUse));
    assert_eq!(list(&fixture).await, before);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_that_store_one_key_at_once_exactly_one_does(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = with_users(kind).await;
    let instances = [fixture.ports.tokens.clone(), fixture.base.open().tokens];
    let mut tasks = JoinSet::new();
    for index in 0..20 {
        let tokens = instances[index % 2].clone();
        tasks.spawn(async move { tokens.issue(&new_token(["maryam", "Maryam"][index % 2], KEY)).await });
    }
    let issued: Vec<_> = tasks.join_all().await.into_iter().map(Result::unwrap).collect();
    let stored: Vec<_> = issued.iter().filter(|issued| **issued != Issued::KeyInUse).collect();
    let listed = list(&fixture).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(stored, [&Issued::Stored(listed[0].id)]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_by_id_all_or_those_of_one_user(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = with_users(kind).await;
    let mut ids = Vec::new();
    for (number, owner) in ["maryam", "Maryam", "maryam", "Maryam", "maryam"].into_iter().enumerate() {
        ids.push(issue(&fixture, &new_token(owner, &format!("{} key", 9 - number))).await);
    }
    // A changed row may lie elsewhere from now on.
    fixture.ports.tokens.revoke(ids[0], later(1)).await.unwrap().unwrap();
    let listed = async |owner: Option<&str>| -> Vec<TokenId> {
        let records = fixture.ports.tokens.list(owner.map(staff_name)).await.unwrap();
        records.into_iter().map(|record| record.id).collect()
    };
    assert!(ids.is_sorted());
    assert_eq!(listed(None).await, ids);
    assert_eq!(listed(Some("maryam")).await, [ids[0], ids[2], ids[4]]);
    assert_eq!(listed(Some("Maryam")).await, [ids[1], ids[3]]);
    assert_eq!(listed(Some("MARYAM")).await, []);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_keeps_the_time_of_its_first_revocation(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = with_users(kind).await;
    let id = issue(&fixture, &new_token("maryam", KEY)).await;
    let other = issue(&fixture, &new_token("maryam", "another key")).await;
    let before = list(&fixture).await;
    let revoked = TokenRecord { revoked_at: Some(later(5)), ..before[0].clone() };
    for (seconds, newly) in [(5, true), (6, false), (4, false), (-5, false)] {
        let answer = fixture.ports.tokens.revoke(id, later(seconds)).await.unwrap();
        assert_eq!(answer, Some(Revoked { record: revoked.clone(), newly }));
    }
    assert_eq!(before[1].id, other);
    assert_eq!(list(&fixture).await, [revoked, before[1].clone()], "another key changed");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn twenty_revocations_at_once_agree_on_the_time(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = with_users(kind).await;
    let id = issue(&fixture, &new_token("maryam", KEY)).await;
    let mut tasks = JoinSet::new();
    for seconds in 0..20 {
        let tokens = fixture.ports.tokens.clone();
        tasks.spawn(async move { tokens.revoke(id, later(seconds)).await.unwrap().unwrap() });
    }
    let answers = tasks.join_all().await;
    let listed = list(&fixture).await;
    assert!(listed[0].revoked_at.is_some());
    assert!(answers.iter().all(|answer| answer.record == listed[0]), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.newly).count(), 1, "one of them did it");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_there_can_not_be_revoked(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values(0, -1, i64::MAX, i64::MIN)] id: i64,
) {
    let fixture = with_users(kind).await;
    issue(&fixture, &new_token("maryam", KEY)).await;
    assert_eq!(fixture.ports.tokens.revoke(TokenId(id), later(1)).await, Ok(None));
    assert_eq!(list(&fixture).await[0].revoked_at, None);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_a_key_no_more_is_stored_than_its_prefix_and_its_hash(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = with_users(kind).await;
    issue(&fixture, &NewToken { label: "mark of a label".to_owned(), ..new_token("maryam", KEY) }).await;
    // Looking for it must not leave it anywhere either.
    fixture.ports.access.find_grant(&Token::presented(KEY)).await.unwrap().unwrap();
    // In small letters and in hexadecimal digits, too.
    let secret = &KEY[7..];
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let stored = stored(&fixture);
    assert!(contains(&stored, "mark of a label"), "this is not what is stored");
    for secret in [secret, &hex, &hex.to_uppercase(), &secret.to_lowercase(), &secret[..8], &secret[17..]] {
        assert!(!contains(&stored, secret), "{secret}");
    }
    assert_eq!(
        fixture.raw().lines(match kind {
            Kind::Sqlite => "SELECT lower(hex(key_hash)) AS value FROM tokens",
            Kind::Postgres => "SELECT encode(key_hash, 'hex') AS value FROM tokens",
        }),
        [SHA_256]
    );
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// All that the database keeps: every byte of SQLite's files, every row of PostgreSQL's tables.
fn stored(fixture: &Fixture) -> Vec<u8> {
    let mut raw = fixture.raw();
    match fixture.kind {
        Kind::Sqlite => {
            let mut bytes = std::fs::read(fixture.base.log()).unwrap();
            raw.run("PRAGMA wal_checkpoint(TRUNCATE)");
            bytes.extend(std::fs::read(fixture.base.file()).unwrap());
            bytes
        }
        Kind::Postgres => {
            let tables = raw
                .lines("SELECT quote_ident(tablename) AS value FROM pg_tables WHERE schemaname = 'public'");
            let rows =
                tables.iter().flat_map(|table| raw.lines(&format!("SELECT t::text AS value FROM {table} t")));
            rows.collect::<Vec<_>>().join("\n").into_bytes()
        }
    }
}
