//! [`StaffRepository`](portfolio_domain::ports::StaffRepository).

use portfolio_domain::permission::Permission;
use portfolio_domain::staff::{NewStaff, StaffChange, StaffMember, Standing};
use portfolio_testkit::Kind;
use rstest::rstest;
use tokio::task::JoinSet;

use crate::fixture::{Fixture, new_staff, set, staff_name};

use Permission::{ChangeEmployers, CreateImages, DeleteEmployers, ViewEmployers};

async fn add(fixture: &Fixture, new: &NewStaff) -> StaffMember {
    fixture.ports.staff.add(new).await.unwrap().unwrap()
}

async fn list(fixture: &Fixture) -> Vec<StaffMember> {
    fixture.ports.staff.list().await.unwrap()
}

#[rstest]
#[case::nothing(Standing { active: false, staff: false, admin: false }, &[])]
#[case::active_only(Standing { active: true, staff: false, admin: false }, &[ViewEmployers])]
#[case::staff_only(Standing { active: false, staff: true, admin: false }, &[ViewEmployers, CreateImages])]
#[case::admin_only(Standing { active: false, staff: false, admin: true }, &Permission::ALL)]
#[tokio::test(flavor = "multi_thread")]
async fn an_added_user_is_answered_and_listed_as_it_was_given(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] standing: Standing,
    #[case] permissions: &[Permission],
) {
    let fixture = Fixture::new(kind);
    assert_eq!(list(&fixture).await, []);
    let added = add(&fixture, &NewStaff { standing, ..new_staff("مریم", permissions) }).await;
    let wanted =
        StaffMember { id: added.id, name: staff_name("مریم"), standing, permissions: set(permissions) };
    assert_eq!(added, wanted);
    assert_eq!(list(&fixture).await, [wanted]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_is_refused_and_nothing_changes(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    add(&fixture, &new_staff("maryam", &[ViewEmployers])).await;
    add(&fixture, &new_staff("omid", &[])).await;
    let before = list(&fixture).await;
    let again = NewStaff {
        standing: Standing { active: false, staff: false, admin: true },
        ..new_staff("maryam", &[ChangeEmployers])
    };
    assert_eq!(fixture.ports.staff.add(&again).await, Ok(None));
    assert_eq!(list(&fixture).await, before);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_that_add_one_name_at_once_exactly_one_does(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    let fixture = Fixture::new(kind);
    let instances = [fixture.ports.staff.clone(), fixture.base.open().staff];
    let mut tasks = JoinSet::new();
    for index in 0..20 {
        let staff = instances[index % 2].clone();
        let new = new_staff("maryam", &Permission::ALL[index % 8..=index % 8]);
        tasks.spawn(async move { staff.add(&new).await.unwrap() });
    }
    let added: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(added.len(), 1);
    assert_eq!(list(&fixture).await, added);
}

#[rstest]
#[case::disabled(StaffChange { active: Some(false), ..StaffChange::default() }, (false, true, false), &[])]
#[case::no_staff(StaffChange { staff: Some(false), ..StaffChange::default() }, (true, false, false), &[])]
#[case::admin(StaffChange { admin: Some(true), ..StaffChange::default() }, (true, true, true), &[])]
#[case::as_it_is(
    StaffChange { active: Some(true), staff: Some(true), admin: Some(false), ..StaffChange::default() },
    (true, true, false),
    &[],
)]
#[case::nothing(StaffChange::default(), (true, true, false), &[])]
#[case::granted(
    StaffChange { grant: set(&[DeleteEmployers, CreateImages]), ..StaffChange::default() },
    (true, true, false),
    &[DeleteEmployers, CreateImages],
)]
#[case::granted_what_it_has(
    StaffChange { grant: set(&[ViewEmployers, CreateImages]), ..StaffChange::default() },
    (true, true, false),
    &[CreateImages],
)]
#[case::withdrawn_what_it_lacks(
    StaffChange { withdraw: set(&[DeleteEmployers]), ..StaffChange::default() },
    (true, true, false),
    &[],
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_change_changes_what_it_names_and_twice_is_the_same_as_once(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[case] change: StaffChange,
    #[case] (active, staff, admin): (bool, bool, bool),
    #[case] gained: &[Permission],
) {
    let fixture = Fixture::new(kind);
    let has = [ChangeEmployers, ViewEmployers];
    let other = add(&fixture, &new_staff("anna", &[ViewEmployers])).await;
    let maryam = add(&fixture, &new_staff("maryam", &has)).await;
    let wanted = StaffMember {
        standing: Standing { active, staff, admin },
        permissions: set(&[&has, gained].concat()),
        ..maryam
    };
    for _ in 0..2 {
        let changed = fixture.ports.staff.change(&staff_name("maryam"), &change).await.unwrap();
        assert_eq!(changed.as_ref(), Some(&wanted));
        assert_eq!(list(&fixture).await, [other.clone(), wanted.clone()]);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn everything_of_a_user_changes_in_one_step(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    let maryam = add(&fixture, &new_staff("maryam", &[ChangeEmployers, ViewEmployers])).await;
    let change = StaffChange {
        active: Some(false),
        staff: Some(false),
        admin: Some(true),
        grant: set(&[CreateImages]),
        withdraw: set(&[ChangeEmployers, ViewEmployers]),
    };
    let wanted = StaffMember {
        standing: Standing { active: false, staff: false, admin: true },
        permissions: set(&[CreateImages]),
        ..maryam
    };
    for _ in 0..2 {
        let changed = fixture.ports.staff.change(&staff_name("maryam"), &change).await;
        assert_eq!(changed.unwrap().as_ref(), Some(&wanted));
        assert_eq!(list(&fixture).await, std::slice::from_ref(&wanted));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_not_there_is_not_changed_and_not_made(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
    #[values("Maryam", "mary", "maryam ", "%", "")] name: &str,
) {
    let fixture = Fixture::new(kind);
    add(&fixture, &new_staff("maryam", &[ViewEmployers])).await;
    let before = list(&fixture).await;
    let change = StaffChange {
        admin: Some(true),
        grant: set(&[ChangeEmployers]),
        withdraw: set(&[ViewEmployers]),
        ..StaffChange::default()
    };
    for change in [change, StaffChange::default()] {
        assert_eq!(fixture.ports.staff.change(&staff_name(name), &change).await, Ok(None));
        assert_eq!(list(&fixture).await, before);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_user_at_once_all_last(#[values(Kind::Sqlite, Kind::Postgres)] kind: Kind) {
    let fixture = Fixture::new(kind);
    let maryam = add(&fixture, &new_staff("maryam", &Permission::ALL[..4])).await;
    let mut changes: Vec<_> = Permission::ALL[..4]
        .iter()
        .map(|code| StaffChange { withdraw: set(&[*code]), ..StaffChange::default() })
        .collect();
    let granted = Permission::ALL[4..].iter();
    changes.extend(granted.map(|code| StaffChange { grant: set(&[*code]), ..StaffChange::default() }));
    changes.extend([
        StaffChange { active: Some(false), ..StaffChange::default() },
        StaffChange { staff: Some(false), ..StaffChange::default() },
        StaffChange { admin: Some(true), ..StaffChange::default() },
    ]);
    let instances = [fixture.ports.staff.clone(), fixture.base.open().staff];
    let mut tasks = JoinSet::new();
    for (index, change) in changes.into_iter().enumerate() {
        let staff = instances[index % 2].clone();
        tasks.spawn(async move { staff.change(&staff_name("maryam"), &change).await.unwrap().unwrap() });
    }
    tasks.join_all().await;
    let wanted = StaffMember {
        standing: Standing { active: false, staff: false, admin: true },
        permissions: set(&Permission::ALL[4..]),
        ..maryam
    };
    assert_eq!(list(&fixture).await, [wanted]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn users_are_listed_by_name_in_code_point_order_each_with_its_own_permissions(
    #[values(Kind::Sqlite, Kind::Postgres)] kind: Kind,
) {
    // As code points; a dictionary, or UTF-16, would have another order.
    let ordered =
        ["Anna", "Zoe", "a b", "a-b", "aa", "ab", "e\u{301}", "zoe", "Ängel", "élan", "مریم", "ﬀ", "😀"];
    let fixture = Fixture::new(kind);
    for (index, name) in ordered.iter().enumerate().rev() {
        add(&fixture, &new_staff(name, &Permission::ALL[..index % 4])).await;
    }
    // A changed row may lie elsewhere from now on.
    let change = StaffChange { admin: Some(true), ..StaffChange::default() };
    fixture.ports.staff.change(&staff_name("aa"), &change).await.unwrap().unwrap();
    let listed: Vec<_> =
        list(&fixture).await.into_iter().map(|member| (member.name, member.permissions)).collect();
    let wanted: Vec<_> = (0..)
        .zip(ordered)
        .map(|(index, name): (usize, _)| (staff_name(name), set(&Permission::ALL[..index % 4])))
        .collect();
    assert_eq!(listed, wanted);
}
