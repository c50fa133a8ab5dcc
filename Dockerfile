# The service as a container image, for the classic builder and for BuildKit:
#
#   docker build -t portfolio .
#   docker run --rm -p 127.0.0.1:8000:8000 -e PUBLIC_URL=http://localhost:8000 -v portfolio-data:/data portfolio
#
# Run like that it keeps SQLite and the media in the volume. docker-compose.yml runs it with PostgreSQL.

# The workspace without its sources: manifests and build scripts as they are, and where cargo looks for a crate's
# root an empty one. It is made anew at every change, but what is copied from it below stays the same, and so does
# the layer of the dependencies. (Both builders go by content there.)
FROM rust:1-bookworm AS manifests
WORKDIR /manifests
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates crates
RUN find crates -type f ! -path 'crates/*/Cargo.toml' ! -path 'crates/*/build.rs' \
      ! -path 'crates/*/src/lib.rs' ! -path 'crates/*/src/main.rs' ! -path 'crates/*/benches/*.rs' -delete \
 && find crates -type d -empty -delete \
 && find crates -path '*/src/lib.rs' -exec truncate -s 0 {} + \
 && for root in crates/*/src/main.rs crates/*/benches/*.rs; do echo 'fn main() {}' > "$root"; done

FROM rust:1-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpq-dev nasm pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# A smaller binary, for a build that takes longer: an image is built once and pulled often.
ENV CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1
# The dependencies, in a layer of their own: built again only when a manifest, a build script or the lock file changes.
# Without default features the system's libpq is linked, which speaks TLS; SQLite is inside the binary,
# and so are the migrations.
COPY --from=manifests /manifests ./
RUN cargo build --release --locked -p portfolio-api --no-default-features --bin portfolio

# The real sources may well be older than the empty ones just built, and cargo goes by the time: hence `touch`.
# The names of functions, 4.6 MB, would only show in backtraces; a panic is logged with its file and line without them.
COPY migrations migrations
COPY crates crates
RUN find crates -name '*.rs' -exec touch {} + \
 && cargo build --release --locked -p portfolio-api --no-default-features --bin portfolio \
 && strip target/release/portfolio

# For TLS to the database (sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt) and to the media store.
# Only the list is taken: the package brings the program openssl along, 2 MB that the service does not run.
FROM debian:bookworm-slim AS certificates
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpq5 \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/cache/ldconfig/* /var/lib/dpkg/*-old \
      /var/log/apt /var/log/dpkg.log \
 && groupadd --gid 65532 portfolio \
 && useradd --uid 65532 --gid 65532 --no-log-init --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin portfolio \
 && install -d -o 65532 -g 65532 -m 0750 /data /data/media
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/target/release/portfolio /usr/local/bin/portfolio

# Nothing here is secret, and no secret has a default. From / the service's own defaults lead into the volume:
# data/portfolio.db and data/media. PUBLIC_URL has no default: a wrong one would be in every link.
WORKDIR /
ENV BIND=0.0.0.0:8000
# As a number, so that Kubernetes' runAsNonRoot can tell. Only /data is written to: the root file system may be
# read-only, and no capability is needed.
USER 65532:65532
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["portfolio", "healthcheck"]
ENTRYPOINT ["portfolio"]
CMD ["serve"]
