//! Which settings break what README promises: asked by `portfolio doctor`, and by `serve` once it is ready.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use portfolio_adapters::migrations::MigrateError;
use portfolio_domain::finding::{Finding, Severity};
use url::{Host, Url};

use crate::composition;
use crate::config::{self, MediaStoreUrl, ServeConfig};
use crate::{server, stop};

/// Looks at the database, of which `instances` of the service are to serve. It blocks, for seconds at most.
#[must_use]
pub fn database(config: &ServeConfig, instances: u32) -> Vec<Finding> {
    const NAME: &str = "database";
    match composition::examine(&config.database, config.pool_size, instances) {
        Ok(mut findings) => {
            findings.push(migrations(config));
            findings
        }
        Err(error) => {
            let advice =
                "the service is of no use without it; see DATABASE_URL, and the rights of the service's user";
            vec![Finding::breaks(NAME, error.to_string(), advice)]
        }
    }
}

fn migrations(config: &ServeConfig) -> Finding {
    const NAME: &str = "migrations";
    match composition::pending_migrations(&config.database) {
        Ok(pending) if pending.is_empty() => Finding::ok(NAME, "nothing is pending"),
        Ok(pending) => Finding::warning(
            NAME,
            format!("pending: {}", pending.join(", ")),
            "`portfolio serve` applies them, as does `portfolio migrate`",
        ),
        // `serve` waits for that.
        Err(error @ MigrateError::Unreachable(_)) => {
            Finding::warning(NAME, error.to_string(), "it could not be told")
        }
        Err(error) => Finding::breaks(
            NAME,
            error.to_string(),
            "`portfolio serve` ends with 1; on PostgreSQL, its role needs SELECT, INSERT, UPDATE and DELETE on all tables",
        ),
    }
}

/// Looks at where the files of images lie, and where uploads are kept until they are stored, without writing there.
#[must_use]
pub fn media(config: &ServeConfig) -> Vec<Finding> {
    let mut findings: Vec<_> = match &config.media_store {
        MediaStoreUrl::Folder(folder) => composition::examine_folder(folder),
        MediaStoreUrl::S3(settings) => settings.endpoint.as_ref().map(bucket).into_iter().collect(),
    };
    findings.push(composition::examine_temporary_folder());
    findings
}

fn bucket(endpoint: &Url) -> Finding {
    const NAME: &str = "TLS to the media store";
    if endpoint.scheme() == "https" || is_local(endpoint) {
        Finding::ok(NAME, endpoint.as_str())
    } else {
        let advice = "whoever is on the way can read and change files; an endpoint with https://";
        Finding::warning(NAME, endpoint.as_str(), advice)
    }
}

/// Tries whether the media store works, which the service needs to be ready.
pub async fn media_works(config: &ServeConfig) -> Finding {
    const NAME: &str = "media store";
    let broken = |error: &str| {
        Finding::breaks(NAME, error, "the service is not ready without it; see MEDIA_STORE and its rights")
    };
    if let MediaStoreUrl::Folder(folder) = &config.media_store {
        match folder.try_exists() {
            Ok(true) => {}
            Ok(false) => {
                return match composition::may_make(folder) {
                    Ok(()) => {
                        let found = format!("{} is not there yet", folder.display());
                        Finding::warning(NAME, found, "`portfolio serve` makes it")
                    }
                    Err(error) => broken(&format!("{} can't be made: {error}", folder.display())),
                };
            }
            Err(error) => return broken(&format!("{}: {error}", folder.display())),
        }
    }
    match composition::open_media_store(&config.media_store) {
        Err(error) => broken(&format!("{error:#}")),
        Ok(media) => match media.check().await {
            Ok(()) => Finding::ok(NAME, format!("{} works", config.media_store)),
            Err(error) => broken(&error.to_string()),
        },
    }
}

/// Looks at what the environment and the flags say.
#[must_use]
pub fn settings(config: &ServeConfig) -> Vec<Finding> {
    let mut findings =
        vec![trusted_proxies(config), metrics(config), keep_alive(config), open_files(), public_url(config)];
    findings.extend(config::secret_files().into_iter().map(|(name, path)| secret(name, &path)));
    findings
}

fn trusted_proxies(config: &ServeConfig) -> Finding {
    const NAME: &str = "TRUSTED_PROXIES";
    if config.trusted_proxies.are_everybody() {
        Finding::breaks(
            NAME,
            "everybody is trusted",
            "whoever guesses keys is never throttled, for it writes another address each time; name the proxies alone",
        )
    } else {
        Finding::ok(NAME, "not everybody")
    }
}

