package lifecycle

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// zip writes a file per table that a person can open: CSV with a header, or JSON.
func (x *export) zip(ctx context.Context, w io.Writer) error {
	z := zip.NewWriter(w)
	for i := range x.manifest.Tables {
		t := &x.manifest.Tables[i]
		f, err := z.CreateHeader(&zip.FileHeader{Name: t.label() + "." + x.opts.Format, Method: zip.Deflate,
			Modified: x.manifest.TakenAt})
		if err != nil {
			return err
		}
		x.progress(t, false)
		if t.Rows, err = x.readable(ctx, f, x.rowsOf(t)); err != nil {
			return fmt.Errorf("read %s: %w", t.label(), err)
		}
		x.progress(t, true)
	}
	f, err := z.Create(manifestEntry)
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
