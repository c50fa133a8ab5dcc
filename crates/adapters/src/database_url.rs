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
            if path.is_empty() || path.ends_with('/') || path.starts_with(':') || path.contains('\0') {
                return Err(InvalidDatabaseUrl::NoFile);
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) || text.contains('\0') {
            return Err(InvalidDatabaseUrl::UnknownScheme);
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

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => {
                let text = url.0.expose_secret();
                let (address, _) = text.split_once('?').unwrap_or((text, ""));
                let (_, rest) = address.split_once("://").unwrap_or(("", address));
                // A password may hold an unescaped @: all before the last one is hidden.
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

    fn parameter(&self, name: &str) -> Option<String> {
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
        let url = DatabaseUrl::parse("postgres://anna:pa@ss@db.example:5432/site?password=geheim").unwrap();
        assert_eq!(url.to_string(), "postgres://db.example:5432/site");
        assert!(!format!("{url:?}").contains("geheim"));
        assert!(!format!("{url:?}").contains("pa@ss"));
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
    fn what_is_no_database_is_refused() {
        use InvalidDatabaseUrl::{NoFile, UnknownScheme};
        for (text, error) in [
            ("", UnknownScheme),
            ("mysql://x", UnknownScheme),
            ("portfolio.db", UnknownScheme),
            ("sqlite://", NoFile),
            ("sqlite://data/", NoFile),
            ("sqlite://:memory:", NoFile),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap_err(), error, "{text}");
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
