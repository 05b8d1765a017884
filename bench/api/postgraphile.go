package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

const (
	postgraphileVersion = "5.1.5"
	nodeVersion         = "22.23.3" // PostGraphile 5 asks for 22, which not every machine has
)

// packages are the published ones, unmodified.
func packages() []string {
	return []string{"postgraphile@" + postgraphileVersion, "graphql@16.15.0", "jsonwebtoken@9.0.3",
		nodePackage() + "@" + nodeVersion}
}

func nodePackage() string {
	return "node-linux-" + strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
}

//go:embed postgraphile.mjs
var postgraphileScript []byte

var errNoNPM = errors.New("npm is not installed")

// installPostGraphile puts the packages into a folder of the user's cache, once.
func installPostGraphile(ctx context.Context) (dir string, err error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errNoNPM
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(cache, "moat-bench", "postgraphile-"+postgraphileVersion+"-node-"+nodeVersion)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err != nil {
		if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte("{\"private\": true}\n"), 0o644); err != nil {
			return "", err
		}
		fmt.Fprintf(os.Stderr, "installing PostGraphile %s into %s …\n", postgraphileVersion, dir)
		cmd := exec.CommandContext(ctx, npm,
			append([]string{"install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"}, packages()...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("npm install: %w: %s", err, out)
		}
		if err := os.WriteFile(done, nil, 0o644); err != nil {
			return "", err
		}
	}
	return dir, os.WriteFile(filepath.Join(dir, "server.mjs"), postgraphileScript, 0o644)
}

// startPostGraphile starts PostGraphile in one node process.
func startPostGraphile(ctx context.Context, d *database, connections int) (*server, error) {
	dir, err := installPostGraphile(ctx)
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	const fields = "rowId name email company status value score createdAt"
	s := &server{name: "bench_postgraphile", label: "PostGraphile " + postgraphileVersion, address: address,
		list: func(c caller) []byte {
			return graphQL(c, "{ allLeads(first: 50, orderBy: CREATED_AT_DESC) { nodes { "+fields+" } } }", nil)
		},
		point: func(c caller) []byte {
			return graphQL(c, "query ($tenant: UUID!, $id: UUID!) { "+
				"leadByTenantIdAndRowId(tenantId: $tenant, rowId: $id) { "+fields+" } }",
				map[string]string{"tenant": c.tenant, "id": c.lead})
		},
	}
	return s, s.start(ctx, filepath.Join(dir, "node_modules", nodePackage(), "bin", "node"),
		[]string{filepath.Join(dir, "server.mjs")},
		"NODE_ENV=production", "GRAPHILE_ENV=production", "BENCH_ADDRESS="+address, "BENCH_URL="+d.url(s.name),
		"BENCH_KEY="+d.key,
		"BENCH_CONNECTIONS="+strconv.Itoa(connections), "BENCH_ISSUER="+issuer, "BENCH_AUDIENCE="+audience)
}

func graphQL(c caller, query string, variables map[string]string) []byte {
	body, err := json.Marshal(struct {
		Query     string            `json:"query"`
		Variables map[string]string `json:"variables,omitempty"`
	}{query, variables})
	if err != nil { // texts only
		panic(err)
	}
	return text("POST", "/graphql", c.token, string(body))
}
