package body_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
)

func look() *catalog.Lookup {
	columns := []catalog.Column{{Name: "a"}, {Name: "u"}}
	return catalog.NewLookup(&catalog.Snapshot{Relations: []catalog.Relation{
		{Schema: "s", Name: "m", Columns: columns}, {Schema: "s", Name: "n", Columns: columns}}}, nil)
}

func read(language, result, text string) *body.Body {
	return body.Read(look(), &catalog.Function{Schema: "s", Name: "f", Language: language, Result: result, Body: text,
		Params: []catalog.Param{{Name: "p", Mode: "in"}}, Kind: "function"})
}

// What is not known is refused, as a whole: a list of what could change whose rows a
// function lets through without this reader seeing it.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`SELECT 1; SELECT p`,
		`INSERT INTO s.m VALUES (p) RETURNING a`,
		`WITH x AS (INSERT INTO s.m VALUES (p) RETURNING a) SELECT true`,
		`WITH RECURSIVE x AS (SELECT 1) SELECT true`,
		`SELECT a FROM s.elsewhere`,
		`SELECT nobody FROM s.m`,
		`SELECT a FROM s.m NATURAL JOIN s.n`,
		`SELECT m.a FROM s.m RIGHT JOIN s.n ON true`,
		`SELECT DISTINCT ON (a) u FROM s.m`,
		`SELECT a FROM unnest(p) WITH ORDINALITY`,
		`SELECT E'\x41'`,
		`SELECT set_config('a', 'b', true)`,
		`VALUES (true)`,
		`SELECT p.`,
		``,
	} {
		if got := read("sql", "boolean", text).Results; got != nil {
			t.Errorf("read: %s", text)
		}
	}
	for _, text := range []string{
		`EXECUTE 'SELECT true'; RETURN true;`,
		`FOR i IN 1..3 LOOP RETURN true; END LOOP;`,
		`WHILE true LOOP RETURN true; END LOOP;`,
		`DELETE FROM s.m; RETURN true;`,
		`p := 'x'; RETURN true;`,
		`PERFORM set_config('a', 'b', true); RETURN true;`,
		`DECLARE p text; BEGIN DECLARE p text; BEGIN NULL; END; END; RETURN true;`,
		`RETURN QUERY EXECUTE 'SELECT true';`,
		`GET DIAGNOSTICS p = ROW_COUNT; RETURN true;`,
		`SELECT a INTO nowhere FROM s.m; RETURN true;`,
		`NULL;`,
	} {
		if got := read("plpgsql", "boolean", "BEGIN "+text+" END").Results; got != nil {
			t.Errorf("read: %s", text)
		}
	}
	if read("plv8", "boolean", "SELECT true").Results != nil {
		t.Error("another language is read")
	}
}

// What is named once can be read many times: the work is bounded.
func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	with := "WITH x0 AS (SELECT 1 AS a)"
	for i := range 60 {
		name, before := "x"+strings.Repeat("x", i+1), "x"+strings.Repeat("x", i)
		if i == 0 {
			before = "x0"
		}
		with += ", " + name + " AS (SELECT l.a FROM " + before + " l, " + before + " r)"
	}
	doubled := "DECLARE v text := 'a'; BEGIN " + strings.Repeat("v := v || v; ", 60) + "RETURN v; END"
	for _, b := range []*body.Body{
		read("sql", "integer", with+" SELECT a FROM x"+strings.Repeat("x", 60)),
		read("plpgsql", "text", doubled),
		read("sql", "integer", "SELECT "+strings.Repeat("(", 5000)+"1"),
		read("sql", "integer", "SELECT "+strings.Repeat("(SELECT a FROM (", 500)+"1"),
	} {
		if b.Results != nil {
			t.Error("read")
		}
	}
}

// A call's arguments stand where the parameters did, as seen from inside each query.
func TestCall(t *testing.T) {
	t.Parallel()
	b := read("sql", "boolean", `SELECT $1 = 1 AND EXISTS (SELECT 1 FROM s.m WHERE m.a = p UNION SELECT 1 WHERE p = 2)`)
	own := &catalog.Node{Kind: catalog.NodeColumn, Relation: catalog.QName{Schema: "s", Name: "t"}, Column: "c"}
	within := &catalog.Node{Kind: catalog.NodeSubquery, Query: &catalog.Query{Select: []*catalog.Node{own.Raised(1)}}}
	levels := func(arg *catalog.Node) (all []int) {
		for n := range body.Call(b.Results[0], []*catalog.Node{arg}).All() {
			if n.Kind == catalog.NodeColumn && n.Column == "c" {
				all = append(all, n.Level)
			}
		}
		return all
	}
	if diff := cmp.Diff([]int{1, 3, 3}, levels(own)); diff != "" {
		t.Errorf("levels of a column (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{2, 4, 4}, levels(within)); diff != "" {
		t.Errorf("levels of one in a sub-select (-want +got):\n%s", diff)
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	u := body.Scan(&catalog.Function{Language: "plpgsql", Body: `
		DECLARE v text; -- FROM s.comment
		BEGIN
			WITH w AS (SELECT 1) SELECT extract(day FROM now()), x IS DISTINCT FROM y FROM ONLY s.m JOIN "N" ON true, w, f(1);
			INSERT INTO s.log SELECT 'FROM s.text'; UPDATE Only_Here SET a = 1; DELETE FROM s.old; SELECT 1 FROM s.k FOR UPDATE;
			TRUNCATE TABLE s.gone; EXECUTE 'SELECT app.in_text(current_setting(''App.Told''))';
			PERFORM app.called(current_setting( 'app.Tenant' )), "Q".f(1);
		END`})
	want := []body.Table{{"s", "m", "SELECT"}, {"", "N", "SELECT"}, {"s", "log", "INSERT"}, {"", "only_here", "UPDATE"},
		{"s", "old", "DELETE"}, {"s", "k", "SELECT"}, {"s", "gone", "TRUNCATE"}}
	if diff := cmp.Diff(want, u.Tables); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"app.told", "app.tenant"}, u.Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	calls := []catalog.QName{{Schema: "app", Name: "in_text"}, {Schema: "app", Name: "called"}, {Schema: "Q", Name: "f"}}
	if diff := cmp.Diff(calls, u.Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if u.Dynamic || u.Foreign || u.Unqualified() != "N" || !u.Mentions("x", "perform") || u.Mentions("text1", "comment") {
		t.Errorf("dynamic %v, foreign %v, unqualified %s", u.Dynamic, u.Foreign, u.Unqualified())
	}
	if reads, writes := u.Of(catalog.QName{Schema: "any", Name: "only_here"}); !reads || !writes {
		t.Error("an unqualified name may be any relation's")
	}
	for text, dynamic := range map[string]bool{
		`EXECUTE 'a' || b`: true, `EXECUTE v`: true, `EXECUTE 'a' USING b`: false, `EXECUTE 'a' INTO b;`: false,
		`EXECUTE FUNCTION f()`: false, `GRANT EXECUTE ON FUNCTION f TO g`: false,
	} {
		if got := body.Scan(&catalog.Function{Language: "plpgsql", Body: text}).Dynamic; got != dynamic {
			t.Errorf("%s: dynamic %v", text, got)
		}
	}
}
