//! The running service: how it starts, listens and ends.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, HttpServer, web};
use anyhow::{Context as _, anyhow};
use portfolio_adapters::migrations::MigrateError;
use portfolio_domain::access::Authorizer;
use portfolio_domain::use_cases::{
    CreateEmployer, DeleteEmployer, DeleteImage, GetEmployer, GetImage, ListEmployers, ListImages,
    PatchEmployer, RenameImage, UploadImage,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::composition::{self, Storage};
use crate::config::{self, ServeConfig};
use crate::connections::Connections;
use crate::metrics::{MeasuredThumbnailer, Metrics};
use crate::openapi::Documents;
use crate::readiness::{Readiness, Waiting};
use crate::representation::Representation;
use crate::service::Service;
use crate::throttle::Throttle;
use crate::writes::Writes;
use crate::{answer, connections, cors, doctor, routes, stop};

/// Listens at once, applies pending migrations as soon as the database answers, and serves until
/// SIGTERM or SIGINT.
///
/// # Errors
///
/// What waiting can't cure, in one line: an address that is taken, a wrong password, a failed migration.
pub async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    let listener = listen(&config.bind).with_context(|| format!("BIND: can't listen on {}", config.bind))?;
    let address = listener.local_addr().context("BIND: the address it listens on")?;
    let public_url = config.public_url(address)?;
    let storage = Storage::open(&config.database, config.pool_size);
    let media = composition::open_media_store(&config.media_store)?;
    let readiness = Arc::new(Readiness::new(vec![storage.probe.clone(), media.clone()]));
    let thumbnailer = composition::thumbnailer();
    let metrics = Arc::new(Metrics::new(composition::gauges(&storage, &thumbnailer))?);
    let apart = config.metrics_bind.as_deref().map(|bind| serve_metrics(bind, &metrics)).transpose()?;
    let endpoints = if apart.is_some() { routes::endpoints_without_metrics } else { routes::endpoints };
    let writes = Writes::ending_on(tokio::runtime::Handle::current());
    let service = web::Data::new(Service {
        authorizer: Authorizer::new(storage.access.clone(), composition::clock()),
        list_employers: ListEmployers::new(storage.employers.clone()),
        get_employer: GetEmployer::new(storage.employers.clone()),
        create_employer: CreateEmployer::new(storage.employers.clone(), composition::clock()),
        delete_employer: DeleteEmployer::new(storage.employers.clone()),
        patch_employer: PatchEmployer::new(storage.employers.clone(), composition::clock()),
        list_images: ListImages::new(storage.images.clone()),
        get_image: GetImage::new(storage.images.clone()),
        upload_image: UploadImage::new(
            storage.images.clone(),
            media.clone(),
            Arc::new(MeasuredThumbnailer::new(thumbnailer, metrics.clone())),
            composition::clock(),
            composition::random(),
        ),
        rename_image: RenameImage::new(storage.images.clone()),
        delete_image: DeleteImage::new(storage.images.clone(), media.clone()),
        sessions: storage.sessions.clone(),
        media: media.clone(),
        readiness: readiness.clone(),
        writes: writes.clone(),
        metrics: metrics.clone(),
        throttle: Throttle::new(config.auth_failures_per_minute),
        trusted_proxies: config.trusted_proxies.clone(),
        representation: Representation::new(&public_url),
        documents: Documents::new(&public_url, &endpoints())?,
    });
    let origins = config.allowed_origins.clone();
    let open = Arc::new(Connections::default());
    let opened = open.clone();
    let workers = workers();
    let (told, told_twice) = (stop::told(1)?, stop::told(2)?);
    let running = HttpServer::new(move || {
        let shared = !origins.is_empty();
        App::new()
            .app_data(service.clone())
            .app_data(web::Data::from(metrics.clone()))
            .wrap(from_fn(answer::finish))
            // Around what makes a 500: a page may read that, too.
            .wrap(Condition::new(shared, origins.cors()))
            .wrap(Condition::new(shared, from_fn(cors::preflight)))
            .wrap(from_fn(connections::watch))
            .configure(|config| routes::register(endpoints(), config))
    })
    .workers(workers)
    .max_connections(most_connections(open_files(), workers))
    .keep_alive(config.keep_alive)
    .client_request_timeout(Duration::from_secs(5))
    .client_disconnect_timeout(Duration::from_secs(1))
    .on_connect(move |stream, kept| opened.opened(stream, kept))
    .shutdown_timeout(stop::time_after_drain(config.keep_alive))
    .disable_signals()
    .listen(listener)
    .with_context(|| format!("BIND: can't listen on {}", config.bind))?
    .run();
    tracing::info!(
        %address, public_url, database = %config.database, media_store = %config.media_store, "listening"
    );
    let server = running.handle();
    let stopped = async {
        told.await;
        stop::stop(&server, &readiness, &open, config.keep_alive).await;
        std::future::pending().await
    };
    let ended = async {
        let ended = tokio::select! {
            ended = running => ended.context("the server stopped"),
            failed = start(&config, &readiness) => failed,
            never = stopped => never,
            never = open.close_wasted(config.keep_alive) => match never {},
        };
        // Those that lost their client are still under way.
        writes.all_ended().await;
        if let Some(metrics) = apart {
            metrics.stop(false).await;
        }
        ended
    };
    tokio::select! {
        ended = ended => ended,
        () = told_twice => Err(anyhow!("told to stop twice: what was under way was cut off")),
    }
}

