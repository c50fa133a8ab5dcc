//! Which database to use, as `DATABASE_URL` says.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

/// Where the data lie. Neither `Debug` nor `Display` shows a password.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// The embedded database, in this file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(PostgresUrl),
}

/// The address of a PostgreSQL server as libpq takes it, or of several of which one takes writes, with what the
/// service wants added.
#[derive(Debug, Clone)]
pub struct PostgresUrl {
    text: SecretString,
    hosts: Vec<Host>,
}

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
    /// The value of an option holds a `=`, which libpq refuses.
    #[error(
        "the value of an option holds an =, which is written %3D there, as in ?options=-csearch_path%3Dapp"
    )]
    EqualsInValue,
    /// One of several hosts has no name, which libpq would take for this machine.
    #[error("names several hosts, of which one is empty")]
    EmptyHost,
    /// There is neither one port for every host nor one for each.
    #[error("names {hosts} hosts and {ports} ports: there must be one port for all of them, or one for each")]
    PortsOfHosts {
        /// How many hosts are named.
        hosts: usize,
        /// How many ports.
        ports: usize,
    },
    /// `hostaddr` gives addresses for more or fewer hosts than there are.
    #[error("names {hosts} hosts, and by hostaddr {addresses} addresses")]
    AddressesOfHosts {
        /// How many hosts are named.
        hosts: usize,
        /// How many addresses.
        addresses: usize,
    },
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
        let query = text.split_once('?').map_or("", |(_, query)| query);
        if query.split('&').any(|pair| pair.matches('=').count() > 1) {
            return Err(InvalidDatabaseUrl::EqualsInValue);
        }
        let url = PostgresUrl::with_defaults(text, hosts(text)?);
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

/// A host of the address, and its port where one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    name: String,
    port: String,
}

/// The hosts of a well-formed `text` in the order in which libpq tries them: those of the query count before those
/// between `//` and `/` (PostgreSQL's manual, "Connection URIs" and "Specifying Multiple Hosts").
fn hosts(text: &str) -> Result<Vec<Host>, InvalidDatabaseUrl> {
    let address = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = address.split(['/', '?']).next().unwrap_or(address);
    let listed = authority.rsplit_once('@').map_or(authority, |(_, listed)| listed);
    let (names, ports): (Vec<_>, Vec<_>) = listed.split(',').map(host_and_port).unzip();
    let names =
        parameter(text, "host").map_or_else(|| split(&decoded(&names.join(","))), |list| split(&list));
    let addresses = parameter(text, "hostaddr").filter(|list| !list.is_empty()).map(|list| split(&list));
    let ports = parameter(text, "port").map_or_else(|| split(&ports.join(",")), |list| split(&list));

    let count = addresses.as_ref().map_or(names.len(), Vec::len);
    let unnamed = names == [""];
    if names.len() != count && !unnamed {
        return Err(InvalidDatabaseUrl::AddressesOfHosts { hosts: names.len(), addresses: count });
    }
    if ports.len() != count && ports.len() != 1 {
        return Err(InvalidDatabaseUrl::PortsOfHosts { hosts: count, ports: ports.len() });
    }
    let nth = |list: &[String], n: usize| list.get(n).or(list.first()).cloned().unwrap_or_default();
    let hosts: Vec<Host> = (0..count)
        .map(|n| {
            let address = addresses.as_ref().map(|addresses| nth(addresses, n));
            let name = Some(nth(&names, n)).filter(|name| !name.is_empty()).or(address).unwrap_or_default();
            Host { name, port: nth(&ports, n) }
        })
        .collect();
    if hosts.len() > 1 && hosts.iter().any(|host| host.name.is_empty()) {
        return Err(InvalidDatabaseUrl::EmptyHost);
    }
    Ok(hosts)
}

fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What libpq takes for a parameter of the query: the last of that name.
fn parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.rfind(|(other, _)| decoded(other) == name).map(|(_, value)| decoded(value))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.replace('/', "%2F");
        if name.contains(':') { write!(f, "[{name}]") } else { f.write_str(&name) }?;
        if self.port.is_empty() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Takes a host of the list apart, as [`is_host`] knows it: its name, an IPv6 address without brackets, and its port.
fn host_and_port(text: &str) -> (&str, &str) {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match bracketed {
        Some((address, after)) => (address, after.strip_prefix(':').unwrap_or(after)),
        None => text.split_once(':').unwrap_or((text, "")),
    }
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
                let text = url.expose();
                let (address, _) = text.split_once('?').unwrap_or((text, ""));
                let (_, place) = address.split_once("://").unwrap_or(("", address));
                let database = place.split_once('/').map_or("", |(_, database)| database);
                let hosts: Vec<String> = url.hosts.iter().map(ToString::to_string).collect();
                write!(f, "postgres://{}/{database}", hosts.join(","))
            }
        }
    }
}

impl PostgresUrl {
    /// Makes a dead peer show within seconds, unless the operator says otherwise: libpq's own
    /// defaults wait for hours. The times are libpq's: seconds, but for `tcp_user_timeout`'s
    /// milliseconds.
    ///
    /// Of several `hosts`, one that takes writes is wanted, and one that is dead must leave time for the next within
    /// the two seconds for which a request waits for a connection. libpq counts the time for each host anew; older
    /// versions take one second for two.
    fn with_defaults(text: &str, hosts: Vec<Host>) -> Self {
        const DEFAULTS: [(&str, &str); 5] = [
            ("tcp_user_timeout", "3000"),
            ("keepalives_idle", "5"),
            ("keepalives_interval", "2"),
            ("keepalives_count", "2"),
            ("application_name", "portfolio"),
        ];
        let by_hosts: &[_] = if hosts.len() > 1 {
            &[("connect_timeout", "1"), ("target_session_attrs", "read-write")]
        } else {
            &[("connect_timeout", "2")]
        };
        let mut url = text.to_owned();
        for (name, value) in by_hosts.iter().chain(&DEFAULTS) {
            if parameter(&url, name).is_none() {
                let mark = if url.contains('?') { '&' } else { '?' };
                let _ = write!(url, "{mark}{name}={value}");
            }
        }
        Self { text: SecretString::from(url), hosts }
    }

