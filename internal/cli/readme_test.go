package cli

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// The session on README's first screen runs as printed, and those on the page of coverage after
// it. moat_app and the other roles have fixed names there, so it gets a server of its own.
func TestReadmeSession(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestProtectPlansAppliesAndUndoes
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	session := regexp.MustCompile("(?s)```console\n(.*?)```").FindSubmatch(text)
	if session == nil {
		t.Fatal("README has no session")
	}
	schema, err := os.ReadFile("../../examples/agency.sql")
	if err != nil {
		t.Fatal(err)
	}
	d := pgtest.NewCluster(t, postgres.Options{}).New(t)
	urls := strings.NewReplacer("$DB", d.URL, "$APP", d.As(t, "moat_app"))
	commands := runSession(t, string(session[1]), urls, func() { d.Exec(t, string(schema)) })
	if commands != 6 {
		t.Errorf("%d moat commands in the session", commands)
	}
	coverage, err := os.ReadFile("../../docs/reference/coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	commands = 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllSubmatch(coverage, -1) {
		commands += runSession(t, string(block[1]), urls, nil)
	}
	if commands != 6 {
		t.Errorf("%d moat commands on the page of coverage", commands)
	}
}

// runSession runs the commands of a session, and compares what they print.
func runSession(t *testing.T, session string, urls *strings.Replacer, psql func()) (commands int) {
	t.Helper()
	for _, step := range strings.Split(session, "$ ")[1:] {
		command, want, _ := strings.Cut(step, "\n")
		command, _, _ = strings.Cut(command, " #")
		if strings.HasPrefix(command, "psql") {
			psql()
			continue
		}
		commands++
		got := runLine(t, urls, strings.TrimPrefix(command, "moat "))
		if err := matchSession(want, got); err != nil {
			t.Errorf("$ %s\n%v, in:\n%s", command, err, got)
		}
	}
	return commands
}

// runLine runs a command line in which only single quotes group words.
func runLine(t *testing.T, urls *strings.Replacer, line string) string {
	t.Helper()
	var args []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			args = append(args, part)
			continue
		}
		for _, word := range strings.Fields(part) {
			args = append(args, urls.Replace(word))
		}
	}
	var out, errs strings.Builder
	if code := Main(context.Background(), args, IO{In: strings.NewReader(""), Out: &out, Err: &errs}); code == exitError {
		t.Errorf("moat %s: %s", line, errs.String())
	}
	return out.String()
}

// matchSession finds the pieces between the "…" lines in this order.
func matchSession(want, got string) error {
	for piece := range strings.SplitSeq(strings.TrimSpace(want), "…") {
		piece = strings.TrimSpace(piece)
		i := strings.Index(squeeze(got), squeeze(piece))
		if i < 0 {
			return fmt.Errorf("does not print %q", piece)
		}
		got = squeeze(got)[i:]
	}
	return nil
}

// squeeze folds white space: alignment may differ by the width of other rows.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }
