//! Which settings of a server break what the service promises.

use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use portfolio_domain::finding::Finding;

use super::connect_for_migrations;
use crate::database_url::PostgresUrl;
use crate::migrations::{MigrateError, one_line};

/// The oldest version that the service is tried with, as `server_version_num` has it.
const OLDEST: i64 = 150_000;

/// Looks at a server as the role of `url` meets it, before the service sets its own sessions. `connections` are those
/// that all instances together may open. It changes nothing, and takes one connection for a few statements.
///
/// # Errors
///
/// [`MigrateError`] when the server can't be asked.
pub fn examine(url: &PostgresUrl, connections: u32) -> Result<Vec<Finding>, MigrateError> {
    let mut connection = connect_for_migrations(url)?;
    // Whoever asks waits no longer for a server that stands still than for one that is away.
    let seen =
        connection.batch_execute("SET statement_timeout = '2s'").and_then(|()| Seen::of(&mut connection));
    let seen = seen.map_err(|error| MigrateError::Unreadable(one_line(&error)))?;
    Ok(seen.judge(url, connections))
}

/// What the server said.
struct Seen {
    settings: Vec<Setting>,
    unlogged: Vec<String>,
    session: Session,
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    value: String,
    /// Where it was set: `default`, `configuration file`, `database`, `user`, `client`, …
    #[diesel(sql_type = Text)]
    source: String,
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Session {
    /// Whether it is reached neither over a socket nor over this machine's loopback.
    #[diesel(sql_type = Bool)]
    remote: bool,
    #[diesel(sql_type = Bool)]
    tls: bool,
    #[diesel(sql_type = Bool)]
    superuser: bool,
    /// The limit of the role or the database, whichever is lower; none for no limit.
    #[diesel(sql_type = Nullable<BigInt>)]
    limit: Option<i64>,
}

const SETTINGS: &str = "SELECT name, setting AS value, source FROM pg_settings WHERE name IN
    ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'data_checksums',
     'max_connections', 'superuser_reserved_connections', 'reserved_connections', 'server_version_num')";

/// After a crash, the server empties them.
const UNLOGGED: &str = "SELECT relname::text AS name FROM pg_class
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
      AND relpersistence = 'u' AND relkind IN ('r', 'p')
    ORDER BY relname";

