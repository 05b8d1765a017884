package baseline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
)

var today = time.Date(2027, 1, 31, 23, 0, 0, 0, time.UTC)

func database() *catalog.Snapshot {
	return &catalog.Snapshot{Version: 150018, Database: catalog.Database{Name: "shop"}, Relations: []catalog.Relation{{
		Schema: "app", Name: "users", Kind: catalog.Table,
		Columns:     []catalog.Column{{Name: "email", Type: "text"}},
		Constraints: []catalog.Constraint{{Name: "users_email_key", Type: catalog.Unique, Columns: []string{"email"}}},
		Indexes:     []catalog.Index{{Name: "users_email_key", Unique: true, Valid: true}},
	}}}
}

func entry(s *catalog.Snapshot) baseline.Entry {
	const object = "app.users.users_email_key"
	return baseline.Entry{Kind: "key-unique", Object: object, Fingerprint: catalog.Definition(s, object),
		Reason: "people sign in by email", Expires: "2027-01-31"}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"":                                    true,
		"- {kind: a, object: b, reason: c}":   true,
		"- {rule: a, object: b, reason: c}":   true, // as earlier versions wrote it
		"- {kind: a, object: b}":              false,
		"- {kind: a, reason: c}":              false,
		"- {kind: a, object: b, reasn: c}":    false,
		"kind: a":                             false,
		"- {kind: a, object: b, reason: ' '}": false,
		"- {kind: a, object: b, reason: c, expires: 2027-01-31}": true,
		"- {kind: a, object: b, reason: c, expires: tomorrow}":   false,
	} {
		if _, err := baseline.Read([]byte(text)); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAppendKeepsCommentsAndReplaces(t *testing.T) {
	t.Parallel()
	e := entry(database())
	text, err := baseline.Append([]byte("# agreed with Ann"), e)
	if err != nil || !strings.HasPrefix(string(text), "# agreed with Ann\n- kind: key-unique\n") {
		t.Fatalf("%v\n%s", err, text)
	}
	e.Reason = "people still sign in by email"
	if text, err = baseline.Append(text, e); err != nil {
		t.Fatal(err)
	}
	got, err := baseline.Read(text)
	if diff := cmp.Diff([]baseline.Entry{e}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	same := func(*catalog.Snapshot) {}
	for name, x := range map[string]struct {
		change func(*catalog.Snapshot)
		entry  func(*baseline.Entry)
		today  time.Time
		why    string // "" counts
	}{
		"as accepted":          {same, nil, today, ""},
		"another column":       {func(s *catalog.Snapshot) { s.Relations[0].RLS = true }, nil, today, ""},
		"on the day after":     {same, nil, today.AddDate(0, 0, 1), "expired on 2027-01-31"},
		"without a day":        {same, nil, time.Time{}, "expired"},
		"the key changed":      {changeKey, nil, today, "definition has changed"},
		"the key is gone":      {func(s *catalog.Snapshot) { s.Relations = nil }, nil, today, "has this name"},
		"no fingerprint":       {same, func(e *baseline.Entry) { e.Fingerprint = "" }, today, "no fingerprint"},
		"no day of expiry":     {same, func(e *baseline.Entry) { e.Expires = "" }, today, "no expires"},
		"another's definition": {same, func(e *baseline.Entry) { e.Object = "app.users" }, today, "changed"},
	} {
		s := database()
		e := entry(s)
		if x.entry != nil {
			x.entry(&e)
		}
		x.change(s)
		l := baseline.Judge([]baseline.Entry{e}, s, x.today)
		_, accepted := l.Accepts(e.Kind, e.Object)
		why := ""
		if len(l.Reopened) > 0 {
			why = l.Reopened[0].Why
		}
		if accepted != (x.why == "") || !strings.Contains(why, x.why) || accepted == (why != "") {
			t.Errorf("%s: accepted %v, %q", name, accepted, why)
		}
	}
}

func changeKey(s *catalog.Snapshot) {
	s.Relations[0].Constraints[0].Columns = []string{"email", "name"}
}

func TestAcceptsOneKindOnOneObject(t *testing.T) {
	t.Parallel()
	s := database()
	l := baseline.Judge([]baseline.Entry{entry(s)}, s, today)
	for _, x := range [][2]string{{"key-exclude", "app.users.users_email_key"}, {"key-unique", "app.users"}} {
		if _, ok := l.Accepts(x[0], x[1]); ok {
			t.Errorf("accepts %v", x)
		}
	}
	if _, ok := (*baseline.List)(nil).Accepts("key-unique", "app.users.users_email_key"); ok {
		t.Error("no list accepts")
	}
	e, _ := l.Accepts("key-unique", "app.users.users_email_key")
	l.Refuse(e)
	if _, ok := l.Accepts(e.Kind, e.Object); ok || len(l.Reopened) != 1 {
		t.Errorf("refused, and yet %v with %v", ok, l.Reopened)
	}
}
