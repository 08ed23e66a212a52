# Three commands on a fresh machine: `make report`, `make notebook` and `make test`. Each sets everything up that it
# needs; `make` lists the rest.
#
# One profile, --release, everywhere: tests and binary share one compile of the dependencies (five to ten minutes on
# 2 cores). Clippy and rustdoc only type-check them, which cargo keeps apart; build scripts and macros are shared.
# CARGO_TARGET_DIR moves the build out of the checkout; FRUITS_RUNTIME moves what set-up installs.

BENCH_ARGS ?=
FEATURES ?=
FUZZ_ARGS ?=
FUZZ_SECONDS ?= 60
JUPYTER_ARGS ?=

# Where tests note what they skipped (tests/skips.py). `.ci/run` has one file for all of its targets.
ifndef FRUITS_SKIPS
export FRUITS_SKIPS := $(abspath $(or $(CARGO_TARGET_DIR),target))/skips.txt
forget_skips = rm -f "$(FRUITS_SKIPS)"
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help prerequisites setup setup-notebook build report notebook notebooks test nightly fuzz test-cluster test-notebooks test-template test-deploy check bench-programs bench bench-quick dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

prerequisites: ## check for cargo, a C compiler, Python 3 with venv
	@sh setup/prerequisites.sh

setup: ## install ONNX Runtime and VGG16 from pinned packages (once)
	@sh setup/prerequisites.sh python
	@python3 setup/runtime.py

build: ## compile the library and `report` (FEATURES=cluster for several machines)
	@sh setup/prerequisites.sh cargo cc
	cargo build --release --locked$(if $(FEATURES), --features $(FEATURES))

report: prerequisites setup build ## render data-sample into reports/sample/index.html
	cargo run --release --locked --quiet --bin report -- --input data-sample --out reports/sample

setup-notebook: prerequisites setup
	@python3 setup/notebook.py

notebook: setup-notebook ## open the notebooks in Jupyter, with the Rust kernel (JUPYTER_ARGS="...")
	@sh setup/jupyter.sh $(JUPYTER_ARGS)

notebooks: setup-notebook ## run the notebooks again and save what they show
	cargo build --release --locked --package s3-server
	@"$$(python3 setup/notebook.py --python)" tests/notebooks/test_notebooks.py --write Notebooks

test: prerequisites setup ## run all tests
	@$(forget_skips)
	# Named one by one, since examples would be linked, too; `make check` looks at them. Tests wait half of their time, for
	# servers and signals: on two cores, four at once take 420 s where two take 524 s.
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$(n=$$(nproc); echo $$((n < 4 ? 4 : n)))} \
		cargo test --release --locked --package fruits --package fruits-maths --package fruits-report --lib --bins --test it
	cargo test --release --locked --package fruits --package fruits-maths --doc
	# Together, each would have what it shares with the other compiled with other features.
	cargo test --release --locked --package s3-server
	cargo test --release --locked --package fruits-bench
	python3 setup/test_notebook.py
	python3 benches/test_results.py
	python3 tests/test_skips.py
	@python3 tests/skips.py

nightly: prerequisites setup ## what takes too long or needs a network: each call that can fail, in each way; the Pillows of README.md; newest faults of crates (ADVISORY_DB=REPOSITORY); fuzzing
	@$(forget_skips)
	FRUITS_POINTS=all cargo test --release --locked --package fruits --package fruits-maths --package fruits-report --lib --bins --test it -- points::
	tests/fixtures/corpus/check.sh
	setup/deny.sh advisories
	@$(MAKE) fuzz
	@python3 tests/skips.py --strict

fuzz: prerequisites ## run each fuzz target for FUZZ_SECONDS (60); needs nightly Rust and cargo-fuzz (FUZZ_ARGS="jpeg ...")
	@python3 fuzz/run.py --seconds $(FUZZ_SECONDS) $(FUZZ_ARGS)

test-cluster: prerequisites setup ## run the tests of several machines (compiles its engine)
	@$(forget_skips)
	cargo test --release --locked --package fruits-report --package fruits-cluster --features fruits-report/cluster --lib --test cluster
	python3 benches/cluster/test_simulate.py
	@python3 tests/skips.py

test-notebooks: setup-notebook ## run the notebooks and break them, with the real kernel
	cargo build --release --locked --package s3-server
	@"$$(python3 setup/notebook.py --python)" tests/notebooks/test_notebooks.py

test-template: ## check the templates of deploy/: schemas, permissions, settings, the life of a cluster
	@tests/deploy/check.sh

test-deploy: dist ## run an instance of deploy/ in a bare Debian (root, debootstrap)
	cargo build --release --locked --package s3-server
	@tests/deploy/boot.sh "$$(ls -t dist/fruits-*-x86_64-linux.tar.gz | head -n 1)" "$${CARGO_TARGET_DIR:-target}/release/s3-server"

check: prerequisites ## formatting, clippy and documentation, warnings denied; licences, origin and known faults of all crates
	cargo fmt --all --check
	cargo clippy --release --all-targets --locked --package fruits --package fruits-maths --package fruits-report -- -D warnings
	cargo clippy --release --all-targets --locked --package fruits-report --package fruits-cluster --features fruits-report/cluster -- -D warnings
	cargo clippy --release --all-targets --locked --package s3-server --package fruits-library --package fruits-bench -- -D warnings
	# The fuzz targets are a workspace of their own, which nothing else compiles but `make nightly`; libFuzzer takes a C++ compiler.
	cargo clippy --release --manifest-path fuzz/Cargo.toml --locked --bins -- -D warnings
	rustfmt --check --edition 2024 notebooks/fruits/build.rs notebooks/fruits/lib.rs fuzz/src/*.rs fuzz/fuzz_targets/*.rs
	RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --locked --package fruits --package fruits-maths --package fruits-report --package fruits-cluster --features fruits-report/cluster
	setup/deny.sh licenses bans sources
	setup/deny.sh snapshot

bench-programs: prerequisites setup
	@python3 benches/setup.py
	cargo build --release --locked --bin report
	cargo build --release --locked --package fruits-bench

bench: bench-programs ## measure against the peers into benches/RESULTS.md (BENCH_ARGS="--input DIR ...")
	@python3 benches/run.py $(BENCH_ARGS)

bench-quick: bench-programs ## the same with less of everything, in five minutes
	@python3 benches/run.py --quick $(BENCH_ARGS)

dist: setup ## pack `report` with all it needs into dist/, for EC2 (FEATURES=cluster for several machines)
	@touch build.rs # What it packs names the commit of now, whatever was there when it was last compiled.
	@$(MAKE) build
	@python3 deploy/dist.py$(if $(FEATURES), --features $(FEATURES))

clean: ## remove the build, dist/ and the browser driver; what set-up installed stays
	cargo clean
	rm -rf tests/browser/node_modules dist
