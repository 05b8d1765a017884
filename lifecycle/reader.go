package lifecycle

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// An export is a file that somebody hands in: its names are never used as paths or as SQL,
// and it is read twice, once to see that it is whole, and once to load it.

// entryName are the names that an export has.
var entryName = regexp.MustCompile(
	`^((tables|references)/\d{4}/\d{6}|large-objects/\d{1,10}/\d{6,}|header\.json|manifest\.json)$`)

const (
	manifestBytes = 64 << 20
	decodeMemory  = 64 << 20
)

// walk calls fn for each table and large object of an export with its data in one piece,
// and returns the manifests that stand first and last.
func walk(r io.Reader, fn func(kind string, number int, data io.Reader) error) (header, manifest *Manifest, err error) {
	zip, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(decodeMemory), zstd.WithDecoderConcurrency(2))
	if err != nil {
		return nil, nil, err
	}
	defer zip.Close()
	w := &walker{tar: tar.NewReader(zip)}
	for {
		if err := w.advance(); errors.Is(err, io.EOF) {
			break
		} else if errors.Is(err, zstd.ErrMagicMismatch) {
			return nil, nil, errors.New("not an archive of moat tenant export: CSV and JSON do not restore")
		} else if err != nil {
			return nil, nil, fmt.Errorf("read the export: %w", err)
		}
		kind, number := w.place()
		switch kind {
		case headerEntry:
			err = w.decode(&header)
		case manifestEntry:
			err = w.decode(&manifest)
		default:
			err = fn(kind, number, &section{w, w.dir()})
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if header == nil || manifest == nil {
		return nil, nil, errors.New("the export is not whole: it ends before its manifest")
	}
	return header, manifest, nil
}

// walker stands at one entry of the tar.
type walker struct {
	tar     *tar.Reader
	current *tar.Header
	held    bool // current was read ahead by a section
}

func (w *walker) advance() (err error) {
	if w.held {
		w.held = false
		return nil
	}
	if w.current, err = w.tar.Next(); err != nil {
		return err
	}
	if !entryName.MatchString(w.current.Name) || w.current.Typeflag != tar.TypeReg {
		return fmt.Errorf("an entry %q has no place in an export", w.current.Name)
	}
	return nil
}

func (w *walker) dir() string { return path.Dir(w.current.Name) }

func (w *walker) place() (kind string, number int) {
	kind, rest, ok := strings.Cut(w.dir(), "/")
	if !ok {
		return w.current.Name, 0
	}
	number, _ = strconv.Atoi(rest)
	return kind, number
}

func (w *walker) decode(into **Manifest) error {
	if err := json.NewDecoder(io.LimitReader(w.tar, manifestBytes)).Decode(into); err != nil {
		return fmt.Errorf("read the manifest: %w", err)
	}
	return nil
}

// section is the data of consecutive entries of one folder.
type section struct {
	w   *walker
	dir string
}

func (s *section) Read(b []byte) (int, error) {
	for {
		if s.w.held {
			return 0, io.EOF
		}
		n, err := s.w.tar.Read(b)
		switch {
		case n > 0 && errors.Is(err, io.EOF): // of this entry; the table may go on in the next
			return n, nil
		case n > 0 || !errors.Is(err, io.EOF):
			return n, err
		}
		if err := s.w.advance(); err != nil {
			return 0, notEOF(err)
		}
		s.w.held = s.w.dir() != s.dir
	}
}

// notEOF keeps the end of a file, where a manifest should have come, from passing for the
// end of a table.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ReadExport reads an export from its start and checks that it came whole: that header and
// manifest agree, and that each table has the checksum it claims.
func ReadExport(r io.Reader) (*Manifest, error) {
	sums := map[string]string{}
	header, m, err := walk(r, func(kind string, number int, data io.Reader) error {
		sum := sha256.New()
		if _, err := io.Copy(sum, data); err != nil {
			return err
		}
		sums[fmt.Sprint(kind, number)] = hexOf(sum)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m.Format != formatName || m.Version != FormatVersion {
		return m, m.Whole()
	}
	if header.Tenant != m.Tenant || len(header.Tables) != len(m.Tables) {
		return nil, errors.New("the export contradicts itself: its header and its manifest differ")
	}
	for i, t := range m.Tables {
		if err := sameSum(sums, tableDir, i+1, t.SHA256, t.label()); err != nil {
			return nil, err
		}
	}
	for _, o := range m.LargeObjects {
		if err := sameSum(sums, objectDir, int(o.OID), o.SHA256, fmt.Sprintf("large object %d", o.OID)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func hexOf(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }

// sameSum compares a checksum; what is empty has no entry.
func sameSum(sums map[string]string, kind string, number int, want, label string) error {
	got, ok := sums[fmt.Sprint(kind, number)]
	if !ok {
		got = hexOf(sha256.New())
	}
	if got != want {
		return fmt.Errorf("the export is damaged: %s has not the checksum that the manifest says", label)
	}
	return nil
}
