package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/api/internal/plan"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// object is a JSON object under construction. encoding/json sorts its members, so a
// description of the same schema is the same bytes.
type object map[string]any

// root describes what this caller may reach: OpenAPI 3.1, or a page to read.
func (h *Handler) root(w http.ResponseWriter, q *request) error {
	switch {
	case q.Method == http.MethodOptions:
		w.Header().Set("Allow", "OPTIONS,GET,HEAD")
		return nil
	case !safe(q.Method):
		return errMethod(q.Method)
	}
	media, err := query.Accept(q.Header["Accept"], query.Offer{Format: func(f query.Format) bool {
		return f == query.OpenAPI || f == query.JSON || f == query.HTML
	}})
	if err != nil {
		return err
	}
	if h.config.RootSpec.Name != "" && media.Format != query.HTML && q.scope.Tenant != "" {
		return q.ownDescription(w, media)
	}
	d := description{state: q.state, profile: q.profile, shared: q.scope.Tenant == "", config: &h.config}
	a := &answer{}
	if media.Format == query.HTML {
		if a.body, err = d.page(); err != nil {
			return err
		}
		w.Header().Set("Content-Security-Policy", pagePolicy)
		q.write(w, http.StatusOK, media.ContentType(), a)
		return nil
	}
	if a.body, err = d.cached(); err != nil {
		return err
	}
	q.info.timing.mark(phasePlan)
	q.write(w, http.StatusOK, query.Media{Format: query.OpenAPI}.ContentType(), a)
	return nil
}

// ownDescription answers with what the configured function makes, in the transaction and
// scope of the caller.
func (q *request) ownDescription(w http.ResponseWriter, media query.Media) error {
	f := q.h.config.RootSpec
	st := &plan.Statement{SQL: "select " + pgx.Identifier{f.Schema, f.Name}.Sanitize() + "()::json", Limit: -1,
		Outputs: []plan.Output{{Name: "value"}}, Scalar: true, Single: true}
	a := &answer{}
	if err := q.run(&execution{statement: st, response: true, readOnly: true}, a, nil); err != nil {
		return err
	}
	q.write(w, http.StatusOK, media.ContentType(), a)
	return nil
}

// description is the API of one schema for one kind of caller.
type description struct {
	state   *state
	profile string
	shared  bool // the caller has no tenant and reaches shared tables only
	config  *Config
}

// cached keeps the description for as long as the schema is the same.
func (d description) cached() ([]byte, error) {
	type key struct {
		profile string
		shared  bool
	}
	k := key{d.profile, d.shared}
	if text, ok := d.state.pages.Load(k); ok {
		return text.([]byte), nil
	}
	text, err := json.Marshal(d.document())
	if err != nil {
		return nil, err
	}
	d.state.pages.Store(k, text)
	return text, nil
}

// tables are those the caller may reach, by name.
func (d description) tables() []*schema.Table {
	var out []*schema.Table
	for _, name := range d.state.TableNames(d.profile) {
		if t := d.state.Table(d.profile, name); !d.shared || t.Shared {
			out = append(out, t)
		}
	}
	return out
}

func (d description) functions() []*schema.Function {
	var out []*schema.Function
	if d.shared {
		return nil
	}
	for _, name := range d.state.FunctionNames(d.profile) {
		out = append(out, d.state.Functions[schema.Name{Schema: d.profile, Name: name}]...)
	}
	return out
}

func (d description) document() object {
	paths, schemas := object{}, object{"error": errorSchema()}
	for _, t := range d.tables() {
		name := t.Name.Name
		schemas[component(name)] = tableSchema(t)
		paths["/"+escapePath(name)] = d.tablePath(t)
	}
	for _, f := range d.functions() {
		path := "/rpc/" + escapePath(f.Name.Name)
		if paths[path] == nil { // overloads share one path; the first describes it
			paths[path] = functionPath(f)
		}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{"title": d.config.Title, "version": strconv.FormatUint(d.state.version, 10),
			"description": "Rows of the token's tenant, in PostgREST's language."},
		"servers": []any{object{"url": d.config.Base}},
		"paths":   paths,
		"components": object{
			"schemas": schemas, "parameters": d.parameters(),
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
		},
		"security": []any{object{"token": []any{}}},
	}
}

// component is a name fit for a reference: ^[a-zA-Z0-9._-]+$.
func component(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, name)
}

