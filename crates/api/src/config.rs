//! The configuration: what the environment and the flags say, judged once, before anything starts. A
//! wrong value is told in one line that names the variable, and never repeats what may be a secret.

use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use portfolio_adapters::database_url::DatabaseUrl;
use portfolio_adapters::migrations::MigrateError;

use crate::client_address::TrustedProxies;
use crate::cors::AllowedOrigins;
use crate::throttle::Throttle;
mod media_store;

pub use media_store::MediaStoreUrl;

/// The flags of `serve`, each also an environment variable.
///
/// They are taken as text and judged by [`ServeConfig::judge`]: clap would name the flag, where it was
/// the variable that was wrong.
#[derive(Debug, Args)]
pub struct ServeFlags {
    #[command(flatten)]
    address: AddressFlags,
    /// Connections to the database: 1 to 100; unless given 8, for SQLite as many readers as cores, 2 to 8
    #[arg(long, env = "DATABASE_POOL_SIZE", value_name = "N")]
    database_pool_size: Option<String>,
    #[command(flatten)]
    media: MediaFlags,
    /// How long an idle connection is kept, as 15s; behind a proxy, more than the proxy's own idle time
    #[arg(long, env = "KEEP_ALIVE", value_name = "TIME", default_value = "15s")]
    keep_alive: String,
    /// The origins whose pages may call the service from a browser, as `https://www.example.com`, separated
    /// by commas
    #[arg(
        long,
        env = "CORS_ALLOWED_ORIGINS",
        value_name = "ORIGINS",
        default_value = "",
        hide_default_value = true
    )]
    cors_allowed_origins: String,
    /// Where /metrics is served, and nothing else; then the service itself does not serve it
    #[arg(long, env = "METRICS_BIND", value_name = "ADDRESS")]
    metrics_bind: Option<String>,
    /// The proxies whose X-Forwarded-For is believed: addresses and networks, as 10.0.0.0/8, separated by
    /// commas
    #[arg(
        long,
        env = "TRUSTED_PROXIES",
        value_name = "NETWORKS",
        default_value = "",
        hide_default_value = true
    )]
    trusted_proxies: String,
    /// How many failed authentications of one address a minute are answered as such; those beyond get a 429
    #[arg(long, env = "AUTH_FAILURES_PER_MINUTE", value_name = "N", default_value = DEFAULT_FAILURES)]
    auth_failures_per_minute: String,
    /// Don't apply pending migrations: stay unready while some are pending
    #[arg(long)]
    no_migrate: bool,
}

/// Where the service listens, and how others reach it.
#[derive(Debug, Args)]
pub struct AddressFlags {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, env = "BIND", value_name = "ADDRESS", default_value = DEFAULT_BIND)]
    bind: String,
    /// What every link in an answer starts with: http:// and the address, unless given; must be given
    /// when listening on every address
    #[arg(long, env = "PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
}

/// Where the files of images lie.
#[derive(Debug, Args)]
pub struct MediaFlags {
    /// Where the files of images lie, as `file:PATH` or `s3://BUCKET/PREFIX`; whose bucket and on which
    /// server, the usual AWS variables say
    #[arg(long, env = "MEDIA_STORE", value_name = "URL", default_value = "file:data/media")]
    media_store: String,
}

impl MediaFlags {
    /// Judges what was given.
    ///
    /// # Errors
    ///
    /// The first value that is wrong, by its variable.
    pub fn judge(&self) -> anyhow::Result<MediaStoreUrl> {
        MediaStoreUrl::judge(&self.media_store)
    }
}

const DEFAULT_BIND: &str = "127.0.0.1:8000";
const DEFAULT_FAILURES: &str = "60";

/// The configuration of `serve`.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The address to listen on.
    pub bind: String,
    public_url: Option<String>,
    /// The database.
    pub database: DatabaseUrl,
    /// How many connections it gets; `None` for as many as suit it.
    pub pool_size: Option<u32>,
    /// Where files lie.
    pub media_store: MediaStoreUrl,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// The origins whose pages may call the service.
    pub allowed_origins: AllowedOrigins,
    /// Where the metrics are served, if not beside the service.
    pub metrics_bind: Option<String>,
    /// The proxies whose word for a client's address is taken.
    pub trusted_proxies: TrustedProxies,
    /// How many failed authentications of one address a minute are answered as such.
    pub auth_failures_per_minute: u32,
    /// Whether pending migrations are applied.
    pub migrate: bool,
}

