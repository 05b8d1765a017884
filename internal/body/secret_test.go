package body_test

import (
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
)

func TestKeepsSecret(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"RETURN hmac(claims, 's3cr3tkey', 'sha256');":                                                        true,
		"RETURN encode(sha256(current_setting('app.sig', true)::bytea), 'hex');":                             false,
		"IF sha256(x) <> y THEN RAISE EXCEPTION 'no such seal' USING ERRCODE = 'invalid_password'; END IF;":  false,
		"IF sha256(x) <> y THEN RAISE EXCEPTION USING ERRCODE = 'invalid_password', HINT = 's3cr3tkey'; END": true,
		"RETURN 's3cr3tkey';": false,
	} {
		f := &catalog.Function{Language: "plpgsql", Body: "BEGIN " + text + " END"}
		used := body.Scan(f)
		if got := used.KeepsSecret(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