/// They need no key.
fn metrics(config: &ServeConfig) -> Finding {
    let (name, address) = match &config.metrics_bind {
        Some(address) => ("METRICS_BIND", address),
        None => ("BIND", &config.bind),
    };
    let public = match address.parse::<SocketAddr>() {
        Ok(address) => is_public(address.ip()),
        // A name is looked up when it is listened on.
        Err(_) => false,
    };
    if public {
        let advice = "/metrics needs no key and may be reached from outside; METRICS_BIND with an address that may not, \
                      or a firewall";
        Finding::warning("metrics", format!("served on {name}={address}"), advice)
    } else {
        Finding::ok("metrics", format!("served on {name}={address}"))
    }
}

/// Whether it is, or may be, an address of the world.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !(address.is_loopback() || address.is_private() || address.is_link_local()),
        IpAddr::V6(address) => {
            !(address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local())
        }
    }
}

fn keep_alive(config: &ServeConfig) -> Finding {
    const NAME: &str = "KEEP_ALIVE";
    let found = humantime::format_duration(config.keep_alive).to_string();
    if stop::waits_for_idle(config.keep_alive) {
        Finding::ok(NAME, found)
    } else {
        let advice = "a service that stops waits for 15 s, so that requests on connections that are idle for longer may be \
                      lost; 15s, and a proxy's idle time below that";
        Finding::warning(NAME, found, advice)
    }
}

fn open_files() -> Finding {
    const NAME: &str = "open files";
    let (taken, most) = server::connections_at_a_time();
    let found = format!("enough for {taken} connections at a time");
    if taken >= most {
        Finding::ok(NAME, found)
    } else {
        let advice = format!("further ones wait; {most} need a higher limit (`ulimit -Hn`)");
        Finding::warning(NAME, found, advice)
    }
}

/// Keys go where it leads.
fn public_url(config: &ServeConfig) -> Finding {
    const NAME: &str = "PUBLIC_URL";
    // A name is looked up when it is listened on.
    if let Ok(address) = config.bind.parse::<SocketAddr>()
        && let Err(error) = config.public_url(address)
    {
        return Finding::breaks(NAME, error.to_string(), "`portfolio serve` ends with 1, and serves nothing");
    }
    let given = config.given_public_url();
    let Some(url) = given.and_then(|text| Url::parse(text).ok()) else { return Finding::ok(NAME, "not set") };
    if url.scheme() == "https" || is_local(&url) {
        Finding::ok(NAME, url.as_str())
    } else {
        let advice = "whoever is on the way can read keys; let a proxy in front speak TLS";
        Finding::warning(NAME, url.as_str(), advice)
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

fn secret(name: &'static str, path: &str) -> Finding {
    const OTHERS: u32 = 0o007;
    /// Where containers have what is mounted for them alone: whoever runs them keeps others out.
    const MOUNTED: [&str; 2] = ["/run/secrets", "/var/run/secrets"];
    let file = Path::new(path);
    if MOUNTED.iter().any(|folder| file.starts_with(folder)) {
        return Finding::ok(name, format!("{path} is mounted for the container"));
    }
    let mode = composition::rights_of(file);
    match mode.and_then(|mode| Ok((mode, mode & OTHERS != 0 && composition::others_may_reach(file)?))) {
        Ok((mode, false)) if mode & OTHERS == 0 => {
            Finding::ok(name, format!("{path} has the mode {mode:04o}"))
        }
        Ok((_, false)) => Finding::ok(name, format!("{path} is in a folder that others can't enter")),
        Ok((mode, true)) => Finding::warning(
            name,
            format!("{path} has the mode {mode:04o}"),
            "every user of the machine can read the secret; `chmod o=`",
        ),
        Err(error) => Finding::warning(name, format!("{path}: {error}"), "it could not be told"),
    }
}

/// Tells the log of the settings that break a promise, from a thread that nobody waits for: that it fails, or that the
/// database does not answer, stops and delays nothing.
pub fn tell_broken_promises(config: ServeConfig) {
    let tell = move || {
        let findings = [settings(&config), media(&config), database(&config, 1)].concat();
        for Finding { subject, found, advice, .. } in
            findings.iter().filter(|finding| finding.severity == Severity::BreaksPromise)
        {
            tracing::warn!(subject, found, advice, "a setting breaks a promise of the service");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("doctor".to_owned()).spawn(tell) {
        tracing::warn!(%error, "nobody looks at the settings");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_may_be_reached_from_outside_is_public() {
        for public in ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inside in ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
    }

    #[test]
    fn what_is_mounted_for_a_container_is_judged_by_nobody() {
        let severity = |path| secret("DATABASE_URL_FILE", path).severity;
        assert_eq!(severity("/run/secrets/database-url"), Severity::Ok);
        assert_eq!(severity("/run/secretsof/nobody"), Severity::Warning, "it is not there");
    }

    #[test]
    fn without_tls_only_this_machine_is_local() {
        for (url, local) in [
            ("http://localhost:8000", true),
            ("http://127.0.0.1/", true),
            ("http://[::1]:1", true),
            ("http://s3:5000", false),
            ("http://192.0.2.1", false),
        ] {
            assert_eq!(is_local(&Url::parse(url).unwrap()), local, "{url}");
        }
    }
}
