package cli

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// --node goes to the node in every way that the connection string allows, and to nowhere else.
func TestNodeKeepsTheWaysToConnect(t *testing.T) {
	t.Parallel()
	for mode, ways := range map[string][]bool{"prefer": {true, false}, "disable": {false}, "verify-full": {true},
		"allow": {false, true}} {
		c, err := pgx.ParseConfig("postgres://u@one:1,two:2/d?sslmode=" + mode)
		if err != nil {
			t.Fatal(err)
		}
		if err := (&proveFlags{node: "worker:5"}).onNode(c); err != nil {
			t.Fatal(err)
		}
		got := []bool{c.TLSConfig != nil}
		for _, f := range c.Fallbacks {
			got = append(got, f.TLSConfig != nil)
			if f.Host != "worker" || f.Port != 5 {
				t.Errorf("%s: goes to %s:%d", mode, f.Host, f.Port)
			}
		}
		if !slices.Equal(got, ways) || c.Host != "worker" || c.Port != 5 {
			t.Errorf("%s: %s:%d, with TLS %v, want %v", mode, c.Host, c.Port, got, ways)
		}
		if mode == "verify-full" && c.TLSConfig.ServerName != "worker" {
			t.Errorf("the certificate of %s is asked for", c.TLSConfig.ServerName)
		}
	}
}
