use std::collections::BTreeSet;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use portfolio_domain::permission::Permission;
use portfolio_domain::ports::{PortError, StaffRepository};
use portfolio_domain::staff::{NewStaff, StaffChange, StaffMember, StaffName};

use super::SqliteDatabase;
use super::schema::{staff, staff_permissions};
use crate::rows::{self, StaffJoin, StaffRow, codes};

/// Users in SQLite.
#[derive(Clone)]
pub struct SqliteStaffRepository {
    database: SqliteDatabase,
}

impl SqliteStaffRepository {
    /// Over `database`.
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl StaffRepository for SqliteStaffRepository {
    async fn add(&self, new: &NewStaff) -> Result<Option<StaffMember>, PortError> {
        let new = new.clone();
        self.database
            .writer
            .write(move |connection| match insert(connection, &new)? {
                Some(id) => find(connection, id).map(Some),
                None => Ok(None),
            })
            .await
    }

    async fn change(&self, name: &StaffName, change: &StaffChange) -> Result<Option<StaffMember>, PortError> {
        let (name, change) = (name.clone(), change.clone());
        self.database
            .writer
            .write(move |connection| {
                let user = staff::table.filter(staff::name.eq(name.as_str()));
                let id = user.select(staff::id).get_result::<i64>(connection).optional()?;
                let Some(id) = id else { return Ok(None) };
                let standing = (
                    change.active.map(|active| staff::is_active.eq(active)),
                    change.staff.map(|is| staff::is_staff.eq(is)),
                    change.admin.map(|admin| staff::is_admin.eq(admin)),
                );
                diesel::update(staff::table.find(id))
                    .set(standing)
                    .execute(connection)
                    .optional_empty_changeset()?;
                grant(connection, id, &change.grant)?;
                diesel::delete(staff_permissions::table)
                    .filter(staff_permissions::staff_id.eq(id))
                    .filter(staff_permissions::code.eq_any(codes(&change.withdraw)))
                    .execute(connection)?;
                find(connection, id).map(Some)
            })
            .await
    }

    async fn list(&self) -> Result<Vec<StaffMember>, PortError> {
        self.database
            .readers
            .read(|connection| {
                let rows: Vec<StaffJoin> = staff::table
                    .left_join(staff_permissions::table)
                    .order((staff::name, staff::id))
                    .select((staff::all_columns, staff_permissions::code.nullable()))
                    .load(connection)?;
                Ok(rows::staff(rows))
            })
            .await
    }
}

/// Stores a user with its codes; `None` when the name is taken.
pub(super) fn insert(connection: &mut SqliteConnection, new: &NewStaff) -> QueryResult<Option<i64>> {
    let id = diesel::insert_into(staff::table)
        .values((
            staff::name.eq(new.name.as_str()),
            staff::is_active.eq(new.standing.active),
            staff::is_staff.eq(new.standing.staff),
            staff::is_admin.eq(new.standing.admin),
        ))
        .on_conflict(staff::name)
        .do_nothing()
        .returning(staff::id)
        .get_result(connection)
        .optional()?;
    if let Some(id) = id {
        grant(connection, id, &new.permissions)?;
    }
    Ok(id)
}

fn grant(connection: &mut SqliteConnection, id: i64, permissions: &BTreeSet<Permission>) -> QueryResult<()> {
    let rows: Vec<_> = codes(permissions)
        .map(|code| (staff_permissions::staff_id.eq(id), staff_permissions::code.eq(code)))
        .collect();
    diesel::insert_into(staff_permissions::table)
        .values(rows)
        .on_conflict_do_nothing()
        .execute(connection)
        .map(drop)
}

fn find(connection: &mut SqliteConnection, id: i64) -> QueryResult<StaffMember> {
    let row = staff::table.find(id).get_result::<StaffRow>(connection)?;
    let codes = staff_permissions::table
        .filter(staff_permissions::staff_id.eq(id))
        .select(staff_permissions::code)
        .load::<i32>(connection)?;
    Ok(row.with_codes(codes))
}
