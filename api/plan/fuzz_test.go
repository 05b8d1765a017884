package plan

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/moat-db/moat/api/internal/fuzzquery"
	"github.com/moat-db/moat/api/problem"
	"github.com/moat-db/moat/api/query"
	"github.com/moat-db/moat/api/schema"
)

// TestGenerated plans generated requests and verifies every statement.
// MOAT_FUZZ_PLANS sets how many; 20,000 by default.
func TestGenerated(t *testing.T) {
	t.Parallel()
	n := 20_000
	if text := os.Getenv("MOAT_FUZZ_PLANS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s := testSchema(t)
	g := generator(s, 7)
	planned := 0
	for range n {
		table := g.Table()
		if planOne(t, s, table, g.Query(table)) {
			planned++
		}
	}
	if planned < n/10 {
		t.Errorf("only %d of %d requests were planned: the generator is of no use", planned, n)
	}
	t.Logf("%d of %d requests were planned", planned, n)
}

func generator(s *schema.Schema, seed uint64) *fuzzquery.Generator {
	g := &fuzzquery.Generator{Rand: rand.New(rand.NewPCG(seed, seed)), Tables: map[string][]string{}}
	for _, name := range s.TableNames("app") {
		for _, c := range s.Table("app", name).Columns {
			g.Tables[name] = append(g.Tables[name], c.Name)
		}
		g.Related = append(g.Related, name)
	}
	g.Related = append(g.Related, "leads_campaign", "nothing")
	return g
}

// planOne reads and writes as one request asks, and reports whether it was planned.
func planOne(t testing.TB, s *schema.Schema, table, raw string) bool {
	t.Helper()
	r, err := query.Parse(raw, query.Options{})
	if err != nil {
		checkRefusal(t, raw, err)
		return false
	}
	o := Options{Tenant: tenant, MaxRows: 100, Aggregates: true, Count: "estimated", Stripped: len(raw)%2 == 0, ETag: len(raw)%3 == 0}
	tab := s.Table("app", table)
	in := Write{Body: []byte(`[{}]`), Keys: []string{"id"}, Returning: "representation", Resolution: "merge-duplicates"}
	planned := false
	for _, make := range []func() (*Statement, error){
		func() (*Statement, error) { return Read(s, tab, r, o) },
		func() (*Statement, error) { return Update(s, tab, r, in, o) },
		func() (*Statement, error) { return Delete(s, tab, r, in, o) },
		func() (*Statement, error) { return Insert(s, tab, r, in, o) },
		func() (*Statement, error) {
			return Function(s, s.Functions[schema.Name{Schema: "app", Name: "find"}][0], r, Call{Body: []byte(`{}`), Keys: []string{"q"}}, o)
		},
	} {
		st, err := make()
		if err != nil {
			checkRefusal(t, raw, err)
			continue
		}
		if st != nil {
			verify(t, s, st)
			planned = true
		}
	}
	return planned
}

func checkRefusal(t testing.TB, raw string, err error) {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) || p.Status >= 500 {
		t.Fatalf("%q: %v", raw, err)
	}
}

// FuzzPlan is the same with the fuzzer's own inputs.
func FuzzPlan(f *testing.F) {
	s := testSchema(f)
	g := generator(s, 1)
	for range 200 {
		table := g.Table()
		f.Add(table, g.Query(table))
	}
	f.Fuzz(func(t *testing.T, table, raw string) {
		if s.Table("app", table) != nil {
			planOne(t, s, table, raw)
		}
	})
}
