// Package baseline holds the exceptions that a person has accepted, for audit, protect and
// prove alike: a unique key that must stay global, a number that every tenant may see.
//
// An [Entry] covers one kind of finding on one object as it was defined on the day it
// was accepted. When the definition changes, when the day of expiry has passed, or when
// either is not known, the entry is reopened: it covers nothing, and [List.Reopened]
// says so.
//
// Its limit: the definition is that of the object alone. An entry for a function does not
// notice that another function, which it calls, has changed. And a List does not know
// what may be accepted: that rows of another tenant can be read or changed never is, and
// audit and prove do not ask for it.
package baseline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/moat-db/moat/catalog"
)

// Entry is one accepted exception.
type Entry struct {
	// Kind is what is accepted: a rule of audit, which prove's probes and protect's
	// questions of the same subject go by too.
	Kind string `json:"kind" yaml:"kind"`
	// Object is named as reports name it: see [catalog.Definition].
	Object string `json:"object" yaml:"object"`
	// Fingerprint is that of the object's definition when it was accepted.
	Fingerprint string `json:"fingerprint" yaml:"fingerprint"`
	Reason      string `json:"reason" yaml:"reason"`
	// Expires is the last day on which the entry counts, as 2027-01-31.
	Expires string `json:"expires" yaml:"expires"`
}

// Day is the form of [Entry.Expires].
const Day = time.DateOnly

// written is an entry as files hold it: before there were fingerprints its kind was
// called rule.
type written struct {
	Entry `yaml:",inline"`
	Rule  string `yaml:"rule,omitempty"`
}

// Read reads the YAML list that [Append] writes. Each entry needs a kind, an object and a
// reason: an exception that nobody can explain is a hole that nobody looked at. Entries
// that lack a fingerprint or a day of expiry are read, and [Judge] reopens them.
func Read(text []byte) ([]Entry, error) {
	var list []written
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict(), yaml.DisallowUnknownField())
	if err := d.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("parse the baseline: %w", err)
	}
	entries := make([]Entry, len(list))
	for i, x := range list {
		if x.Kind == "" {
			x.Kind = x.Rule
		}
		if err := x.check(); err != nil {
			return nil, fmt.Errorf("entry %d %w", i+1, err)
		}
		entries[i] = x.Entry
	}
	return entries, nil
}

func (e Entry) check() error {
	if e.Kind == "" || e.Object == "" {
		return errors.New("names no kind or no object")
	}
	if strings.TrimSpace(e.Reason) == "" {
		return fmt.Errorf("(%s on %s) gives no reason", e.Kind, e.Object)
	}
	if _, err := time.Parse(Day, e.Expires); e.Expires != "" && err != nil {
		return fmt.Errorf("(%s on %s) expires on %q: write the day as 2027-01-31", e.Kind, e.Object, e.Expires)
	}
	return nil
}

// Append returns the text of a baseline with one more entry. An entry for the same kind
// and object is replaced, and the file then written anew, without its comments.
func Append(text []byte, e Entry) ([]byte, error) {
	entries, err := Read(text)
	if err != nil {
		return nil, err
	}
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("the entry %w", err)
	}
	for i, old := range entries {
		if old.Kind == e.Kind && old.Object == e.Object {
			entries[i] = e
			return yaml.Marshal(entries)
		}
	}
	one, err := yaml.Marshal([]Entry{e})
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	return append(text, one...), err
}

// List is a baseline as it stands on one day against one database. A nil List accepts
// nothing.
type List struct {
	// Reopened are the entries that do not count, each with the reason.
	Reopened []Reopened

	accepted map[[2]string]Entry
}

// Reopened is an entry that does not count.
type Reopened struct {
	Entry
	Why string `json:"why"`
}

// String says it in a sentence's words.
func (r Reopened) String() string { return r.Kind + " on " + r.Object + ": " + r.Why }

// Judge compares entries with the database. today is the day in the caller's time zone;
// on the zero day every entry has expired.
func Judge(entries []Entry, s *catalog.Snapshot, today time.Time) *List {
	l := &List{accepted: map[[2]string]Entry{}}
	for _, e := range entries {
		if why := e.reopened(catalog.Definition(s, e.Object), today); why != "" {
			l.Reopened = append(l.Reopened, Reopened{e, why})
			continue
		}
		l.accepted[[2]string{e.Kind, e.Object}] = e
	}
	return l
}

// reopened says why an entry does not count; "" when it does.
func (e Entry) reopened(now string, today time.Time) string {
	again := "; look at it again, and run moat accept"
	switch {
	case e.Fingerprint == "" || e.Expires == "":
		return "the entry has no fingerprint or no expires, as entries of earlier versions" + again
	case now == "":
		return "nothing in the database has this name; remove the entry"
	case now != e.Fingerprint:
		return "its definition has changed since it was accepted" + again
	case today.IsZero() || e.Expires < today.Format(Day):
		return "the entry expired on " + e.Expires + again
	}
	return ""
}

// Accepts returns the entry that covers a kind of finding on an object.
func (l *List) Accepts(kind, object string) (Entry, bool) {
	if l == nil {
		return Entry{}, false
	}
	e, ok := l.accepted[[2]string{kind, object}]
	return e, ok
}

// Refuse reopens an entry that covers what nobody may accept.
func (l *List) Refuse(e Entry) {
	delete(l.accepted, [2]string{e.Kind, e.Object})
	l.Reopened = append(l.Reopened, Reopened{e, "other tenants' rows can be read or changed, which nobody can accept"})
}
