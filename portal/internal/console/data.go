package console

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/klauspost/compress/gzhttp"

	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/portal/internal/frame"
)

// Hidden are columns, as schema.table.column, that a client is not given of its own rows.
type Hidden struct {
	LeaveOut []string
	Mask     map[string]string
}

// archiveBytes is how large an archive may be that is handed in: it goes to the disk. Larger
// ones, which take longer than a browser waits, are for moat tenant restore.
const archiveBytes = 4 << 30

// archives is the route to which they are handed in.
const archives = "POST /tenants/{id}/restore"

// admitArchive is admit for a form with an archive.
func (p *Pages) admitArchive(r *http.Request) error {
	err := p.AdmitUpload(r, operators, archiveBytes)
	if errors.As(err, new(*http.MaxBytesError)) {
		return &frame.Refusal{Status: http.StatusRequestEntityTooLarge, Title: "This archive is too large for the console",
			Hint: "On the command line there is no limit: moat tenant restore " + r.PathValue("id") + " --from FILE."}
	}
	return err
}

// dataPage is where all of a client's rows leave and come back.
type dataPage struct {
	Client     tenant
	Difference *lifecycle.Difference
	Changes    bool
	Most       int64 // bytes of an archive that is handed in
}

func (p *Pages) dataPage(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	data := &dataPage{Most: archiveBytes}
	err := p.operator(r, s, s.Reason, func(_ context.Context, _ *lifecycle.Operator, one tenant) error {
		data.Client = one
		return nil
	})
	if err != nil {
		return err
	}
	return p.show(w, r, s, "data", "Data of "+data.Client.Name, "Clients", data)
}

// kinds are the formats of an export with the names of their files.
var kinds = map[string]string{"archive": ".tar.zst", "json": ".json.zip", "csv": ".csv.zip"}

// export sends all rows of a client as a file. It is whole on the disk before its first byte
// is sent.
func (p *Pages) export(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	kind := r.PostFormValue("as")
	if kinds[kind] == "" {
		return frame.ErrNotFound
	}
	opts := lifecycle.ExportOptions{Format: kind}
	if kind != "archive" {
		opts.LeaveOut, opts.Mask = p.Hidden.LeaveOut, p.Hidden.Mask
	}
	return p.operator(r, s, reason, func(ctx context.Context, o *lifecycle.Operator, one tenant) error {
		p.Gate.ExchangeOf(r).ToDisk(0)
		w.Header().Set("Content-Type", "application/octet-stream")
		// A tenant's id may be any text.
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment",
			map[string]string{"filename": filepath.Base(one.ID) + kinds[kind]}))
		w.Header().Set(gzhttp.HeaderNoCompression, "compressed") // it is
		_, err := o.Export(ctx, one.ID, w, opts)
		if err != nil {
			p.Gate.ExchangeOf(r).Fail(refusal(err))
		}
		return nil
	})
}

// restore compares a client with an export that is handed in, or brings it back from it.
func (p *Pages) restore(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	defer r.MultipartForm.RemoveAll() //nolint:errcheck // what stays is in the folder of temporary files
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	file, _, err := r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) {
		return &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "Choose a file",
			Hint: "An archive that moat tenant export or this page has made."}
	}
	if err != nil {
		return err
	}
	defer file.Close()
	opts := lifecycle.RestoreOptions{Apply: r.PostFormValue("apply") != ""}
	data := &dataPage{Most: archiveBytes}
	err = p.operator(r, s, reason, func(ctx context.Context, o *lifecycle.Operator, one tenant) (err error) {
		data.Client = one
		data.Difference, err = o.Restore(ctx, one.ID, file, opts)
		return unreadable(err)
	})
	if err != nil {
		return err
	}
	for i := range data.Difference.Tables {
		data.Changes = data.Changes || data.Difference.Tables[i].Any()
	}
	p.Source.Door.Flush()
	return p.show(w, r, s, "data", "Data of "+data.Client.Name, "Clients", data)
}

// unreadable explains a file that is no export of this client.
func unreadable(err error) error {
	if err == nil || refusal(err) != err || errors.As(err, new(*pgconn.PgError)) {
		return err
	}
	return &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "This file does not bring the client back",
		Hint: err.Error()}
}
