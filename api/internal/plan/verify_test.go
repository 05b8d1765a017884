package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/sqltext"
)

// verify fails the test when a statement is not what the package promises.
func verify(t testing.TB, s *schema.Schema, st *Statement) {
	t.Helper()
	if err := newVerifier(s, tenant).statement(st); err != nil {
		t.Fatal(err)
	}
}

// verifier checks what the package promises of every statement: outside of quoted
// identifiers there is nothing but words from a fixed list, parameters and numbers; a
// table that is read or written is one of the schema, and its columns are its own; each
// tenant table is tied to the tenant; and all parameters are used.
type verifier struct {
	schema *schema.Schema
	tenant string
	types  map[string]bool // the words in the types and defaults of the schema
}

func newVerifier(s *schema.Schema, tenant string) *verifier {
	v := &verifier{schema: s, tenant: tenant, types: map[string]bool{}}
	add := func(sql string) {
		for _, token := range tokenize(sql) {
			if word(token) {
				v.types[token] = true
			}
		}
	}
	for _, t := range s.Tables {
		add(t.TenantType)
		for _, c := range t.Columns {
			add(c.Type)
			add(c.Default)
		}
	}
	for _, list := range s.Functions {
		for _, f := range list {
			for _, p := range f.Params {
				add(p.Type)
			}
		}
	}
	return v
}

func (v *verifier) statement(st *Statement) error {
	for _, one := range []*Statement{st, st.Count} {
		if one == nil {
			continue
		}
		c := &check{verifier: v, st: one, tokens: tokenize(one.SQL), tables: map[string]*schema.Table{}}
		if err := c.run(); err != nil {
			return fmt.Errorf("%w in\n%s", err, one.SQL)
		}
	}
	return nil
}

// check is the verification of one statement.
type check struct {
	*verifier
	st     *Statement
	tokens []string
	tables map[string]*schema.Table // by alias
}

func (c *check) run() error {
	used := map[string]bool{}
	for i, token := range c.tokens {
		if token[0] == '$' {
			used[token] = true
		}
		if err := c.token(i); err != nil {
			return err
		}
	}
	if len(used) != len(c.st.Args) {
		return fmt.Errorf("%d parameters of %d are used", len(used), len(c.st.Args))
	}
	for i := range c.tokens {
		if err := c.column(i); err != nil {
			return err
		}
	}
	_, err := c.frame(0)
	return err
}

// at returns the token at i, or a blank beyond the ends.
func (c *check) at(i int) string {
	if i < 0 || i >= len(c.tokens) {
		return " "
	}
	return c.tokens[i]
}

// quoted reports whether the token at i is a quoted identifier.
func (c *check) quoted(i int) bool { return c.at(i)[0] == '"' }

func (c *check) token(i int) error {
	switch token := c.tokens[i]; {
	case token[0] == '"':
		if c.at(i+1) == "." && c.quoted(i+2) && c.at(i-1) != "." {
			return c.name(i)
		}
	case token[0] == '\'':
		if !allowedLiterals[token] && !c.nextValue(i-4) && !c.nextValue(i-6) {
			return fmt.Errorf("literal %s", token)
		}
	case word(token):
		if !allowedWords[token] && !c.nextValue(i) && !c.nextValue(i-2) && !c.types[token] && !alias(token) {
			return fmt.Errorf("word %s", token)
		}
	case strings.ContainsAny(token, ";\\\x00"):
		return fmt.Errorf("%q", token)
	}
	return nil
}

// nextValue reports whether the default of an identity column begins at i:
// nextval(pg_get_serial_sequence('"schema"."table"', 'column')), of a table that the
// statement names.
func (c *check) nextValue(i int) bool {
	for n, want := range []string{"nextval", "(", "pg_get_serial_sequence", "(", "", ",", "", ")", ")"} {
		if want != "" && c.at(i+n) != want {
			return false
		}
	}
	for _, t := range c.tables {
		if c.at(i+4) == sqltext.Literal(t.SQL()) && slices.ContainsFunc(t.Columns, func(one *schema.Column) bool {
			return one.Identity != "" && c.at(i+6) == sqltext.Literal(one.Name)
		}) {
			return true
		}
	}
	return false
}

