//! What the statements share that are written out. Their texts never change, so that each is prepared once a connection
//! (diesel prepares `sql_query` anew at each call, which halves the throughput), and diesel's query language has neither
//! data-modifying `WITH` nor `LATERAL`.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::AstPass;
use diesel::serialize::ToSql;
use diesel::sql_types::HasSqlType;

/// Makes a [`QueryFragment`](diesel::query_builder::QueryFragment) with one lifetime a query of these columns, which is
/// prepared once a connection.
macro_rules! prepared_once {
    ($statement:ident: $columns:ty) => {
        impl diesel::query_builder::QueryId for $statement<'_> {
            type QueryId = $statement<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::query_builder::Query for $statement<'_> {
            type SqlType = $columns;
        }

        impl diesel::RunQueryDsl<diesel::pg::PgConnection> for &$statement<'_> {}
    };
}
pub(super) use prepared_once;

/// Binds an array of `sql_type` without showing it to the planner, which would count what is in it, and plan anew at each
/// call because of that.
pub(super) fn push_unseen<'b, S, T>(
    out: &mut AstPass<'_, 'b, Pg>,
    array: &'b T,
    sql_type: &str,
) -> QueryResult<()>
where
    Pg: HasSqlType<S>,
    T: ToSql<S, Pg> + ?Sized,
{
    out.push_sql("(SELECT ");
    out.push_bind_param::<S, T>(array)?;
    for sql in ["::", sql_type, ")::", sql_type] {
        out.push_sql(sql);
    }
    Ok(())
}
