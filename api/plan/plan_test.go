package plan

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/api/query"
	"github.com/moat-db/moat/api/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const tenant = "aaaaaaaa-0000-4000-8000-000000000001"

// TestGolden compares the SQL of requests with testdata/*.sql.
func TestGolden(t *testing.T) {
	t.Parallel()
	s := testSchema(t)
	write := func(verb, table, raw string, in Write) func() (*Statement, error) {
		return func() (*Statement, error) {
			r := parse(t, raw)
			o := Options{Tenant: tenant}
			switch verb {
			case "insert":
				return Insert(s, s.Table("app", table), r, in, o)
			case "update":
				return Update(s, s.Table("app", table), r, in, o)
			}
			return Delete(s, s.Table("app", table), r, in, o)
		}
	}
	read := func(table, raw string, o Options) func() (*Statement, error) {
		return func() (*Statement, error) {
			o.Tenant, o.MaxRows = tenant, 1000
			return Read(s, s.Table("app", table), parse(t, raw), o)
		}
	}
	body := []byte(`[{"name":"x"}]`)
	tests := map[string]func() (*Statement, error){
		"list":          read("leads", "select=id,name&name=eq.x&order=id.desc&limit=50&offset=100", Options{}),
		"star":          read("leads", "", Options{}),
		"filters":       read("leads", "name=like.a*&score=in.(1,2)&tags=cs.{a}&details->>city=eq.x&search=fts(english).cat&or=(score.gt.1,not.and(name.is.null,score.lt(any).{1}))", Options{}),
		"count":         read("leads", "score=gt.1&limit=1", Options{Count: "exact"}),
		"estimated":     read("leads", "score=gt.1&limit=1", Options{Count: "estimated"}),
		"to_one":        read("leads", "select=id,campaigns(name)", Options{}),
		"to_many":       read("campaigns", "select=id,leads(id,events(kind))&leads.order=id&leads.limit=5&leads.score=gt.1", Options{}),
		"many_to_many":  read("leads", "select=id,labels(name)", Options{}),
		"inner":         read("leads", "select=id,events!inner(kind)&events.kind=eq.x", Options{}),
		"spread":        read("leads", "select=id,...campaigns(campaign:name),...events(kind)", Options{}),
		"aggregates":    read("leads", "select=name,count(),score.sum(),...campaigns(budget.max())", Options{Aggregates: true}),
		"related_order": read("leads", "select=id,campaigns(name)&order=campaigns(name).desc", Options{}),
		"computed":      read("leads", "select=shout&shout=eq.X", Options{}),
		"etag":          read("labels", "id=eq.1", Options{ETag: true}),
		"after":         read("leads", "select=id&order=score.desc&after=eyJvIjoic2NvcmUgREVTQyxpZCBERVNDIiwidiI6WyIxIiwiMiJdfQ", Options{}),
		"after_key":     read("leads", "select=id&after=eyJvIjoiaWQiLCJ2IjpbIjEiXX0", Options{}),
		"insert":        write("insert", "leads", "", Write{Body: body, Keys: []string{"name"}}),
		"insert_return": write("insert", "leads", "select=id,name", Write{Body: body, Keys: []string{"name"}, Returning: "representation"}),
		"insert_embed":  write("insert", "leads", "select=id,shout,campaigns(name)&order=id", Write{Body: body, Keys: []string{"name"}, Returning: "representation"}),
		"upsert":        write("insert", "leads", "on_conflict=name", Write{Body: body, Keys: []string{"name", "score"}, Resolution: "merge-duplicates", Returning: "representation"}),
		"ignore":        write("insert", "leads", "", Write{Body: body, Keys: []string{"id", "name"}, Resolution: "ignore-duplicates"}),
		"missing":       write("insert", "leads", "columns=name,score", Write{Body: body, MissingDefault: true, Some: []string{"score"}, Every: []string{"name"}}),
		"put":           write("insert", "labels", "id=eq.1", Write{Body: body, Keys: []string{"id", "name"}, Resolution: "merge-duplicates", Replace: true}),
		"update":        write("update", "leads", "id=eq.1", Write{Body: []byte(`{"name":"x"}`), Keys: []string{"name"}, Returning: "representation", Match: "abc"}),
		"update_limit":  write("update", "leads", "score=gt.1&order=id&limit=2", Write{Body: []byte(`{"name":"x"}`), Keys: []string{"name"}}),
		"delete":        write("delete", "leads", "id=eq.1", Write{}),
		"call": func() (*Statement, error) {
			f := s.Functions[schema.Name{Schema: "app", Name: "find"}][0]
			return Function(s, f, parse(t, "select=id&limit=1"), Call{Body: []byte(`{"q":"x"}`), Keys: []string{"q"}}, Options{Tenant: tenant})
		},
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, err := make()
			if err != nil {
				t.Fatal(err)
			}
			verify(t, s, st)
			golden(t, name, render(st))
		})
	}
}

