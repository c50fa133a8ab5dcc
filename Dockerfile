# The service as a container image, for the classic builder and for BuildKit:
#
#   docker build -t portfolio .
#   docker run --rm -p 127.0.0.1:8000:8000 -e PUBLIC_URL=http://localhost:8000 -v portfolio-data:/data portfolio
#
# Run like that it keeps SQLite and the media in the volume. docker-compose.yml runs it with PostgreSQL.

FROM rust:1-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpq-dev nasm pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# The dependencies, in a layer of their own: built again only when a manifest or the lock file changes.
# A new member of the workspace needs its line here.
COPY Cargo.toml Cargo.lock ./
COPY crates/domain/Cargo.toml crates/domain/
COPY crates/adapters/Cargo.toml crates/adapters/
COPY crates/api/Cargo.toml crates/api/
COPY crates/testkit/Cargo.toml crates/testkit/
COPY crates/api/build.rs crates/api/
RUN mkdir crates/domain/src crates/adapters/src crates/api/src crates/testkit/src \
 && touch crates/domain/src/lib.rs crates/adapters/src/lib.rs crates/api/src/lib.rs crates/testkit/src/lib.rs \
 && echo 'fn main() {}' > crates/api/src/main.rs \
 && cargo build --release --locked -p portfolio-api --no-default-features --bin portfolio

# The real sources may well be older than the empty ones just built, and cargo goes by the time: hence `touch`.
# Without default features the system's libpq is linked, which speaks TLS; SQLite is inside the binary,
# and so are the migrations.
COPY migrations migrations
COPY crates crates
RUN find crates -name '*.rs' -exec touch {} + \
 && cargo build --release --locked -p portfolio-api --no-default-features --bin portfolio

FROM debian:bookworm-slim
# The certificates are for TLS to the database (sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt)
# and to the media store.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libpq5 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 65532 portfolio \
 && useradd --uid 65532 --gid 65532 --no-log-init --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin portfolio \
 && install -d -o 65532 -g 65532 -m 0750 /data /data/media
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
