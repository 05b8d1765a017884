package plan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/moat-db/moat/api/internal/fuzzquery"
	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

const (
	// generatedSeed is where the generated strings start: the same number of them is
	// the same strings, whatever the number of goroutines.
	generatedSeed = 7
	// generatedChunk is how many strings one seed makes.
	generatedChunk = 1000
)

// TestGenerated parses and plans generated query strings over several schemas and
// verifies every statement, see verifier. MOAT_TEST_QUERIES sets how many; 20,000 by
// default.
//
//	MOAT_TEST_QUERIES=10000000 go test ./api/internal/plan -run TestGenerated -v -timeout 2h
func TestGenerated(t *testing.T) {
	t.Parallel()
	n := int64(20_000)
	if text := os.Getenv("MOAT_TEST_QUERIES"); text != "" {
		var err error
		if n, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	targets := targets(t)
	workers := runtime.GOMAXPROCS(0)
	t.Logf("seed %d: %d query strings over %d schemas, %d goroutines", generatedSeed, n, len(targets), workers)
	var chunk, done, planned, statements atomic.Int64
	var failed atomic.Bool
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for !failed.Load() {
				at := chunk.Add(1) - 1
				size := min(generatedChunk, n-at*generatedChunk)
				if size <= 0 {
					return
				}
				target := targets[at%int64(len(targets))]
				g := target.generator(generatedSeed, uint64(at))
				for range size {
					table := g.Table()
					raw := g.Query(table)
					count, err := target.plan(table, raw, g.Rand)
					if err != nil {
						failed.Store(true)
						t.Errorf("chunk %d, table %q: %q: %v", at, table, raw, err)
						return
					}
					statements.Add(int64(count))
					planned.Add(int64(min(count, 1)))
				}
				if total := done.Add(size); total%1_000_000 == 0 {
					t.Logf("%d done", total)
				}
			}
		})
	}
	group.Wait()
	if planned.Load() < n/10 {
		t.Errorf("only %d of %d requests were planned: the generator is of no use", planned.Load(), n)
	}
	t.Logf("%d of %d requests were planned, as %d statements", planned.Load(), n, statements.Load())
}

// target is a schema to plan for, in one of its profiles, for one tenant or none.
type target struct {
	schema    *schema.Schema
	verifier  *verifier
	profile   string
	tenant    string
	functions []*schema.Function
}

func targets(t testing.TB) []*target {
	t.Helper()
	var out []*target
	add := func(s *schema.Schema, tenant string) {
		v := newVerifier(s, tenant)
		for _, profile := range s.Schemas {
			one := &target{schema: s, verifier: v, profile: profile, tenant: tenant}
			for _, name := range s.FunctionNames(profile) {
				one.functions = append(one.functions, s.Functions[schema.Name{Schema: profile, Name: name}]...)
			}
			out = append(out, one)
		}
	}
	add(testSchema(t), tenant)
	add(oddSchema(t), "4711")
	add(webSchema(t), "acme")
	add(webSchema(t), "")
	return out
}

func (g *target) generator(seed, chunk uint64) *fuzzquery.Generator {
	out := &fuzzquery.Generator{Rand: rand.New(rand.NewPCG(seed, chunk)), Tables: map[string][]string{}}
	for _, name := range g.schema.TableNames(g.profile) {
		t := g.schema.Table(g.profile, name)
		for _, c := range t.Columns {
			out.Tables[name] = append(out.Tables[name], c.Name)
		}
		out.Related = append(out.Related, name)
		for _, r := range g.schema.RelationshipsOf(t) {
			if !slices.Contains(out.Related, r.Constraint) {
				out.Related = append(out.Related, r.Constraint)
			}
		}
	}
	out.Related = append(out.Related, "nothing")
	return out
}

