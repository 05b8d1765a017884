package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat/internal/migrations/tools"
	"github.com/moat-db/moat/internal/report"
)

// Every relative link in the documentation leads somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	checked := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "artifacts") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			checked++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: %s leads nowhere", strings.TrimPrefix(path, "../../"), m[1])
			}
		}
		return nil
	})
	if err != nil || checked < 20 {
		t.Fatalf("%d links checked, %v", checked, err)
	}
}

// The pages name what the lists hold: formats, and migration tools.
func TestPagesNameWhatListsHold(t *testing.T) {
	t.Parallel()
	for page, names := range map[string][]string{
		"reference/audit.md":                     append(report.Names(report.AuditFormats()), tools.Readers()...),
		"reference/prove-probes.md":              report.Names(report.ProveFormats()),
		"reference/protect-plan.md":              report.TextOrJSON(),
		"how-to/protect-an-existing-database.md": tools.Writers(),
	} {
		text, err := os.ReadFile(filepath.Join("../../docs", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if !regexp.MustCompile(`(?i)(^|[^\w-])` + regexp.QuoteMeta(name) + `($|[^\w-])`).Match(text) {
				t.Errorf("docs/%s does not name %s", page, name)
			}
		}
	}
}

// Every command's help ends in an example.
func TestHelpEndsInAnExample(t *testing.T) {
	t.Parallel()
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if !strings.HasPrefix(strings.TrimSpace(c.Example), c.CommandPath()) {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if !strings.HasSuffix(c.UsageString(), "Examples:\n"+c.Example+"\n") {
			t.Errorf("the help of %s does not end in its example:\n%s", c.CommandPath(), c.UsageString())
		}
		if c.Short == "" || len(c.Long) < 60 {
			t.Errorf("%s does not say what it is for", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	for _, c := range newRoot(&app{}).Commands() {
		check(c)
	}
}

func TestGroupRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"seal", "rotate"}, {"seal", "key", "rotat"}, {"nosuch"}} {
		if code, _, errs := run(t, args...); code != exitError || !strings.Contains(errs, "unknown command") {
			t.Errorf("moat %v: exit code %d, %q", args, code, errs)
		}
	}
}

// A page that the table of contents does not name is a page that nobody finds.
func TestEveryPageIsLinked(t *testing.T) {
	t.Parallel()
	contents, err := os.ReadFile("../../docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../../docs/*/*.md")
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		name := strings.TrimPrefix(filepath.ToSlash(page), "../../docs/")
		if !strings.HasPrefix(name, "decisions/") && !strings.Contains(string(contents), "("+name+")") {
			t.Errorf("docs/README.md does not link %s", name)
		}
	}
}
