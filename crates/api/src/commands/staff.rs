//! `portfolio staff …`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use portfolio_domain::permission::Permission;
use portfolio_domain::staff::{NewStaff, StaffChange, StaffMember, StaffName, Standing};
use serde_json::{Value, json};

use super::{operator, say, storage, table};
use crate::audit::Change;

/// The subcommands of `staff`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a user
    Add(Add),
    /// Change a user
    Set(Set),
    /// Let a user do nothing any more, from the next request on
    Disable(Name),
    /// Let a disabled user in again
    Enable(Name),
    /// List all users
    List {
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
}

/// A user, by name.
#[derive(Debug, Args)]
pub struct Name {
    /// The user's name
    #[arg(value_parser = StaffName::parse)]
    name: StaffName,
}

/// The flags of `staff add`.
#[derive(Debug, Args)]
pub struct Add {
    #[command(flatten)]
    name: Name,
    /// May do everything
    #[arg(long)]
    admin: bool,
    /// Is no staff: permission codes don't count
    #[arg(long)]
    not_staff: bool,
    /// Holds this permission code (4221 create, 4222 view, 4223 change, 4224 delete employers; 4231 to
    /// 4234 the same for images); may be repeated
    #[arg(long, value_name = "CODE", value_parser = permission)]
    permission: Vec<Permission>,
}

/// The flags of `staff set`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Set {
    #[command(flatten)]
    name: Name,
    /// Add this permission code; may be repeated
    #[arg(long, value_name = "CODE", value_parser = permission)]
    permission: Vec<Permission>,
    /// Remove this permission code; may be repeated
    #[arg(long, value_name = "CODE", value_parser = permission)]
    no_permission: Vec<Permission>,
    /// May do everything
    #[arg(long, conflicts_with = "no_admin")]
    admin: bool,
    /// May no longer do everything
    #[arg(long)]
    no_admin: bool,
    /// Is staff
    #[arg(long, conflicts_with = "not_staff")]
    staff: bool,
    /// Is no staff
    #[arg(long)]
    not_staff: bool,
}

fn permission(text: &str) -> Result<Permission, String> {
    text.parse().ok().and_then(Permission::from_code).ok_or_else(|| {
        let codes: Vec<_> = Permission::ALL.iter().map(ToString::to_string).collect();
        format!("the codes are {}", codes.join(", "))
    })
}

/// What two opposite flags say: yes, no, or nothing.
fn either(yes: bool, no: bool) -> Option<bool> {
    match (yes, no) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Runs a subcommand.
///
/// # Errors
///
/// When the user is not there, or already is, or the database can't be reached.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(add) => create(add).await?,
        Command::Set(set) => {
            let grant: BTreeSet<_> = set.permission.into_iter().collect();
            let withdraw: BTreeSet<_> = set.no_permission.into_iter().collect();
            if let Some(both) = grant.intersection(&withdraw).next() {
                return Err(anyhow!("permission {both} can't be added and removed at once"));
            }
            let change = StaffChange {
                active: None,
                staff: either(set.staff, set.not_staff),
                admin: either(set.admin, set.no_admin),
                grant,
                withdraw,
            };
            let members = [
                ("permissions", !change.grant.is_empty() || !change.withdraw.is_empty()),
                ("staff", change.staff.is_some()),
                ("admin", change.admin.is_some()),
            ];
            let audit = audit("staff set", "patched", &set.name.name).naming(&named(&members));
            alter(audit, set.name, change).await?;
        }
        Command::Disable(name) => {
            let audit = audit("staff disable", "disabled", &name.name);
            alter(audit, name, StaffChange { active: Some(false), ..Default::default() }).await?;
        }
        Command::Enable(name) => {
            let audit = audit("staff enable", "enabled", &name.name);
            alter(audit, name, StaffChange { active: Some(true), ..Default::default() }).await?;
        }
        Command::List { json } => list(json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(add: Add) -> anyhow::Result<()> {
    let new = NewStaff {
        name: add.name.name,
        standing: Standing { active: true, staff: !add.not_staff, admin: add.admin },
        permissions: add.permission.into_iter().collect(),
    };
    let name = new.name.clone();
    let members = [
        ("name", true),
        ("permissions", !new.permissions.is_empty()),
        ("staff", add.not_staff),
        ("admin", add.admin),
    ];
    let audit = audit("staff add", "created", &name).naming(&named(&members));
    let added = audit.told(storage().await?.staff.add(&new).await, id)?;
    show(&[added.ok_or_else(|| anyhow!("there is a user {name} already"))?])
}

async fn alter(audit: Change, Name { name }: Name, change: StaffChange) -> anyhow::Result<()> {
    let changed = audit.told(storage().await?.staff.change(&name, &change).await, id)?;
    show(&[changed.ok_or_else(|| anyhow!("there is no user {name}"))?])
}

fn audit(command: &'static str, done: &'static str, name: &StaffName) -> Change {
    Change::by_command(command, &operator::<()>(), done, "user").of_user(name.clone())
}

/// The members that are named.
fn named<'a>(members: &[(&'a str, bool)]) -> Vec<&'a str> {
    members.iter().filter(|(_, named)| *named).map(|(member, _)| *member).collect()
}

#[expect(clippy::ref_option, reason = "it is what is asked of an outcome")]
fn id(member: &Option<StaffMember>) -> Option<i64> {
    member.as_ref().map(|member| member.id.0)
}

async fn list(as_json: bool) -> anyhow::Result<()> {
    let members = storage().await?.staff.list().await?;
    if as_json {
        say(format_args!("{:#}", Value::from(members.iter().map(to_json).collect::<Vec<_>>())))
    } else {
        show(&members)
    }
}

fn codes(member: &StaffMember) -> impl Iterator<Item = i32> {
    member.permissions.iter().map(|permission| permission.code())
}

fn to_json(member: &StaffMember) -> Value {
    let Standing { active, staff, admin } = member.standing;
    json!({
        "name": member.name.as_str(),
        "active": active,
        "staff": staff,
        "admin": admin,
        "permissions": codes(member).collect::<Vec<_>>(),
    })
}

fn show(members: &[StaffMember]) -> anyhow::Result<()> {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let rows: Vec<_> = members
        .iter()
        .map(|member| {
            let Standing { active, staff, admin } = member.standing;
            let codes: Vec<_> = codes(member).map(|code| code.to_string()).collect();
            [member.name.to_string(), yes(active), yes(staff), yes(admin), codes.join(" ")]
        })
        .collect();
    table::print(["NAME", "ACTIVE", "STAFF", "ADMIN", "PERMISSIONS"], &rows)
}
