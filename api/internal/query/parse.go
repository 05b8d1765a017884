package query

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
)

// Options say how a query string is to be read. The zero value reads a table's.
type Options struct {
	Limits Limits
	// Argument, when set, is asked about each parameter that is not a reserved word:
	// true makes it an argument of a function instead of a filter.
	Argument func(name, value string) bool
	// AliasesOnly does not let the name of an embed that has an alias stand for it.
	AliasesOnly bool
}

// Parse reads a raw query string.
func Parse(raw string, o Options) (*Request, error) {
	limits := o.Limits.WithDefaults()
	if len(raw) > limits.Bytes {
		return nil, problem.New(http.StatusRequestURITooLong, "MOAT110",
			"the query string has more than %d bytes", limits.Bytes)
	}
	params, err := split(raw)
	if err != nil {
		return nil, err
	}
	p := &parser{use: &budget{limits: limits}, options: o, request: &Request{}}
	for _, param := range params {
		if err := p.param(param.key, param.value); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

type parser struct {
	options Options
	use     *budget
	request *Request
	// pending are the parts of the request that belong to a path of embeds, which is
	// resolved when select is known.
	pending []pending
}

type pending struct {
	path  []string
	key   string
	apply func(*Read)
}

func (p *parser) param(key, value string) error {
	r := p.request
	var err error
	switch key {
	case "select":
		if strings.Trim(value, " ") == "" {
			return nil // as if it had not been sent
		}
		r.Selected = true
		r.Root.Items, err = parseSelect(value, p.use)
		return err
	case "columns":
		r.Columns, err = parseNames("columns parameter", value, p.use)
		return err
	case "on_conflict":
		r.OnConflict, err = parseNames("on_conflict parameter", value, p.use)
		return err
	case "after":
		r.After = &value
		return nil
	}
	if p.options.Argument != nil && p.options.Argument(key, value) {
		r.Arguments = append(r.Arguments, Argument{Name: key, Value: value})
		return nil
	}
	return p.located(key, value)
}

// located reads a parameter that may start with a path of embeds: clients.name=eq.x.
func (p *parser) located(key, value string) error {
	s := &scanner{what: "parameter name", text: key, use: p.use}
	path, field, err := s.location()
	if err != nil {
		return err
	}
	if len(path) > p.use.limits.Depth {
		return problem.TooLarge("the request has more than %d levels of nesting", p.use.limits.Depth)
	}
	var apply func(*Read)
	if !strings.HasSuffix(key, `"`) { // "order" in quotes is a column of that name
		if apply, err = p.reserved(&path, field, value); err != nil {
			return err
		}
	}
	if apply == nil {
		cond, err := parseFilter(field, value, p.use)
		if err != nil {
			return err
		}
		apply = func(r *Read) { r.Where = append(r.Where, cond) }
	}
	p.pending = append(p.pending, pending{path, key, apply})
	return nil
}

// location reads a.b.field->path: all but the last name are embeds.
func (s *scanner) location() ([]string, Field, error) {
	var path []string
	for {
		field, err := s.field()
		if err != nil {
			return nil, Field{}, err
		}
		if s.done() {
			return path, field, nil
		}
		if len(field.Path) > 0 || !s.take(".") {
			return nil, Field{}, s.fail(`"." or end of input`)
		}
		path = append(path, field.Name)
	}
}

// reserved reads order, limit, offset, and, or, not.and and not.or; it returns nil for
// a filter.
func (p *parser) reserved(path *[]string, field Field, value string) (func(*Read), error) {
	if len(field.Path) > 0 {
		return nil, nil
	}
	switch field.Name {
	case "order":
		if value == "" {
			return func(*Read) {}, nil
		}
		terms, err := parseOrder(value, p.use)
		return func(r *Read) { r.Order = terms }, err
	case "limit":
		n, err := parseCount("limit", value)
		return func(r *Read) { r.Limit = &n }, err
	case "offset":
		n, err := parseCount("offset", value)
		return func(r *Read) { r.Offset = n }, err
	case "and", "or":
		not := false
		if n := len(*path); n > 0 && (*path)[n-1] == "not" {
			not, *path = true, (*path)[:n-1]
		}
		cond, err := parseLogic(field.Name, not, value, p.use)
		return func(r *Read) { r.Where = append(r.Where, cond) }, err
	}
	return nil, nil
}

// parseCount reads a limit or an offset. A negative limit is out of range and a negative
// offset is none, as in PostgREST.
func parseCount(what, value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, problem.Parse(what, value, "expecting a whole number")
	}
	if n < 0 && what == "offset" {
		return 0, nil
	}
	if n < 0 {
		name := strings.ToUpper(what[:1]) + what[1:]
		return 0, problem.New(http.StatusRequestedRangeNotSatisfiable, "PGRST103", "Requested range not satisfiable").
			WithDetails("%s should be greater than or equal to zero.", name)
	}
	return n, nil
}

func parseNames(what, text string, use *budget) ([]string, error) {
	s := &scanner{what: what, text: text, use: use}
	names := []string{}
	for {
		s.blanks()
		name, err := s.name()
		if err != nil {
			return nil, err
		}
		if err := use.item(); err != nil {
			return nil, err
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if s.done() {
			return names, nil
		}
		if err := s.expect(","); err != nil {
			return nil, err
		}
	}
}

func (p *parser) finish() (*Request, error) {
	r := p.request
	if !r.Selected {
		r.Root.Items = []Item{{Kind: Star}}
	}
	for _, part := range p.pending {
		read, err := p.find(part.path)
		if err != nil {
			return nil, err
		}
		part.apply(read)
	}
	return r, nil
}

// find walks to the embed that path names: by its alias or, where it has none, by its
// name. An alias is the better match, and AliasesOnly takes no other.
func (p *parser) find(path []string) (*Read, error) {
	r := &p.request.Root
	for _, name := range path {
		named := func(label func(*Target) string) int {
			return slices.IndexFunc(r.Items, func(i Item) bool { return i.Kind == Embed && label(i.Target) == name })
		}
		i := named((*Target).Label)
		other := named(func(t *Target) string { return t.Name })
		if i < 0 && other >= 0 && p.options.AliasesOnly {
			return nil, notEmbedded(name).WithDetails("Target names are not allowed in filters if they have an alias").
				WithHint("Change '%s' to '%s' in filters, orders or limits.", name, r.Items[other].Target.Alias)
		}
		if i < 0 && other < 0 {
			return nil, notEmbedded(name).WithHint("Verify that '%s' is included in the 'select' query parameter.", name)
		}
		if i < 0 {
			i = other
			p.renamed(r.Items[i].Target)
		}
		r = &r.Items[i].Target.Read
	}
	return r, nil
}

// renamed notes an embed that is named by its table.
func (p *parser) renamed(t *Target) {
	one := Renamed{t.Name, t.Alias}
	if !slices.Contains(p.request.Renamed, one) {
		p.request.Renamed = append(p.request.Renamed, one)
	}
}

func notEmbedded(name string) *problem.Error {
	return problem.New(http.StatusBadRequest, "PGRST108", "'%s' is not an embedded resource in this request", name)
}
