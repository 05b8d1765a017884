package lifecycle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// An archive is a tar, compressed with Zstandard. A tar wants each entry's length before
// its bytes, so that a table is cut into chunks: memory stays the same whatever its size.
const chunkBytes = 1 << 20

const (
	headerEntry   = "header.json"
	manifestEntry = "manifest.json"
	tableDir      = "tables"
	referenceDir  = "references"
	objectDir     = "large-objects"
)

type archive struct {
	zip *zstd.Encoder
	tar *tar.Writer
	at  time.Time
}

func newArchive(w io.Writer, at time.Time) (*archive, error) {
	zip, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2),
		zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	return &archive{zip, tar.NewWriter(zip), at}, nil
}

// cut ends the compressed frame, so that w may be cut off here and written on from here.
func (a *archive) cut(w io.Writer) error {
	if err := errors.Join(a.tar.Flush(), a.zip.Close()); err != nil {
		return err
	}
	a.zip.Reset(w)
	return nil
}

func (a *archive) close() error {
	if err := a.tar.Close(); err != nil {
		return err
	}
	return a.zip.Close()
}

func (a *archive) entry(name string, data []byte) error {
	h := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: a.at, Format: tar.FormatPAX}
	if err := a.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err := a.tar.Write(data)
	return err
}

func (a *archive) json(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return a.entry(name, append(text, '\n'))
}

// chunks writes one table or large object as entries dir/000001, dir/000002 and so on.
type chunks struct {
	a      *archive
	dir    string
	n      int
	buffer bytes.Buffer
	sum    hash.Hash
	size   int64
}

func (a *archive) chunks(format string, args ...any) *chunks {
	return &chunks{a: a, dir: fmt.Sprintf(format, args...), sum: sha256.New()}
}

func (c *chunks) Write(data []byte) (int, error) {
	c.buffer.Write(data)
	c.size += int64(len(data))
	if c.buffer.Len() < chunkBytes {
		return len(data), nil
	}
	return len(data), c.flush()
}

func (c *chunks) flush() error {
	if c.buffer.Len() == 0 {
		return nil
	}
	c.n++
	c.sum.Write(c.buffer.Bytes())
	err := c.a.entry(fmt.Sprintf("%s/%06d", c.dir, c.n), c.buffer.Bytes())
	c.buffer.Reset()
	return err
}

// end writes what is left and returns the checksum.
func (c *chunks) end() (sum string, err error) {
	if err := c.flush(); err != nil {
		return "", err
	}
	return hex.EncodeToString(c.sum.Sum(nil)), nil
}
