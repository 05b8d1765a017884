package demo

import (
	"os"
	"path/filepath"
	"testing"
)

// The folder that the demo makes is ignored by git, for there are keys in it; one that was there is left as it is.
func TestFolderIsIgnoredByGit(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	made := filepath.Join(home, "made")
	if err := makeFolder(made); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(made, ".gitignore")); err != nil || string(text) != "*\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := makeFolder(home); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, ".gitignore")); !os.IsNotExist(err) {
		t.Errorf("a folder that was there: %v", err)
	}
}
