package lifecycle_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
)

// A bundle says what is in force, and shows when anything of it was changed.
func TestBundle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	if _, err := w.operator(t).Erase(t.Context(), acme, lifecycle.EraseOptions{}); err != nil {
		t.Fatal(err)
	}
	e, err := w.operator(t).Evidence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Log) < 2 || len(e.Erasures) != 1 || e.Head != e.Erasures[0].Digest || len(e.Bypassing) == 0 {
		t.Errorf("%d lines, %d erasures, %d who bypass", len(e.Log), len(e.Erasures), len(e.Bypassing))
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "bundle")
	if err := lifecycle.WriteBundle(dir, e, private); err != nil {
		t.Fatal(err)
	}
	if head, err := lifecycle.VerifyBundle(dir, public); err != nil || head != e.Head {
		t.Fatalf("%q, %v", head, err)
	}
	other, _, _ := ed25519.GenerateKey(nil)
	if _, err := lifecycle.VerifyBundle(dir, other); err == nil {
		t.Error("verified with another key")
	}
	for _, name := range []string{"index.html", "evidence.json", "manifest.json", "manifest.sig"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		changed := []byte(strings.Replace(string(text), "a", "b", 1))
		if name == "manifest.sig" {
			changed = append([]byte{text[0] ^ 1}, text[1:]...)
		}
		write(t, filepath.Join(dir, name), changed)
		if _, err := lifecycle.VerifyBundle(dir, public); err == nil {
			t.Errorf("%s was changed, and nobody saw it", name)
		}
		write(t, filepath.Join(dir, name), text)
	}
	write(t, filepath.Join(dir, "extra.html"), []byte("x"))
	if _, err := lifecycle.VerifyBundle(dir, public); err == nil {
		t.Error("a file was added, and nobody saw it")
	}
	if err := lifecycle.WriteBundle(dir, e, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("an older bundle was written over: %v", err)
	}
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Keys are those that openssl makes.
func TestKeys(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(private))})
	open := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(public))})
	if got, err := lifecycle.ReadSigningKey(secret); err != nil || !got.Equal(private) {
		t.Errorf("private: %v", err)
	}
	if got, err := lifecycle.ReadPublicKey(open); err != nil || !got.Equal(public) {
		t.Errorf("public: %v", err)
	}
	for _, text := range [][]byte{nil, []byte("x"), open} {
		if _, err := lifecycle.ReadSigningKey(text); err == nil {
			t.Errorf("%q was read as a private key", text)
		}
	}
}
