package body

import (
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// primary reads a literal, a name, a call, or something in parentheses.
func (r *reader) primary() *catalog.Node {
	switch t := r.peek(); t.Kind {
	case sqltext.String:
		return constant("text", r.text())
	case sqltext.Number:
		r.at++
		if n, err := strconv.Atoi(t.Text); err == nil && strconv.Itoa(n) == t.Text {
			return constant("integer", t.Text)
		}
		return constant("numeric", t.Text)
	case sqltext.Param:
		r.at++
		return &catalog.Node{Kind: catalog.NodeParam, Name: t.Text, Level: len(r.scopes)}
	case sqltext.Word:
		if n := r.keyword(); n != nil {
			return n
		}
		if !r.ahead(1).Is("(") && !r.ahead(1).Is(".") && sqltext.IsKeyword(t.Name()) {
			break
		}
		return r.named()
	case sqltext.Quoted:
		return r.named()
	case sqltext.Symbol:
		return r.enclosed()
	}
	r.refuse()
	return nil
}

// text takes a string.
func (r *reader) text() string {
	if !r.peek().Plain() {
		r.refuse()
	}
	return r.take().Value()
}

// enclosed reads (SELECT …), (expression) or (a, row).
func (r *reader) enclosed() *catalog.Node {
	if q := r.subselect(); q != nil {
		return &catalog.Node{Kind: catalog.NodeSubquery, Query: q}
	}
	r.expect("(")
	list := r.list(")")
	if len(list) != 1 {
		return unknown("row", list...)
	}
	return list[0]
}

// keyword reads what begins with a word of the language, nil where that is no such.
func (r *reader) keyword() *catalog.Node {
	if r.ahead(1).Plain() { // uuid '…'
		name := r.typeName()
		return cast(constant("text", r.text()), name)
	}
	switch word := r.take().Name(); word {
	case "true", "false":
		return constant("boolean", word)
	case "null":
		return null()
	case "current_user", "session_user", "current_role", "user", "current_date", "current_time", "current_timestamp",
		"localtime", "localtimestamp", "current_catalog", "current_schema":
		return node(catalog.NodeValue, word)
	case "exists":
		return exists(r.parenthesised())
	case "cast":
		return r.castCall()
	case "array":
		if r.next("(") {
			return &catalog.Node{Kind: catalog.NodeArrayQuery, Query: r.parenthesised()}
		}
		r.expect("[")
		return node(catalog.NodeArray, "", r.list("]")...)
	case "coalesce":
		return r.chosen(catalog.NodeCoalesce, "", 1)
	case "nullif":
		return r.chosen(catalog.NodeNullIf, "=", 2)
	case "case":
		return r.switchCase()
	}
	r.at--
	return nil
}

// chosen reads the arguments of COALESCE and NULLIF.
func (r *reader) chosen(kind catalog.NodeKind, name string, least int) *catalog.Node {
	r.expect("(")
	n := node(kind, name, r.list(")")...)
	if len(n.Args) < least {
		r.refuse()
	}
	return n
}

func (r *reader) castCall() *catalog.Node {
	r.expect("(")
	n := r.expr(0)
	r.expect("as")
	n = cast(n, r.typeName())
	r.expect(")")
	return n
}

// switchCase reads what follows CASE; what follows CASE x is left unknown.
func (r *reader) switchCase() *catalog.Node {
	n := node(catalog.NodeCase, "")
	if !r.next("when") {
		n = unknown("CASE", r.expr(0))
	}
	for r.accept("when") {
		n.Args = append(n.Args, r.expr(0))
		r.expect("then")
		n.Args = append(n.Args, r.expr(0))
	}
	if len(n.Args) < 2 {
		r.refuse()
	}
	if r.accept("else") {
		n.Args = append(n.Args, r.expr(0))
	} else {
		n.Args = append(n.Args, null())
	}
	r.expect("end")
	return n
}

// named reads a column, a variable, a parameter or a call.
func (r *reader) named() *catalog.Node {
	parts := []string{r.name()}
	for r.accept(".") {
		if r.accept("*") {
			return unknown("*")
		}
		parts = append(parts, r.name())
	}
	if !r.next("(") {
		return r.column(parts)
	}
	n := r.call(parts)
	if r.accept("over") {
		r.skipParentheses()
		return unknown("window", n)
	}
	return n
}

func (r *reader) skipParentheses() {
	r.expect("(")
	r.skipTo()
	r.expect(")")
}

func (r *reader) call(parts []string) *catalog.Node {
	r.expect("(")
	if len(parts) > 2 {
		r.refuse()
	}
	r.accept("*")
	_ = r.accept("distinct") || r.accept("all")
	switch strings.Join(parts, ".") {
	case "extract":
		r.at++
		r.expect("from")
	case "trim":
		parts = []string{"btrim"}
	}
	args := r.arguments()
	if r.accept("filter", "(", "where") {
		r.expr(0)
		r.expect(")")
	}
	return r.resolve(parts, args)
}

// arguments reads what stands between a call's parentheses, an aggregate's ORDER BY
// included.
func (r *reader) arguments() []*catalog.Node {
	var all []*catalog.Node
	for !r.accept(")") {
		all = append(all, r.expr(0))
		if r.next("order") {
			r.skipTo()
		}
		if !r.next(")") && !r.accept("from") && !r.accept("for") { // substring(x FROM y)
			r.expect(",")
		}
	}
	return all
}

// resolve finds what a call calls: one of the user's functions, else PostgreSQL's.
// Where several functions may be meant, it is neither.
func (r *reader) resolve(parts []string, args []*catalog.Node) *catalog.Node {
	name := parts[len(parts)-1]
	n := node(catalog.NodeFunction, strings.Join(parts, "."), args...)
	schemas := parts[:len(parts)-1]
	if len(parts) == 1 {
		n.Name = "pg_catalog." + name
		schemas = r.schemas()
		if !r.pathed() {
			schemas = r.anywhere()
		}
	}
	if len(parts) == 1 && IsBuiltin(name) {
		return n
	}
	var found []*catalog.Function
	for _, schema := range schemas {
		for _, f := range r.l.Functions(catalog.QName{Schema: schema, Name: name}) {
			// Which of two comes first the caller's path decides where the function has none.
			hidden := func(first *catalog.Function) bool {
				return first.Arguments == f.Arguments && (r.pathed() || first.Schema == f.Schema)
			}
			if !f.System && f.Takes(len(args)) && !slices.ContainsFunc(found, hidden) {
				found = append(found, f)
			}
		}
	}
	if len(found) > 0 {
		n.Name = found[0].QName().String()
	}
	if len(found) == 1 {
		n.OID = found[0].OID
	}
	return n
}

// IsBuiltin names PostgreSQL's functions that helpers are made of, none of which makes
// one row of several: pg_catalog comes first in every search_path that does not name it.
func IsBuiltin(name string) bool {
	switch name {
	case "current_setting", "to_jsonb", "jsonb_array_elements_text", "json_array_elements_text", "jsonb_array_elements",
		"json_array_elements", "jsonb_extract_path", "json_extract_path", "jsonb_extract_path_text", "json_extract_path_text",
		"unnest", "lower", "upper", "btrim", "trim", "now", "pg_has_role", "string_to_array", "array_append", "length",
		"replace", "split_part", "starts_with":
		return true
	}
	return isAggregate(name)
}

func isAggregate(name string) bool {
	switch name {
	case "count", "max", "min", "sum", "array_agg", "bool_or", "bool_and", "every", "string_agg", "json_agg", "jsonb_agg":
		return true
	}
	return false
}

// pathed says whether the function looks names up where its maker did.
func (r *reader) pathed() bool {
	return r.f.BodyParsed || slices.ContainsFunc(r.f.Settings, func(setting string) bool {
		return strings.HasPrefix(setting, "search_path=")
	})
}

// anywhere is where a function without a path may find what it calls: in its own schema
// and public, or wherever its caller looks first.
func (r *reader) anywhere() []string {
	schemas := r.schemas()
	for _, s := range r.l.Snapshot.Schemas {
		if !slices.Contains(schemas, s.Name) {
			schemas = append(schemas, s.Name)
		}
	}
	return schemas
}

// schemas is where the function looks names up: its search_path as far as it is fixed,
// its schema and public.
func (r *reader) schemas() []string {
	var path []string
	for _, setting := range r.f.Settings {
		if value, ok := strings.CutPrefix(setting, "search_path="); ok {
			for name := range strings.SplitSeq(value, ",") {
				path = append(path, strings.Trim(strings.TrimSpace(name), `"'`))
			}
		}
	}
	return append(path, r.f.Schema, "public")
}

// column resolves a name: a column of the tables in sight, innermost first, as SQL
// prefers them, then a variable or a parameter.
func (r *reader) column(parts []string) *catalog.Node {
	name := parts[len(parts)-1]
	for up := range len(r.scopes) {
		opaque := false
		for _, t := range r.scopes[len(r.scopes)-1-up].tables {
			if len(parts) > 1 && t.alias != parts[len(parts)-2] {
				continue
			}
			if n := t.column(name); n != nil {
				return n.Raised(up)
			}
			opaque = opaque || t.opaque
		}
		if opaque {
			return unknown("column")
		}
	}
	if len(parts) == 2 && parts[0] == r.f.Name {
		parts = parts[1:]
	}
	n := r.variable(parts[0])
	if len(parts) > 1 {
		return unknown("field")
	}
	return n
}

// variable resolves the name of a variable or a parameter.
func (r *reader) variable(name string) *catalog.Node {
	if n := r.vars[name]; n != nil {
		return n.Raised(len(r.scopes))
	}
	i := slices.IndexFunc(r.f.Inputs(), func(param catalog.Param) bool { return param.Name == name })
	if i < 0 {
		r.refuse()
	}
	return &catalog.Node{Kind: catalog.NodeParam, Name: "$" + strconv.Itoa(i+1), Level: len(r.scopes)}
}
