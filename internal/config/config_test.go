package config

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	c, err := Parse([]byte("tenant: {column: account_id, type: bigint}\nauth:\n  issuers:\n    - {issuer: https://id.example.com, audience: moat, leeway: 10s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Tenant.Column != "account_id" || c.Auth.Issuers[0].Audience[0] != "moat" || c.Auth.Issuers[0].Leeway != 10*time.Second {
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
		"bare table":       "tables: {shared: [countries]}",
		"undotted setting": "tenant: {setting: tenant}",
		"two documents":    "tenant: {column: a}\n---\ntenant: {column: b}",
		"not a mapping":    "- a\n- b",
	} {
		if c, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
	if _, err := Parse(nil); err != nil {
		t.Errorf("empty file: %v", err)
	}
	if _, err := Load("does-not-exist.yaml"); err == nil {
		t.Error("a named file that is missing was accepted")
	}
}
