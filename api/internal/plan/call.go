package plan

import (
	"net/http"
	"slices"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/list"
)

// Call is the call of a function.
type Call struct {
	// Body is the JSON object with the arguments of a POST, or the whole value of a
	// single unnamed parameter; nil for a GET.
	Body []byte
	// First is the object of named arguments where Body holds several; nil for Body itself.
	// Keys are its members.
	First []byte
	Keys  []string
	// Media is the content type of Body: json, text, xml or bytea.
	Media string
}

// Resolve picks the function that a call means by the names of its arguments.
func Resolve(s *schema.Schema, name schema.Name, arguments []string, body string) (*schema.Function, error) {
	var found []*schema.Function
	for _, f := range s.Functions[name] {
		if body == "" || body == "json" {
			if accepts(f, arguments) {
				found = append(found, f)
			}
		}
	}
	if len(found) == 0 && body != "" {
		for _, f := range s.Functions[name] {
			if unnamed(f, body) {
				found = append(found, f)
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, noFunction(s, name, arguments, body)
	}
	return nil, overloaded(found)
}

// accepts reports whether the arguments are parameters, and every parameter without
// a default is among them.
func accepts(f *schema.Function, arguments []string) bool {
	for _, a := range arguments {
		if a == "" || f.Param(a) == nil {
			return false
		}
	}
	return !slices.ContainsFunc(f.Params, func(p schema.Param) bool {
		return !p.HasDefault && !slices.Contains(arguments, p.Name)
	})
}

// unnamed reports whether a function takes the whole body as its one parameter.
func unnamed(f *schema.Function, body string) bool {
	if len(f.Params) != 1 || f.Params[0].Name != "" {
		return false
	}
	t := f.Params[0].Type
	return t == body || (body == "json" && t == "jsonb")
}

func noFunction(s *schema.Schema, name schema.Name, arguments []string, body string) error {
	if body != "" && body != "json" {
		return problem.New(http.StatusNotFound, "PGRST202", "Could not find the function %s in the schema cache", name).
			WithDetails("Searched for the function %s with a single unnamed %s parameter, but no matches were found in "+
				"the schema cache.", name, body)
	}
	with, signature := "without parameters", name.String()+" without parameters"
	if len(arguments) > 0 {
		list := strings.Join(arguments, ", ")
		with, signature = "with parameter"+plural(len(arguments))+" "+list, name.String()+"("+list+")"
	}
	if slices.Contains(arguments, "") { // a body that is no object
		with, signature = "with a single unnamed json/jsonb parameter", name.String()+" without parameters"
	} else if body == "json" {
		with += " or with a single unnamed json/jsonb parameter"
	}
	e := problem.New(http.StatusNotFound, "PGRST202", "Could not find the function %s in the schema cache", signature).
		WithDetails("Searched for the function %s %s, but no matches were found in the schema cache.", name, with)
	if similar := similarCall(s, name, arguments); similar != "" {
		e = e.WithHint("Perhaps you meant to call the function %s.%s", name.Schema, similar)
	}
	return e
}

// similarCall is a function of a similar name or, where the name is right, one with similar
// parameters.
func similarCall(s *schema.Schema, name schema.Name, arguments []string) string {
	overloads := s.Functions[name]
	if len(overloads) == 0 {
		return schema.Similar(name.Name, s.FunctionNames(name.Schema), schema.Close)
	}
	list := func(names []string) string {
		return "(" + strings.Join(slices.Sorted(slices.Values(names)), ", ") + ")"
	}
	var lists []string
	for _, f := range overloads {
		var names []string
		for _, p := range f.Params {
			names = append(names, p.Name)
		}
		lists = append(lists, list(names))
	}
	if similar := schema.Similar(list(arguments), lists, schema.Loose); similar != "" {
		return name.Name + similar
	}
	return ""
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func overloaded(found []*schema.Function) error {
	slices.SortStableFunc(found, func(a, b *schema.Function) int { return len(a.Params) - len(b.Params) })
	var list []string
	for _, f := range found {
		params := make([]string, len(f.Params))
		for i, p := range f.Params {
			params[i] = p.Name + " => " + p.Type
		}
		list = append(list, f.Schema+"."+f.Name.Name+"("+strings.Join(params, ", ")+")")
	}
	return problem.New(http.StatusMultipleChoices, "PGRST203", "Could not choose the best candidate function between: %s",
		strings.Join(list, ", ")).
		WithHint("Try renaming the parameters or the function itself in the database so function overloading can be resolved")
}

// Function makes the statement of a call.
func Function(s *schema.Schema, f *schema.Function, r *query.Request, c Call, o Options) (*Statement, error) {
	w := newWriter(s, o)
	if !o.Tenant {
		return nil, problem.New(http.StatusForbidden, "MOAT102", "functions need a tenant, and the token names none")
	}
	call, from := w.call(f, r, c)
	rows := f.Table
	if rows == nil && len(f.Columns) > 0 {
		rows = resultTable(f)
	}
	if rows == nil {
		return w.scalarCall(f, r, call, from)
	}
	top := source{table: rows, alias: w.alias(), rows: f.Table == nil}
	st, err := w.readFrom(top, from.before+call+" AS "+top.alias, r, func(again *writer) (source, string) {
		call, from := again.call(f, r, c)
		top := source{table: rows, alias: again.alias(), rows: f.Table == nil}
		return top, from.before + call + " AS " + top.alias
	})
	if err != nil {
		return nil, err
	}
	st.Single = st.Single || !f.Set
	return st, nil
}

// lead is what comes before the call in FROM: the arguments as a row.
type lead struct{ before string }

// call renders the call with its arguments.
func (w *writer) call(f *schema.Function, r *query.Request, c Call) (string, lead) {
	if len(f.Params) == 1 && f.Params[0].Name == "" && c.Body != nil {
		return f.SQL() + "(" + w.arg(string(c.Body)) + "::" + f.Params[0].Type + ")", lead{}
	}
	if c.Body == nil {
		return f.SQL() + "(" + strings.Join(w.urlArguments(f, r), ", ") + ")", lead{}
	}
	var params []*schema.Column
	var arguments []string
	args := "args"
	for i := range f.Params {
		p := &f.Params[i]
		if !slices.Contains(c.Keys, p.Name) {
			continue
		}
		params = append(params, &schema.Column{Name: p.Name, Type: p.SQL()})
		arguments = append(arguments, w.named(p, args+"."+schema.Quote(p.Name)))
	}
	if len(params) == 0 {
		return f.SQL() + "()", lead{}
	}
	named := c.First
	if named == nil {
		named = c.Body
	}
	before := "json_to_record(" + w.arg(string(named)) + "::json) AS " + args + "(" + record(params) + "), LATERAL "
	return f.SQL() + "(" + strings.Join(arguments, ", ") + ")", lead{before}
}

func (w *writer) named(p *schema.Param, value string) string {
	sql := schema.Quote(p.Name) + " => " + value
	if p.Variadic {
		return "VARIADIC " + sql
	}
	return sql
}

// urlArguments are those of a GET. A variadic parameter may come several times.
func (w *writer) urlArguments(f *schema.Function, r *query.Request) []string {
	var out []string
	for i := range f.Params {
		p := &f.Params[i]
		values := list.Pick(r.Arguments, func(a query.Argument) (string, bool) { return a.Value, a.Name == p.Name })
		if len(values) == 0 {
			continue
		}
		value := values[len(values)-1]
		if p.Variadic && !(len(values) == 1 && strings.HasPrefix(value, "{")) {
			value = arrayLiteral(values)
		}
		out = append(out, w.named(p, w.arg(value)+"::"+p.SQL()))
	}
	return out
}

// resultTable describes the OUT columns of a function as a table.
func resultTable(f *schema.Function) *schema.Table {
	return schema.NewRows(f.Name, f.Columns)
}

// scalarCall selects the value itself. A record without known columns is JSON.
func (w *writer) scalarCall(f *schema.Function, r *query.Request, call string, from lead) (*Statement, error) {
	if len(r.Root.Where) > 0 || len(r.Root.Order) > 0 || r.Selected {
		return nil, problem.New(http.StatusBadRequest, "42703",
			"the function %s returns no columns to select, filter or order by", f.Name)
	}
	value := call
	if !f.Scalar && !f.Void && !w.options.Text {
		value = "to_json(" + call + ")"
	}
	sql := "SELECT " + value + " AS value"
	if from.before != "" {
		sql += " FROM " + strings.TrimSuffix(from.before, ", LATERAL ")
	}
	whole, args := sql, len(w.args)
	if f.Set {
		sql = "SELECT value FROM (" + sql + ") AS calls" + w.page(&r.Root)
	}
	st := w.statement(sql)
	st.Outputs = []Output{{Name: "value"}}
	st.Scalar, st.Single, st.Void = true, !f.Set, f.Void
	st.Offset, st.Limit = r.Root.Offset, w.limit(&r.Root)
	if w.options.Count != "" && f.Set {
		st.Count = &Statement{SQL: "SELECT pg_catalog.count(*) FROM (" + whole + ") AS counted", Args: w.args[:args]}
	}
	return st, nil
}
