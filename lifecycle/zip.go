package lifecycle

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
)

// zip writes a file per table that a person can open: CSV with a header, or JSON; then the
// rows that these refer to, and large objects.
func (x *export) zip(ctx context.Context, w io.Writer) error {
	z := zip.NewWriter(w)
	for i := range x.manifest.Tables {
		t := &x.manifest.Tables[i]
		if err := x.zipTable(ctx, z, "", t, x.rowsOf(t)); err != nil {
			return err
		}
	}
	for i, query := range x.references() {
		if err := x.zipTable(ctx, z, referenceDir+"/", &x.manifest.References[i], query); err != nil {
			return err
		}
	}
	for _, oid := range x.oids {
		if err := x.zipObject(ctx, z, oid); err != nil {
			return err
		}
	}
	f, err := x.zipEntry(z, manifestEntry)
	if err != nil {
		return err
	}
	e := json.NewEncoder(f)
	e.SetIndent("", "  ")
	if err := e.Encode(&x.manifest); err != nil {
		return err
	}
	return z.Close()
}

func (x *export) zipEntry(z *zip.Writer, name string) (io.Writer, error) {
	return z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: x.manifest.TakenAt})
}

func (x *export) zipTable(ctx context.Context, z *zip.Writer, dir string, t *Table, query string) error {
	f, err := x.zipEntry(z, dir+t.label()+"."+x.opts.Format)
	if err != nil {
		return err
	}
	x.progress(t, false)
	if t.Rows, err = x.readable(ctx, f, query); err != nil {
		return fmt.Errorf("read %s: %w", t.label(), err)
	}
	x.progress(t, true)
	return nil
}

func (x *export) zipObject(ctx context.Context, z *zip.Writer, oid uint32) error {
	f, err := x.zipEntry(z, fmt.Sprintf("%s/%d", objectDir, oid))
	if err != nil {
		return err
	}
	o, sum, size := LargeObject{OID: oid}, sha256.New(), new(length)
	if o.Owner, err = x.readObject(ctx, oid, io.MultiWriter(f, sum, size)); err != nil {
		return err
	}
	o.Bytes, o.SHA256 = int64(*size), hexOf(sum)
	x.manifest.LargeObjects = append(x.manifest.LargeObjects, o)
	return nil
}

// length counts what is written.
type length int64

func (n *length) Write(b []byte) (int, error) {
	*n += length(len(b))
	return len(b), nil
}

func (x *export) readable(ctx context.Context, w io.Writer, query string) (rows int64, err error) {
	if x.opts.Format == "csv" {
		tag, err := x.conn.PgConn().CopyTo(ctx, w, "COPY ("+query+") TO STDOUT (FORMAT csv, HEADER)")
		return tag.RowsAffected(), err
	}
	if _, err := io.WriteString(w, "["); err != nil {
		return 0, err
	}
	// JSON has no control characters, so that with these two nothing is ever quoted.
	tag, err := x.conn.PgConn().CopyTo(ctx, &elements{w: w}, "COPY (SELECT row_to_json(q) FROM ("+query+
		`) q) TO STDOUT (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')`)
	if err != nil {
		return 0, err
	}
	_, err = io.WriteString(w, "\n]\n")
	return tag.RowsAffected(), err
}

// elements makes lines the elements of a JSON array.
type elements struct {
	w    io.Writer
	more bool
	rest []byte // a line that has not ended
}

func (e *elements) Write(data []byte) (int, error) {
	e.rest = append(e.rest, data...)
	for {
		line, rest, ended := bytes.Cut(e.rest, []byte("\n"))
		if !ended {
			return len(data), nil
		}
		separator := "\n"
		if e.more {
			separator = ",\n"
		}
		if _, err := io.WriteString(e.w, separator); err != nil {
			return 0, err
		}
		if _, err := e.w.Write(line); err != nil {
			return 0, err
		}
		e.more, e.rest = true, append(e.rest[:0], rest...)
	}
}
