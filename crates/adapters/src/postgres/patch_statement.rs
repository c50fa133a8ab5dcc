//! A change of one employer: one `UPDATE … RETURNING`, joined with the image and its thumbnails.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use portfolio_domain::employer::{Description, EmployerId, EmployerName, Precondition, Version};
use portfolio_domain::employer_patch::EmployerPatch;

use super::statements::prepared_once;
use super::whole_rows::{WholeEmployerColumns, push_whole_employers};
use crate::rows::Time;

/// Sets the members that a patch names, and answers the rows of the employer as it then is.
#[derive(Debug)]
pub(super) struct PatchStatement<'a> {
    name: Option<&'a str>,
    search_key: Option<String>,
    sets_image: bool,
    image: Option<i64>,
    sets_description: bool,
    description: Option<&'a str>,
    now: Time,
    id: i64,
    versions: Option<Vec<i64>>,
    other_versions: Vec<i64>,
}

impl<'a> PatchStatement<'a> {
    pub(super) fn new(
        id: EmployerId,
        patch: &'a EmployerPatch,
        precondition: &Precondition,
        now: DateTime<Utc>,
    ) -> Self {
        let numbers = |versions: &[Version]| versions.iter().map(|version| version.0).collect();
        let (versions, other_versions) = match precondition {
            Precondition::None => (None, Vec::new()),
            Precondition::VersionIn(versions) => (Some(numbers(versions)), Vec::new()),
            Precondition::VersionNotIn(versions) => (None, numbers(versions)),
        };
        Self {
            name: patch.name.as_ref().map(EmployerName::as_str),
            search_key: patch.name.as_ref().map(|name| name.search_key().into()),
            sets_image: !patch.image.is_keep(),
            image: patch.image.value().map(|image| image.0),
            sets_description: !patch.description.is_keep(),
            description: patch.description.value().map(Description::as_str),
            now: Time(now),
            id: id.0,
            versions,
            other_versions,
        }
    }
}

impl QueryFragment<Pg> for PatchStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH changed AS (UPDATE employers SET name = COALESCE(");
        out.push_bind_param::<Nullable<Text>, _>(&self.name)?;
        out.push_sql(", name), search_key = COALESCE(");
        out.push_bind_param::<Nullable<Text>, _>(&self.search_key)?;
        out.push_sql(", search_key), image_id = CASE WHEN ");
        out.push_bind_param::<Bool, _>(&self.sets_image)?;
        out.push_sql(" THEN ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.image)?;
        out.push_sql(" ELSE image_id END, description = CASE WHEN ");
        out.push_bind_param::<Bool, _>(&self.sets_description)?;
        out.push_sql(" THEN ");
        out.push_bind_param::<Nullable<Text>, _>(&self.description)?;
        // Taken before the row was locked, `now` may lie before what another has written meanwhile.
        out.push_sql(" ELSE description END, updated_at = GREATEST(");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(", updated_at + interval '1 microsecond'), version = version + 1 WHERE id = ");
        out.push_bind_param::<BigInt, _>(&self.id)?;
        out.push_sql(" AND version = ANY (COALESCE(");
        out.push_bind_param::<Nullable<Array<BigInt>>, _>(&self.versions)?;
        out.push_sql(", ARRAY[version])) AND version <> ALL (");
        out.push_bind_param::<Array<BigInt>, _>(&self.other_versions)?;
        out.push_sql(") RETURNING *) ");
        push_whole_employers(&mut out, "changed");
        Ok(())
    }
}

prepared_once!(PatchStatement: WholeEmployerColumns);
