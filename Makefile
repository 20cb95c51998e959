# The front door. `make help` lists what can be done; `make run` and
# `make test` need nothing but Go, Node.js and npm on a Debian machine.

SHELL   := /bin/bash
GO      ?= go
# What a commit is called must not depend on how much of the history is here.
VERSION ?= $(shell git describe --tags --always --abbrev=12 --dirty 2>/dev/null || echo dev)
LDFLAGS := -X github.com/mayfly-broker/mayfly/cmd/cli.version=$(VERSION)
# Every package but those that drive the real binary, which `stories` runs.
UNITS    = $(shell $(GO) list ./... | grep -v -e '/test$$' -e '/test/faults$$' -e '/test/abuse$$')

# The console's pages, and all they are made of.
CONSOLE  := rpc/console/app
CONSOLE_SOURCES := $(shell find $(CONSOLE) -name node_modules -prune -o -path $(CONSOLE)/dist -prune -o -type f ! -name '.*' -print)

.DEFAULT_GOAL := help
.PHONY: help build console run cluster test units sdks stories faults abuse conformance race lint fuzz fuzz-long bench proto check sbom reproduce clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: console ## Build bin/mayfly
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -mod=readonly -buildvcs=auto -ldflags '$(LDFLAGS)' -o bin/mayfly ./cmd/mayfly

console: $(CONSOLE)/dist/index.html ## Build the console's pages, if their sources have changed

$(CONSOLE)/dist/index.html: $(CONSOLE_SOURCES) scripts/console.sh
	@scripts/console.sh

run: build ## Build and run a broker on 127.0.0.1:8080 that needs no configuration
	@exec bin/mayfly dev

cluster: build ## Run three local nodes that are one cluster, and say what to try
	@exec scripts/cluster.sh

test: build ## Run everything: unit tests under the race detector, then the official SDKs against the real broker
	@scripts/need.sh
	$(GO) vet ./...
	$(MAKE) --no-print-directory units
	$(MAKE) --no-print-directory stories

units: ## Run the unit tests, under the race detector
	$(GO) test -race -timeout 10m $(UNITS)

sdks:
	for dir in node browser; do (cd test/$$dir && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || exit 1; done

stories: build sdks ## Run the stories: real processes, real SDKs
	cd $(CONSOLE) && npm test --silent
	cd test/wire && $(GO) test ./...
	cd test/gosdk && $(GO) vet ./...
	MAYFLY_BIN=$(CURDIR)/bin/mayfly $(GO) test -p 1 -count=1 -timeout 20m ./test ./test/faults ./test/abuse

faults: build ## Hurt a cluster in every way for MINUTES (default 10), from SEED (default random), and judge what its clients saw
	FAULTS_SEED=$(SEED) FAULTS_MINUTES=$(or $(MINUTES),10) MAYFLY_BIN=$(CURDIR)/bin/mayfly \
		$(GO) test -count=1 -v -timeout 24h -run '^TestRounds$$' ./test/faults

abuse: build ## Attack a broker in every way there is, and print its memory and how honest clients fare
	ABUSE=full MAYFLY_BIN=$(CURDIR)/bin/mayfly $(GO) test -count=1 -v -timeout 30m -run '^TestAttacks$$' ./test/abuse

conformance: build sdks ## Call everything the SDKs have, on one node and on three, and write docs/compatibility.md from what passed
	MAYFLY_BIN=$(CURDIR)/bin/mayfly COMPATIBILITY=write $(GO) test -count=1 -run '^TestCompatibility$$' ./test

race: ## Run the unit tests many times under the race detector
	$(GO) test -race -count=5 -timeout 30m $(UNITS)

lint: ## Run the linter, pinned
	$(GO) tool -modfile=scripts/tools/golangci.mod golangci-lint run ./...

fuzz: ## Run every fuzz target for FUZZTIME each (default 20s)
	@scripts/fuzz.sh $(or $(FUZZTIME),20s)

fuzz-long: ## Run every fuzz target for FUZZTIME each (default 10m), going on where an earlier run ended
	@scripts/fuzz.sh $(or $(FUZZTIME),10m) bin/fuzzed

bench: build ## Measure speed and memory, beside other brokers in the same run
	@scripts/bench.sh

proto: ## Generate the Go code of every .proto file
	@scripts/proto.sh

check: lint ## Prove that the tree is tidy, licences are allowed, and no vulnerability is known (VULN=required: or fail)
	@scripts/proto.sh check
	@scripts/check.sh
	@$(GO) run ./scripts/supply licences
	@VULN=$(or $(VULN),warn) scripts/vuln.sh

sbom: build ## Write what is in bin/mayfly beside it: a bill of materials (CycloneDX) and the licence texts
	$(GO) run ./scripts/supply sbom bin/mayfly >bin/mayfly.cdx.json
	$(GO) run ./scripts/supply notices bin/mayfly >bin/mayfly.licences.txt

reproduce: ## Build the commit twice, in two folders, and demand the same bytes
	@scripts/reproduce.sh

clean: ## Remove what was built
	rm -rf bin test/out test/faults/out test/node/node_modules test/browser/node_modules $(CONSOLE)/node_modules $(CONSOLE)/dist/*
