# clew: `make run` is the main job, `make test` is everything that CI runs.
# `make help` explains the rest.

RUN_FLAGS ?=

.PHONY: help run build test unit race lint e2e bench generate clean

help: ## explain the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build both programs and run server and agent on this host (RUN_FLAGS="--http-listen ...")
	@exec bin/clew up --config deploy/local/clew.yaml --agent bin/clew-agent $(RUN_FLAGS)

build: ## build bin/clew and bin/clew-agent
	@scripts/build.sh

test: ## everything that .ci/run runs
	@scripts/test.sh

unit: ## the tests alone, without the race detector
	go test ./...

lint: ## formatting, go vet, staticcheck
	@scripts/lint.sh

bench: ## the benchmarks
	go test -run '^$$' -bench . ./storage/... ./telemetry/... ./correlation/...

generate: ## rewrite what is generated: dashboards, the configuration reference
	go generate ./...

clean: ## remove what was built; data/ stays
	rm -rf bin .cache
