//! A new employer: one `INSERT … RETURNING`, joined with the image and its thumbnails.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use portfolio_domain::employer::Description;
use portfolio_domain::employer_patch::NewEmployer;

use super::statements::prepared_once;
use super::whole_rows::{WholeEmployerColumns, push_whole_employers};
use crate::rows::Time;

/// Adds an employer, and answers it as it then is; no row when the name is taken.
#[derive(Debug)]
pub(super) struct CreateStatement<'a> {
    name: &'a str,
    search_key: String,
    image: Option<i64>,
    description: Option<&'a str>,
    now: Time,
}

impl<'a> CreateStatement<'a> {
    pub(super) fn new(new: &'a NewEmployer, now: DateTime<Utc>) -> Self {
        Self {
            name: new.name.as_str(),
            search_key: new.name.search_key().into(),
            image: new.image.map(|image| image.0),
            description: new.description.as_ref().map(Description::as_str),
            now: Time(now),
        }
    }
}

impl QueryFragment<Pg> for CreateStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH added AS (INSERT INTO employers (name, search_key, image_id, description, created_at, updated_at) \
             VALUES (",
        );
        out.push_bind_param::<Text, _>(&self.name)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.search_key)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.image)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.description)?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(") ON CONFLICT (name) DO NOTHING RETURNING *) ");
        push_whole_employers(&mut out, "added");
        Ok(())
    }
}

prepared_once!(CreateStatement: WholeEmployerColumns);
