package moat_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// A line of Go or of a template has at most 120 characters; a tab counts as one. What
// others wrote is not ours to break, and golden files are what a program printed.
func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		foreign := slices.Contains([]string{"testdata", "vendor", "node_modules"}, entry.Name()) ||
			strings.HasPrefix(path, ".") && path != "."
		switch {
		case err != nil:
			return err
		case entry.IsDir() && foreign:
			return fs.SkipDir
		case !slices.Contains([]string{".go", ".html"}, filepath.Ext(path)):
			return nil
		}
		files++
		return checkLines(t, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 500 {
		t.Errorf("found %d files", files)
	}
}

func checkLines(t *testing.T, path string) error {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || generated.Match(text) {
		return err
	}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if n := utf8.RuneCount(line); n > 120 {
			t.Errorf("%s:%d has %d characters", path, i+1, n)
		}
	}
	return nil
}