impl ServeConfig {
    /// Judges what was given.
    ///
    /// # Errors
    ///
    /// The first value that is wrong, by its variable.
    pub fn judge(flags: ServeFlags) -> anyhow::Result<Self> {
        let ServeFlags {
            address,
            database_pool_size,
            media,
            keep_alive,
            cors_allowed_origins,
            metrics_bind,
            trusted_proxies,
            auth_failures_per_minute,
            no_migrate,
        } = flags;
        let failures = given(Some(auth_failures_per_minute));
        Ok(Self {
            bind: address.bind(),
            public_url: address.public_url()?,
            database: database()?,
            pool_size: given(database_pool_size).map(|text| pool_size(&text)).transpose()?,
            media_store: media.judge()?,
            keep_alive: keep_alive_of(&keep_alive)?,
            allowed_origins: AllowedOrigins::parse(&cors_allowed_origins).ok_or_else(|| {
                anyhow!(
                    "CORS_ALLOWED_ORIGINS: must be origins like https://www.example.com, separated by commas"
                )
            })?,
            metrics_bind: given(metrics_bind),
            trusted_proxies: TrustedProxies::parse(&trusted_proxies).ok_or_else(|| {
                anyhow!(
                    "TRUSTED_PROXIES: must be addresses and networks like 10.0.0.0/8, separated by commas"
                )
            })?,
            auth_failures_per_minute: Throttle::allowance(failures.as_deref().unwrap_or(DEFAULT_FAILURES))
                .ok_or_else(|| anyhow!("AUTH_FAILURES_PER_MINUTE: must be a number from 1 to 1000000"))?,
            migrate: !no_migrate,
        })
    }

    /// `PUBLIC_URL`, if it was given.
    #[must_use]
    pub fn given_public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// What every link starts with, when the service listens on `address`.
    ///
    /// # Errors
    ///
    /// When it was not given, and `address` is every address: that is none a client could use.
    pub fn public_url(&self, address: SocketAddr) -> anyhow::Result<String> {
        match &self.public_url {
            Some(url) => Ok(url.clone()),
            None if address.ip().to_canonical().is_unspecified() => {
                bail!(
                    "PUBLIC_URL: must be set when BIND is {address}, such as to http://localhost:{}",
                    address.port()
                )
            }
            None => Ok(format!("http://{address}")),
        }
    }
}

/// The files that hold secrets, each with the variable that names it.
#[must_use]
pub fn secret_files() -> Vec<(&'static str, String)> {
    let names = [
        "DATABASE_URL_FILE",
        "AWS_ACCESS_KEY_ID_FILE",
        "AWS_SECRET_ACCESS_KEY_FILE",
        "AWS_SESSION_TOKEN_FILE",
    ];
    names.into_iter().filter_map(|name| Some((name, variable(name).ok()??))).collect()
}

impl AddressFlags {
    /// The address to listen on.
    #[must_use]
    pub fn bind(&self) -> String {
        given(Some(self.bind.clone())).unwrap_or_else(|| DEFAULT_BIND.to_owned())
    }

    /// `PUBLIC_URL`, if it was given, without a slash at its end.
    ///
    /// # Errors
    ///
    /// When it is no address of a web site.
    pub fn public_url(&self) -> anyhow::Result<Option<String>> {
        given(self.public_url.clone()).map(|text| parse_public_url(&text)).transpose()
    }

    /// What a client on this machine may use.
    ///
    /// # Errors
    ///
    /// When `PUBLIC_URL` is wrong.
    pub fn local_url(&self) -> anyhow::Result<String> {
        let bind = self.bind();
        let reachable = bind.replacen("0.0.0.0:", "127.0.0.1:", 1).replacen("[::]:", "[::1]:", 1);
        Ok(self.public_url()?.unwrap_or_else(|| format!("http://{reachable}")))
    }
}