    /// Whether another server may take the place of the one that answers.
    pub(crate) fn names_several_hosts(&self) -> bool {
        self.hosts.len() > 1
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        parameter(self.expose(), name)
    }

    pub(crate) fn expose(&self) -> &str {
        self.text.expose_secret()
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

    fn postgres(text: &str) -> PostgresUrl {
        match DatabaseUrl::parse(text) {
            Ok(DatabaseUrl::Postgres(url)) => url,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn of_several_hosts_one_that_takes_writes_is_wanted_and_a_dead_one_costs_a_second() {
        for several in
            ["postgres://a,b/site", "postgres:///site?host=a%2Cb", "postgres:///site?hostaddr=::1,::2"]
        {
            let url = postgres(several);
            assert_eq!(url.parameter("target_session_attrs").as_deref(), Some("read-write"), "{several}");
            assert_eq!(url.parameter("connect_timeout").as_deref(), Some("1"), "{several}");
        }
        let url = postgres("postgres://a/site");
        assert_eq!(url.parameter("target_session_attrs"), None, "one host alone is taken as it is");
        assert_eq!(url.parameter("connect_timeout").as_deref(), Some("2"));
        let url = postgres("postgres://a,b/site?target_session_attrs=any&connect%5Ftimeout=3");
        assert_eq!(url.parameter("target_session_attrs").as_deref(), Some("any"));
        assert_eq!(url.parameter("connect_timeout").as_deref(), Some("3"));
        assert_eq!(url.expose().matches("timeout=").count(), 2, "tcp_user_timeout is the other");
    }

    #[test]
    fn every_host_is_shown_wherever_it_was_named() {
        for (text, shown) in [
            ("postgres://anna:geheim@a:5432,b/site?x=y", "postgres://a:5432,b/site"),
            ("postgres://anna@[::1]:5432,[fe80::2]/site", "postgres://[::1]:5432,[fe80::2]/site"),
            ("postgres://anna@/site?host=a,b&port=5433", "postgres://a:5433,b:5433/site"),
            ("postgres://anna@x:1/site?host=a,b&port=2,3", "postgres://a:2,b:3/site"),
            ("postgres://:5433/site?host=a%2Cb", "postgres://a:5433,b:5433/site"),
            ("postgres:///site?host=a&host=b", "postgres://b/site"),
            ("postgres:///site?hostaddr=127.0.0.1,::1&port=1,2", "postgres://127.0.0.1:1,[::1]:2/site"),
            ("postgres://a,b/site?hostaddr=127.0.0.1,127.0.0.2", "postgres://a,b/site"),
            ("postgres://%2Frun%2Fpostgresql,b/site", "postgres://%2Frun%2Fpostgresql,b/site"),
            ("postgres:///site?host=/run/postgresql", "postgres://%2Frun%2Fpostgresql/site"),
            ("postgres:///site", "postgres:///site"),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_list_of_hosts_that_libpq_would_not_match_is_refused() {
        use InvalidDatabaseUrl::{AddressesOfHosts, EmptyHost, PortsOfHosts};
        for (text, error) in [
            ("postgres://anna:geheim@a:5432,/site", EmptyHost),
            ("postgres://anna:geheim@a,,b/site", EmptyHost),
            ("postgres://anna:geheim@,/site", EmptyHost),
            ("postgres:///site?host=a,&password=geheim", EmptyHost),
            ("postgres:///site?hostaddr=::1,", EmptyHost),
            ("postgres://a,b,c/site?port=1,2", PortsOfHosts { hosts: 3, ports: 2 }),
            ("postgres:///site?host=a&port=1,2", PortsOfHosts { hosts: 1, ports: 2 }),
            ("postgres://a:1,b:2/site?host=c", PortsOfHosts { hosts: 1, ports: 2 }),
            ("postgres://a,b/site?hostaddr=::1", AddressesOfHosts { hosts: 2, addresses: 1 }),
            ("postgres://a/site?hostaddr=::1,::2", AddressesOfHosts { hosts: 1, addresses: 2 }),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap_err(), error, "{text}");
        }
        let told = PortsOfHosts { hosts: 3, ports: 2 }.to_string();
        assert_eq!(
            told,
            "names 3 hosts and 2 ports: there must be one port for all of them, or one for each"
        );
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
            assert_eq!(postgres(text).names_several_hosts(), several, "{text}");
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
    fn an_equals_sign_in_a_value_must_be_escaped() {
        for text in ["postgres://db/site?options=-csearch_path=app", "postgres://db/site?a=b&password=x=="] {
            assert_eq!(DatabaseUrl::parse(text).unwrap_err(), InvalidDatabaseUrl::EqualsInValue, "{text}");
        }
        assert!(InvalidDatabaseUrl::EqualsInValue.to_string().contains("%3D"));
        assert!(DatabaseUrl::parse("postgres://db/si=te?options=-csearch_path%3Dapp").is_ok());
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
