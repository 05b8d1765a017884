package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// comparison is a filter of PostgREST and the condition that it stands for.
type comparison struct{ column, filter, condition string }

var comparisons = []comparison{
	{"id", "eq.2", "id = 2"}, {"id", "neq.2", "id <> 2"}, {"pages", "gt.100", "pages > 100"},
	{"pages", "gte.120", "pages >= 120"}, {"pages", "lt.40", "pages < 40"}, {"pages", "lte.40", "pages <= 40"},
	{"price", "eq.9.5", "price = 9.5"}, {"price", "is.null", "price IS NULL"},
	{"price", "is.not_null", "price IS NOT NULL"},
	{"price", "isdistinct.20", "price IS DISTINCT FROM 20"}, {"title", "eq.Loom", "title = 'Loom'"},
	{"title", "like.*o*", "title LIKE '%o%'"}, {"title", "ilike.*O*", "title ILIKE '%O%'"},
	{"title", "match.^[FL]", "title ~ '^[FL]'"}, {"title", "imatch.^[fl]", "title ~* '^[fl]'"},
	{"title", "like(any).{L*,F*}", "title LIKE ANY ('{L%,F%}')"},
	{"title", "like(all).{*o*,L*}", "title LIKE ALL ('{%o%,L%}')"},
	{"pages", "gt(all).{40,50}", "pages > ALL ('{40,50}')"}, {"pages", "eq(any).{40,7}", "pages = ANY ('{40,7}')"},
	{"id", "in.(1,3)", "id IN (1, 3)"}, {"title", `in.("Loom","Fjord")`, "title IN ('Loom', 'Fjord')"},
	{"genre", "eq.poem", "genre = 'poem'"}, {"code", "eq.EUR", "code = 'EUR'"},
	{"span", "cs.[2,5)", "span @> '[2,5)'"}, {"span", "cd.[0,12)", "span <@ '[0,12)'"},
	{"span", "ov.[10,30)", "span && '[10,30)'"},
	{"span", "sl.[15,30)", "span << '[15,30)'"}, {"span", "sr.[0,3)", "span >> '[0,3)'"},
	{"span", "nxr.[0,15)", "span &< '[0,15)'"}, {"span", "nxl.[3,15)", "span &> '[3,15)'"},
	{"span", "adj.[10,12)", "span -|- '[10,12)'"},
	{"words", "fts(english).weaving", "words @@ to_tsquery('english', 'weaving')"},
	{"words", "plfts(english).the loom", "words @@ plainto_tsquery('english', 'the loom')"},
	{"words", "phfts(english).loom weaves", "words @@ phraseto_tsquery('english', 'loom weaves')"},
	{"words", "wfts(english).loom or engine", "words @@ websearch_to_tsquery('english', 'loom or engine')"},
	{"title", "fts(simple).loom", "to_tsvector('simple', title) @@ to_tsquery('simple', 'loom')"},
	{"printed", "gte.2021-01-01T00:00:00Z", "printed >= '2021-01-01T00:00:00Z'"}, {"doubled", "eq.80", "doubled = 80"},
}

// filters asks for each comparison as it is, negated, and within a tree, and takes from SQL
// which rows there are.
func filters(t *testing.T, db *pgtest.Database) (all []question) {
	t.Helper()
	for _, c := range comparisons {
		plain := url.QueryEscape(c.column) + "=" + url.QueryEscape(c.filter)
		all = append(all,
			found(t, db, c.column+"="+c.filter, plain, c.condition),
			found(t, db, c.column+"=not."+c.filter, c.column+"=not."+url.QueryEscape(c.filter), "NOT ("+c.condition+")"),
			found(t, db, "or=("+c.column+"."+inTree(c.filter)+",id.eq.3)",
				"or="+url.QueryEscape("("+c.column+"."+inTree(c.filter)+",id.eq.3)"), "("+c.condition+") OR id = 3"))
	}
	return all
}

// inTree quotes a value that would end early in a tree.
func inTree(filter string) string {
	operator, value, _ := strings.Cut(filter, ".")
	if operator != "in" && value[0] != '{' && strings.ContainsAny(value, ",()") {
		value = strconv.Quote(value)
	}
	return operator + "." + value
}

func found(t *testing.T, db *pgtest.Database, name, filter, condition string) question {
	t.Helper()
	conn := db.Conn(t, db.URL)
	var rows string
	err := conn.QueryRow(t.Context(), fmt.Sprintf("SELECT coalesce(json_agg(json_build_object('id', id) ORDER BY id), "+
		"'[]') FROM lib.books WHERE tenant_id = '%s' AND (%s)", tenant, condition)).Scan(&rows)
	if err != nil {
		t.Fatalf("%s: %v", condition, err)
	}
	return question{area: "filters", name: name, method: http.MethodGet, path: "/books?select=id&order=id&" + filter,
		status: http.StatusOK, answer: &rows}
}
