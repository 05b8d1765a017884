package filelock_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/moat-db/moat/internal/filelock"
)

func TestTry(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	f, err := filelock.Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Try(path); !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	if err := errors.Join(os.Remove(path), f.Close()); err != nil {
		t.Fatal(err)
	}
	if f, err = filelock.Try(path); err != nil {
		t.Fatalf("released: %v", err)
	}
	f.Close()
}