// name checks "schema"."object", and remembers the alias of a table.
func (c *check) name(i int) error {
	name := schema.Name{Schema: unquote(c.tokens[i]), Name: unquote(c.tokens[i+2])}
	if t := c.schema.Tables[name]; t != nil && c.at(i+3) == "AS" {
		if c.tenant == "" && !t.Shared {
			return fmt.Errorf("%s without a tenant", name)
		}
		c.tables[c.at(i+4)] = t
		return nil
	}
	if c.schema.Types[name.Schema+"."+name.Name] != nil {
		return nil
	}
	f := c.function(name)
	if f == nil {
		return fmt.Errorf("%s is not in the schema", name)
	}
	if end := c.closing(i + 3); f.Table != nil && c.at(end+1) == "AS" && alias(c.at(end+2)) {
		c.tables[c.at(end+2)] = f.Table // its rows are a table's
	}
	return nil
}

// function finds a function of the schema: one to call, of a row, or between tables.
func (c *check) function(name schema.Name) *schema.Function {
	if list := c.schema.Functions[name]; list != nil {
		return list[0]
	}
	for _, table := range c.schema.Tables {
		if f := table.Computed[name.Name]; f != nil && f.Name == name {
			return f
		}
		for _, r := range c.schema.RelationshipsOf(table) {
			if r.Function != nil && r.Function.Name == name {
				return r.Function
			}
		}
	}
	return nil
}

