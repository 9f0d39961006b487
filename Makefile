# One line of help stands behind each target's `##`. Everything of weight is a short script under ops/dev/.
.DEFAULT_GOAL := help
.PHONY: help up cluster cluster-status cluster-restart cluster-kill cluster-down test web check bench sim fuzz e2e chaos dashboards rolling bench-peers growth many count docs sbom clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## Build what is needed and run chatify on this machine; ARGS="--listen 0.0.0.0:8080" passes settings on
	@ops/dev/up.sh $(ARGS)

cluster: ## A whole cluster on this machine, no container engine; LIMITS=off lifts the rate limits, PROFILE=release is fast, PROMETHEUS=on watches
	@LIMITS="$(LIMITS)" PROFILE="$(PROFILE)" PROMETHEUS="$(PROMETHEUS)" ops/dev/cluster.sh start

cluster-status: ## What of it runs, where and how well
	@ops/dev/cluster.sh status

cluster-restart: ## WHAT=node-b drains and starts a part (or several), or starts one that was killed
	@ops/dev/cluster.sh restart $(WHAT)

cluster-kill: ## WHAT=redis-1 kills a part with SIGKILL
	@ops/dev/cluster.sh kill $(WHAT)

cluster-down: ## End the cluster; its data and secrets stay in target/cluster/
	@ops/dev/cluster.sh down

test: ## Everything that must hold before a change is merged; installs what is missing where it may
	@ops/dev/test.sh

check: ## The quick part of `make test`: format, lints, types, house rules, licences
	@ops/dev/check.sh

web: ## Build the web client into web/dist, if its sources changed
	@ops/dev/web.sh

e2e: ## The stories through real browsers and stock clients
	@ops/dev/e2e.sh

sim: ## Simulate clusters on a virtual clock; SEEDS=20000 chooses how many, SEED=7 replays one
	@SEEDS="$(SEEDS)" SEED="$(SEED)" ops/dev/sim.sh

fuzz: ## Fuzz every decoder; SECONDS_EACH=60 chooses how long, TARGET=name only one
	@SECONDS_EACH="$(SECONDS_EACH)" TARGET="$(TARGET)" ops/dev/fuzz.sh

chaos: ## Break a cluster under load and judge; MINUTES=20 for how long, SEED=7 replays, ONLY="node-killed" chooses
	@MINUTES="$(MINUTES)" SEED="$(SEED)" ONLY="$(ONLY)" PEOPLE="$(PEOPLE)" TRANSPORT="$(TRANSPORT)" OTP_RACES="$(OTP_RACES)" \
	  ops/dev/chaos.sh

rolling: ## Restart three nodes under CONNECTIONS=20000 people who talk, or WHAT=kill one, and say what they noticed
	@CONNECTIONS="$(CONNECTIONS)" WHAT="$(WHAT)" RATE="$(RATE)" ops/dev/rolling.sh

bench: ## Run the benches and print a table; FILTER=word chooses some
	@FILTER="$(FILTER)" ops/dev/bench.sh

dashboards: ## Ask a cluster under load for every panel of the dashboards, and every rule
	@ops/dev/dashboards.sh

bench-peers: ## Measure chatify beside its peers into docs/performance.md; ROUNDS=5 ONLY="chatify socket.io" SCENARIOS="idle mix"
	@ROUNDS="$(ROUNDS)" ONLY="$(ONLY)" SCENARIOS="$(SCENARIOS)" ops/dev/bench-peers.sh

growth: ## What grows with connections, rooms, their size and nodes, and by which exponent; ONLY="rooms" CONNECTIONS=200000
	@ONLY="$(ONLY)" CONNECTIONS="$(CONNECTIONS)" ops/dev/growth.sh

many: ## Hold CONNECTIONS=200000 idle people on this machine and say what each costs, in programs and in the kernel
	@CONNECTIONS="$(CONNECTIONS)" ops/dev/many.sh

count: ## Hold what can be counted (allocations, bytes, system calls, instructions) against loadtest/baseline.toml; UPDATE=1 writes it
	@UPDATE="$(UPDATE)" ops/dev/count.sh

docs: ## Write the generated pages under docs/ again
	@ops/dev/docs.sh

sbom: ## List the parts that a release is made of (CycloneDX), into target/sbom/
	@ops/dev/sbom.sh

clean: ## Remove everything that was built (never data, never the shared cache)
	@ops/dev/clean.sh
