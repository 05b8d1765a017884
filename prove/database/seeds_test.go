package database

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// chain is n tables, each of which refers to the one before it, and a view of the last.
func chain(n int) *catalog.Lookup {
	s := &catalog.Snapshot{}
	for i := range n {
		r := catalog.Relation{OID: catalog.OID(i + 1), Schema: "app", Name: name(i), Kind: catalog.Table}
		if i > 0 {
			r.Constraints = []catalog.Constraint{{Type: catalog.ForeignKey, Columns: []string{"parent"},
				References: catalog.QName{Schema: "app", Name: name(i - 1)}, RefColumns: []string{"id"}}}
		}
		s.Relations = append(s.Relations, r)
	}
	view := catalog.QName{Schema: "app", Name: "v"}
	s.Relations = append(s.Relations, catalog.Relation{Schema: "app", Name: "v", Kind: catalog.View})
	s.Dependencies = []catalog.RelationDependency{{From: view, Rule: "_RETURN", On: s.Relations[n-1].QName()}}
	return catalog.NewLookup(s, nil)
}

func name(i int) string { return fmt.Sprintf("t%d", i) }

// planted has two rows in each table of a chain: 1, which the row below refers to, and 2.
func planted(n int) *seeds {
	var s seeds
	for i := range n {
		for id := 1; id <= 2; id++ {
			r := row{"id": fmt.Sprintf("%d-%d", i, id), "parent": fmt.Sprintf("%d-1", i-1)}
			s.add(seed{table: catalog.QName{Schema: "app", Name: name(i)}, row: r, insert: "INSERT " + r["id"]})
		}
	}
	return &s
}

func TestScriptsPlantWhatTheyNeed(t *testing.T) {
	t.Parallel()
	long := mostReferred + 10
	for label, c := range map[string]struct {
		tables   int
		of       string
		inserted []row
		want     []string // the rows, in the order of planting
		torn     bool
	}{
		"its rows and those they refer to": {tables: 3, of: "t1", want: []string{"0-1", "1-1", "1-2"}},
		"a table that refers to none":      {tables: 3, of: "t0", want: []string{"0-1", "0-2"}},
		"what a view reads":                {tables: 2, of: "v", want: []string{"0-1", "1-1", "1-2"}},
		"what an inserted row refers to": {tables: 2, of: "t1", inserted: []row{{"parent": "0-2"}},
			want: []string{"0-1", "0-2", "1-1", "1-2"}},
		"an inserted row that refers to none": {tables: 2, of: "t1", inserted: []row{{"parent": null}, nil},
			want: []string{"0-1", "1-1", "1-2"}},
		"the nearest of a long chain": {tables: long, of: name(long - 1), torn: true},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			view := chain(c.tables)
			h := planted(c.tables).needed(view, view.Relation(catalog.QName{Schema: "app", Name: c.of}), c.inserted)
			var got []string
			for _, i := range h.keep {
				got = append(got, h.from.list[i].row["id"])
			}
			if c.torn {
				if !h.torn || len(got) != 2+mostReferred || got[len(got)-1] != fmt.Sprintf("%d-2", c.tables-1) {
					t.Errorf("torn %v: %q", h.torn, got)
				}
			} else if h.torn || !slices.Equal(got, c.want) {
				t.Errorf("torn %v: %q, want %q", h.torn, got, c.want)
			}
		})
	}
}

// A torn harvest would fail where references are checked.
func TestTornHarvestIsPlantedQuietly(t *testing.T) {
	t.Parallel()
	from := &seeds{list: []seed{{insert: "A"}, {insert: "B", quiet: true}, {insert: "C"}}}
	for label, c := range map[string]struct {
		h    harvest
		want string
	}{
		"whole": {harvest{from: from, keep: []int{0, 1, 2}}, "A;\n" + quietly + ";\nB;\n" + aloud + ";\n"},
		"torn":  {harvest{from: from, keep: []int{0, 1}, torn: true}, quietly + ";\nA;\nB;\n" + aloud + ";\n"},
	} {
		var b strings.Builder
		c.h.write(&b, 0, 2)
		got := b.String()
		if i := strings.Index(got, "\n"); strings.HasPrefix(got, "--") {
			got = got[i+1:]
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", label, got, c.want)
		}
	}
}

// TRUNCATE … CASCADE of a table far up a chain is not run where the role may empty all.
func TestEmptiesMany(t *testing.T) {
	t.Parallel()
	for label, c := range map[string]struct {
		tables  int
		refused string
		want    bool
	}{
		"few tables":          {tables: mostEmptied},
		"many tables":         {tables: mostEmptied + 1, want: true},
		"one that is refused": {tables: mostEmptied + 1, refused: name(mostEmptied)},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			p := &prover{byName: map[catalog.QName]*target{}, view: policy.NewView(chain(c.tables))}
			for i := range c.tables {
				r := p.view.Relation(catalog.QName{Schema: "app", Name: name(i)})
				p.byName[r.QName()] = &target{rel: r, reach: reach{truncate: r.Name != c.refused}}
			}
			if got := p.emptiesMany(p.view.Relation(catalog.QName{Schema: "app", Name: "t0"})); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