/// The database: `DATABASE_URL`, or what the file `DATABASE_URL_FILE` holds, or the embedded default.
///
/// # Errors
///
/// When it is none that is known.
pub fn database() -> anyhow::Result<DatabaseUrl> {
    let url = secret("DATABASE_URL")?.unwrap_or_else(|| "sqlite://data/portfolio.db".to_owned());
    DatabaseUrl::parse(&url).context("DATABASE_URL")
}

/// What is wrong with the database, in one line that names the variable where that is what must change.
#[must_use]
pub fn database_error(error: MigrateError) -> anyhow::Error {
    match error {
        error @ MigrateError::Refused(_) => anyhow::Error::new(error).context("DATABASE_URL"),
        error @ (MigrateError::Unreachable(_) | MigrateError::Unreadable(_) | MigrateError::Failed(_)) => {
            error.into()
        }
    }
}

/// A variable that may hold a secret, and so can be read from a file.
fn secret(name: &str) -> anyhow::Result<Option<String>> {
    let file_name = format!("{name}_FILE");
    match (variable(name)?, variable(&file_name)?) {
        (Some(_), Some(_)) => bail!("{name}: set it or {file_name}, not both"),
        (None, Some(path)) => {
            let held =
                std::fs::read_to_string(&path).with_context(|| format!("{file_name}: can't read {path}"))?;
            Ok(Some(held.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (direct, None) => Ok(direct),
    }
}

fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match env::var(name) {
        Ok(text) => Ok(given(Some(text))),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(anyhow!("{name}: is not UTF-8")),
    }
}

/// An empty value counts as none: that is how compose files pass what is not set.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn parse_public_url(text: &str) -> anyhow::Result<String> {
    let wrong = || anyhow!("PUBLIC_URL: must be an address like https://www.example.com, without ? and #");
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let good = (text.starts_with("http://") || text.starts_with("https://"))
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && !text.contains(char::is_whitespace);
    // As a URI is written: what of it is not ASCII is encoded.
    if good { Ok(url.as_str().trim_end_matches('/').to_owned()) } else { Err(wrong()) }
}

fn pool_size(text: &str) -> anyhow::Result<u32> {
    let size = text.parse().ok().filter(|size| (1..=100).contains(size));
    size.ok_or_else(|| anyhow!("DATABASE_POOL_SIZE: must be a number from 1 to 100"))
}

fn keep_alive_of(text: &str) -> anyhow::Result<Duration> {
    let text = if text.is_empty() { "15s" } else { text };
    let seconds = text.parse().map(Duration::from_secs).ok();
    let time = seconds.or_else(|| humantime::parse_duration(text).ok());
    time.filter(|time| (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(time))
        .ok_or_else(|| anyhow!("KEEP_ALIVE: must be a time from 1s to 1h, as 15s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_kept_but_for_its_last_slash() {
        for (given, kept) in [
            ("http://localhost:8000", "http://localhost:8000"),
            ("https://www.example.com/", "https://www.example.com"),
            ("https://example.com/site/", "https://example.com/site"),
            ("https://bücher.example/si\"te", "https://xn--bcher-kva.example/si%22te"),
        ] {
            assert_eq!(parse_public_url(given).unwrap(), kept);
        }
        for wrong in [
            "localhost:8000",
            "ftp://a",
            "http://a?b",
            "http://a#b",
            "http://",
            "http://u:p@a",
            "/x",
            "http:localhost:1",
            "http:/x",
        ] {
            assert!(parse_public_url(wrong).unwrap_err().to_string().starts_with("PUBLIC_URL: "), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_seconds_or_has_its_unit() {
        assert_eq!(keep_alive_of("20").unwrap(), Duration::from_secs(20));
        assert_eq!(keep_alive_of("1m 5s").unwrap(), Duration::from_secs(65));
        for wrong in ["0", "2h", "soon", "-1"] {
            assert!(keep_alive_of(wrong).unwrap_err().to_string().starts_with("KEEP_ALIVE: "), "{wrong}");
        }
    }

    #[test]
    fn a_pool_has_one_to_a_hundred_connections() {
        assert_eq!(pool_size("8").unwrap(), 8);
        for wrong in ["0", "101", "-1", "many"] {
            assert!(pool_size(wrong).unwrap_err().to_string().starts_with("DATABASE_POOL_SIZE: "), "{wrong}");
        }
    }
}
