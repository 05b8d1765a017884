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

// The session on README's first screen runs as printed. moat_app and the other roles
// have fixed names there, so it gets a server of its own.
func TestReadmeSession(t *testing.T) {
	t.Parallel()
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
	commands := 0
	for _, step := range strings.Split(string(session[1]), "$ ")[1:] {
		command, want, _ := strings.Cut(step, "\n")
		command, _, _ = strings.Cut(command, " #")
		if strings.HasPrefix(command, "psql") {
			d.Exec(t, string(schema))
			continue
		}
		commands++
		got := runLine(t, urls, strings.TrimPrefix(command, "moat "))
		if err := matchSession(want, got); err != nil {
			t.Errorf("$ %s\n%v, in:\n%s", command, err, got)
		}
	}
	if commands != 6 {
		t.Errorf("%d moat commands in the session", commands)
	}
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
