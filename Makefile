# Partyline. "make help" lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.SHELLFLAGS := -eu -o pipefail -c

TOOLS := $(CURDIR)/.tools/bin
GOTESTSUM_VERSION := v1.13.0
GOLANGCI_VERSION := v$(shell cat .golangci-lint-version)
GOLANGCI := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
GOTESTSUM := $(TOOLS)/gotestsum-$(GOTESTSUM_VERSION)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 30s

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: check build ## install what is needed, build, and serve on http://localhost:8000/
	@exec bin/partyline serve

.PHONY: check
check:
	@.ci/prerequisites

.PHONY: build
build: web bin ## build the page and the binary bin/partyline

.PHONY: bin
bin: web/dist/index.html
	@go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/partyline ./cmd/partyline

.PHONY: web
web: web/dist/index.html ## install npm packages and build the page

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(shell find web/src web/public web/index.html web/websocket-diagnostics.html web/vite.config.ts web/vite.standalone.config.ts -type f 2>/dev/null)
	@cd web && npm run --silent build
	@touch $@

.PHONY: dev
dev: check web bin ## page with hot reload on http://localhost:5173/ against a backend that allows it
	@trap 'kill 0' EXIT; \
	bin/partyline serve --origins http://localhost:5173 & \
	cd web && npm run dev

.PHONY: fmt
fmt: web/node_modules/.package-lock.json $(GOLANGCI) ## format Go and TypeScript
	@$(GOLANGCI) fmt ./...
	@cd bench && $(GOLANGCI) fmt ./...
	@cd web && npm run --silent format

.PHONY: lint
lint: check web/dist/index.html $(GOLANGCI) ## check formatting, style and dependency directions
	@go mod tidy -diff
	@cd bench && go mod tidy -diff
	@$(GOLANGCI) run ./...
	@cd bench && $(GOLANGCI) run ./...
	@cd web && npm run --silent lint && npm run --silent typecheck

.PHONY: test
test: check test-go test-web e2e ## everything: Go with the race detector, TypeScript, browser

.PHONY: test-go
test-go: web/dist/index.html $(GOTESTSUM) ## Go tests with the race detector
	@.ci/system-packages strace unicode-data
	@$(GOTESTSUM) --format pkgname-and-test-fails --hide-summary=skipped -- -race -p 2 -timeout 10m ./...
	@cd bench && $(GOTESTSUM) --format pkgname-and-test-fails --hide-summary=skipped -- -race -p 2 -timeout 10m ./...

.PHONY: test-web
test-web: web/node_modules/.package-lock.json ## TypeScript types and unit tests
	@cd web && npm run --silent typecheck && npm run --silent test

.PHONY: e2e
e2e: build ## two users in a real browser against the real binary
	@.ci/system-packages chromium openssl
	@cd web && npm run --silent e2e

.PHONY: screenshots
screenshots: build ## take the pictures of docs/images again (PAGES="chat diagnostics")
	@.ci/system-packages chromium
	@cd web && npm run --silent screenshots -- $(PAGES)

.PHONY: faultlab
faultlab: build ## every fault of the lab, in three browsers and the terminal; rewrites docs/diagnosis.md
	@PATH="$$PATH:/usr/sbin" .ci/system-packages chromium openssl nginx haproxy caddy firefox-esr webkit2gtk-driver xvfb nftables iproute2
	@cd web && FAULTLAB=1 ../.ci/namespace npx vitest run --config e2e/vitest.config.ts e2e/faults.e2e.ts

.PHONY: soak
soak: bin ## what takes long: 200 kill rounds, kills of the telemetry sink, 80,000 close races, 80,000 leak cycles, a room of 100,000, 15,000 connections for five minutes, fuzzing
	@PARTYLINE_SOAK=1 go test -race -p 1 -timeout 60m -count 1 -run 'Kill' -v ./cmd/partyline ./analytics/... | grep -vE '^=== '
	@PARTYLINE_SOAK=1 go test -race -timeout 60m -count 1 -run 'CloseRaces|NoLeaks' -v ./gateway/ws | grep -vE '^=== '
	@PARTYLINE_SOAK=1 go test -timeout 10m -count 1 -run 'Large$$' -v ./gateway/hub | grep -E '^ *(---|ok|FAIL)'
	@cd bench && go run . -scenarios fifteen -targets fsync -chat 5m
	@.ci/system-packages chromium
	@cd web && npm run --silent soak
	@$(MAKE) --no-print-directory fuzz

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s) each
	@for pkg in $$(go list ./...); do \
	  targets=$$(go test -list '^Fuzz' $$pkg); \
	  for target in $$(grep '^Fuzz' <<< "$$targets" || true); do \
	    echo "$$pkg $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg | grep -vE '^(fuzz: elapsed|PASS)'; \
	  done; \
	done

.PHONY: bench
bench: bin ## beside its peers (BENCH=flags), written to bench/results/latest.md, then Go benchmarks
	@cd bench && go run . -out results/latest.md $(BENCH)
	@go test -run '^$$' -bench . -benchmem -timeout 60m -p 1 ./...

.PHONY: bench-quick
bench-quick: bin ## the same work in small, to see that it runs; figures mean nothing
	@cd bench && go run . -quick -repeat 1 -chat 5s $(BENCH)

.PHONY: golden
golden: ## rewrite the golden files; review the difference as code
	@go test ./config ./events ./gateway/frame -update

.PHONY: clean
clean: ## delete what was built (not data/)
	@rm -rf bin .tools web/dist/assets web/dist/index.html web/node_modules

$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION) (once)"
	@GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(TOOLS)/golangci-lint $@

$(GOTESTSUM):
	@GOBIN=$(TOOLS) go install gotest.tools/gotestsum@$(GOTESTSUM_VERSION)
	@mv $(TOOLS)/gotestsum $@
