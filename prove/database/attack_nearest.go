package database

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// nearestRows is how many rows a search asks for, and nearerRows how many of B's are planted
// nearer: more than a scan takes at once by default.
const (
	nearestRows = 10
	nearerRows  = 60
)

// nearestAttacks ask as A for the rows nearest to B's. An index over all tenants finds a fixed
// number of rows, and the policy takes B's away: how many are left tells how many of B's are
// there. Rows of an index outlive a rollback until the next vacuum, so many are planted in
// disposable databases only.
func (s *stage) nearestAttacks(ctx context.Context, st *site) []attack {
	var out []attack
	for _, x := range st.rel.Indexes {
		k := x.NearestKey()
		if k == nil || !x.Valid || st.blind || st.tenant == "" || !slices.Contains(st.reach.selects, k.Column) {
			continue
		}
		at := valueOf(st.rowsB, k.Column)
		if at == "" {
			continue
		}
		out = append(out, s.nearestAttack(ctx, st, x, *k, at, "nearest"))
		if s.Strict && x.GoesOnBy() != "" {
			out = append(out, s.nearestAttack(ctx, st, x, *k, at, "nearest at once"))
		}
	}
	return out
}

// nearestAttack is one search. At once, the caller's own SQL ends scans early.
func (s *stage) nearestAttack(ctx context.Context, st *site, x catalog.Index, k catalog.IndexKey, at,
	name string) attack {
	once := name != "nearest"
	a := attack{name: name, part: x.Name, steps: s.search(st, x, k, at, once), judge: judgeNearest}
	if s.Disposable {
		a.inserts = s.crowd(ctx, st, k.Column, at, once)
	}
	a.setup = append(a.setup, list.Map(a.inserts, st.sow)...)
	return a
}

// valueOf is a column's value in the first row that has one.
func valueOf(rows []row, column string) string {
	for _, r := range rows {
		if v := r[column]; v != null && v != "" {
			return v
		}
	}
	return ""
}

// search counts A's rows, as far as they are asked for, and then what a search by the index
// returns. The settings that the application's connections begin with hold, or the scan is made
// to end at once.
func (s *stage) search(st *site, x catalog.Index, k catalog.IndexKey, at string, once bool) []string {
	steps := list.Pick(s.view.Snapshot.Stored, func(stored catalog.StoredSetting) (string, bool) {
		return "SET LOCAL " + stored.Name + " = " + lit(stored.Value),
			strings.HasPrefix(stored.Name, x.Method+".") && (stored.Role == s.role || stored.Role == "")
	})
	if once {
		steps = append(steps, "SET LOCAL "+x.GoesOnBy()+" = off")
	}
	limit := " LIMIT " + strconv.Itoa(nearestRows) + ") q"
	return append(steps, "SELECT count(*) FROM (SELECT 1 FROM "+st.sql()+limit,
		"SET LOCAL enable_seqscan = off", "SET LOCAL enable_sort = off", "SELECT count(*) FROM (SELECT 1 FROM "+st.sql()+
			" x ORDER BY x."+sqltext.Ident(k.Column)+" "+k.Nearest+" "+lit(at)+limit)
}

func judgeNearest(o outcome) finding {
	wanted, found := int64(0), o.last().number()
	for _, r := range o.results[:len(o.results)-1] {
		if len(r.rows) > 0 {
			wanted = r.number()
		}
	}
	if found < wanted {
		return leak("a search returned %d of the %d rows of tenant A's that it asked for, because rows of tenant B lie "+
			"nearer: A misses rows of its own, and their number tells how many of B's are there. See the finding "+
			"key-nearest-index of moat audit", found, wanted)
	}
	return isolated("a search returned all %d rows of tenant A's that it asked for", wanted)
}

// crowd makes ten rows of A's, and sixty of B's that are nearer to one of B's: scattered as rows
// of one topic are, or all but in one place, where an index finds no way out of them.
func (s *stage) crowd(ctx context.Context, st *site, column, at string, dense bool) []row {
	var all []row
	a, b := s.parties()
	r := rand.New(rand.NewPCG(1, 2)) // the same each time
	for i := range nearestRows + nearerRows {
		by, base, off, spread := a, st.rowsA[0], 1.0, 0.1
		if i >= nearestRows {
			by, base, off = b, st.rowsB[0], 0
		}
		if dense {
			spread = 0.001
		}
		value, ok := apart(at, func() float64 { return off + spread*r.Float64() })
		made, err := s.sower.spare(ctx, st, by, base, 0)
		if err == nil && !ok {
			err = fmt.Errorf("no value near %.40s is known", at)
		}
		if err != nil {
			s.report.Skip(fmt.Sprintf("no rows were planted near those of %s.%s: %v", st.name(), column, err))
			return nil
		}
		all = append(all, made.with(row{column: value}))
	}
	return all
}

var (
	places  = regexp.MustCompile(`^[\[(<]`)
	numbers = regexp.MustCompile(`-?[0-9.]+(?:e[-+]?[0-9]+)?`)
)

// apart moves each number of a vector or a point by a share of itself.
func apart(value string, share func() float64) (string, bool) {
	moved := numbers.ReplaceAllStringFunc(value, func(text string) string {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return text
		}
		return strconv.FormatFloat(n+(math.Abs(n)+1)*share(), 'g', 7, 64)
	})
	return moved, places.MatchString(value)
}
