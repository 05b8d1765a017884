package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// payload is the body of a write: an array of objects.
type payload struct {
	text []byte
	keys []string
	// some are the members that some objects have and others lack, every those that
	// all have.
	some, every []string
	rows        int
	bare        bool // the body was one object, not an array
}

// object is the only object of the payload.
func (p payload) object() []byte {
	text := bytes.TrimSpace(p.text)
	return text[1 : len(text)-1]
}

func errBody(format string, args ...any) error {
	return problem.New(http.StatusBadRequest, "PGRST102", format, args...)
}

// body is the request's body, which was read before the turn.
func (q *request) body() []byte {
	text, _ := q.Context().Value(bodyKey{}).([]byte)
	return text
}

// contentType is the media type of the body; JSON when there is none.
func (q *request) contentType() string {
	header := q.Header.Get("Content-Type")
	if header == "" {
		return "application/json"
	}
	// What is wrong with its parameters does not matter: none of them has a meaning here.
	name, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(name))
}

// payload reads objects from JSON, CSV or a form. Without columns= all objects must
// have the same members: a missing one would silently become null.
func (q *request) payload(anyKeys bool) (payload, error) {
	text := q.body()
	switch q.contentType() {
	case "application/json", "application/vnd.pgrst.object+json", "application/vnd.pgrst.array+json":
		// missing=default is what makes a missing member harmless.
		return jsonPayload(text, anyKeys)
	case "text/csv":
		return csvPayload(text)
	case "application/x-www-form-urlencoded":
		return formPayload(text)
	}
	return payload{}, errBody("Content-Type not acceptable: %s", q.contentType())
}

func jsonPayload(text []byte, anyKeys bool) (payload, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || !json.Valid(text) {
		return payload{}, errBody("Empty or invalid json")
	}
	p := payload{text: text}
	switch text[0] {
	case '{':
		p.bare = true
		p.text = append(append([]byte{'['}, text...), ']')
	case '[':
	default:
		return payload{}, errBody(
			"All lines must have the same number of fields: an object or an array of objects is expected")
	}
	var objects []map[string]json.RawMessage
	if json.Unmarshal(p.text, &objects) != nil {
		return payload{}, errBody("All object keys must match") // PostgREST's text for it
	}
	p.rows = len(objects)
	p.some, p.every = membership(objects)
	for i, object := range objects {
		if object == nil {
			return payload{}, errBody("an object or an array of objects is expected")
		}
		if i == 0 {
			p.keys = slices.Sorted(maps.Keys(object)) // one statement, in whatever order they come
			continue
		}
		if !anyKeys && !sameKeys(object, p.keys) {
			return payload{}, errBody("All object keys must match")
		}
	}
	return p, nil
}

// membership tells the members of all objects from those of some.
func membership(objects []map[string]json.RawMessage) (some, every []string) {
	seen := map[string]int{}
	for _, object := range objects {
		for key := range object {
			seen[key]++
		}
	}
	for key, n := range seen {
		if n == len(objects) {
			every = append(every, key)
		} else {
			some = append(some, key)
		}
	}
	slices.Sort(some)
	slices.Sort(every)
	return some, every
}

func sameKeys(object map[string]json.RawMessage, keys []string) bool {
	if len(object) != len(keys) {
		return false
	}
	for _, k := range keys {
		if _, ok := object[k]; !ok {
			return false
		}
	}
	return true
}

// csvPayload reads a header line and rows; NULL without quotes is null, as in
// PostgREST.
func csvPayload(text []byte) (payload, error) {
	reader := csv.NewReader(bytes.NewReader(text))
	records, err := reader.ReadAll()
	if err != nil || len(records) == 0 {
		return payload{}, errBody("All lines must have same number of fields")
	}
	keys := records[0]
	objects := make([]map[string]*string, 0, len(records)-1)
	for _, record := range records[1:] {
		object := map[string]*string{}
		for i, key := range keys {
			if record[i] != "NULL" {
				object[key] = &record[i]
			} else {
				object[key] = nil
			}
		}
		objects = append(objects, object)
	}
	encoded, err := json.Marshal(objects)
	if err != nil {
		return payload{}, err
	}
	return payload{text: encoded, keys: keys, every: keys, rows: len(objects)}, nil
}

func formPayload(text []byte) (payload, error) {
	values, err := url.ParseQuery(string(text))
	if err != nil {
		return payload{}, errBody("the form could not be read")
	}
	object := map[string]string{}
	for key := range values {
		object[key] = values.Get(key)
	}
	encoded, err := json.Marshal(object)
	if err != nil {
		return payload{}, err
	}
	p, err := jsonPayload(encoded, true)
	return p, err
}
