package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const columns = "id,name,email,company,status,value,score,created_at"

const configuration = `
tenant: {column: tenant_id, type: uuid, setting: app.current_tenant, table: app.tenants, key: id}
tables: {schemas: [app]}
auth: {issuers: [{issuer: %s, audience: %s, pem_file: %s, tenant_claim: tenant_id, role_claim: role}]}
serve: {pool_size: %d}
limits: %s
`

// startMoat starts moat serve with a pool of so many connections; 0 means its default.
func startMoat(ctx context.Context, d *database, name string, connections int, limits string,
	env ...string) (*server, error) {
	return startMoatOn(ctx, d, name, d.url(name), fmt.Sprintf(configuration, issuer, audience, d.key, connections, limits),
		env...)
}

// startMoatOn starts moat serve over the database of a URL, with a moat.yaml. For a profile it is
// this program that serves, without the command's metrics.
func startMoatOn(ctx context.Context, d *database, name, url, config string, env ...string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(d.dir, name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	program := filepath.Join(d.dir, "moat")
	if slices.ContainsFunc(env, profiled) {
		if program, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	s := &server{name: name, label: "moat serve", address: address,
		list: func(c caller) []byte {
			return text("GET", "/rest/v1/leads?select="+columns+"&order=created_at.desc&limit=50", c.token, "")
		},
		point: func(c caller) []byte {
			return text("GET", "/rest/v1/leads?select="+columns+"&id=eq."+c.lead, c.token, "")
		},
	}
	return s, s.start(ctx, program, []string{"serve", "--config", file, "--app-url", url, "--addr", address}, env...)
}

// profiled: a variable that names a profile's file.
func profiled(variable string) bool {
	name, file, _ := strings.Cut(variable, "=")
	return name == profileEnv && file != ""
}
