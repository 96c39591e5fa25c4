# The targets are words; what they do is in scripts/ and in the programs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: build test check demo verify chaos chaos-long fuzz bench services clean help

STATICCHECK := go tool -modfile=scripts/tools.mod staticcheck

build: ## the program: bin/freshet
	@echo "building bin/freshet (the first time takes a minute or two)"
	@CGO_ENABLED=0 go build -buildvcs=auto -trimpath -o bin/freshet ./cmd/freshet

demo: build ## events in, features and scores out, on a screen, with nothing installed
	@./bin/freshet demo

test: PACKAGES := ./...
test: withservices ## the whole suite, against a real Kafka and a real Redis

verify: PACKAGES := ./verify/...
verify: export FRESHET_VERIFY_CASES ?= 40000
verify: export FRESHET_VERIFY_MUTANTS ?= all
verify: withservices ## the judges only, with more cases: the oracle, every planted bug, other people's numbers, the end-to-end proof

# ROW=kills,zombies chooses rows, SEED and N replay a finding.
CHAOS := $(if $(ROW),-row $(ROW)) $(if $(SEED),-seed $(SEED)) $(if $(N),-n $(N))

chaos: ## kills, freezes, cut networks, wiped stores, judged by the oracle: the short form (about 7 minutes)
	@scripts/services up
	@eval "$$(scripts/services env)"; go run ./verify/chaos $(CHAOS)

chaos-long: ## the same in full, appended to verify/trackrecord.md; goes on where it was stopped
	@scripts/services up
	@eval "$$(scripts/services env)"; go run ./verify/chaos -form long -track verify/trackrecord.md $(CHAOS)

FUZZTIME ?= 10s
fuzz: ## every fuzz target for FUZZTIME (10s); what it finds is kept under testdata/fuzz
	@grep -rl '^func Fuzz' --include='*_test.go' . | while read -r file; do \
	  sed -n 's/^func \(Fuzz[A-Za-z]*\)(.*/\1/p' "$$file" | while read -r target; do \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null || exit 1; \
	  done || exit 1; \
	done

# Without the services the tests that need them are skipped by name and counted;
# under CI=true their absence is a failure.
.PHONY: withservices
withservices:
	@go build -o bin/testsum ./scripts/testsum
	@if scripts/services up; then \
	  eval "$$(scripts/services env)"; \
	elif [[ "$${CI:-}" == true ]]; then \
	  exit 1; \
	else \
	  echo "going on without the services: the tests that need them will be skipped"; \
	fi; \
	bin/testsum -count=1 -timeout=40m $(PACKAGES)

check: ## format, vet, staticcheck and the house rules
	@unformatted=$$(gofmt -l .); \
	if [[ -n "$$unformatted" ]]; then echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; fi
	@go mod verify >/dev/null
	@go mod tidy -diff
	@go vet ./...
	@$(STATICCHECK) ./...
	@go test -count=1 ./verify/tidy
	@echo "check: all well"

bench: ## the benchmark, beside the floors of the same run
	@scripts/services up
	@eval "$$(scripts/services env)"; go run ./bench

services: ## a real Kafka and a real Redis on loopback, left running
	@scripts/services up
	@scripts/services env

clean: ## stop the services and forget what was built
	@scripts/services down --wipe
	@rm -rf bin

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
