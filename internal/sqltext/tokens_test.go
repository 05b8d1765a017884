package sqltext_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/internal/sqltext"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script string
		want   []string
	}{
		"two":        {"SELECT 1; SELECT 2", []string{"SELECT 1", "SELECT 2"}},
		"string":     {"SELECT 'a;''b';SELECT E'\\';' ;", []string{"SELECT 'a;''b'", "SELECT E'\\';'"}},
		"identifier": {`SELECT "a;""b";`, []string{`SELECT "a;""b"`}},
		"dollar": {
			"DO $x$ BEGIN a; $$b;$$ END $x$; SELECT $1;",
			[]string{"DO $x$ BEGIN a; $$b;$$ END $x$", "SELECT $1"},
		},
		"dollar in name": {"SELECT a$b; SELECT 2$$x;$$;", []string{"SELECT a$b", "SELECT 2$$x;$$"}},
		"comments": {
			"-- a;\nSELECT 1 /* ; /* ; */ ; */ -- ;\n; /* end */",
			[]string{"SELECT 1 /* ; /* ; */ ; */ -- ;"},
		},
		"rule": {
			"CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
			[]string{"CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"},
		},
		"atomic": {
			"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END; SELECT 3",
			[]string{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END",
				"SELECT 3"},
		},
		"begin":           {"BEGIN; SELECT 1; END;", []string{"BEGIN", "SELECT 1", "END"}},
		"meta":            {"\\connect x\n\\restrict abc;\nSELECT 1;\n\\unrestrict abc\n", []string{"SELECT 1"}},
		"copy":            {"COPY t (a) FROM stdin;\n1;\n\\N\n\\.\nSELECT 1;", []string{"COPY t (a) FROM stdin", "SELECT 1"}},
		"empty":           {";;\n-- nothing\n;", nil},
		"unterminated":    {"SELECT 'a", []string{"SELECT 'a"}},
		"unicode escapes": {"SELECT U&'a;', U&\"b;\", x'1;';", []string{"SELECT U&'a;', U&\"b;\", x'1;'"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, s := range sqltext.Split(test.script) {
				got = append(got, s.Text)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSplitSaysLineAndData(t *testing.T) {
	t.Parallel()
	got := sqltext.Split("-- head\n\nCREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n2\n\\.\n\nSELECT 1;\n")
	want := []sqltext.Statement{{Text: "CREATE TABLE t (a int)", Line: 3},
		{Text: "COPY t FROM stdin", Line: 4, Copy: []byte("1\n2\n")}, {Text: "SELECT 1", Line: 9}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("SELECT $a$;$a$; COPY t FROM stdin;\n\\.\n")
	f.Add("/* /* ' */")
	f.Fuzz(func(t *testing.T, script string) {
		for _, s := range sqltext.Split(script) {
			if s.Line < 1 || s.Line > 1+strings.Count(script, "\n") || strings.TrimSpace(s.Text) != s.Text {
				t.Errorf("statement %q at line %d", s.Text, s.Line)
			}
		}
	})
}
