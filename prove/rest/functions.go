package rest

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// function is one that the API calls, with the names of its arguments.
type function struct {
	name      string
	arguments []string
}

// operation is what of a method's description is read: OpenAPI 3 describes the body beside
// the parameters, and Swagger 2.0 as one of them.
type operation struct {
	Parameters []struct {
		Name   string       `json:"name"`
		In     string       `json:"in"`
		Schema schemaObject `json:"schema"`
	} `json:"parameters"`
	RequestBody struct {
		Content map[string]struct {
			Schema schemaObject `json:"schema"`
		} `json:"content"`
	} `json:"requestBody"`
}

// described reads a function's arguments from its methods.
func described(name string, methods map[string]json.RawMessage) function {
	arguments := map[string]bool{}
	note := func(s schemaObject) {
		for argument := range s.Properties {
			arguments[argument] = true
		}
	}
	for _, method := range []string{"get", "post"} {
		var o operation
		if json.Unmarshal(methods[method], &o) != nil {
			continue
		}
		for _, p := range o.Parameters {
			if p.In == "query" {
				arguments[p.Name] = true
			}
			note(p.Schema)
		}
		note(o.RequestBody.Content["application/json"].Schema)
	}
	delete(arguments, "select")
	return function{name, slices.Sorted(maps.Keys(arguments))}
}

// random calls a function by GET, which PostgREST's language has for those that write too:
// they run read-only. What it is given comes from B's rows of a table.
func (f function) random(t *resource) call {
	var parts []string
	for _, argument := range f.arguments {
		values := pickOf(t.b)
		value := values[pickOf(t.columns)]
		if same, ok := values[argument]; ok {
			value = same
		}
		parts = append(parts, url.QueryEscape(argument)+"="+url.QueryEscape(text(value)))
	}
	return call{method: pickOf([]string{"GET", "GET", "GET", "HEAD"}), path: "/" + f.name,
		query: strings.Join(parts, "&"), header: map[string]string{}}
}
