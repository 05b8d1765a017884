package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/protect"
)

// exceptions reads the baseline that the flag names, or the configured one where it exists.
func exceptions(flag string, c config.Config) ([]baseline.Entry, error) {
	name := cmp.Or(flag, c.Audit.Baseline)
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && flag == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the baseline: %w", err)
	}
	entries, err := baseline.Read(text)
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", name, err),
			"each entry is {kind, object, fingerprint, reason, expires}; moat accept writes one")
	}
	return entries, nil
}

// exception is the entry that accepts a kind of finding on an object as it stands.
func exception(s *catalog.Snapshot, kind, object, reason, expires string) (baseline.Entry, error) {
	print := catalog.Definition(s, object)
	if print == "" {
		return baseline.Entry{}, withHint(fmt.Errorf("nothing in the database is called %q", object),
			"write the object as the report names it: schema.table, schema.table.key, schema.function(types)")
	}
	return baseline.Entry{Kind: kind, Object: object, Fingerprint: print, Reason: reason, Expires: expires}, nil
}

// lastDay checks the value of --expires; empty means a year from now.
func lastDay(expires string, now time.Time) (string, error) {
	if expires == "" {
		return now.AddDate(1, 0, 0).Format(baseline.Day), nil
	}
	day, err := time.ParseInLocation(baseline.Day, expires, now.Location())
	if err != nil {
		return "", withHint(fmt.Errorf("--expires %q is no day", expires), "write it as 2027-01-31")
	}
	if day.AddDate(0, 0, 1).Before(now) {
		return "", fmt.Errorf("--expires %s has passed", expires)
	}
	return expires, nil
}

// writeBaseline accepts every finding of a report that may be accepted, for one reason.
func (a *app) writeBaseline(f auditFlags, got audited) error {
	expires, err := lastDay(f.expires, time.Now())
	if err != nil {
		return err
	}
	var text []byte
	var refused []string
	for _, x := range got.report.Findings {
		if !x.Acceptable() {
			refused = append(refused, x.Rule+" on "+x.Object)
			continue
		}
		e, err := exception(got.snapshot, x.Rule, x.Object, f.reason, expires)
		if err != nil {
			return err
		}
		if text, err = baseline.Append(text, e); err != nil {
			return err
		}
	}
	if err := os.WriteFile(f.writeBaseline, text, 0o644); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	fmt.Fprintf(a.Err, "moat: %s accepted in %s\n",
		english.Count(len(got.report.Findings)-len(refused), "finding"), f.writeBaseline)
	if len(refused) > 0 {
		fmt.Fprintf(a.Err, "moat: nobody can accept that other tenants' rows can be read or changed:\n  %s\n",
			strings.Join(refused, "\n  "))
		return errFound
	}
	return nil
}

// mayBeAccepted says why nobody can accept a kind of finding.
func mayBeAccepted(kind string) error {
	for _, r := range audit.Rules() {
		switch {
		case r.ID != kind:
		case r.Acceptable():
			return nil
		default:
			return withHint(fmt.Errorf("%s cannot be accepted: other tenants' rows can be read or changed", kind),
				"close the hole (moat explain %s), or name a table that is everybody's under tables.shared in moat.yaml", kind)
		}
	}
	for _, k := range protect.Kinds() {
		if protect.QuestionKind(k.Kind) == kind {
			return nil
		}
	}
	return withHint(errors.New("no such kind of finding: "+kind), "moat explain lists them; those of moat protect's "+
		"questions are %s, %s …", protect.QuestionKind("class"), protect.QuestionKind("rows"))
}
