package lifecycle_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
)

// Rows of others that refer to the tenant's stop an erasure before anything is deleted.
func TestBlockersStopAnErasure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	for kind, sql := range map[string]string{
		"a party": "UPDATE app.orders SET buyer_id = '" + acme + "' WHERE tenant_id = '" + globex + "'",
		"a share": "INSERT INTO app.order_shares SELECT tenant_id, id, '" + acme +
			"' FROM app.orders WHERE tenant_id = '" + globex + "'",
		"an owner without a key": "ALTER TABLE app.files DROP CONSTRAINT files_blob_id_fkey; UPDATE app.files SET " +
			"blob_id = " +
			"(SELECT blob_id FROM app.files WHERE tenant_id = '" + acme + "' AND name = 'doc-1') WHERE tenant_id = '" + globex +
			"' AND name = 'doc-1'",
		"a tenant below": "UPDATE app.tenants SET parent_id = '" + acme + "' WHERE slug = 'globex'",
		"a note of nobody's": "ALTER TABLE app.audit_log ADD person bigint REFERENCES app.people; UPDATE app.audit_log " +
			"SET person = (SELECT min(id) FROM app.people WHERE tenant_id = '" + acme + "') WHERE tenant_id IS NULL",
		"another's home": "UPDATE app.tenants SET home_team = (SELECT min(id) FROM app.teams WHERE tenant_id = '" + acme +
			"') WHERE slug = 'globex'",
	} {
		t.Run(kind, func(t *testing.T) {
			before := w.fingerprint(t, acme, false)
			conn := w.Conn(t, w.URL)
			if _, err := conn.Exec(t.Context(), "BEGIN; "+sql); err != nil {
				t.Fatal(err)
			}
			var blocked *lifecycle.BlockedError
			if _, err := w.operatorOn(t, conn).Erase(t.Context(), acme, lifecycle.EraseOptions{}); !errors.As(err, &blocked) {
				t.Errorf("erased: %v", err)
			}
			if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, w.fingerprint(t, acme, false)); diff != "" {
				t.Errorf("rows changed:\n%s", diff)
			}
		})
	}
}

// An export whose rows were changed on the way does nothing to another tenant.
func TestHostileExports(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	file := w.export(t, acme)
	foreign := w.count(t, "SELECT min(id) FROM app.people WHERE tenant_id = $1", globex)
	theirs := w.count(t, "SELECT min(content::bigint) FROM app.files WHERE tenant_id = $1", globex)
	before := w.fingerprint(t, acme, true)
	mine := w.fingerprint(t, acme, false)
	for nth, h := range []struct {
		what string
		edit func(m *lifecycle.Manifest, table string, data string) string
		want string
	}{
		{"a row of another tenant", func(_ *lifecycle.Manifest, table, data string) string {
			return in("app.audit_log", table, data, func() string { return strings.Replace(data, acme, globex, 1) })
		}, "not the tenant's"},
		{"a row without a tenant", func(_ *lifecycle.Manifest, table, data string) string {
			return in("app.audit_log", table, data, func() string { return strings.Replace(data, acme, `\N`, 1) })
		}, "not the tenant's"},
		{"a child of another's parent", func(_ *lifecycle.Manifest, table, data string) string {
			return in("app.notes", table, data, func() string { return data + itoa(foreign) + "\tplanted\t\\N\t\\N\n" })
		}, "parent is another's"},
		{"the key of another's row", func(_ *lifecycle.Manifest, table, data string) string {
			return in("app.people", table, data, func() string {
				first, rest, _ := strings.Cut(data, "\t")
				_ = first
				return itoa(foreign) + "\t" + rest
			})
		}, "not the tenant's today"},
		{"a large object of another's", func(_ *lifecycle.Manifest, table, data string) string {
			return in("app.files", table, data, func() string { return data + acme + "\tstolen\t" + itoa(theirs) + "\t\\N\n" })
		}, "large object"},
		{"a value of the wrong type", func(_ *lifecycle.Manifest, table, data string) string {
			return in("app.notes", table, data, func() string { return data + "x\ty\t\\N\t\\N\n" })
		}, "invalid input syntax"},
		{"a table with a hostile name", func(m *lifecycle.Manifest, table, data string) string {
			m.Tables[0].Name = `x"; DROP TABLE app.people; --`
			return data
		}, "no table of tenants"},
		{"a column with a hostile name", func(m *lifecycle.Manifest, table, data string) string {
			m.Tables[0].Columns[0].Name = `id) FROM STDIN; DROP TABLE app.people; --`
			return data
		}, "is gone"},
		{"moat's own tables", func(m *lifecycle.Manifest, table, data string) string {
			m.Tables[0].Schema, m.Tables[0].Name = "moat", "certificate"
			return data
		}, "no table of tenants"},
	} {
		t.Run(h.what, func(t *testing.T) {
			pgtest.OneOf(t, 2, nth)
			_, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(rewrite(t, file, h.edit)), restoring)
			if err == nil || !strings.Contains(err.Error(), h.want) {
				t.Errorf("got %v, want %q", err, h.want)
			}
			if diff := cmp.Diff(before, w.fingerprint(t, acme, true)); diff != "" {
				t.Errorf("rows of others changed:\n%s", diff)
			}
			if diff := cmp.Diff(mine, w.fingerprint(t, acme, false)); diff != "" {
				t.Errorf("rows of the tenant changed:\n%s", diff)
			}
		})
	}
}