func parse(t testing.TB, raw string) *query.Request {
	t.Helper()
	r, err := query.Parse(raw, query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(st *Statement) string {
	text := fmt.Sprintf("%s\n-- args: %q\n", st.SQL, st.Args)
	if st.Count != nil {
		text += fmt.Sprintf("-- count:\n%s\n-- args: %q\n", st.Count.SQL, st.Count.Args)
	}
	if st.Estimate != nil {
		text += fmt.Sprintf("-- estimate:\n%s\n-- args: %q\n", st.Estimate.SQL, st.Estimate.Args)
	}
	return text
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".sql")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// TestShape: requests that differ in values only are the same statement, so that it
// is prepared once.
func TestShape(t *testing.T) {
	t.Parallel()
	s := testSchema(t)
	one := func(raw string) string {
		st, err := Read(s, s.Table("app", "leads"), parse(t, raw), Options{Tenant: tenant})
		if err != nil {
			t.Fatal(err)
		}
		return st.SQL
	}
	for _, pair := range [][2]string{
		{"id=eq.1", "id=eq.2"},
		{"id=in.(1)", "id=in.(1,2,3)"},
		{"id=eq.1&name=eq.x", "name=eq.y&id=eq.7"},
		{"limit=5&offset=10", "offset=20&limit=5"},
		{"details->>a=eq.1", "details->>b=eq.2"},
	} {
		if a, b := one(pair[0]), one(pair[1]); a != b {
			t.Errorf("%s and %s differ:\n%s\n%s", pair[0], pair[1], a, b)
		}
	}
}

// verify checks what the package promises of every statement: outside of quoted
// identifiers there is nothing but words from a fixed list, parameters and numbers;
// a table that is read is one of the schema; and all parameters are used.
func verify(t testing.TB, s *schema.Schema, st *Statement) {
	t.Helper()
	for _, one := range []*Statement{st, st.Count, st.Estimate} {
		if one != nil {
			verifyOne(t, s, one)
		}
	}
}

func verifyOne(t testing.TB, s *schema.Schema, st *Statement) {
	t.Helper()
	used := map[string]bool{}
	var tokens []string
	for rest := st.SQL; rest != ""; {
		token, n := next(rest)
		rest = rest[n:]
		if token != "" {
			tokens = append(tokens, token)
		}
	}
	for i, token := range tokens {
		switch {
		case token[0] == '"':
			if i+2 < len(tokens) && i > 0 && tokens[i+1] == "." && tokens[i+2][0] == '"' && tokens[i-1] != "." {
				verifyName(t, s, st, token, tokens[i+2])
			}
		case token[0] == '$':
			used[token] = true
		case token[0] == '\'':
			if !allowedLiterals[token] {
				t.Fatalf("literal %s in\n%s", token, st.SQL)
			}
		case word(token) && !allowedWords[token] && !alias(token):
			t.Fatalf("word %s in\n%s", token, st.SQL)
		case strings.ContainsAny(token, ";\\\x00"):
			t.Fatalf("%q in\n%s", token, st.SQL)
		}
	}
	if len(used) != len(st.Args) {
		t.Fatalf("%d parameters of %d are used in\n%s", len(used), len(st.Args), st.SQL)
	}
}

// verifyName checks "schema"."object".
func verifyName(t testing.TB, s *schema.Schema, st *Statement, first, second string) {
	t.Helper()
	unquote := func(q string) string { return strings.ReplaceAll(q[1:len(q)-1], `""`, `"`) }
	name := schema.Name{Schema: unquote(first), Name: unquote(second)}
	if s.Tables[name] != nil || s.Functions[name] != nil {
		return
	}
	for _, table := range s.Tables {
		if f := table.Computed[name.Name]; f != nil && f.Name == name {
			return
		}
	}
	t.Fatalf("%s is not in the schema:\n%s", name, st.SQL)
}

// next returns the first token and its length; blanks are no token.
func next(s string) (string, int) {
	switch c := s[0]; {
	case c == ' ':
		return "", 1
	case c == '"' || c == '\'':
		for i := 1; i < len(s); i++ {
			if s[i] == c {
				if i+1 < len(s) && s[i+1] == c {
					i++
					continue
				}
				return s[:i+1], i + 1
			}
		}
		return s, len(s)
	case c == '$' || letter(c):
		i := 1
		for i < len(s) && letter(s[i]) {
			i++
		}
		return s[:i], i
	}
	return s[:1], 1
}

func letter(c byte) bool {
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}

func word(token string) bool { return letter(token[0]) && (token[0] < '0' || token[0] > '9') }

func alias(token string) bool {
	return len(token) > 1 && token[0] == 't' && strings.Trim(token[1:], "0123456789") == ""
}

func set(list string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		out[w] = true
	}
	return out
}

var allowedLiterals = set(`'[]' 'UTF8' 'hex'`)

var allowedWords = set(`SELECT FROM WHERE AND OR NOT AS IS NULL TRUE FALSE UNKNOWN NULLS FIRST LAST DESC ORDER BY GROUP LIMIT OFFSET EXISTS ANY ALL
	LIKE ILIKE DISTINCT CAST LEFT JOIN CROSS LATERAL ON true false INSERT INTO UPDATE SET DELETE RETURNING CONFLICT DO NOTHING EXCLUDED WITH changed
	IN VALUES DEFAULT EXPLAIN FORMAT JSON VARIADIC args counted value calls j xmax moat_inserted
	uuid bigint text int integer numeric jsonb json regconfig boolean time timestamp with without zone timestamptz character varying
	coalesce json_agg row_to_json to_json to_jsonb json_strip_nulls json_to_recordset json_to_record json_array_elements jsonb_array_elements
	jsonb_to_record jsonb_build_object to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery
	pg_catalog count sum avg min max substr encode sha256 convert_to`)
