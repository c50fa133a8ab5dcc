//! From rows to entities, for both databases. A row that makes no sense is an error, never a panic.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use chrono::{DateTime, Utc};
use diesel::Queryable;
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::result::{Error as DieselError, QueryResult};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Timestamptz};
use diesel::sqlite::Sqlite;
use portfolio_domain::access::Grant;
use portfolio_domain::employer::{Description, Employer, EmployerId, EmployerName, Version};
use portfolio_domain::image::{FileSize, Image, ImageId, ImageName, ImageVersion, MediaPath, Thumbnail};
use portfolio_domain::permission::Permission;
use portfolio_domain::staff::{StaffId, StaffMember, StaffName, Standing};
use portfolio_domain::token::{Token, TokenId, TokenRecord};
use sha2::{Digest as _, Sha256};

/// A time as the databases keep it, to the microsecond: `timestamptz` in PostgreSQL, microseconds
/// since 1970 in SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Timestamptz)]
#[diesel(sql_type = BigInt)]
pub(crate) struct Time(pub(crate) DateTime<Utc>);

impl From<Time> for DateTime<Utc> {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl FromSql<Timestamptz, Pg> for Time {
    fn from_sql(value: diesel::pg::PgValue<'_>) -> deserialize::Result<Self> {
        FromSql::<Timestamptz, Pg>::from_sql(value).map(Self)
    }
}

impl ToSql<Timestamptz, Pg> for Time {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<Timestamptz, Pg>::to_sql(&self.0, out)
    }
}

impl FromSql<BigInt, Sqlite> for Time {
    fn from_sql(value: diesel::sqlite::SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let micros = <i64 as FromSql<BigInt, Sqlite>>::from_sql(value)?;
        DateTime::from_timestamp_micros(micros)
            .map(Self)
            .ok_or_else(|| format!("{micros} µs is beyond every calendar").into())
    }
}

impl ToSql<BigInt, Sqlite> for Time {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.timestamp_micros());
        Ok(IsNull::No)
    }
}

/// A time that was read; `None` when it is beyond every calendar, as PostgreSQL's `infinity` is. Its row can be read all the
/// same, so that it is known whose it is.
#[derive(Debug, Clone, Copy, FromSqlRow)]
pub(crate) struct ReadTime(Option<DateTime<Utc>>);

impl<S, B> FromSql<S, B> for ReadTime
where
    B: Backend,
    Time: FromSql<S, B>,
{
    fn from_sql(value: B::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(Time::from_sql(value).ok().map(DateTime::from)))
    }
}

impl ReadTime {
    fn make_sense(self) -> QueryResult<DateTime<Utc>> {
        self.0.ok_or_else(|| DieselError::DeserializationError("a time is beyond every calendar".into()))
    }
}

#[derive(Debug, Queryable)]
pub(crate) struct EmployerRow {
    id: i64,
    name: String,
    pub(crate) image_id: Option<i64>,
    description: Option<String>,
    created_at: ReadTime,
    updated_at: ReadTime,
    version: i64,
}

impl EmployerRow {
    pub(crate) fn id(&self) -> EmployerId {
        EmployerId(self.id)
    }

    fn with_image(self, image: Option<Image>) -> QueryResult<Employer> {
        Ok(Employer {
            id: EmployerId(self.id),
            name: EmployerName::from_stored(self.name),
            image,
            description: self.description.map(Description::from_stored),
            created_at: self.created_at.make_sense()?,
            updated_at: self.updated_at.make_sense()?,
            version: Version(self.version),
        })
    }
}

#[derive(Debug, Queryable)]
pub(crate) struct ImageRow {
    pub(crate) id: i64,
    name: String,
    path: String,
    size_bytes: i64,
    width: i32,
    height: i32,
    mode: String,
    version: i64,
}

#[derive(Debug, Queryable)]
pub(crate) struct ThumbnailRow {
    pub(crate) id: i64,
    pub(crate) path: String,
    pub(crate) box_side: Option<i32>,
}