const SESSION: &str = "SELECT
    coalesce(NOT (inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1'), false) AS remote,
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls,
    current_setting('is_superuser') = 'on' AS superuser,
    nullif(least(
        (SELECT CASE WHEN rolconnlimit < 0 THEN 2147483647 ELSE rolconnlimit END FROM pg_roles
         WHERE rolname = current_user),
        (SELECT CASE WHEN datconnlimit < 0 THEN 2147483647 ELSE datconnlimit END FROM pg_database
         WHERE datname = current_database())), 2147483647)::bigint AS limit";

impl Seen {
    fn of(connection: &mut PgConnection) -> QueryResult<Self> {
        let unlogged = diesel::sql_query(UNLOGGED).load::<Table>(connection)?;
        Ok(Self {
            settings: diesel::sql_query(SETTINGS).load(connection)?,
            unlogged: unlogged.into_iter().map(|table| table.name).collect(),
            session: diesel::sql_query(SESSION).get_result(connection)?,
        })
    }

    fn judge(&self, url: &PostgresUrl, connections: u32) -> Vec<Finding> {
        let mut findings = vec![
            self.must_be_on(
                "fsync",
                "a crash of its machine loses answered changes and may ruin the database",
            ),
            self.must_be_on("full_page_writes", "a page that a crash cut through can't be repaired"),
            self.synchronous_commit(),
            self.unlogged(),
        ];
        findings.extend(self.standby(url));
        findings.push(match self.value("data_checksums") {
            "on" => Finding::ok("data_checksums", "on"),
            off => Finding::warning(
                "data_checksums",
                off,
                "a disk that lies is noticed by nobody; stop the server and run `pg_checksums --enable`",
            ),
        });
        findings.extend([self.version(), self.connections(connections), self.tls(url), self.role()]);
        findings
    }

    fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// Empty for what this version of the server does not know.
    fn value(&self, name: &str) -> &str {
        self.setting(name).map_or("", |setting| &setting.value)
    }

    fn number(&self, name: &str) -> i64 {
        self.value(name).parse().unwrap_or_default()
    }

    /// The value and where it was set.
    fn told(&self, name: &str) -> String {
        self.setting(name)
            .map_or_else(String::new, |setting| format!("{} (set by: {})", setting.value, setting.source))
    }

    fn must_be_on(&self, name: &'static str, what_follows: &str) -> Finding {
        if self.value(name) == "on" {
            return Finding::ok(name, "on");
        }
        let advice = format!("{what_follows}; {}", self.how_to_turn_on(name));
        Finding::breaks(name, self.told(name), advice)
    }

    /// What undoes that `name` is not `on`, where it was set.
    fn how_to_turn_on(&self, name: &str) -> String {
        match self.setting(name).map_or("", |setting| setting.source.as_str()) {
            "database" => format!("`ALTER DATABASE … RESET {name}`"),
            "user" | "database user" | "global" => format!("`ALTER ROLE … RESET {name}`"),
            "command line" => format!("take {name} out of the command line that starts the server"),
            "client" => format!("take {name} out of DATABASE_URL and PGOPTIONS"),
            _ => format!("`ALTER SYSTEM SET {name} = on`, and reload"),
        }
    }

    /// The service sets its own sessions to `on`; migrations, `pg_restore` and everybody else take what is set.
    fn synchronous_commit(&self) -> Finding {
        const NAME: &str = "synchronous_commit";
        if self.value(NAME) != "off" {
            return Finding::ok(NAME, self.value(NAME));
        }
        Finding::breaks(
            NAME,
            self.told(NAME),
            format!(
                "what is answered is not on disk yet, and a crash of the server loses it; only the sessions of the \
                 service turn it on, not migrations and not pg_restore; {}",
                self.how_to_turn_on(NAME)
            ),
        )
    }

    fn unlogged(&self) -> Finding {
        const NAME: &str = "unlogged tables";
        if self.unlogged.is_empty() {
            return Finding::ok(NAME, "none");
        }
        Finding::breaks(
            NAME,
            self.unlogged.join(", "),
            "a crash of the server empties them; `ALTER TABLE … SET LOGGED`",
        )
    }

    /// Of one host nobody knows whether another one is to take its place. How long a commit waits is no matter: the
    /// service's sessions wait for all that there is to wait for.
    fn standby(&self, url: &PostgresUrl) -> Option<Finding> {
        const NAME: &str = "replication";
        if !url.names_several_hosts() {
            return None;
        }
        Some(if self.value("synchronous_standby_names").trim().is_empty() {
            Finding::breaks(
                NAME,
                "DATABASE_URL names several hosts, and no commit waits for a standby",
                "whichever takes over may lack answered changes; set synchronous_standby_names",
            )
        } else {
            Finding::ok(NAME, "commits wait for a standby")
        })
    }

    fn version(&self) -> Finding {
        const NAME: &str = "server version";
        let number = self.number("server_version_num");
        let version = format!("{}.{}", number / 10_000, number % 10_000);
        if number >= OLDEST {
            return Finding::ok(NAME, version);
        }
        Finding::warning(NAME, version, "the service is tried with 15 and newer")
    }

    fn connections(&self, wanted: u32) -> Finding {
        const NAME: &str = "max_connections";
        let reserved = self.number("superuser_reserved_connections") + self.number("reserved_connections");
        let left = self.number("max_connections") - reserved;
        let left = self.session.limit.map_or(left, |limit| limit.min(left));
        // One more for whoever migrates, backs up or runs a command.
        let found = format!("{left} for ordinary roles, of which the service may take {wanted}");
        if left > i64::from(wanted) {
            return Finding::ok(NAME, found);
        }
        Finding::warning(
            NAME,
            found,
            "what is over gets 503s; a smaller DATABASE_POOL_SIZE, or more max_connections (of the server, the \
             database and the role)",
        )
    }

    fn tls(&self, url: &PostgresUrl) -> Finding {
        const NAME: &str = "TLS to the database";
        const ADVICE: &str = "whoever is on the way can read and change everything; `?sslmode=verify-full`, and a build \
                              with --no-default-features";
        let set = |parameter: &str, variable: &str| {
            let set = url.parameter(parameter).or_else(|| std::env::var(variable).ok());
            set.filter(|value| !value.is_empty())
        };
        let home = || Some(format!("{}/.postgresql/root.crt", std::env::var("HOME").ok()?));
        let root = set("sslrootcert", "PGSSLROOTCERT").or_else(home);
        let verified = checks_certificate(set("sslmode", "PGSSLMODE").as_deref(), root.as_deref());
        match (self.session.remote, self.session.tls) {
            (false, _) => Finding::ok(NAME, "not needed: over a socket or this machine's loopback"),
            (true, true) if verified => Finding::ok(NAME, "on, and its certificate is checked"),
            (true, true) => Finding::warning(NAME, "on, but nobody checks its certificate", ADVICE),
            (true, false) => Finding::warning(NAME, "off, and not over this machine's loopback", ADVICE),
        }
    }

    fn role(&self) -> Finding {
        const NAME: &str = "database role";
        if self.session.superuser {
            Finding::warning(
                NAME,
                "a superuser",
                "the service needs SELECT, INSERT, UPDATE and DELETE only; give it a role of its own, and let another \
                 one run `portfolio migrate`",
            )
        } else {
            Finding::ok(NAME, "no superuser")
        }
    }
}

/// Whether libpq, which speaks TLS by `mode`, holds the server's certificate against those in `root` (PostgreSQL's
/// manual, "SSL Support"): `require` does where there is such a file, and `system` stands for `verify-full`.
fn checks_certificate(mode: Option<&str>, root: Option<&str>) -> bool {
    match mode {
        Some("verify-ca" | "verify-full") => true,
        Some("require") => root.is_some_and(|file| Path::new(file).exists()),
        None => root == Some("system"),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use portfolio_domain::finding::Severity;

    use super::*;
    use crate::database_url::DatabaseUrl;

    fn url(text: &str) -> PostgresUrl {
        let Ok(DatabaseUrl::Postgres(url)) = DatabaseUrl::parse(text) else { panic!("{text}") };
        url
    }

    fn seen(settings: &[(&str, &str)]) -> Seen {
        let sound = [
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
            ("synchronous_standby_names", ""),
            ("data_checksums", "on"),
            ("max_connections", "100"),
            ("superuser_reserved_connections", "3"),
            ("server_version_num", "150018"),
        ];
        let settings = sound.map(|(name, value)| {
            let value = settings.iter().find(|(other, _)| *other == name).map_or(value, |(_, value)| value);
            Setting { name: name.into(), value: value.into(), source: "configuration file".into() }
        });
        Seen {
            settings: settings.into(),
            unlogged: Vec::new(),
            session: Session { remote: false, tls: false, superuser: false, limit: None },
        }
    }

    /// What of it is not as it should be.
    fn wrong(seen: &Seen, address: &str, connections: u32) -> Vec<(&'static str, Severity)> {
        let findings = seen.judge(&url(address), connections);
        let wrong = findings.iter().filter(|finding| finding.severity != Severity::Ok);
        wrong.map(|finding| (finding.subject, finding.severity)).collect()
    }

    #[test]
    fn each_setting_that_breaks_a_promise_is_named() {
        use Severity::{BreaksPromise, Warning};
        const ONE: &str = "postgres://a/site";
        const TWO: &str = "postgres://a,b/site";
        assert_eq!(wrong(&seen(&[]), ONE, 8), []);
        for name in ["fsync", "full_page_writes", "synchronous_commit"] {
            assert_eq!(wrong(&seen(&[(name, "off")]), ONE, 8), [(name, BreaksPromise)]);
        }
        assert_eq!(wrong(&seen(&[("synchronous_commit", "local")]), ONE, 8), []);
        assert_eq!(wrong(&seen(&[("data_checksums", "off")]), ONE, 8), [("data_checksums", Warning)]);
        assert_eq!(wrong(&seen(&[("server_version_num", "140020")]), ONE, 8), [("server version", Warning)]);
        assert_eq!(wrong(&seen(&[]), ONE, 96), []);
        assert_eq!(wrong(&seen(&[]), ONE, 97), [("max_connections", Warning)]);
        assert_eq!(wrong(&seen(&[]), TWO, 8), [("replication", BreaksPromise)]);
        let names = ("synchronous_standby_names", "b");
        assert_eq!(wrong(&seen(&[names]), TWO, 8), []);
        assert_eq!(wrong(&seen(&[names, ("synchronous_commit", "local")]), TWO, 8), []);
        let hasty = seen(&[names, ("synchronous_commit", "off")]);
        assert_eq!(wrong(&hasty, TWO, 8), [("synchronous_commit", BreaksPromise)], "the service turns it on");
    }

    #[test]
    fn advice_goes_to_where_a_setting_was_set() {
        for (source, advice) in [
            ("configuration file", "`ALTER SYSTEM SET synchronous_commit = on`"),
            ("database", "`ALTER DATABASE … RESET synchronous_commit`"),
            ("user", "`ALTER ROLE … RESET synchronous_commit`"),
            ("command line", "the command line that starts the server"),
            ("client", "DATABASE_URL and PGOPTIONS"),
        ] {
            let mut seen = seen(&[("synchronous_commit", "off"), ("fsync", "off")]);
            for setting in &mut seen.settings {
                setting.source = source.into();
            }
            let findings = seen.judge(&url("postgres://a/site"), 8);
            for finding in findings.iter().filter(|finding| finding.severity == Severity::BreaksPromise) {
                let advice = advice.replace("synchronous_commit", finding.subject);
                assert!(finding.advice.contains(&advice), "{source}: {finding:?}");
            }
        }
    }

    #[test]
    fn a_certificate_is_checked_by_libpq_s_own_rule() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("root.crt");
        let root = file.to_str().unwrap().to_owned();
        assert!(!checks_certificate(Some("require"), Some(&root)), "it is not there");
        std::fs::write(&file, "").unwrap();
        let root = Some(root.as_str());
        for (mode, root, checks) in [
            (Some("verify-full"), None, true),
            (Some("verify-ca"), root, true),
            (Some("require"), root, true),
            (Some("require"), None, false),
            (Some("prefer"), root, false),
            (None, Some("system"), true),
            (None, root, false),
            (None, None, false),
        ] {
            assert_eq!(checks_certificate(mode, root), checks, "{mode:?} {root:?}");
        }
    }

    #[test]
    fn a_server_elsewhere_needs_tls_that_is_checked() {
        use Severity::Warning;
        let mut seen = seen(&[]);
        seen.session.remote = true;
        let tls = [("TLS to the database", Warning)];
        assert_eq!(wrong(&seen, "postgres://a/site", 8), tls);
        seen.session.tls = true;
        assert_eq!(wrong(&seen, "postgres://a/site?sslmode=prefer", 8), tls);
        seen.session.limit = Some(8);
        assert_eq!(
            wrong(&seen, "postgres://a/site?sslmode=prefer", 8),
            [("max_connections", Warning), tls[0]]
        );
    }
}
