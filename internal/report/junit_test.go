package report_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/prove"
)

// element says what both JUnit schemas in use, Ant's and Jenkins' junit-10, accept: the
// attributes that must be there with the form of their values, the children in their
// order, and which of these must stand exactly once.
type element struct {
	attributes map[string]*regexp.Regexp
	children   []string
	once       []string
	oneOf      bool // no two different children
	text       bool
}

var (
	name   = regexp.MustCompile(`^\S(.*\S)?$`)
	text   = regexp.MustCompile(`(?s)^.*$`)
	number = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
	span   = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	moment = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$`)
)

type forms = map[string]*regexp.Regexp

var junitElements = map[string]element{
	"":           {children: []string{"testsuites"}, once: []string{"testsuites"}},
	"testsuites": {children: []string{"testsuite"}},
	"testsuite": {attributes: forms{"name": name, "package": name, "id": number, "timestamp": moment, "hostname": name,
		"tests": number, "failures": number, "errors": number, "time": span},
		children: []string{"properties", "testcase", "system-out", "system-err"},
		once:     []string{"properties", "system-out", "system-err"}},
	"properties": {children: []string{"property"}},
	"property":   {attributes: forms{"name": name, "value": text}},
	"testcase": {attributes: forms{"name": name, "classname": name, "time": span},
		children: []string{"error", "failure"}, oneOf: true},
	"error":      {attributes: forms{"message": text, "type": name}, text: true},
	"failure":    {attributes: forms{"message": text, "type": name}, text: true},
	"system-out": {text: true},
	"system-err": {text: true},
}

// node is any element, as it stands.
type node struct {
	XMLName  xml.Name
	Attr     []xml.Attr `xml:",any,attr"`
	Children []node     `xml:",any"`
	Text     string     `xml:",chardata"`
}

// junitFaults lists what is wrong with a document, so that the checker can be checked.
func junitFaults(document string) []string {
	var root node
	d := xml.NewDecoder(strings.NewReader(document))
	if err := d.Decode(&root); err != nil {
		return []string{err.Error()}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) && err != nil {
		return []string{err.Error()}
	}
	return faultsOf(node{Children: []node{root}})
}

func faultsOf(n node) []string {
	own, rule := n.XMLName.Local, junitElements[n.XMLName.Local]
	faults := attributeFaults(n, rule)
	if !rule.text && strings.TrimSpace(n.Text) != "" {
		faults = append(faults, "text in "+own)
	}
	count, last := map[string]int{}, 0
	for _, child := range n.Children {
		kind := child.XMLName.Local
		at := slices.Index(rule.children, kind)
		if at < last {
			faults = append(faults, kind+" at this place in "+own)
			continue
		}
		last = at
		count[kind]++
		faults = append(faults, faultsOf(child)...)
	}
	for _, kind := range rule.once {
		if count[kind] != 1 {
			faults = append(faults, fmt.Sprintf("%d %s in %s", count[kind], kind, own))
		}
	}
	if rule.oneOf && len(n.Children) > 1 {
		faults = append(faults, "more than one outcome in "+own)
	}
	if own == "testsuite" {
		faults = append(faults, countFaults(n)...)
	}
	return faults
}

func attributeFaults(n node, rule element) []string {
	var faults []string
	found := map[string]bool{}
	for _, a := range n.Attr {
		form, known := rule.attributes[a.Name.Local]
		found[a.Name.Local] = true
		if !known || !form.MatchString(a.Value) {
			faults = append(faults, fmt.Sprintf("%s=%q of %s", a.Name.Local, a.Value, n.XMLName.Local))
		}
	}
	for required := range rule.attributes {
		if !found[required] {
			faults = append(faults, "no "+required+" of "+n.XMLName.Local)
		}
	}
	return faults
}

// countFaults compares the counts that a suite states with its cases.
func countFaults(suite node) []string {
	count := map[string]int{"tests": 0, "failures": 0, "errors": 0}
	for _, c := range suite.Children {
		if c.XMLName.Local != "testcase" {
			continue
		}
		count["tests"]++
		for _, outcome := range c.Children {
			count[outcome.XMLName.Local+"s"]++
		}
	}
	var faults []string
	for _, a := range suite.Attr {
		if n, counted := count[a.Name.Local]; counted && a.Value != strconv.Itoa(n) {
			faults = append(faults, fmt.Sprintf("%s says %s, there are %d", a.Name.Local, a.Value, n))
		}
	}
	return faults
}

func TestJUnitIsValid(t *testing.T) {
	t.Parallel()
	probes := []prove.Probe{
		{ID: "read:app.leads", Attack: "read", Object: "app.leads", Verdict: prove.VerdictLeak,
			Reason: "2 rows\x00 <b> \"]]>", Script: "SELECT '\x01';"},
		{ID: `read:app."odd  name"`, Attack: "read", Object: "app.\"odd  \n name\"", Verdict: prove.VerdictIsolated},
		{ID: "view:app.v", Attack: "view", Object: "app.v", Verdict: prove.VerdictUndecided, Reason: "a\ufffe\xffz"},
	}
	proved := &prove.Report{Verdict: prove.VerdictLeak, Probes: probes, NotTried: []string{"sequences"},
		Context: prove.Context{Mode: "plain", Target: "a \t shop", Role: "app",
			Started: time.Date(2026, 1, 2, 23, 0, 0, 0, time.FixedZone("", 7200)), DurationMS: 1500}}
	for name, write := range map[string]func(io.Writer) error{
		"audit": formats()["junit.xml"],
		"prove": func(w io.Writer) error { return report.ProveJUnit(w, proved) },
		"prove, no probe": func(w io.Writer) error {
			return report.ProveJUnit(w,
				&prove.Report{Verdict: prove.VerdictIsolated})
		},
	} {
		if faults := junitFaults(render(t, write)); len(faults) > 0 {
			t.Errorf("%s: %q\n%s", name, faults, render(t, write))
		}
	}
}

// The checker sees each kind of fault.
func TestJUnitFaults(t *testing.T) {
	t.Parallel()
	good := `<testsuites><testsuite name="n" package="p" id="0" timestamp="2026-01-02T03:04:05" ` +
		`hostname="h" tests="1" failures="1" errors="0" time="0.5">` +
		`<properties></properties><testcase name="n" classname="c" time="0">` +
		`<failure message="" type="leak">x</failure></testcase>` +
		`<system-out></system-out><system-err></system-err></testsuite></testsuites>`
	if faults := junitFaults(good); len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, c := range []struct{ old, new, want string }{
		{` hostname="h"`, ``, "no hostname of testsuite"},
		{`id="0"`, `id="0" skipped="0"`, `skipped="0" of testsuite`},
		{`T03:04:05`, `T03:04:05Z`, `timestamp="2026-01-02T03:04:05Z" of testsuite`},
		{`time="0.5"`, `time="1e3"`, `time="1e3" of testsuite`},
		{`failures="1"`, `failures="0"`, "failures says 0, there are 1"},
		{`classname="c"`, `classname=""`, `classname="" of testcase`},
		{`</failure>`, `</failure><failure message="" type="leak"/>`, "more than one outcome in testcase"},
		{`<system-err></system-err>`, ``, "0 system-err in testsuite"},
		{`<properties></properties>`, `<system-out></system-out><properties></properties>`,
			"properties at this place in testsuite"},
		{`<testcase`, `text<testcase`, "text in testsuite"},
		{`<testcase`, `<skipped/><testcase`, "skipped at this place in testsuite"},
		{`</testsuites>`, `</testsuites><`, "XML syntax error on line 1: unexpected EOF"},
	} {
		if faults := junitFaults(strings.Replace(good, c.old, c.new, 1)); !slices.Contains(faults, c.want) {
			t.Errorf("%s: %s", c.new, cmp.Diff([]string{c.want}, faults))
		}
	}
}
