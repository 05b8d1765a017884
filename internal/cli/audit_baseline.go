package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/config"
)

// acceptances reads the baseline that the flag names, or the configured one where it
// exists. With --write-baseline there is none: everything is written anew.
func (a *app) acceptances(f auditFlags, c config.Config) ([]audit.Acceptance, error) {
	if f.writeBaseline != "" {
		return nil, nil
	}
	name := cmp.Or(f.baseline, c.Audit.Baseline)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && f.baseline == "" || name == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the baseline: %w", err)
	}
	list, err := parseBaseline(text)
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", name, err), "each entry is {rule, object, reason}")
	}
	return list, nil
}

// parseBaseline reads a YAML list of accepted findings. Each needs a reason: an
// acceptance that nobody can explain is a hole that nobody looked at.
func parseBaseline(text []byte) ([]audit.Acceptance, error) {
	var list []audit.Acceptance
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict(), yaml.DisallowUnknownField())
	if err := d.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("parse the baseline: %w", err)
	}
	for i, x := range list {
		switch {
		case x.Rule == "" || x.Object == "":
			return nil, fmt.Errorf("entry %d names no rule or no object", i+1)
		case strings.TrimSpace(x.Reason) == "":
			return nil, fmt.Errorf("entry %d (%s on %s) gives no reason", i+1, x.Rule, x.Object)
		}
	}
	return list, nil
}

// writeBaseline accepts every finding of a report for one reason.
func (a *app) writeBaseline(name, reason string, r audit.Report) error {
	list := make([]audit.Acceptance, 0, len(r.Findings))
	for _, x := range r.Findings {
		list = append(list, audit.Acceptance{Rule: x.Rule, Object: x.Object, Reason: reason})
	}
	text, err := yaml.Marshal(list)
	if err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	fmt.Fprintf(a.Err, "moat: %d findings accepted in %s\n", len(list), name)
	return nil
}
