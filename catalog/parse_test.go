package catalog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
)

const nodeSeed = `{OPEXPR :opno 2972 :args ({VAR :varno 1 :varattno 2 :varlevelsup 0 :location 7} {SUBLINK :subLinkT` +
	`ype 4 :testexpr <> :operName ("=" "\<" "") :subselect {QUERY :hasAggs false :rtable <> :cols (i 1 2) :set (b) :joi` +
	`ntree {FROMEXPR :fromlist <> :quals <>} :targetList ({TARGETENTRY :expr {CONST :consttype 25 :constlen -1 :constis` +
	`null false :constvalue 5 [ 20 0 0 0 -61 ]} :resname a\ b\(c :resjunk false})}}) :location -1}`

func TestParseNodeText(t *testing.T) {
	t.Parallel()
	root, err := parseNodeText(nodeSeed)
	if err != nil {
		t.Fatal(err)
	}
	link := root.nodes("args")[1]
	if root.tag != "OPEXPR" || root.oid("opno") != 2972 || len(link.get("operName").list) != 3 ||
		link.get("operName").list[1].token != "<" {
		t.Errorf("tree: %+v", root)
	}
	target := link.node("subselect").nodes("targetList")[0]
	if got := target.get("resname").token; got != "a b(c" {
		t.Errorf("escapes: %q", got)
	}
	if diff := cmp.Diff([]byte{20, 0, 0, 0, 0xc3}, target.node("expr").get("constvalue").bytes); diff != "" {
		t.Errorf("datum (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "x", "{", "{A", "{A :b", "{A :b (", "{A :b 1 [ 300 ]}", "{A} x", "()",
		strings.Repeat("{A :b (", 5000)} {
		if _, err := parseNodeText(bad); err == nil {
			t.Errorf("no error for %.40q", bad)
		}
	}
}

// FuzzNodeText: any text is read or refused, never a panic or a hang; what is read
// maps to Nodes without one too. Package policy judges what comes of it.
func FuzzNodeText(f *testing.F) {
	f.Add(nodeSeed)
	f.Add(`{CASEEXPR :arg <> :args ({CASEWHEN :expr <> :result <>}) :defresult <>}`)
	f.Add(`{SUBLINK :subLinkType 2 :testexpr {OPEXPR :args ({VAR :varno 1 :varattno 1} {PARAM :paramid 1})} :subselect ` +
		`{QUERY :rtable ({RANGETBLENTRY :rtekind 0 :relid 1 :eref {ALIAS :colnames ("a" "b")}} {RTE :rtekind 2 :joinaliasv` +
		`ars ({VAR :varno 1 :varattno 1})}) :targetList ({TARGETENTRY :expr {VAR :varno 2 :varattno 1}})}}`)
	f.Add(`{BOOLEXPR :boolop not :args ({NULLTEST :arg {VAR :varno 1 :varlevelsup 3} :nulltesttype 9})}`)
	f.Fuzz(func(t *testing.T, text string) {
		tree := readTree(&text)
		tree.mentions(map[OID]bool{})
		root := newLoader(nil).mapTree(tree.root, 1)
		if root == nil {
			return
		}
		root.Raised(1)
		root.Conjuncts()
	})
}

func TestParseACL(t *testing.T) {
	t.Parallel()
	got, err := parseACL([]string{`=r/owner`, `"a ""b=c"=ar*w/owner`, `x=X/"o/w"`})
	if err != nil {
		t.Fatal(err)
	}
	want := []Privilege{
		{"", "owner", "SELECT", false},
		{`a "b=c`, "owner", "INSERT", false}, {`a "b=c`, "owner", "SELECT", true}, {`a "b=c`, "owner", "UPDATE", false},
		{"x", "o/w", "EXECUTE", false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("privileges (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "x", "x=r", "x=?/y", `"x=r/y`} {
		if _, err := parseACL([]string{bad}); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

// An object dropped under Load, or a part of the catalog that is closed to the role,
// makes it begin again; nothing else does.
func TestTryAgain(t *testing.T) {
	t.Parallel()
	failed := func(code string, optional bool) error {
		return &readError{query: "event_triggers", optional: optional, err: &pgconn.PgError{Code: code, Message: "no"}}
	}
	for _, c := range []struct {
		err     error
		again   bool
		skipped int
	}{
		{failed("XX000", false), true, 0}, {failed("42P01", false), true, 0}, {failed("42501", true), true, 1},
		{failed("55P03", false), true, 0}, {failed("40P01", false), true, 0}, {fmt.Errorf("x: %w", errGone), true, 0},
		{failed("42501", false), false, 0}, {failed("57014", true), false, 0}, {errACL, false, 0},
	} {
		skip := map[string]string{}
		if got := tryAgain(c.err, skip); got != c.again || len(skip) != c.skipped {
			t.Errorf("%v: again %v, skipped %v", c.err, got, skip)
		}
	}
}

func FuzzACL(f *testing.F) {
	f.Add(`"a ""b=c"=ar*w/owner`)
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseACL([]string{text}); err == nil {
			for _, p := range got {
				if p.Name == "" {
					t.Errorf("a privilege without a name in %q", text)
				}
			}
		}
	})
}
