# Each target is one line that calls the real tool.
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help run test chaos python-client schemathesis hostile-uploads docs-in-chromium bench bench-growth bench-micro bench-thumbnails list-growth fmt lint doc deny container-test

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

run: ## build, make the example data, print a key and curl lines, and serve
	@cargo build --release --locked --bin portfolio && $(TARGET)/release/portfolio demo && exec $(TARGET)/release/portfolio serve

test: ## run every test, on SQLite and on a PostgreSQL that it brings along
	@scripts/throwaway-postgres run -- cargo test --workspace --locked

chaos: ## break what the service stands on, and see whether it keeps its promises; QUICK=1 with small numbers
	$(if $(and $(ONLY),$(WRITE)),$(error WRITE puts the whole table into a document: not with ONLY))@cargo build --release --locked --bin portfolio && cargo build --release --locked -p portfolio-chaos && scripts/throwaway-postgres run -- $(TARGET)/release/portfolio-chaos --portfolio $(TARGET)/release/portfolio --log $(TARGET)/chaos.log $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(WRITE),--write $(WRITE))

python-client: ## try the service with a client written in Python, on SQLite and on PostgreSQL
	@cargo build --locked --bin portfolio && env -u DATABASE_URL scripts/python-client $(TARGET)/debug/portfolio && scripts/throwaway-postgres run -- sh -c 'DATABASE_URL=$$TEST_POSTGRES_URL exec scripts/python-client $(TARGET)/debug/portfolio'

bench: ## measure PATCH, GET, list and POST on both databases against pgbench with the same statements (QUICK=1, ONLY=patch,get, WRITE=1)
	@cargo build --release --locked --bin portfolio && scripts/bench $(TARGET)/release/portfolio

bench-growth: ## measure how the cost of GET and PATCH grows with connections, instances, employers and thumbnails; WRITE=docs/growth.md
	@cargo build --release --locked --bin portfolio && scripts/bench-growth $(TARGET)/release/portfolio

bench-micro: ## measure validation, reading and writing JSON, and thumbnails, each alone (criterion)
	@cargo bench --workspace --locked --bench validation --bench json --bench thumbnails

bench-thumbnails: ## measure thumbnails on one thread against libvips
	@cargo build --release --locked -p portfolio-adapters --example thumbnails_on_one_thread && scripts/bench-thumbnails $(TARGET)/release/examples/thumbnails_on_one_thread

schemathesis: ## hold the running service to its OpenAPI document, on both databases
	@cargo build --locked --bin portfolio && scripts/schemathesis $(TARGET)/debug/portfolio

hostile-uploads: ## upload bombs and the largest legal images, eight at once, and watch answers, memory and files left
	@cargo build --release --locked --bin portfolio && scripts/hostile-uploads $(TARGET)/release/portfolio

docs-in-chromium: ## try the page at /api/docs in a headless Chromium, and take a screenshot
	@cargo build --locked --bin portfolio && scripts/docs-in-chromium $(TARGET)/debug/portfolio

list-growth: ## measure how pages of the list grow from 10,000 rows to 1,000,000 on both databases; WRITE=docs/list-at-scale.md
	@cargo build --release --locked --bin portfolio && cargo build --release --locked -p portfolio-adapters --example list_at_scale && scripts/list-growth $(TARGET)/release/portfolio $(TARGET)/release/examples/list_at_scale

fmt: ## format the code
	@cargo fmt --all

lint: ## check formatting and lints
	@cargo fmt --all --check && cargo clippy --workspace --all-targets --locked -- -D warnings

doc: ## make the documentation, warnings denied
	@RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

deny: ## hold the crates that are used to deny.toml: licences, bans, sources, advisories (ADVISORY_DB=FOLDER)
	@scripts/deny

container-test: ## build the image and try the compose file, alone and three instances behind nginx (QUICK=1: shorter loads)
	@scripts/container-test