// plan reads, writes and calls as one query string asks, and returns how many
// statements that made.
func (g *target) plan(table, raw string, r *rand.Rand) (statements int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	request, err := query.Parse(raw, query.Options{})
	if err != nil {
		return 0, refusal(err)
	}
	for _, make := range g.statements(g.schema.Table(g.profile, table), request, r) {
		st, err := make()
		switch {
		case err != nil:
			err = refusal(err)
		case st != nil:
			statements++
			err = g.verifier.statement(st)
		}
		if err != nil {
			return 0, err
		}
	}
	return statements, nil
}

// media are what aggregates make of any rows, and of a table's as they are.
var media = []*schema.Media{{Type: "text/x-any", SQL: "json_agg(m)"},
	{Type: "text/x-whole", SQL: "json_agg(m)", Whole: true}}

// statements are the ways to use one query string.
func (g *target) statements(t *schema.Table, request *query.Request, r *rand.Rand) []func() (*Statement, error) {
	o := Options{Tenant: g.tenant != "", MaxRows: 100, Aggregates: true, Text: r.IntN(8) == 0, Stripped: r.IntN(2) == 0,
		ETag:  r.IntN(3) == 0,
		Count: []string{"", "exact", "planned", "estimated"}[r.IntN(4)]}
	if r.IntN(8) == 0 {
		o.Media = media[r.IntN(len(media))]
	}
	keys := []string{t.Columns[r.IntN(len(t.Columns))].Name, t.Columns[len(t.Columns)-1].Name}
	in := Write{Body: []byte(`[{}]`), Keys: slices.Compact(keys), AllowUnfiltered: r.IntN(4) == 0,
		MissingDefault: r.IntN(4) == 0, Some: keys[:1], Every: keys[1:],
		Returning:  []string{"", "headers-only", "representation", "representation"}[r.IntN(4)],
		Resolution: []string{"", "merge-duplicates", "ignore-duplicates"}[r.IntN(3)]}
	if r.IntN(6) == 0 {
		in.Match = "0123"
	}
	put := in
	put.Replace, put.Resolution = true, "merge-duplicates"
	out := []func() (*Statement, error){
		func() (*Statement, error) { return Read(g.schema, t, request, o) },
		func() (*Statement, error) { return Update(g.schema, t, request, in, o) },
		func() (*Statement, error) { return Delete(g.schema, t, request, in, o) },
		func() (*Statement, error) { return Insert(g.schema, t, request, in, o) },
		func() (*Statement, error) { return Insert(g.schema, t, request, put, o) },
	}
	if len(g.functions) == 0 {
		return out
	}
	f := g.functions[r.IntN(len(g.functions))]
	var arguments []query.Argument
	var names []string
	for _, p := range f.Params {
		arguments = append(arguments, query.Argument{Name: p.Name, Value: "{1}"})
		names = append(names, p.Name)
	}
	get := *request
	get.Arguments = arguments
	return append(out,
		func() (*Statement, error) {
			return Function(g.schema, f, request, Call{Body: []byte(`{}`), Keys: names}, o)
		},
		func() (*Statement, error) { return Function(g.schema, f, &get, Call{}, o) })
}

// refusal returns an error unless err is one that a client gets a 4xx for.
func refusal(err error) error {
	var p *problem.Error
	if !errors.As(err, &p) || p.Status < 300 || p.Status >= 500 {
		return fmt.Errorf("not a refusal: %w", err)
	}
	return nil
}

// FuzzPlan is the same with the fuzzer's own inputs.
func FuzzPlan(f *testing.F) {
	first := targets(f)[0]
	g := first.generator(1, 1)
	for range 200 {
		table := g.Table()
		f.Add(table, g.Query(table))
	}
	f.Fuzz(func(t *testing.T, table, raw string) {
		if first.schema.Table(first.profile, table) == nil {
			return
		}
		if _, err := first.plan(table, raw, rand.New(rand.NewPCG(1, 1))); err != nil {
			t.Errorf("%q: %v", raw, err)
		}
	})
}
