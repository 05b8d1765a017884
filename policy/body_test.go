package policy_test

import (
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/policy"
)

// FuzzBody: any body is read or refused, never a panic or a hang.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`SELECT nullif(current_setting('a.b', true), '')::uuid`,
		`SELECT EXISTS (SELECT 1 FROM s.m x JOIN s.m y USING (a) WHERE x.a = $1 AND x.u IN (SELECT a FROM s.m UNION
			SELECT 'x'))`,
		`BEGIN ATOMIC SELECT CASE WHEN $1 IS NOT DISTINCT FROM ANY (ARRAY[1, 2]) THEN true ELSE - 1 END; END`,
		`DECLARE v text := $q$x$q$; w int; BEGIN IF v = '' OR v IS NULL THEN RETURN NULL; ELSIF false THEN v := 'a';
			ELSE NULL; END IF; SELECT a, b INTO STRICT v, w FROM s.m; RAISE 'x'; RETURN v || w; EXCEPTION WHEN others THEN
				RETURN NULL; END`,
		`RETURN (SELECT max(a) FROM s.m GROUP BY a ORDER BY 1 DESC NULLS LAST LIMIT 1) /* /* x */ */ -- y`,
	} {
		f.Add("sql", seed)
		f.Add("plpgsql", seed)
	}
	s := &catalog.Snapshot{Relations: []catalog.Relation{
		{Schema: "s", Name: "m", Columns: []catalog.Column{{Name: "a"}, {Name: "u"}}}}}
	look := policy.NewView(catalog.NewLookup(s, &catalog.Model{Column: "a", Setting: "a.b"}))
	f.Fuzz(func(t *testing.T, language, text string) {
		fn := &catalog.Function{Schema: "s", Name: "f", Language: language, Body: text, Result: "boolean", OID: 7,
			Params: []catalog.Param{{Name: "p", Mode: "in"}}}
		for _, n := range body.Read(look.Lookup, fn).Results {
			root := body.Call(n, []*catalog.Node{
				{Kind: catalog.NodeColumn, Relation: catalog.QName{Schema: "s", Name: "m"}, Column: "a"}})
			look.Judge(&catalog.Expr{Root: root}, &s.Relations[0])
		}
	})
}