/// Serves the metrics at an address of their own.
fn serve_metrics(bind: &str, metrics: &Arc<Metrics>) -> anyhow::Result<ServerHandle> {
    let refused = || format!("METRICS_BIND: can't listen on {bind}");
    let listener = listen(bind).with_context(refused)?;
    let address = listener.local_addr().with_context(refused)?;
    let serving = routes::serve_metrics_apart(listener, metrics.clone()).with_context(refused)?;
    tracing::info!(%address, "metrics");
    Ok(serving)
}

/// Brings the database up to date, then waits for ever: only a start that can't succeed ends.
async fn start(config: &ServeConfig, readiness: &Readiness) -> anyhow::Result<()> {
    /// How long it waits before it asks an absent database again.
    const PAUSE: Duration = Duration::from_millis(500);
    let mut said = String::new();
    loop {
        let database = config.database.clone();
        let apply = config.migrate;
        let (answer, done) = oneshot::channel();
        // On a thread that nobody waits for at the end: who waits for another's lock must still stop when told.
        std::thread::spawn(move || answer.send(bring_up_to_date(&database, apply)));
        let done = done.await?;
        let (waiting, why) = match done {
            Ok(pending) if pending.is_empty() => break,
            Ok(pending) => (Waiting::ForMigrations, format!("pending migrations: {}", pending.join(", "))),
            Err(MigrateError::Unreachable(why)) => (Waiting::ForDatabase, why),
            Err(error) => return Err(config::database_error(error)),
        };
        if said != why {
            tracing::warn!(why, "{waiting}");
            said = why;
        }
        readiness.set_waiting(Some(waiting));
        sleep(PAUSE).await;
    }
    readiness.set_waiting(None);
    tracing::info!("ready");
    doctor::tell_broken_promises(config.clone());
    std::future::pending().await
}

/// Answers the migrations that are pending, after those that are to be applied were.
fn bring_up_to_date(
    database: &portfolio_adapters::database_url::DatabaseUrl,
    apply: bool,
) -> Result<Vec<String>, MigrateError> {
    let pending = composition::pending_migrations(database)?;
    if pending.is_empty() || !apply {
        return Ok(pending);
    }
    for migration in composition::migrate(database)? {
        tracing::info!(migration, "applied");
    }
    Ok(Vec::new())
}

/// How many files the process may have open, once it has raised that as far as it may; `None` for any number.
fn open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2))
}

/// How many connections are taken at a time, and how many would be if as many files as wanted may be open.
#[must_use]
pub fn connections_at_a_time() -> (usize, usize) {
    let workers = workers();
    (most_connections(open_files(), workers) * workers, most_connections(None, workers) * workers)
}

/// How many connections each worker takes at a time. All of them leave files for the rest: out of files,
/// actix looks again only twice a second, and takes those that clients have long let go of as slowly.
fn most_connections(open_files: Option<u64>, workers: usize) -> usize {
    const MOST: usize = 1024;
    const FOR_THE_REST: u64 = 256;
    let Some(files) = open_files else { return MOST };
    let for_all = usize::try_from(files - FOR_THE_REST.min(files / 2)).unwrap_or(usize::MAX);
    (for_all / workers / connections::DESCRIPTORS).clamp(1, MOST)
}

/// What the kernel keeps of an answer for a client that does not read, in bytes; Linux takes twice as much. Left alone, it
/// takes 4 MB a connection: 250 that read nothing held a gigabyte of the machine (or of the container's limit), and the
/// two seconds that it took to fill that were everybody's. A client 100 ms away still gets a megabyte and more a second.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// Listens on the first address of `bind` that can be listened on. `SO_REUSEADDR` lets a restart take
/// the port of connections that linger; the backlog is wider than the standard library's. Accepted connections
/// inherit the size of the buffer.
fn listen(bind: &str) -> std::io::Result<TcpListener> {
    let try_one = |address: SocketAddr| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        Ok(TcpListener::from(socket))
    };
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in bind.to_socket_addrs()? {
        match try_one(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        assert_eq!(most_connections(Some(64), 2), 8);
        assert_eq!(most_connections(Some(1_024), 2), 192);
        assert_eq!(most_connections(Some(1_048_576), 2), 1_024);
        assert_eq!(most_connections(None, 2), 1_024);
        assert_eq!(most_connections(Some(3), 2), 1);
    }
}
