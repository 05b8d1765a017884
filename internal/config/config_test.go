package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	c, err := Parse([]byte("tenant: {column: account_id, type: bigint}\nauth:\n  issuers:\n    - {issuer: " +
		"https://id.example.com, audience: moat, leeway: 10s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Tenant.Column != "account_id" || c.Auth.Issuers[0].Audience[0] != "moat" ||
		c.Auth.Issuers[0].Leeway != 10*time.Second {
		t.Fatalf("parsed %+v", c)
	}
	if c.Serve.MaxRows != 1000 || c.Audit.FailOn != "medium" {
		t.Fatalf("defaults lost: %+v", c)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"unknown key":      "tenat: {column: x}",
		"unknown sub key":  "tenant: {colum: x}",
		"bad type":         "tenant: {type: numeric}",
		"bad mask":         "export: {mask: {app.users.phone: blank}}",
		"short column":     "export: {leave_out: [users.phone]}",
		"bare table":       "tables: {shared: [countries]}",
		"undotted setting": "tenant: {setting: tenant}",
		"undotted subject": "tenant: {subject_setting: subject}",
		"two documents":    "tenant: {column: a}\n---\ntenant: {column: b}",
		"not a mapping":    "- a\n- b",
		"half of TLS":      "serve: {tls_cert_file: x}",
		"no port":          "serve: {address: localhost}",
		"proxy, no port":   "proxy: {address: localhost}",
		"no connections":   "proxy: {connections: -1}",
		"empty service":    "proxy: {services: ['']}",
		"named port":       "serve: {address: ':http'}",
		"metrics, no port": "serve: {metrics_address: localhost}",
		"metrics, same":    "serve: {address: ':80', metrics_address: ':80'}",
		"bare function":    "serve: {pre_request: check}",
		"deep function":    "serve: {pre_request: a.b.c}",
		"origin, a path":   "serve: {cors_origins: [https://ui.example/]}",
		"origin, a host":   "serve: {cors_origins: [ui.example]}",
		"origin, capitals": "serve: {cors_origins: [https://UI.example]}",
		"rows below zero":  "serve: {max_rows: -1}",
		"time below zero":  "serve: {statement_timeout: -1s}",
		"bare number":      "serve: {statement_timeout: 5}",
		"no body at all":   "serve: {max_body_bytes: 0}",
		"bare exposed":     "serve: {expose: {leads: {access: read}}}",
		"exposed, all":     "serve: {expose: {app.leads: {access: write}}}",
		"bare caller":      "caller: {table: members}",
		"no caller":        "caller: {role: role}",
		"caller, mode":     "caller: {table: app.members, mode: both}",
		"tree, writes":     "tables: {tree: {writes: all}}",
		"tree, fast":       "tables: {tree: {fast: [leads]}}",
		"bare column":      "tables: {columns: {leads: tenantId}}",
		"bare shared rows": "tables: {shared_rows: {labels: null}}",
		"nobody's rows":    "tables: {shared_rows: {app.labels: ''}}",
		"bare from above":  "tables: {from_above: [templates]}",
		"members, half":    "tables: {members: {app.users: {through: app.memberships}}}",
		"members, bare":    "tables: {members: {app.users: {through: m, person: u, columns: [id]}}}",
		"parties, half":    "tables: {parties: {app.orders: {owner: seller}}}",
		"parties, twice":   "tables: {parties: {app.orders: {owner: seller, reads: [seller]}}}",
		"shares, half":     "tables: {shares: {app.board: {through: app.board_share}}}",
		"owned by table":   "tables: {owned_by: {app.data: app.document}}",
		"inside, nobody":   "tables: {inside: {app.notes: {owner: owner_id}}}",
		"inside, no owner": "tables: {inside: {app.notes: {own: [member]}}}",
		"unknown shape":    "tables: {sharing: {app.notes: {own: [member]}}}",
		"limit below zero": "limits: {concurrent: -1}",
		"depth below zero": "limits: {query: {depth: -1}}",
		"unknown limit":    "limits: {query: {width: 1}}",
		"collector, host":  "serve: {tracing: {endpoint: 'collector:4318'}}",
		"collector, gRPC":  "serve: {tracing: {endpoint: 'grpc://collector:4317'}}",
	} {
		if c, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
	if _, err := Load("does-not-exist.yaml"); err == nil {
		t.Error("a named file that is missing was accepted")
	}
}

// Nothing but comments means the defaults, as no file does: the limits above all.
func TestParseNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing yet\n", "---\n", "serve:\nlimits:\n"} {
		c, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(Default(), c); diff != "" {
			t.Errorf("%q (-want +got)\n%s", text, diff)
		}
	}
}

// Who has a file of before learns the key that took the old one's place.
func TestOldMembershipNamesTheCaller(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte("serve: {membership: {table: app.members}}"))
	if err == nil || !strings.Contains(err.Error(), "serve.membership is now caller") {
		t.Errorf("error: %v", err)
	}
}

// An address may hold a password, which is not for the terminal or a log.
func TestEndpointIsNotRepeated(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte("serve: {tracing: {endpoint: 'ftp://user:hunter2@collector'}}"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error: %v", err)
	}
}

// Inside braces the colon of a port reads as that behind a key.
func TestOriginsWithPorts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"serve: {cors_origins: [http://localhost:3000, https://a.test]}",
		"serve:\n  cors_origins: [http://localhost:3000, https://a.test]"} {
		c, err := Parse([]byte(text))
		if err != nil || len(c.Serve.CORSOrigins) != 2 || c.Serve.CORSOrigins[0] != "http://localhost:3000" {
			t.Errorf("%s: %q, %v", text, c.Serve.CORSOrigins, err)
		}
	}
}
