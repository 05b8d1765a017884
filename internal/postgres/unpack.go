package postgres

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Limits of an unpacked build; one is 60 MB in 1,000 files.
const (
	maxUnpacked = 512 << 20
	maxFiles    = 10_000
)

// unpack writes the folder package/native of an npm tarball to dir, which must not
// exist, with the symbolic links that npm cannot carry. Everything goes through an
// [os.Root], so that no name in the tarball reaches outside of dir.
func unpack(tarball []byte, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	zr, err := gzip.NewReader(bytes.NewReader(tarball))
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	if err := unpackFiles(tar.NewReader(zr), root); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	if err := linkLibraries(root); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	// The server's user must enter, whatever our umask.
	return os.Chmod(dir, 0o755)
}

func unpackFiles(tr *tar.Reader, root *os.Root) error {
	var total int64
	for files := 0; ; files++ {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		total += header.Size
		if files >= maxFiles || total > maxUnpacked {
			return fmt.Errorf("more than %d files or %d bytes", maxFiles, maxUnpacked)
		}
		if err := unpackEntry(tr, header, root); err != nil {
			return fmt.Errorf("%q: %w", header.Name, err)
		}
	}
}

func unpackEntry(tr *tar.Reader, header *tar.Header, root *os.Root) error {
	if !filepath.IsLocal(header.Name) {
		return errors.New("the name leaves the folder")
	}
	name, inside := strings.CutPrefix(path.Clean(header.Name), "package/native/")
	if !inside || header.Typeflag == tar.TypeDir {
		return nil // only the programs are wanted; folders come with their files
	}
	if header.Typeflag != tar.TypeReg {
		return fmt.Errorf("unexpected kind of entry %q", header.Typeflag)
	}
	if err := makeFolders(root, path.Dir(name)); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if header.FileInfo().Mode()&0o111 != 0 {
		mode = 0o755
	}
	return writeFile(root, name, tr, mode)
}

// makeFolders makes a folder and those above it, enterable whatever the umask.
func makeFolders(root *os.Root, name string) error {
	if name == "." {
		return nil
	}
	if _, err := root.Lstat(name); err == nil {
		return nil
	}
	if err := makeFolders(root, path.Dir(name)); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o755); err != nil {
		return err
	}
	return root.Chmod(name, 0o755)
}

func writeFile(root *os.Root, name string, from io.Reader, mode os.FileMode) (err error) {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, from); err != nil {
		return err
	}
	return f.Chmod(mode)
}

// link is one line of pg-symlinks.json; both names start with native/.
type link struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// linkLibraries makes the links that pg-symlinks.json lists, relative, so that the
// folder can be renamed.
func linkLibraries(root *os.Root) error {
	text, err := root.ReadFile("pg-symlinks.json")
	if errors.Is(err, os.ErrNotExist) {
		return nil // a build without links
	}
	if err != nil {
		return err
	}
	var links []link
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		if err := l.make(root); err != nil {
			return fmt.Errorf("pg-symlinks.json: link %q to %q: %w", l.Target, l.Source, err)
		}
	}
	return nil
}

func (l link) make(root *os.Root) error {
	source, okSource := strings.CutPrefix(path.Clean(l.Source), "native/")
	target, okTarget := strings.CutPrefix(path.Clean(l.Target), "native/")
	if !okSource || !okTarget || !filepath.IsLocal(source) || !filepath.IsLocal(target) {
		return errors.New("the name leaves the folder")
	}
	if _, err := root.Stat(source); err != nil {
		return err
	}
	relative, err := filepath.Rel(path.Dir(target), source)
	if err != nil {
		return err
	}
	if err := makeFolders(root, path.Dir(target)); err != nil {
		return err
	}
	return root.Symlink(relative, target)
}