/// Puts an employer, its image and the image's thumbnails together.
pub(crate) fn with_image(
    employer: EmployerRow,
    image: Option<ImageRow>,
    thumbnails: impl Iterator<Item = ThumbnailRow>,
) -> QueryResult<Employer> {
    let image = image.map(|row| image_of(row, thumbnails)).transpose()?;
    employer.with_image(image)
}

/// What was `found`, each in the place of its key, where it is asked for; a key may come more than once.
pub(crate) fn in_order_of<K: Copy + Eq + Hash, V: Clone>(
    keys: &[K],
    found: Vec<V>,
    key: impl Fn(&V) -> K,
) -> Vec<Option<V>> {
    if let [_] = keys {
        return vec![found.into_iter().next()];
    }
    let found: HashMap<K, V> = found.into_iter().map(|one| (key(&one), one)).collect();
    keys.iter().map(|key| found.get(key).cloned()).collect()
}

/// The images that employers show, each once.
pub(crate) fn images_of(rows: &[(EmployerRow, Option<ImageRow>)]) -> Vec<i64> {
    let images: BTreeSet<i64> = rows.iter().filter_map(|(employer, _)| employer.image_id).collect();
    images.into_iter().collect()
}

/// Puts employers, joined with their images, and the thumbnails of these together, in the order of
/// `ids`; an employer that is not among the rows is left out.
pub(crate) fn employers(
    ids: &[i64],
    rows: Vec<(EmployerRow, Option<ImageRow>)>,
    thumbnails: Vec<(i64, ThumbnailRow)>,
) -> QueryResult<Vec<Employer>> {
    let by_image = by_image(thumbnails);
    let mut by_id: HashMap<i64, _> = rows.into_iter().map(|row| (row.0.id, row)).collect();
    let in_order = ids.iter().filter_map(|id| by_id.remove(id));
    in_order
        .map(|(employer, image)| {
            let image = image.map(|row| {
                // Several employers may have one image.
                let thumbnails = by_image.get(&row.id).cloned().unwrap_or_default();
                whole(row, thumbnails)
            });
            employer.with_image(image.transpose()?)
        })
        .collect()
}

/// Folds the rows of one image, joined with its thumbnails, into it; `None` when there are none.
pub(crate) fn image(rows: Vec<(ImageRow, Option<ThumbnailRow>)>) -> QueryResult<Option<Image>> {
    let mut rows = rows.into_iter();
    let Some((image, first)) = rows.next() else { return Ok(None) };
    let thumbnails = first.into_iter().chain(rows.filter_map(|(_, thumbnail)| thumbnail));
    image_of(image, thumbnails).map(Some)
}

/// Puts images and their thumbnails together, in the order of the images.
pub(crate) fn images(rows: Vec<ImageRow>, thumbnails: Vec<(i64, ThumbnailRow)>) -> QueryResult<Vec<Image>> {
    let mut by_image = by_image(thumbnails);
    rows.into_iter()
        .map(|row| {
            let thumbnails = by_image.remove(&row.id).unwrap_or_default();
            whole(row, thumbnails)
        })
        .collect()
}

fn by_image(thumbnails: Vec<(i64, ThumbnailRow)>) -> HashMap<i64, Vec<Thumbnail>> {
    let mut by_image: HashMap<i64, Vec<Thumbnail>> = HashMap::new();
    for (image, row) in thumbnails {
        by_image.entry(image).or_default().push(thumbnail(row));
    }
    by_image
}

fn thumbnail(row: ThumbnailRow) -> Thumbnail {
    Thumbnail { id: row.id, path: MediaPath(row.path), box_side: row.box_side }
}

/// Puts an image and its thumbnails together.
pub(crate) fn image_of(row: ImageRow, thumbnails: impl Iterator<Item = ThumbnailRow>) -> QueryResult<Image> {
    whole(row, thumbnails.map(thumbnail).collect())
}

