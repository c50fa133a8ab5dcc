//! Which database to use, as `DATABASE_URL` says.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

/// Where the data lie. Neither `Debug` nor `Display` shows a password.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// The embedded database, in this file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(PostgresUrl),
}

/// The address of a PostgreSQL server as libpq takes it, with what the service wants added.
#[derive(Debug, Clone)]
pub struct PostgresUrl(SecretString);

/// Why a text is no [`DatabaseUrl`]. It never repeats the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// It is neither of the kinds that are known.
    #[error("must start with sqlite:// or postgres://")]
    UnknownScheme,
    /// It names no file, or one in memory, where every connection would have its own.
    #[error("sqlite:// must be followed by the path of a file")]
    NoFile,
    /// libpq could not read it; what it would say of it might repeat a password that is not escaped.
    #[error(
        "is no postgres://user:password@host:port/database?option=value; \
         in a user's name and a password, percent-encode every @ : / ? # % and space"
    )]
    Malformed,
    /// This build of libpq speaks no TLS.
    #[error(
        "sslmode=require and stricter need TLS, which this build lacks: \
         build with --no-default-features, without the feature bundled-libpq, to link the system's libpq"
    )]
    NoTls,
}

impl DatabaseUrl {
    /// Reads `sqlite://PATH` or `postgres://…`.
    ///
    /// # Errors
    ///
    /// [`InvalidDatabaseUrl`] when it is neither, or asks for what this build can't do.
    pub fn parse(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            if path.is_empty()
                || path.ends_with('/')
                || path.starts_with(':')
                || path.starts_with("file:")
                || path.contains('\0')
            {
                return Err(InvalidDatabaseUrl::NoFile);
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) || text.contains('\0') {
            return Err(InvalidDatabaseUrl::UnknownScheme);
        }
        if !is_well_formed(text) {
            return Err(InvalidDatabaseUrl::Malformed);
        }
        let url = PostgresUrl::with_defaults(text);
        let strict = ["require", "verify-ca", "verify-full"];
        let wants_tls = url.parameter("sslmode").is_some_and(|mode| strict.contains(&mode.as_str()));
        if wants_tls && cfg!(feature = "bundled-libpq") {
            return Err(InvalidDatabaseUrl::NoTls);
        }
        Ok(Self::Postgres(url))
    }
}

/// Whether libpq can take `text` apart as it is meant: `scheme://user:password@host:port,…/database?name=value&…`.
fn is_well_formed(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = address.split_once('/').unwrap_or((address, ""));
    let (user, hosts) = authority.split_once('@').unwrap_or(("", authority));
    let escaped = text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00")
    });
    escaped
        && user.matches(':').count() <= 1
        && !hosts.contains('@')
        && hosts.split(',').all(is_host)
        && !database.contains(['@', '/'])
        && (query.is_empty() || query.split('&').all(|pair| pair.split_once('=').is_some()))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#')
}

/// Whether `text` is a host, as a name, an address or nothing, with or without a port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else { return false };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            match after.strip_prefix(':') {
                Some(port) => ("", port),
                None if after.is_empty() => ("", ""),
                None => return false,
            }
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    !host.contains(['[', ']', ':']) && (port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0))
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => {
                let text = url.0.expose_secret();
                let (address, _) = text.split_once('?').unwrap_or((text, ""));
                let (_, rest) = address.split_once("://").unwrap_or(("", address));
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                write!(f, "postgres://{place}")
            }
        }
    }
}

impl PostgresUrl {
    /// Makes a dead peer show within seconds, unless the operator says otherwise: libpq's own
    /// defaults wait for hours. The times are libpq's: seconds, but for `tcp_user_timeout`'s
    /// milliseconds.
    fn with_defaults(text: &str) -> Self {
        const DEFAULTS: [(&str, &str); 6] = [
            ("connect_timeout", "2"),
            ("tcp_user_timeout", "3000"),
            ("keepalives_idle", "5"),
            ("keepalives_interval", "2"),
            ("keepalives_count", "2"),
            ("application_name", "portfolio"),
        ];
        let mut url = Self(SecretString::from(text));
        for (name, value) in DEFAULTS {
            if url.parameter(name).is_none() {
                let text = url.0.expose_secret();
                let mark = if text.contains('?') { '&' } else { '?' };
                url = Self(SecretString::from(format!("{text}{mark}{name}={value}")));
            }
        }
        url
    }

