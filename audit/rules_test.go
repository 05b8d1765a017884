package audit_test

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/internal/rules"
)

// detectable are the entries of the catalogue of holes that a catalog query finds.
// The releases (K…) have no fixture: a server is one release.
var detectable = strings.Fields(`
	C01 C02 C03 C04 C05 C06 C07 C08 C09 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20 C21 C22 C23 C24 C25 C26 C28
	P01 P02 P03 P04 P05 P08 P09 P10 P11 P12 P13 P14 P15 P16 P17 P18 P19 P20 P21 P22 P23 P24 P25 P26 P27 P28
	P30 P31 P32 P33 P34 P35 P36 P37 P38 P39 P40 P41 P42 P43
	V01 V02 V03 V04 V05 V06 V07 V08 V09 V10 V11 V12 V13 V14 V15 V16 V17 V18 V19 V20 V21 V22 V23 V24 V25 V26 V27
	V37 V38 V39 V40 V41 V42 V43
	O01 O02 O03 O04 O05 O06 O07 O08 O09 O12 O14 O15 O17 O18 O19 O20 O21 O22 O23
	S03 S05 S08 S12 S14 S15 S16 S17 S19 S21 S22 S24
	E01 E03 E04 E05
	F01 F02 F03 F04 F05 F06 F07 F08 F11 F12 F13
	T01 T02 T03 T04 T05 T06 T07
	D01 D02 D03 D04`)

func TestEveryHoleHasARuleAndAFixture(t *testing.T) {
	t.Parallel()
	claimed := map[string]bool{}
	for _, r := range audit.Rules() {
		for _, h := range r.Holes {
			claimed[h] = true
		}
	}
	fixtures := map[string]bool{}
	for _, h := range audittest.Holes(t) {
		fixtures[h.ID] = true
	}
	for _, id := range detectable {
		if !claimed[id] {
			t.Errorf("no rule for %s", id)
		}
		if !fixtures[id] {
			t.Errorf("no fixture for %s", id)
		}
	}
	for _, id := range []string{"K01", "K02", "K03", "K04", "K05", "K06", "K07", "K08", "K09", "K10"} {
		if !claimed[id] {
			t.Errorf("no rule for %s", id)
		}
	}
}

func TestRulesAreWellFormed(t *testing.T) {
	t.Parallel()
	groups := []string{"role", "rls", "policy", "view", "func", "key", "grant", "session", "seal", "guard", "citus",
		"release", "cve", "perf"}
	seen := map[string]bool{}
	for _, r := range audit.Rules() {
		group, _, _ := strings.Cut(r.ID, "-")
		switch {
		case seen[r.ID]:
			t.Errorf("%s twice", r.ID)
		case !slices.Contains(groups, group):
			t.Errorf("%s is in no group", r.ID)
		case r.Title == "":
			t.Errorf("%s is not complete", r.ID)
		}
		if _, err := audit.ParseSeverity(string(r.Severity)); err != nil {
			t.Errorf("%s: %v", r.ID, err)
		}
		seen[r.ID] = true
	}
}

// A rule and its page come and go together.
func TestEveryRuleHasAPage(t *testing.T) {
	t.Parallel()
	pages, err := fs.Glob(rules.Pages, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range audit.Rules() {
		i := slices.Index(pages, r.ID+".md")
		if i < 0 {
			t.Errorf("no page for %s", r.ID)
			continue
		}
		pages = slices.Delete(pages, i, i+1)
		text, err := fs.ReadFile(rules.Pages, r.ID+".md")
		if err != nil {
			t.Fatal(err)
		}
		parts := []string{"# " + r.ID + "\n", r.Title + ".\n", "| severity | " + string(r.Severity),
			"| kind | " + string(cmp.Or(r.Kind, audit.Leak)) + " |", "## What can happen", "## Why", "## How to fix",
			"## Example", "## How to accept"}
		if r.Acceptable() {
			parts = append(parts, "moat accept "+r.ID+" ")
		} else {
			parts = append(parts, "It cannot be accepted")
		}
		if len(r.Holes) > 0 {
			parts = append(parts, "| holes | "+strings.Join(r.Holes, ", ")+" |")
		}
		if r.Peer != "" {
			parts = append(parts, "| in splinter | "+r.Peer+" |")
		}
		for _, part := range parts {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s.md lacks %q", r.ID, part)
			}
		}
	}
	if len(pages) > 0 {
		t.Errorf("pages without a rule: %v", pages)
	}
}