fn whole(row: ImageRow, thumbnails: Vec<Thumbnail>) -> QueryResult<Image> {
    let size = FileSize(row.size_bytes.try_into().map_err(nonsense)?);
    let extent = (row.width.try_into().map_err(nonsense)?, row.height.try_into().map_err(nonsense)?);
    let (id, name, path) = (ImageId(row.id), ImageName::from_stored(row.name), MediaPath(row.path));
    let mut image = Image::new(id, name, path, size, extent, row.mode).with_thumbnails(thumbnails);
    image.version = ImageVersion(row.version);
    Ok(image)
}

fn nonsense(error: impl std::error::Error + Send + Sync + 'static) -> DieselError {
    DieselError::DeserializationError(Box::new(error))
}

#[derive(Debug, Queryable)]
pub(crate) struct StaffRow {
    pub(crate) id: i64,
    name: String,
    is_active: bool,
    is_staff: bool,
    is_admin: bool,
}

impl StaffRow {
    /// Codes that this release does not know belong to a newer one.
    pub(crate) fn with_codes(self, codes: impl IntoIterator<Item = i32>) -> StaffMember {
        StaffMember {
            id: StaffId(self.id),
            name: StaffName::from_stored(self.name),
            standing: Standing { active: self.is_active, staff: self.is_staff, admin: self.is_admin },
            permissions: codes.into_iter().filter_map(Permission::from_code).collect(),
        }
    }
}

/// The codes of `permissions`, as they are stored.
pub(crate) fn codes(permissions: &BTreeSet<Permission>) -> impl Iterator<Item = i32> {
    permissions.iter().map(|permission| permission.code())
}

/// A user joined with one of its permission codes.
pub(crate) type StaffJoin = (StaffRow, Option<i32>);

/// Folds rows, those of one user side by side, into users.
pub(crate) fn staff(rows: Vec<StaffJoin>) -> Vec<StaffMember> {
    let mut members: Vec<StaffMember> = Vec::new();
    for (row, code) in rows {
        match members.last_mut() {
            Some(member) if member.id.0 == row.id => {
                member.permissions.extend(code.and_then(Permission::from_code));
            }
            _ => members.push(row.with_codes(code)),
        }
    }
    members
}

#[derive(Debug, Queryable)]
pub(crate) struct GrantRow {
    token: i64,
    revoked_at: Option<Time>,
    expires_at: Option<Time>,
    last_used_at: Option<Time>,
}

impl GrantRow {
    /// The key is that of a user who holds these codes.
    pub(crate) fn to(self, holder: StaffRow, codes: impl IntoIterator<Item = i32>) -> Grant {
        Grant {
            token: TokenId(self.token),
            revoked: self.revoked_at.is_some(),
            expires_at: self.expires_at.map(Into::into),
            last_used_at: self.last_used_at.map(Into::into),
            holder: holder.with_codes(codes),
        }
    }
}

/// A key joined with its user and one of the user's permission codes.
pub(crate) type GrantJoin = (GrantRow, StaffRow, Option<i32>);

/// Folds the rows of one key into a grant; `None` when there are none.
pub(crate) fn grant(rows: Vec<GrantJoin>) -> Option<Grant> {
    let mut rows = rows.into_iter();
    let (grant, staff, first) = rows.next()?;
    Some(grant.to(staff, first.into_iter().chain(rows.filter_map(|(_, _, code)| code))))
}

#[derive(Debug, Queryable)]
pub(crate) struct TokenRow {
    id: i64,
    owner: String,
    prefix: String,
    label: String,
    created_at: Time,
    last_used_at: Option<Time>,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
}

impl From<TokenRow> for TokenRecord {
    fn from(row: TokenRow) -> Self {
        Self {
            id: TokenId(row.id),
            owner: StaffName::from_stored(row.owner),
            prefix: row.prefix,
            label: row.label,
            created_at: row.created_at.0,
            last_used_at: row.last_used_at.map(Into::into),
            expires_at: row.expires_at.map(Into::into),
            revoked_at: row.revoked_at.map(Into::into),
        }
    }
}

/// A key's SHA-256.
pub(crate) type KeyHash = [u8; 32];

/// What of a key is stored. A key is random enough that nothing slower is needed.
pub(crate) fn key_hash(token: &Token) -> KeyHash {
    Sha256::digest(token.expose().as_bytes()).into()
}