    /// Whether another server may take the place of the one that answers.
    pub(crate) fn names_several_hosts(&self) -> bool {
        let text = self.0.expose_secret();
        let (address, _) = text.split_once('?').unwrap_or((text, ""));
        let (_, rest) = address.split_once("://").unwrap_or(("", address));
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let (hosts, _) = place.split_once('/').unwrap_or((place, ""));
        let host = self.parameter("host");
        // An encoded comma is a comma to libpq, in the value of a parameter.
        hosts.contains(',')
            || host.is_some_and(|host| host.contains(',') || host.to_uppercase().contains("%2C"))
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.0.expose_secret().split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(other, _)| *other == name).map(|(_, value)| value.to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url = DatabaseUrl::parse("postgres://anna:pa%40ss@db.example:5432/site?password=geheim").unwrap();
        assert_eq!(url.to_string(), "postgres://db.example:5432/site");
        assert!(!format!("{url:?}").contains("geheim"));
        assert!(!format!("{url:?}").contains("pa%40ss"));
    }

    #[test]
    fn what_the_operator_says_is_kept_and_the_rest_is_added() {
        let Ok(DatabaseUrl::Postgres(url)) = DatabaseUrl::parse("postgres://a,b/site?connect_timeout=9")
        else {
            panic!("it is a PostgreSQL address");
        };
        assert_eq!(url.parameter("connect_timeout").as_deref(), Some("9"));
        assert_eq!(url.parameter("tcp_user_timeout").as_deref(), Some("3000"));
        assert!(url.expose().starts_with("postgres://a,b/site?connect_timeout=9&"));
    }

    #[test]
    fn several_hosts_are_told_from_one() {
        for (text, several) in [
            ("postgres://a/site", false),
            ("postgres://anna:a,b@a/site,2", false),
            ("postgres://a,b/site", true),
            ("postgres://a:5432,b:5433", true),
            ("postgres:///site?host=a,b", true),
            ("postgres:///site?host=a%2cb", true),
            ("postgres:///site?host=a&options=b,c", false),
        ] {
            let Ok(DatabaseUrl::Postgres(url)) = DatabaseUrl::parse(text) else { panic!("{text}") };
            assert_eq!(url.names_several_hosts(), several, "{text}");
        }
    }

    #[test]
    fn what_is_no_database_is_refused() {
        use InvalidDatabaseUrl::{NoFile, UnknownScheme};
        for (text, error) in [
            ("", UnknownScheme),
            ("mysql://x", UnknownScheme),
            ("portfolio.db", UnknownScheme),
            ("sqlite://", NoFile),
            ("sqlite://data/", NoFile),
            ("sqlite://:memory:", NoFile),
            ("sqlite://file::memory:?cache=shared", NoFile),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn what_libpq_would_misread_is_refused() {
        for text in [
            "postgres://anna:geheim@127.0.0.1:port/site",
            "postgres://anna:geheim@127.0.0.1:0/site",
            "postgres://anna:geheim%zz@127.0.0.1/site",
            "postgres://anna:geheim%0@127.0.0.1/site",
            "postgres://anna:geh%00eim@127.0.0.1/site",
            "postgres://anna:geheim@[::1]x/site",
            "postgres://anna:geheim@[::1/site",
            "postgres://anna:geheim/x@127.0.0.1/site",
            "postgres://anna:12/x@127.0.0.1/site",
            "postgres://anna:x@geheim@127.0.0.1/site",
            "postgres://anna:ge:heim@127.0.0.1/site",
            "postgres://anna:ge?heim@127.0.0.1/site",
            "postgres://anna:ge heim@127.0.0.1/site",
            "postgres://anna:ge#heim@127.0.0.1/site",
            "postgres://127.0.0.1/site?sslmode",
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap_err(), InvalidDatabaseUrl::Malformed, "{text}");
        }
    }

    #[test]
    fn every_form_that_libpq_reads_is_taken() {
        for text in [
            "postgres://",
            "postgresql:///site",
            "postgres://anna@db",
            "postgres://anna:ge%40heim@db:5432/site",
            "postgres://a:5432,b,c:5433/site?target_session_attrs=read-write",
            "postgres://[::1]:5432/site",
            "postgres://[::1]/site",
            "postgres://%2Fvar%2Frun%2Fpostgresql/site",
            "postgres:///site?host=/var/run/postgresql&user=anna",
        ] {
            assert!(DatabaseUrl::parse(text).is_ok(), "{text}");
        }
    }

    #[cfg(feature = "bundled-libpq")]
    #[test]
    fn tls_is_refused_where_there_is_none() {
        let answer = DatabaseUrl::parse("postgres://db/site?sslmode=verify-full");
        assert_eq!(answer.unwrap_err(), InvalidDatabaseUrl::NoTls);
        assert!(DatabaseUrl::parse("postgres://db/site?sslmode=prefer").is_ok());
    }
}