func in(want, table, data string, edit func() string) string {
	if table != want {
		return data
	}
	return edit()
}

func itoa(n int64) string { return string(must(json.Marshal(n))) }

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// rewrite changes the data of an export as somebody would who can compute checksums.
func rewrite(t *testing.T, file []byte, edit func(m *lifecycle.Manifest, table, data string) string) []byte {
	t.Helper()
	zip, err := zstd.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer zip.Close()
	var out bytes.Buffer
	packed, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	names, data := []string{}, map[string][]byte{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		names = append(names, h.Name)
		if data[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var m lifecycle.Manifest
	if err := json.Unmarshal(data["manifest.json"], &m); err != nil {
		t.Fatal(err)
	}
	original := append([]lifecycle.Table{}, m.Tables...)
	for i := range m.Tables {
		for _, name := range names {
			if strings.HasPrefix(name, "tables/"+string([]byte{'0', '0', byte('0' + (i+1)/10), byte('0' + (i+1)%10)})+"/") {
				changed := []byte(edit(&m, original[i].Schema+"."+original[i].Name, string(data[name])))
				sum := sha256.Sum256(changed)
				data[name], m.Tables[i].SHA256 = changed, hex.EncodeToString(sum[:])
			}
		}
	}
	data["header.json"], data["manifest.json"] = must(json.Marshal(m)), must(json.Marshal(m))
	w := tar.NewWriter(packed)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data[name])),
			ModTime: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What is not whole, or not an export, is refused before anything is loaded.
func TestDamagedExports(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	file := w.export(t, acme)
	damaged := bytes.Clone(file)
	damaged[len(damaged)/2] ^= 1
	for what, data := range map[string][]byte{"cut": file[:len(file)/2], "empty": nil, "text": []byte("hello"),
		"damaged": damaged} {
		if _, err := lifecycle.ReadExport(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: read", what)
		} else if what == "text" && !strings.Contains(err.Error(), "CSV and JSON do not restore") {
			t.Errorf("a file of another kind: %v", err)
		}
	}
	if _, err := w.operator(t).Restore(t.Context(), globex, bytes.NewReader(file), restoring); err == nil ||
		!strings.Contains(err.Error(), "not of "+globex) {
		t.Errorf("restored into another tenant: %v", err)
	}
	var masked bytes.Buffer
	if _, err := w.operator(t).Export(t.Context(), acme, &masked, lifecycle.ExportOptions{
		Mask: map[string]string{"app.people.email": "null"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.operator(t).Restore(t.Context(), acme, bytes.NewReader(masked.Bytes()), restoring); err == nil ||
		!strings.Contains(err.Error(), "masked") {
		t.Errorf("restored what was masked: %v", err)
	}
	if _, err := w.operator(t).Export(t.Context(), acme, io.Discard, lifecycle.ExportOptions{
		LeaveOut: []string{"app.people.emial"}}); err == nil {
		t.Error("a misspelt column was exported")
	}
}

// A request that waited stays when its day comes and something stands in the way: the tenant
// is suspended and somebody must see to it. A request of the failed call itself leaves nothing.
func TestBlockedRequestsStay(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestBlockersStopAnErasure
	w := newWorld(t, pgtest.Shared(t))
	open := "SELECT count(*) FROM moat.erasure WHERE cancelled_at IS NULL AND finished_at IS NULL"
	w.Exec(t, "UPDATE app.tenants SET parent_id = $1 WHERE slug = 'globex'", acme)
	var blocked *lifecycle.BlockedError
	if _, err := w.operator(t).Erase(t.Context(), acme, lifecycle.EraseOptions{}); !errors.As(err, &blocked) {
		t.Fatal(err)
	}
	if n := w.count(t, open); n != 0 {
		t.Errorf("%d requests were left behind", n)
	}
	if _, err := w.operator(t).RequestErasure(t.Context(), acme, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if _, err := w.operator(t).EraseDue(t.Context(), lifecycle.EraseOptions{}); !errors.As(err, &blocked) {
		t.Fatal(err)
	}
	if n := w.count(t, open); n != 1 {
		t.Error("the request is gone, and its tenant stays suspended")
	}
}

// Of people who belong to several tenants an export shows what the members of one may read.
func TestExportKeepsPeopleShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	m, err := lifecycle.ReadExport(bytes.NewReader(w.export(t, acme)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range m.References {
		if r.Name == "users" && len(r.Columns) != 1 { // the key; Columns of the shape is empty
			t.Errorf("%+v", r.Columns)
		}
	}
	if len(m.References) < 2 {
		t.Errorf("%d references", len(m.References))
	}
}
