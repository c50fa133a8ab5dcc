//! What is stored of keys, and of the users whose they are.

use std::collections::BTreeSet;

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz};
use portfolio_domain::access::Grant;

use super::statements::{prepared_once, push_unseen};
use crate::rows::{self, GrantRow, KeyHash, StaffRow};

/// Finds keys by their hashes.
#[derive(Debug)]
struct GrantStatement<'a>(&'a [KeyHash]);

impl QueryFragment<Pg> for GrantStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT t.key_hash, t.id, t.revoked_at, t.expires_at, t.last_used_at, \
             s.id, s.name, s.is_active, s.is_staff, s.is_admin, \
             ARRAY(SELECT code FROM staff_permissions WHERE staff_id = s.id) \
             FROM tokens t JOIN staff s ON s.id = t.staff_id WHERE t.key_hash = ANY (",
        );
        push_unseen::<Array<Binary>, _>(&mut out, self.0, "bytea[]")?;
        out.push_sql(")");
        Ok(())
    }
}

type GrantColumns = (BigInt, Nullable<Timestamptz>, Nullable<Timestamptz>, Nullable<Timestamptz>);
type StaffColumns = (BigInt, Text, Bool, Bool, Bool);

prepared_once!(GrantStatement: (Binary, GrantColumns, StaffColumns, Array<Integer>));

/// Finds the grant of each of `hashes`, in their order.
pub(super) fn find_each(
    connection: &mut PgConnection,
    hashes: &[KeyHash],
) -> QueryResult<Vec<Option<Grant>>> {
    // Many requests show the same key.
    let asked: Vec<KeyHash> = hashes.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let rows: Vec<(Vec<u8>, GrantRow, StaffRow, Vec<i32>)> = (&GrantStatement(&asked)).load(connection)?;
    let found = rows
        .into_iter()
        .filter_map(|(hash, grant, staff, codes)| {
            Some((KeyHash::try_from(hash).ok()?, grant.to(staff, codes)))
        })
        .collect();
    let grants = rows::in_order_of(hashes, found, |(hash, _)| *hash);
    Ok(grants.into_iter().map(|found| found.map(|(_, grant)| grant)).collect())
}
