package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command line in the documentation names a command that there is, with flags that it has.
func TestCommandsOfDocsExist(t *testing.T) {
	t.Parallel()
	root := newRoot(&app{})
	root.InitDefaultCompletionCmd()
	checked := 0
	for _, page := range everyPage(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLines(string(text)) {
			checked++
			if err := knows(root, line); err != nil {
				t.Errorf("%s: %s: %v", strings.TrimPrefix(page, "../../"), line, err)
			}
		}
	}
	if checked < 150 {
		t.Errorf("only %d command lines were found", checked)
	}
}

// knows refuses what moat would: the test of the test.
func TestKnowsRefuses(t *testing.T) {
	t.Parallel()
	for line, good := range map[string]bool{
		"moat audit --full": true, "moat serve --check": true, "moat nosuch": false, "moat audit --nosuch": false,
		"moat seal key rotat": false, "moat tenant erase $TENANT --after 30d --apply": true,
	} {
		if err := knows(newRoot(&app{}), line); (err == nil) != good {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func everyPage(t *testing.T) []string {
	t.Helper()
	found := []string{"../../README.md", "../../SECURITY.md", "../../CONTRIBUTING.md"}
	err := filepath.WalkDir("../../docs", func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	shellBlock = regexp.MustCompile("(?s)```(?:sh|console|bash)\n(.*?)```")
	indented   = regexp.MustCompile(`(?m)^ {4,}.*$`)
	inline     = regexp.MustCompile("`(moat [a-z][^`\n]*)`")
	starts     = regexp.MustCompile(`^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\./bin/)?moat ([a-z]+(?: .*)?)$`)
)

// commandLines are the calls of moat in blocks of commands and in running text, joined where a
// backslash breaks them, and without what a shell does with their output.
func commandLines(page string) []string {
	page = strings.ReplaceAll(page, "\\\n", " ")
	var blocks []string
	for _, m := range shellBlock.FindAllStringSubmatch(page, -1) {
		blocks = append(blocks, m[1])
	}
	blocks = append(blocks, indented.FindAllString(page, -1)...)
	for _, m := range inline.FindAllStringSubmatch(page, -1) {
		blocks = append(blocks, m[1]+" …") // a flag that is only named has its value
	}
	var lines []string
	for line := range strings.Lines(strings.Join(blocks, "\n")) {
		if m := starts.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			lines = append(lines, "moat "+m[1])
		}
	}
	return lines
}

// knows finds the command of a line and parses its flags; arguments are the reader's own.
func knows(root *cobra.Command, line string) error {
	words := shellWords(line)[1:]
	c, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	c.InitDefaultHelpFlag()
	if err := c.ParseFlags(rest); err != nil || !c.HasSubCommands() {
		return err
	}
	named := slices.DeleteFunc(c.Flags().Args(), func(arg string) bool { return arg == "…" })
	return c.ValidateArgs(named) // a command that only holds others takes none
}

// shellWords splits a line as a shell would, up to a comment, a pipe or another command.
func shellWords(line string) []string {
	word := regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)
	var words []string
	for _, w := range word.FindAllString(line, -1) {
		if strings.HasPrefix(w, "#") || strings.ContainsAny(w[:1], "|&;<>") {
			break
		}
		words = append(words, strings.Trim(w, `'"`))
	}
	return words
}