// escapePath keeps a name with braces from being read as a path template.
func escapePath(name string) string {
	return strings.NewReplacer("{", "%7B", "}", "%7D", "/", "%2F", "?", "%3F", "#", "%23", " ", "%20").Replace(name)
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

func errorSchema() object {
	text := object{"type": []any{"string", "null"}}
	return object{
		"type": "object", "required": []any{"code", "message"},
		"properties": object{"code": object{"type": "string"}, "message": object{"type": "string"}, "details": object{},
			"hint": text},
	}
}

func tableSchema(t *schema.Table) object {
	properties, required := object{}, []any{}
	for _, c := range t.Columns {
		if !c.Select && !c.Insert && !c.Update {
			continue
		}
		properties[c.Name] = columnSchema(t, c)
		if !c.HasDefault() && !c.Tenant {
			required = append(required, c.Name)
		}
	}
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	if t.Comment != "" {
		out["description"] = t.Comment
	}
	if t.Others {
		out["x-moat-other-tenants"] = true
	}
	return out
}

func columnSchema(t *schema.Table, c *schema.Column) object {
	out := typeSchema(c.Base)
	if len(c.Enum) > 0 {
		out = object{"type": "string", "enum": anys(c.Enum)}
	}
	if !c.NotNull && out["type"] != nil {
		out["type"] = []any{out["type"], "null"}
		if values, ok := out["enum"].([]any); ok {
			out["enum"] = append(values, nil)
		}
	}
	out["x-postgresql-type"] = c.Type
	if c.Tenant || !c.Insert && !c.Update {
		out["readOnly"] = true
	}
	var notes []string
	if c.Comment != "" {
		notes = append(notes, c.Comment)
	}
	if slices.Contains(t.Key, c.Name) {
		notes = append(notes, "Primary key.")
	}
	if len(notes) > 0 {
		out["description"] = strings.Join(notes, "\n\n")
	}
	return out
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// typeSchema maps a PostgreSQL type to JSON Schema. What it does not know is anything.
func typeSchema(sqlType string) object {
	if element, found := strings.CutSuffix(sqlType, "[]"); found {
		return object{"type": "array", "items": typeSchema(element)}
	}
	name, _, _ := strings.Cut(sqlType, "(")
	switch name {
	case "boolean":
		return object{"type": "boolean"}
	case "smallint", "integer", "oid":
		return object{"type": "integer", "format": "int32"}
	case "bigint":
		return object{"type": "integer", "format": "int64"}
	case "numeric", "real", "double precision":
		return object{"type": "number"}
	case "json", "jsonb":
		return object{}
	case "uuid":
		return object{"type": "string", "format": "uuid"}
	case "date":
		return object{"type": "string", "format": "date"}
	case "timestamp with time zone":
		return object{"type": "string", "format": "date-time"}
	case "timestamp", "timestamp without time zone", "text", "character varying", "character", "interval", "inet",
		"cidr", "bytea", "time", "money", "xml", "tsvector", "int4range", "int8range", "numrange", "tsrange",
		"tstzrange", "daterange":
		return object{"type": "string"}
	}
	return object{}
}

func queryParameter(name, description string, s object) object {
	return object{"name": name, "in": "query", "required": false, "description": description, "schema": s}
}

// parameters are those of every table, and the header that widens a read where one can be.
func (d description) parameters() object {
	all := commonParameters()
	if d.state.below != nil {
		all["scope"] = object{"name": widthHeader, "in": "header", "required": false,
			"description": "descendants shows the rows of the tenants below as well, own (the default) those of the tenant " +
				"alone. Rows of suspended tenants below are left out. A write goes to one tenant and has no such header.",
			"schema": object{"type": "string", "enum": []any{"own", "descendants"}}}
	}
	return all
}

// commonParameters are those of every table.
func commonParameters() object {
	text, number := object{"type": "string"}, object{"type": "integer", "minimum": 0}
	return object{
		"select": queryParameter("select", "Columns and related tables to return.", text),
		"order":  queryParameter("order", "Order, such as created_at.desc.nullslast,id.", text),
		"limit":  queryParameter("limit", "Most rows to return.", number),
		"offset": queryParameter("offset", "Rows to skip.", number),
		"after": queryParameter("after",
			"Cursor of the page before, from its Moat-Next-Cursor header; empty for the first page.", text),
		"or":          queryParameter("or", "Alternatives, such as (status.eq.new,score.gt.50).", text),
		"and":         queryParameter("and", "Conditions that all hold.", text),
		"on_conflict": queryParameter("on_conflict", "Unique columns that make a row the same.", text),
		"columns":     queryParameter("columns", "Columns to take from the body.", text),
		"prefer": object{"name": "Prefer", "in": "header", "required": false,
			"description": "return, count, resolution, missing, handling, max-affected, timezone.", "schema": text},
		"range": object{"name": "Range", "in": "header", "required": false,
			"description": "First and last row, such as 0-9.", "schema": text},
	}
}

func (d description) tablePath(t *schema.Table) object {
	var filters []any
	for _, c := range t.Columns {
		if c.Select {
			filters = append(filters, queryParameter(c.Name, "Filter, such as eq."+example(c)+".", object{"type": "string"}))
		}
	}
	with := func(names ...string) []any {
		list := slices.Clone(filters)
		for _, name := range names {
			list = append(list, ref("parameters", name))
		}
		return list
	}
	rows := object{"type": "array", "items": ref("schemas", component(t.Name.Name))}
	body := object{"required": true, "content": object{
		"application/json": object{"schema": object{"oneOf": []any{ref("schemas", component(t.Name.Name)), rows}}},
		"text/csv":         object{"schema": object{"type": "string"}},
	}}
	path := object{}
	operation := func(method, id string, parameters []any, body object, status, description string) {
		o := object{"operationId": id + "_" + component(t.Name.Name), "tags": []any{t.Name.Name}, "parameters": parameters,
			"responses": object{status: answerWith(description, rows),
				"default": answerWith("An error.", ref("schemas", "error"))}}
		if t.Comment != "" {
			o["description"] = t.Comment
		}
		if body != nil {
			o["requestBody"] = body
		}
		path[method] = o
	}
	if t.Select {
		names := []string{"select", "order", "limit", "offset", "after", "or", "and", "prefer", "range"}
		if below := d.state.below; below != nil && below.Tables[t.Name] != nil {
			names = append(names, "scope")
		}
		operation("get", "read", with(names...), nil, "200", "Rows.")
	}
	for _, method := range allowed(t) {
		switch method {
		case "POST":
			operation("post", "insert", []any{ref("parameters", "select"), ref("parameters", "columns"),
				ref("parameters", "on_conflict"), ref("parameters", "prefer")}, body, "201", "Inserted.")
		case "PUT":
			operation("put", "replace", with("select", "prefer"), body, "200", "Replaced.")
		case "PATCH":
			operation("patch", "update", with("select", "or", "and", "prefer"), body, "200", "Updated.")
		case "DELETE":
			operation("delete", "delete", with("select", "or", "and", "prefer"), nil, "200", "Deleted.")
		}
	}
	return path
}

func answerWith(description string, s object) object {
	return object{"description": description, "content": object{"application/json": object{"schema": s}}}
}

func example(c *schema.Column) string {
	switch {
	case len(c.Enum) > 0:
		return c.Enum[0]
	case strings.HasPrefix(c.Base, "timestamp"), c.Base == "date":
		return "2026-01-31"
	case c.Base == "boolean":
		return "true"
	}
	return "1"
}

func functionPath(f *schema.Function) object {
	properties, required, inURL := object{}, []any{}, []any{}
	for _, p := range f.Params {
		s := typeSchema(p.Type)
		s["x-postgresql-type"] = p.Type
		if p.Name == "" {
			continue
		}
		properties[p.Name] = s
		parameter := queryParameter(p.Name, "Argument.", object{"type": "string"})
		if !p.HasDefault && !p.Variadic {
			required = append(required, p.Name)
			parameter["required"] = true
		}
		inURL = append(inURL, parameter)
	}
	arguments := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		arguments["required"] = required
	}
	operation := func(id string) object {
		o := object{"operationId": id + "_" + component(f.Name.Name), "tags": []any{"functions"},
			"responses": object{"200": answerWith("The result.", resultSchema(f)),
				"default": answerWith("An error.", ref("schemas", "error"))}}
		if f.Comment != "" {
			o["description"] = f.Comment
		}
		return o
	}
	post := operation("call")
	post["requestBody"] = object{"content": object{"application/json": object{"schema": arguments}}}
	path := object{"post": post}
	if !f.Volatile {
		get := operation("get")
		get["parameters"] = inURL
		path["get"] = get
	}
	return path
}

func resultSchema(f *schema.Function) object {
	var one object
	switch {
	case f.Table != nil:
		one = ref("schemas", component(f.Table.Name.Name))
	case len(f.Columns) > 0:
		properties := object{}
		for _, c := range f.Columns {
			properties[c.Name] = typeSchema(c.Type)
		}
		one = object{"type": "object", "properties": properties}
	default:
		one = typeSchema(f.Result)
	}
	if f.Set {
		return object{"type": "array", "items": one}
	}
	return one
}
