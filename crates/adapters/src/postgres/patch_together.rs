//! Changes that wait are made together, in one statement and with one commit.
//!
//! Only such as no constraint can forbid are, so that none fails for the sake of another, but with its connection; and only
//! of rows that nobody has locked, so that none waits for another. What is not made here is made alone, or can't be.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use portfolio_domain::employer::{Description, Employer, EmployerId, Precondition, Version};
use portfolio_domain::employer_patch::{EmployerPatch, Patch};

use super::statements::{prepared_once, push_unseen};
use super::whole_rows::{self, WholeEmployer, WholeEmployerColumns, push_whole_employers};
use crate::rows::Time;

/// A change that may be made together with others.
#[derive(Debug)]
pub(super) struct Change {
    id: EmployerId,
    version: Option<i64>,
    clears_image: bool,
    sets_description: bool,
    description: Option<String>,
    now: Time,
}

impl Change {
    /// `None` when it must be made alone: a name may be taken, an image may be unknown, and of versions one is compared.
    pub(super) fn of(
        id: EmployerId,
        patch: &EmployerPatch,
        precondition: &Precondition,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let version = match precondition {
            Precondition::None => None,
            Precondition::VersionIn(versions) => match versions.as_slice() {
                [Version(version)] => Some(*version),
                _ => return None,
            },
            Precondition::VersionNotIn(_) => return None,
        };
        if patch.name.is_some() || matches!(patch.image, Patch::Set(_)) {
            return None;
        }
        Some(Self {
            id,
            version,
            clears_image: !patch.image.is_keep(),
            sets_description: !patch.description.is_keep(),
            description: patch.description.value().map(Description::as_str).map(ToOwned::to_owned),
            now: Time(now),
        })
    }
}

/// Makes the changes, of each employer one. The members of the arrays at one place are one change.
#[derive(Debug, Default)]
struct Statement<'a> {
    ids: Vec<i64>,
    versions: Vec<Option<i64>>,
    clear_images: Vec<bool>,
    set_descriptions: Vec<bool>,
    descriptions: Vec<Option<&'a str>>,
    times: Vec<Time>,
}

impl<'a> Statement<'a> {
    fn new(changes: impl Iterator<Item = &'a Change>) -> Self {
        let mut statement = Self::default();
        for change in changes {
            statement.ids.push(change.id.0);
            statement.versions.push(change.version);
            statement.clear_images.push(change.clears_image);
            statement.set_descriptions.push(change.sets_description);
            statement.descriptions.push(change.description.as_deref());
            statement.times.push(change.now);
        }
        statement
    }
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH taken AS (SELECT w.* FROM unnest(");
        push_unseen::<Array<BigInt>, _>(&mut out, &self.ids, "bigint[]")?;
        out.push_sql(", ");
        push_unseen::<Array<Nullable<BigInt>>, _>(&mut out, &self.versions, "bigint[]")?;
        out.push_sql(", ");
        push_unseen::<Array<Bool>, _>(&mut out, &self.clear_images, "boolean[]")?;
        out.push_sql(", ");
        push_unseen::<Array<Bool>, _>(&mut out, &self.set_descriptions, "boolean[]")?;
        out.push_sql(", ");
        push_unseen::<Array<Nullable<Text>>, _>(&mut out, &self.descriptions, "text[]")?;
        out.push_sql(", ");
        push_unseen::<Array<Timestamptz>, _>(&mut out, &self.times, "timestamptz[]")?;
        out.push_sql(
            ") AS w (id, version, clears_image, sets_description, description, now) \
             JOIN employers e ON e.id = w.id FOR NO KEY UPDATE OF e SKIP LOCKED), \
             changed AS (UPDATE employers e SET \
             image_id = CASE WHEN w.clears_image THEN NULL ELSE e.image_id END, \
             description = CASE WHEN w.sets_description THEN w.description ELSE e.description END, \
             updated_at = GREATEST(w.now, e.updated_at + interval '1 microsecond'), version = e.version + 1 \
             FROM taken w WHERE e.id = w.id AND e.version = COALESCE(w.version, e.version) RETURNING e.*) ",
        );
        push_whole_employers(&mut out, "changed");
        Ok(())
    }
}

prepared_once!(Statement: WholeEmployerColumns);

/// What became of a change: the employer as it then was, or `None` when it was not made.
pub(super) type Made = Result<Option<Employer>, Unknown>;

/// It was made, but what the employer then was makes no sense, or can't be found out.
#[derive(Debug)]
pub(super) struct Unknown;

/// Makes `changes`, and answers what became of each. It fails only when none was made.
pub(super) fn patch_each(connection: &mut PgConnection, changes: &[Change]) -> QueryResult<Vec<Made>> {
    let mut seen = HashSet::with_capacity(changes.len());
    let firsts: Vec<bool> = changes.iter().map(|change| seen.insert(change.id)).collect();
    let once = changes.iter().zip(&firsts).filter_map(|(change, first)| first.then_some(change));
    let rows: Vec<WholeEmployer> = (&Statement::new(once)).load(connection)?;
    // All of these are committed by now: what makes no sense in one is a matter of that one.
    let mut made: HashMap<EmployerId, Made> = rows
        .into_iter()
        .map(|row| (row.0.id(), whole_rows::changed(connection, row).map_err(|_| Unknown)))
        .collect();
    let what_became = |(change, first): (&Change, bool)| {
        // The second change of one employer has its turn when it is made alone.
        if first { made.remove(&change.id).unwrap_or(Ok(None)) } else { Ok(None) }
    };
    Ok(changes.iter().zip(firsts).map(what_became).collect())
}
