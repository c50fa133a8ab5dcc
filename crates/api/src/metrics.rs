//! What `/metrics` tells, in Prometheus's text format. What happens is counted here when it happens; how
//! full pools and queues are is asked when someone looks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use portfolio_adapters::blocking::PoolStatus;
use portfolio_adapters::thumbnails::QueueStatus;
use portfolio_domain::local_file::LocalFile;
use portfolio_domain::ports::{RenderError, Rendering, Thumbnailer};
use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::logging;

/// From half a millisecond to ten seconds; a request that waits for a database has its 503 within three.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is asked when someone looks.
#[derive(Clone)]
pub struct Gauges {
    /// How the database's pools are.
    pub pools: Arc<dyn Fn() -> Vec<PoolStatus> + Send + Sync>,
    /// How the queue of images is.
    pub images: Arc<dyn Fn() -> QueueStatus + Send + Sync>,
}

/// Everything that is measured.
pub struct Metrics {
    registry: Registry,
    gauges: Gauges,
    requests: IntCounterVec,
    durations: HistogramVec,
    failed_authentications: IntCounterVec,
    throttled: IntCounter,
    uploads: IntCounter,
    thumbnails: IntCounter,
    renderings: Histogram,
    connections: IntGaugeVec,
    max_connections: IntGaugeVec,
    queued: IntGaugeVec,
    waiting: IntGaugeVec,
    images: IntGaugeVec,
    dropped_lines: IntCounter,
    /// Held by whoever looks: the gauges are set, then read.
    looking: Mutex<()>,
}

impl Metrics {
    /// The media type of [`text`](Self::text).
    pub const MEDIA_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Nothing counted yet.
    ///
    /// # Errors
    ///
    /// None that is known: no two metrics have one name.
    pub fn new(gauges: Gauges) -> prometheus::Result<Self> {
        let all = Registry::new();
        let of_request = ["method", "route", "status"];
        let build = gauge(&all, "build_info", "The release that runs: always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        #[cfg(target_os = "linux")]
        all.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self {
            gauges,
            requests: counters(&all, "http_requests_total", "Requests that were answered.", &of_request)?,
            durations: registered(
                &all,
                HistogramVec::new(
                    histogram(
                        "http_request_duration_seconds",
                        "How long requests took until their answer began.",
                    ),
                    &of_request,
                )?,
            )?,
            failed_authentications: counters(
                &all,
                "authentication_failures_total",
                "Credentials that were none, by what was wrong with them.",
                &["reason"],
            )?,
            throttled: counter(
                &all,
                "throttled_total",
                "Failed authentications that were answered with 429.",
            )?,
            uploads: counter(&all, "uploads_total", "Images that were added.")?,
            thumbnails: counter(&all, "thumbnails_made_total", "Thumbnails that were made.")?,
            renderings: registered(
                &all,
                Histogram::with_opts(histogram(
                    "image_rendering_duration_seconds",
                    "How long an image took to become thumbnails, or to be refused, its time in the queue included.",
                ))?,
            )?,
            connections: gauge(
                &all,
                "database_connections",
                "Connections to the database, by what they do.",
                &["pool", "state"],
            )?,
            max_connections: gauge(
                &all,
                "database_connections_max",
                "Connections to the database that there may be.",
                &["pool"],
            )?,
            queued: gauge(
                &all,
                "database_queue_length",
                "Jobs in the queue of the threads that talk to the database.",
                &["pool"],
            )?,
            waiting: gauge(
                &all,
                "database_waiting",
                "Jobs that wait for a place in that queue, and get a 503 when it takes too long.",
                &["pool"],
            )?,
            images: gauge(&all, "images", "Uploaded images that are being worked on, or wait.", &["state"])?,
            dropped_lines: counter(
                &all,
                "log_lines_dropped_total",
                "Lines of the log that were lost, because nobody read them in time.",
            )?,
            registry: all,
            looking: Mutex::default(),
        })
    }

    /// Everything as text.
    ///
    /// # Errors
    ///
    /// None that is known: memory takes every text.
    pub fn text(&self) -> prometheus::Result<Vec<u8>> {
        let _alone = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        for PoolStatus { name, size, in_use, idle, queued, waiting } in (self.gauges.pools)() {
            for (state, number) in [("in_use", in_use), ("idle", idle)] {
                self.connections.with_label_values(&[name, state]).set(number.into());
            }
            self.max_connections.with_label_values(&[name]).set(size.into());
            self.queued.with_label_values(&[name]).set(whole(queued));
            self.waiting.with_label_values(&[name]).set(whole(waiting));
        }
        let QueueStatus { rendering, waiting } = (self.gauges.images)();
        self.images.with_label_values(&["rendering"]).set(whole(rendering));
        self.images.with_label_values(&["waiting"]).set(whole(waiting));
        self.dropped_lines.inc_by(logging::dropped_lines().saturating_sub(self.dropped_lines.get()));
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    pub(crate) fn count_request(&self, method: &str, route: &str, status: u16, elapsed: Duration) {
        let status = status.to_string();
        let labels = [method, route, status.as_str()];
        self.requests.with_label_values(&labels).inc();
        self.durations.with_label_values(&labels).observe(elapsed.as_secs_f64());
    }

    pub(crate) fn count_failed_authentication(&self, reason: &str) {
        self.failed_authentications.with_label_values(&[reason]).inc();
    }

    pub(crate) fn count_throttled(&self) {
        self.throttled.inc();
    }

    pub(crate) fn count_upload(&self) {
        self.uploads.inc();
    }
}

/// A thumbnailer that is measured.
pub struct MeasuredThumbnailer {
    inner: Arc<dyn Thumbnailer>,
    metrics: Arc<Metrics>,
}

impl MeasuredThumbnailer {
    /// Measures `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Thumbnailer>, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }
}

#[async_trait]
impl Thumbnailer for MeasuredThumbnailer {
    async fn render(&self, original: &LocalFile) -> Result<Rendering, RenderError> {
        let began = Instant::now();
        let rendered = self.inner.render(original).await;
        self.metrics.renderings.observe(began.elapsed().as_secs_f64());
        if let Ok(Rendering { thumbnails, .. }) = &rendered {
            self.metrics.thumbnails.inc_by(thumbnails.len() as u64);
        }
        rendered
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn named(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("portfolio")
}

fn histogram(name: &str, help: &str) -> HistogramOpts {
    HistogramOpts::from(named(name, help)).buckets(SECONDS.to_vec())
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    registered(registry, IntCounter::with_opts(named(name, help))?)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    registered(registry, IntCounterVec::new(named(name, help), labels)?)
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    registered(registry, IntGaugeVec::new(named(name, help), labels)?)
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