// closing returns where the parenthesis that opens at i is closed.
func (c *check) closing(i int) int {
	for depth := 0; i < len(c.tokens); i++ {
		switch c.tokens[i] {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return i
}

// column checks t1."column" of a table.
func (c *check) column(i int) error {
	t := c.tables[c.tokens[i]]
	if t == nil || c.at(i+1) != "." || !c.quoted(i+2) {
		return nil
	}
	if name := unquote(c.tokens[i+2]); t.Column(name) == nil {
		return fmt.Errorf("%s has no column %q", t.Name, name)
	}
	return nil
}

// frame checks what lies between two parentheses, which is where a SELECT begins and
// ends: each tenant table that it opens is tied to the tenant, in a condition that no OR
// stands next to. It returns where the frame ends.
func (c *check) frame(i int) (int, error) {
	var opened []string
	tied := map[string]bool{}
	or := false
	for ; i < len(c.tokens) && c.tokens[i] != ")"; i++ {
		switch {
		case c.tokens[i] == "(":
			end, err := c.frame(i + 1)
			if err != nil {
				return 0, err
			}
			i = end
		case c.tokens[i] == "OR":
			or = true
		case c.tokens[i] == "AS" && c.needsTenant(c.at(i+1)):
			if c.at(i-4) == "INTO" {
				if err := c.insert(i + 1); err != nil {
					return 0, err
				}
				continue
			}
			opened = append(opened, c.tokens[i+1])
		case c.predicate(i):
			tied[c.tokens[i]] = true
		}
	}
	for _, alias := range opened {
		if !tied[alias] || or {
			return 0, fmt.Errorf("%s AS %s is not tied to the tenant", c.tables[alias].Name, alias)
		}
	}
	return i, nil
}

// needsTenant reports whether an alias is that of a tenant table.
func (c *check) needsTenant(alias string) bool {
	t := c.tables[alias]
	return t != nil && t.TenantColumn != "" && c.tenant != ""
}

// predicate reports whether AND t1."tenant_id" = $n::type begins at i.
func (c *check) predicate(i int) bool {
	t := c.tables[c.tokens[i]]
	return t != nil && (c.at(i-1) == "WHERE" || c.at(i-1) == "AND") &&
		c.at(i+1) == "." && c.quoted(i+2) && unquote(c.at(i+2)) == t.TenantColumn && c.at(i+3) == "=" && c.isTenant(c.at(i+4))
}

// isTenant reports whether a token is the parameter that holds the tenant.
func (c *check) isTenant(token string) bool {
	if token[0] != '$' {
		return false
	}
	n, err := strconv.Atoi(token[1:])
	return err == nil && n > 0 && n <= len(c.st.Args) && c.st.Bind(c.tenant, nil)[n-1] == any(c.tenant)
}

// insert checks that INSERT INTO t AS t1 (…) SELECT … gives the tenant column the
// tenant. i is where the alias stands.
func (c *check) insert(i int) error {
	t := c.tables[c.tokens[i]]
	if column := t.Column(t.TenantColumn); !column.Tenant {
		return nil // the tenants table itself: its key is the client's, and the policy's
	}
	names, end := c.list(i+2, ")")
	at := slices.IndexFunc(names, func(tokens []string) bool { return unquote(tokens[0]) == t.TenantColumn })
	if c.at(i+1) != "(" || at < 0 || c.at(end+1) != "SELECT" {
		return fmt.Errorf("an insert into %s does not name the tenant", t.Name)
	}
	values, _ := c.list(end+2, "FROM")
	if at >= len(values) || !c.isTenant(values[at][0]) {
		return fmt.Errorf("an insert into %s does not give the tenant", t.Name)
	}
	return nil
}

// list splits the tokens from i to end at commas.
func (c *check) list(i int, end string) ([][]string, int) {
	parts := [][]string{nil}
	for ; i < len(c.tokens) && c.tokens[i] != end; i++ {
		if c.tokens[i] == "," {
			parts = append(parts, nil)
			continue
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], c.tokens[i])
	}
	return parts, i
}

func unquote(q string) string { return strings.ReplaceAll(q[1:len(q)-1], `""`, `"`) }

func tokenize(sql string) []string {
	tokens := make([]string, 0, len(sql)/4)
	for sql != "" {
		token, n := next(sql)
		sql = sql[n:]
		if token != "" {
			tokens = append(tokens, token)
		}
	}
	return tokens
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

var allowedWords = set(`SELECT FROM WHERE AND OR NOT AS IS NULL TRUE FALSE UNKNOWN NULLS FIRST LAST DESC ORDER BY
	GROUP LIMIT OFFSET EXISTS ANY ALL
	LIKE ILIKE DISTINCT CAST LEFT JOIN CROSS LATERAL ON true false INSERT INTO UPDATE SET DELETE RETURNING CONFLICT DO
		NOTHING EXCLUDED WITH changed
	IN VALUES DEFAULT EXPLAIN FORMAT JSON VARIADIC args counted value rows calls j m xmax moat_inserted
	uuid bigint text int integer numeric jsonb json regconfig boolean time timestamp with without zone timestamptz
	character varying
	coalesce json_agg row_to_json to_json to_jsonb json_strip_nulls json_to_recordset json_to_record json_array_elements
	jsonb_array_elements
	jsonb_to_record jsonb_build_object to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery
	pg_catalog count sum avg min max substr encode sha256 convert_to`)

// TestVerifier: the verifier itself refuses what it is there to refuse.
func TestVerifier(t *testing.T) {
	t.Parallel()
	v := newVerifier(testSchema(t), tenant)
	tests := map[string]string{
		"untied":          `SELECT t1."id" FROM "app"."leads" AS t1 WHERE t1."id" = $1`,
		"tied to another": `SELECT t1."id" FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $2::uuid AND t1."id" = $1`,
		"beside an or":    `SELECT t1."id" FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $1::uuid OR true`,
		"within an or":    `SELECT t1."id" FROM "app"."leads" AS t1 WHERE (t1."tenant_id" = $1::uuid OR true)`,
		"embed untied": `SELECT (SELECT t2."id" FROM "app"."events" AS t2) AS "e" FROM "app"."leads" AS t1 WHERE
			t1."tenant_id" = $1::uuid`,
		"insert untied": `INSERT INTO "app"."leads" AS t1 ("name") SELECT t2."name" FROM json_to_recordset($1::json) AS
			t2("name" text)`,
		"insert of another": `INSERT INTO "app"."leads" AS t1 ("name", "tenant_id") SELECT $1, t2."id" FROM
			json_to_recordset($2::json) AS t2("id" text)`,
		"rows of a function": `SELECT t1."id" FROM "app"."find"($1::text) AS t1`,
		"unknown table":      `SELECT 1 FROM "private"."secrets" AS t1`,
		"unknown column":     `SELECT t1."ctid" FROM "app"."countries" AS t1`,
		"unknown word":       `SELECT pg_sleep FROM "app"."countries" AS t1`,
		"literal":            `SELECT 'x' FROM "app"."countries" AS t1`,
		"another's sequence": `SELECT nextval(pg_get_serial_sequence('"app"."events"', 'id')) FROM "app"."countries" AS t1`,
		"a sequence by name": `SELECT nextval('"app"."countries_code_seq"') FROM "app"."countries" AS t1`,
		"second statement":   `SELECT 1; SELECT 1`,
		"unused parameter":   `SELECT 1 FROM "app"."countries" AS t1`,
	}
	for name, sql := range tests {
		st := &Statement{SQL: sql}
		if strings.Contains(sql, "$1") || name == "unused parameter" {
			st.Args = append(st.Args, theTenant{})
		}
		if strings.Contains(sql, "$2") {
			st.Args = append(st.Args, "another")
		}
		if err := v.statement(st); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := newVerifier(testSchema(t), "").statement(&Statement{SQL: `SELECT 1 FROM "app"."leads" AS t1`}); err == nil {
		t.Error("a tenant's table is accepted without a tenant")
	}
}
