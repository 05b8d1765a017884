package database

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/catalog"
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
		a := attack{name: "nearest", part: x.Name, steps: s.search(st, x, *k, at, false), judge: judgeNearest}
		if s.Disposable {
			a.inserts = s.crowd(ctx, st, k.Column, at)
		}
		for _, r := range a.inserts {
			a.setup = append(a.setup, st.sow(r))
		}
		out = append(out, a)
		if s.Strict && x.GoesOnBy() != "" {
			a.name, a.steps = "nearest at once", s.search(st, x, *k, at, true)
			out = append(out, a)
		}
	}
	return out
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
	var steps []string
	for _, stored := range s.view.Snapshot.Stored {
		if strings.HasPrefix(stored.Name, x.Method+".") && (stored.Role == s.role || stored.Role == "") {
			steps = append(steps, "SET LOCAL "+stored.Name+" = "+lit(stored.Value))
		}
	}
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

// crowd makes ten rows of A's, and sixty of B's that are nearer to one of B's.
func (s *stage) crowd(ctx context.Context, st *site, column, at string) []row {
	away, ok := apart(at)
	if !ok {
		s.report.Skip(fmt.Sprintf("no row was planted near those of %s.%s: no value apart from %.40s is known", st.name(),
			column, at))
		return nil
	}
	var all []row
	a, b := s.parties()
	for i := range nearestRows + nearerRows {
		by, base, value := a, st.rowsA[0], away
		if i >= nearestRows {
			by, base, value = b, st.rowsB[0], at
		}
		r, err := s.sower.spare(ctx, st, by, base, 0)
		if err != nil {
			s.report.Skip(fmt.Sprintf("no rows were planted near those of %s.%s: %v", st.name(), column, err))
			return nil
		}
		all = append(all, r.with(row{column: value}))
	}
	return all
}

var (
	firstNumber = regexp.MustCompile(`^([\[(<]+)(-?[0-9.]+(?:e[-+]?[0-9]+)?)`)
	bits        = regexp.MustCompile(`^[01]+$`)
)

// apart is a value some way off: of a vector or a point with another first number, of a string
// of bits the opposite.
func apart(value string) (string, bool) {
	if bits.MatchString(value) {
		return strings.Map(func(r rune) rune { return '0' + '1' - r }, value), true
	}
	m := firstNumber.FindStringSubmatch(value)
	if m == nil {
		return "", false
	}
	n, err := strconv.ParseFloat(m[2], 64)
	return m[1] + strconv.FormatFloat(n+1, 'g', -1, 64) + value[len(m[0]):], err == nil
}
