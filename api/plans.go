package api

import (
	"crypto/rand"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/moat-db/moat/api/internal/plan"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// plans remember the statements of reads for one version of the schema by their
// shape, which names columns and operators and holds no value: what one tenant asked
// for is not to be told from how fast another gets an answer. They are bounded, and
// the oldest go first.
type plans struct {
	marker string // what no client can guess

	mu         sync.Mutex
	young, old map[string]*planned
}

// planned is the statement of a shape; nil when the shape has none.
type planned struct {
	statement *plan.Statement
	columns   atomic.Pointer[[]column]
}

const (
	maxPlans = 500 // of each generation
	maxShape = 1500
)

func newPlans() *plans {
	return &plans{marker: rand.Text(), young: map[string]*planned{}}
}

// get does not keep the key, so that looking costs no memory.
func (c *plans) get(key []byte) *planned {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.young[string(key)]; t != nil {
		return t
	}
	t := c.old[string(key)]
	if t != nil {
		c.add(string(key), t)
	}
	return t
}

func (c *plans) put(key string, t *planned) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, t)
}

func (c *plans) add(key string, t *planned) {
	if len(c.young) >= maxPlans {
		c.old, c.young = c.young, make(map[string]*planned)
	}
	c.young[key] = t
}

// read returns the work of a GET: from the template of its shape where there is one.
func (q *request) read(t *schema.Table, media query.Media) (*execution, error) {
	raw := q.URL.RawQuery
	if !isPlan(media) && media.Format != query.Made && len(raw) <= q.h.config.Limits.Query.WithDefaults().Bytes {
		var space [512]byte
		key, values, shaped := query.AppendShape(q.appendVariant(space[:0], t, media), nil, raw)
		if shaped && len(key) <= maxShape {
			if known := q.planned(t, media, key, len(values)); known.statement != nil {
				return &execution{statement: known.statement, values: values, columns: &known.columns, media: media}, nil
			}
		}
	}
	st, err := q.planRead(t, media, raw)
	return &execution{statement: st, media: media}, err
}

// appendVariant writes what a statement depends on besides the query string.
func (q *request) appendVariant(key []byte, t *schema.Table, media query.Media) []byte {
	key = append(append(key, t.Name.Schema...), 0)
	key = append(append(key, t.Name.Name...), 0)
	key = append(append(key, q.prefer.Count...), 0)
	key = append(append(key, q.rangeHeader()...), 0)
	key = strconv.AppendBool(key, q.scope.Tenant != "")
	key = strconv.AppendBool(key, media.Stripped)
	return append(strconv.AppendInt(key, int64(media.Format), 10), 0)
}

// planned finds the statement of a key, or makes it.
func (q *request) planned(t *schema.Table, media query.Media, key []byte, holes int) *planned {
	c := q.state.plans
	known := c.get(key)
	if known == nil {
		known = q.newPlan(t, media, holes)
		c.put(string(key), known)
	}
	return known
}

// newPlan plans the request with markers in place of its values. Where that fails,
// the request itself is planned and tells what is wrong.
func (q *request) newPlan(t *schema.Table, media query.Media, holes int) *planned {
	shape, _, _ := query.AppendShape(nil, nil, q.URL.RawQuery)
	markers := make([]string, holes)
	for i := range markers {
		markers[i] = q.state.plans.marker + strconv.Itoa(i)
	}
	st, err := q.planRead(t, media, query.Fill(string(shape), func(n int) string { return markers[n] }))
	if err != nil || !st.Template(markers) {
		return &planned{}
	}
	return &planned{statement: st}
}

// planRead makes the statement of a GET with this query string.
func (q *request) planRead(t *schema.Table, media query.Media, raw string) (*plan.Statement, error) {
	r, err := query.Parse(raw, query.Options{Limits: q.h.config.Limits.Query, AliasesOnly: q.h.config.AliasesOnly})
	if err != nil {
		return nil, err
	}
	q.info.timing.mark(phaseParse)
	if err := q.ranged(r); err != nil {
		return nil, err
	}
	options := q.optionsOf(t, media)
	options.ETag = media.Format == query.Singular
	st, err := plan.Read(q.state.Schema, t, r, options)
	if err == nil {
		st.Warning = r.Warning()
	}
	return st, err
}
