package lifecycle

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

// Certificate says that a tenant was erased: by whom and why, what was deleted, where it
// was searched for afterwards, and what is out of moat's reach.
type Certificate struct {
	Format      string    `json:"format"` // moat-erasure-certificate
	Version     int       `json:"version"`
	Number      int64     `json:"number"`
	Tenant      string    `json:"tenant"`
	RequestedAt time.Time `json:"requested_at"`
	RequestedBy string    `json:"requested_by"`
	Reason      string    `json:"reason"`
	ErasedAt    time.Time `json:"erased_at"`
	ErasedBy    string    `json:"erased_by"`
	Database    string    `json:"database"`
	Server      int       `json:"server_version"`
	Schema      string    `json:"schema_fingerprint"`
	Removed     []Removed `json:"removed"`
	Searched    []Check   `json:"searched"`
	// Kept are moat's own lines about the tenant, and people who were linked to it.
	Kept []string `json:"kept"`
	// Beyond is what moat cannot reach, or could not.
	Beyond []string `json:"beyond_reach"`
	// Previous is the digest of the certificate before this one, "" for the first.
	Previous string `json:"previous_digest"`
	// Digest is the SHA-256 of all of the above as it is stored; it is not part of it.
	Digest string `json:"-"`
}

// Removed is how many rows of a table were deleted.
type Removed struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

const certificateFormat = "moat-erasure-certificate"

// certify searches for what is left, writes the certificate and ends the erasure.
func (w *eraser) certify(ctx context.Context, r *request, all []*part) (*Certificate, error) {
	if err := w.refresh(ctx, all); err != nil {
		return nil, err
	}
	notVacuumed := w.vacuum(ctx, all)
	checks, err := w.verifyErased(ctx, w.tenant)
	if err != nil {
		return nil, err
	}
	s := w.view.Snapshot
	c := &Certificate{Format: certificateFormat, Version: 1, Tenant: w.tenant, RequestedAt: r.at.UTC(),
		RequestedBy: r.operator, Reason: r.reason, ErasedAt: time.Now().UTC().Truncate(time.Microsecond),
		ErasedBy: w.by.Name, Database: s.Database.Name, Server: s.Version, Schema: catalog.Fingerprint(s), Searched: checks}
	counts, err := w.counts(ctx, w.id)
	if err != nil {
		return nil, err
	}
	for table, n := range counts {
		c.Removed = append(c.Removed, Removed{table, n})
	}
	slices.SortFunc(c.Removed, func(a, b Removed) int { return strings.Compare(a.Table, b.Table) })
	if c.Kept, err = w.keptLines(ctx); err != nil {
		return nil, err
	}
	if c.Beyond, err = w.beyond(ctx, c.ErasedAt, notVacuumed); err != nil {
		return nil, err
	}
	return c, w.finish(ctx, c)
}

// finish stores the certificate as the next of the chain, with the end of the erasure.
func (w *eraser) finish(ctx context.Context, c *Certificate) error {
	err := pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('moat:certificate', 0))"); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, "SELECT number, digest FROM moat.certificate ORDER BY number DESC LIMIT 1").
			Scan(&c.Number, &c.Previous)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		c.Number++
		body, err := json.Marshal(c)
		if err != nil {
			return err
		}
		c.Digest = digest(body)
		if _, err := tx.Exec(ctx, "INSERT INTO moat.certificate (number, tenant, body, digest) VALUES ($1, $2, $3, $4)",
			c.Number, c.Tenant, string(body), c.Digest); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE moat.erasure SET finished_at = clock_timestamp() WHERE id = $1", w.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("store the certificate: %w", err)
	}
	return nil
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// StoredCertificate is a certificate as it stands in the database.
type StoredCertificate struct {
	Certificate
	Body      []byte
	RevokedAt *time.Time
}

// Certificates reads all certificates, the oldest first, and checks the chain: that each
// has the digest it claims, and names that of the one before.
func (o *Operator) Certificates(ctx context.Context) ([]StoredCertificate, error) {
	if err := o.prepare(ctx); err != nil {
		return nil, err
	}
	rows, _ := o.conn.Query(ctx, "SELECT number, body, digest, revoked_at FROM moat.certificate ORDER BY number")
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (StoredCertificate, error) {
		var c StoredCertificate
		var number int64
		var text, stored string
		if err := row.Scan(&number, &text, &stored, &c.RevokedAt); err != nil {
			return c, err
		}
		c.Body = []byte(text)
		if err := json.Unmarshal(c.Body, &c.Certificate); err != nil {
			return c, err
		}
		c.Digest = digest(c.Body)
		if c.Digest != stored || c.Number != number {
			return c, fmt.Errorf("certificate %d was changed after it was made", number)
		}
		return c, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the certificates: %w", err)
	}
	for i := range all {
		before := ""
		if i > 0 {
			before = all[i-1].Digest
		}
		if all[i].Previous != before || all[i].Number != int64(i+1) {
			return nil, fmt.Errorf("the chain of certificates is broken at number %d: one is missing or was replaced", i+1)
		}
	}
	return all, nil
}

// CertificateOf returns the newest certificate of a tenant that stands, nil where none does.
func (o *Operator) CertificateOf(ctx context.Context, tenant string) (*Certificate, error) {
	id, _, err := o.lookUp(ctx, tenant)
	if err != nil {
		return nil, err
	}
	all, err := o.Certificates(ctx)
	for _, c := range slices.Backward(all) {
		if c.Tenant == id && c.RevokedAt == nil {
			return &c.Certificate, nil
		}
	}
	return nil, err
}

// Revoked says when a certificate that somebody handed in was revoked, nil where it was not
// or is not of this database.
func (o *Operator) Revoked(ctx context.Context, c *Certificate) (*time.Time, error) {
	all, err := o.Certificates(ctx)
	for _, stored := range all {
		if stored.Digest == c.Digest {
			return stored.RevokedAt, nil
		}
	}
	return nil, err
}

// envelope is a certificate as a file holds it.
type envelope struct {
	Certificate json.RawMessage `json:"certificate"`
	Digest      string          `json:"digest"`
}

// WriteCertificate writes a certificate as JSON.
func WriteCertificate(w io.Writer, c *Certificate) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(envelope{body, digest(body)})
}

// ReadCertificate reads what [WriteCertificate] wrote, and checks its digest.
func ReadCertificate(r io.Reader) (*Certificate, error) {
	var e envelope
	if err := json.NewDecoder(io.LimitReader(r, 64<<20)).Decode(&e); err != nil {
		return nil, fmt.Errorf("not a certificate: %w", err)
	}
	if digest(e.Certificate) != e.Digest {
		return nil, errors.New("the certificate's digest is not that of its text")
	}
	c := &Certificate{Digest: e.Digest}
	if err := json.Unmarshal(e.Certificate, c); err != nil || c.Format != certificateFormat {
		return nil, errors.New("not a certificate of an erasure")
	}
	return c, nil
}

//go:embed certificate.html.tmpl
var certificateHTML string

// release writes server_version_num as people do: 15.18.
func release(version int) string { return fmt.Sprintf("%d.%d", version/10000, version%10000) }

// PrintCertificate writes a certificate as a page to print.
func PrintCertificate(w io.Writer, c *Certificate) error {
	t, err := template.New("certificate").Funcs(template.FuncMap{"release": release}).Parse(certificateHTML)
	if err != nil {
		return err
	}
	return t.Execute(w, c)
}
