# make demo    the main job on a private PostgreSQL with sample data
# make test    the whole suite, on the PostgreSQL that is installed; what depends on the
#              version also on the oldest and the newest
# make test-majors   what depends on the version, on PostgreSQL 14 to 18
# make check   what a change must pass before it is proposed
# make bench   tenant-scoped statements against hand-written predicates
# make bench-tenancy  trees, people, parties and shares against hand-written predicates
# make bench-lifecycle  export and erasure of one tenant against COPY
# make bench-vector  searches for nearest neighbours; MOAT_PGVECTOR_URL names an empty database with pgvector
# make bench-api  moat serve against a plain handler, PostGraphile and pgbench
# make bench-tenants  what a request costs among 10, 1,000 and 100,000 tenants; needs 5 GB of disk
# make bench-proxy  moat proxy against no proxy, PgBouncer, and what applications send today
# make build   bin/moat
# make snapshot  dist/: archives, deb and rpm, checksums, SBOM, as a release would have them
# make image   dist/: an image for serve, and one with PostgreSQL for the demo

export CGO_ENABLED = 0
# One set of flags for all, so that nothing is compiled twice.
export GOFLAGS ?= -trimpath
GO ?= go
MAJORS ?= 14,18

.PHONY: build demo test test-short test-majors check bench bench-tenancy bench-lifecycle bench-vector bench-api bench-tenants bench-proxy tools snapshot image

build:
	$(GO) build -trimpath -o bin/moat ./cmd/moat

# goreleaser is run by version rather than required: it has hundreds of modules.
GORELEASER = $(GO) run github.com/goreleaser/goreleaser/v2@v2.15.1

snapshot:
	GOFLAGS= $(GORELEASER) release --snapshot --clean $(SNAPSHOT)

image:
	@command -v mmdebstrap >/dev/null || { echo "apt install mmdebstrap"; exit 1; }
	./release/images

demo: build
	@./scripts/tools postgres
	@./bin/moat demo

test: tools
	MOAT_TEST_MAJORS=$(MAJORS) $(GO) test -timeout 35m ./...
	@for module in $$(git ls-files '*/go.mod'); do \
		echo "== $$(dirname $$module)"; (cd $$(dirname $$module) && $(GO) test -timeout 35m ./...) || exit 1; \
	done

test-majors: tools
	MOAT_TEST_MAJORS=14,15,16,17,18 $(GO) test -timeout 60m ./internal/postgres/... ./internal/sqltext ./catalog ./policy ./tenancy ./audit/... ./protect ./prove/... ./seal

# Most of what the tests allocate is gone at once, and a test or a package that waits leaves its
# processor to another. make check vets.
test-short: tools
	GOGC=400 $(GO) test -short -vet=off -ldflags='-s -w' -p 3 -parallel 4 ./...

check: tools
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./... ./cmd/moat/... ./moatriver/...
	$$($(GO) -C internal/tools tool -n staticcheck) ./... ./cmd/moat/... ./moatriver/...
	@./scripts/tidy -diff
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...
	$$($(GO) -C internal/tools tool -n govulncheck) ./... || echo "govulncheck: the vulnerability database is out of reach or has findings; see above"

bench:
	@./scripts/tools postgres
	$(GO) run ./bench

bench-tenancy:
	@./scripts/tools postgres
	$(GO) run ./bench/tenancy

bench-lifecycle:
	@./scripts/tools postgres
	$(GO) run ./bench/lifecycle

bench-vector:
	$(GO) run ./bench/vector

bench-api:
	@./scripts/tools all
	$(GO) run ./bench/api

bench-tenants:
	@./scripts/tools postgres
	$(GO) run ./bench/api -only tenants

bench-proxy:
	@./scripts/tools all
	$(GO) run ./bench/proxy

tools:
	@./scripts/tools all
