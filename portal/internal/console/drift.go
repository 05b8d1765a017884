package console

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/watch"
)

// goodState is what was so when somebody found it to be right.
type goodState struct {
	By    string      `json:"by"`
	Facts watch.Facts `json:"facts"`
}

// driftView is what differs from what was accepted: by the states that the server watches, or
// else by the one that was saved here.
type driftView struct {
	Watched   bool // by the server
	Announced *watch.Announcement
	Blind     string // why the watcher sees nothing

	Good    bool // one was saved
	By      string
	At      time.Time
	Changes []change
	More    int
}

// maxChanges is how many changes a page lists.
const maxChanges = 60

// drift compares the present state with the accepted one.
func (p *Pages) drift(ctx context.Context, tx pgx.Tx, l *look) (*driftView, error) {
	d := &driftView{}
	if p.Watch != nil {
		found := p.Watch.Look(ctx)
		d.Watched, d.At, d.Announced, d.Blind = true, found.At, found.Announced, found.Error
		d.list(found.Drift)
		return d, nil
	}
	var good goodState
	at, err := ledger.State(ctx, tx, "good", &good)
	if err != nil || len(good.Facts) == 0 {
		return d, err
	}
	d.Good, d.By, d.At = true, good.By, at
	d.list(watch.Compare(good.Facts, watch.FactsOf(l.view.Snapshot)))
	return d, nil
}

func (d *driftView) list(all []watch.Drift) {
	d.More = max(0, len(all)-maxChanges)
	d.Changes = append(d.Changes, list.Map(all[:len(all)-d.More], differ)...)
}

// keepGood keeps the present state as the one that later ones are compared with.
func (p *Pages) keepGood(_ http.ResponseWriter, r *http.Request, s *frame.Session) error {
	ctx := r.Context()
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	if p.Watch != nil {
		return &frame.Refusal{Status: http.StatusConflict, Title: "The server watches another state",
			Hint: "What is accepted is in the files of watch.state: moat watch accept writes them."}
	}
	l, err := p.look(ctx, true)
	if err != nil {
		return err
	}
	act := ledger.Entry{By: s, Action: "saved the schema as good", Reason: reason, Details: l.fingerprint}
	err = p.Ledger.Use(ctx, act, func(tx pgx.Tx) error {
		return ledger.Keep(ctx, tx, "good", goodState{s.Subject, watch.FactsOf(l.view.Snapshot)})
	})
	if err != nil {
		return err
	}
	return frame.Elsewhere(base + "/isolation#drift")
}

// change is one fact that differs: what it begins and ends with now as before, and what is
// gone and new in between.
type change struct {
	What                 string // added, removed, changed
	Fact                 string
	Begin, Out, In, Rest string
}

// differ finds out where the two texts of a fact differ, by words.
func differ(d watch.Drift) change {
	c := change{What: "changed", Fact: d.Fact, Out: d.Before, In: d.After}
	switch {
	case d.Before == "":
		c.What = "added"
		return c
	case d.After == "":
		c.What = "removed"
		return c
	}
	before, after := strings.SplitAfter(d.Before, " "), strings.SplitAfter(d.After, " ")
	same := func(at func(words []string, n int) string) (n int) {
		for n < min(len(before), len(after)) && at(before, n) == at(after, n) {
			n++
		}
		return n
	}
	first := same(func(words []string, n int) string { return words[n] })
	c.Begin, before, after = strings.Join(before[:first], ""), before[first:], after[first:]
	last := same(func(words []string, n int) string { return words[len(words)-1-n] })
	c.Rest = strings.Join(after[len(after)-last:], "")
	c.Out, c.In = strings.Join(before[:len(before)-last], ""), strings.Join(after[:len(after)-last], "")
	return c
}
