//! A change of one employer, as one `UPDATE`.
//!
//! diesel prepares its own `UPDATE` anew at each call, which takes longer than to run it: what one sets may differ from call
//! to call. Here it shows in the text, by which statements are kept.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use portfolio_domain::employer::{EmployerId, Precondition, Version};
use portfolio_domain::employer_patch::{EmployerPatch, Patch};

use crate::rows::Time;

/// Sets the members that a patch names, and no other column: SQLite goes through every index and trigger of those that it
/// is told to set, whether they change or not.
#[derive(Debug)]
pub(super) struct PatchStatement<'a> {
    id: EmployerId,
    patch: &'a EmployerPatch,
    search_key: Option<String>,
    precondition: &'a Precondition,
    now: Time,
}

impl<'a> PatchStatement<'a> {
    pub(super) fn new(
        id: EmployerId,
        patch: &'a EmployerPatch,
        precondition: &'a Precondition,
        now: DateTime<Utc>,
    ) -> Self {
        let search_key = patch.name.as_ref().map(|name| name.search_key().into());
        Self { id, patch, search_key, precondition, now: Time(now) }
    }
}

impl QueryFragment<Sqlite> for PatchStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE employers SET ");
        if let (Some(name), Some(search_key)) = (&self.patch.name, &self.search_key) {
            out.push_sql("name = ");
            out.push_bind_param::<Text, _>(name.as_str())?;
            out.push_sql(", search_key = ");
            out.push_bind_param::<Text, _>(search_key)?;
            out.push_sql(", ");
        }
        match &self.patch.image {
            Patch::Keep => {}
            Patch::Clear => out.push_sql("image_id = NULL, "),
            Patch::Set(image) => {
                out.push_sql("image_id = ");
                out.push_bind_param::<BigInt, _>(&image.0)?;
                out.push_sql(", ");
            }
        }
        match &self.patch.description {
            Patch::Keep => {}
            Patch::Clear => out.push_sql("description = NULL, "),
            Patch::Set(description) => {
                out.push_sql("description = ");
                out.push_bind_param::<Text, _>(description.as_str())?;
                out.push_sql(", ");
            }
        }
        // Taken before its turn came, `now` may lie before what another has written meanwhile.
        out.push_sql("updated_at = max(");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(", updated_at + 1), version = version + 1 WHERE id = ");
        out.push_bind_param::<BigInt, _>(&self.id.0)?;
        let (operator, versions) = match self.precondition {
            Precondition::None => return Ok(()),
            Precondition::VersionIn(versions) => (" AND version IN (", versions),
            Precondition::VersionNotIn(versions) => (" AND version NOT IN (", versions),
        };
        if versions.len() > 1 {
            // A client could have as many texts kept as it can think of numbers.
            out.unsafe_to_cache_prepared();
        }
        out.push_sql(operator);
        for (place, Version(version)) in versions.iter().enumerate() {
            if place > 0 {
                out.push_sql(", ");
            }
            out.push_bind_param::<BigInt, _>(version)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

impl QueryId for PatchStatement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<SqliteConnection> for PatchStatement<'_> {}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use diesel::connection::{InstrumentationEvent, SimpleConnection as _};
    use portfolio_domain::employer::Description;
    use portfolio_domain::testing::fixtures;

    use super::*;

    fn described(text: &str) -> EmployerPatch {
        let description = Patch::Set(Description::from_stored(text.to_owned()));
        EmployerPatch { description, ..EmployerPatch::default() }
    }

    #[test]
    fn a_statement_is_prepared_once_but_for_those_with_many_versions() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection
            .batch_execute(
                "CREATE TABLE employers (id, name, search_key, image_id, description, updated_at, version)",
            )
            .unwrap();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeps = kept.clone();
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::CacheQuery { sql, .. } = event {
                keeps.lock().unwrap().push(sql.to_owned());
            }
        });
        let is = |numbers: &[i64]| Precondition::VersionIn(numbers.iter().copied().map(Version).collect());
        let is_not =
            |numbers: &[i64]| Precondition::VersionNotIn(numbers.iter().copied().map(Version).collect());
        for id in 1..=2 {
            for precondition in
                [Precondition::None, is(&[id]), is_not(&[id]), is(&[id, 7]), is_not(&[id, 7, 8])]
            {
                for patch in [described("a"), EmployerPatch::default()] {
                    let statement =
                        PatchStatement::new(EmployerId(id), &patch, &precondition, fixtures::now());
                    assert_eq!(statement.execute(&mut connection), Ok(0));
                }
            }
        }
        let kept = kept.lock().unwrap();
        assert_eq!(kept.len(), 6, "{kept:?}");
    }
}
