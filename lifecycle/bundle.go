package lifecycle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A bundle is a folder: a page to read and print, the same as JSON, a manifest with the
// digest of each file, and a signature of the manifest where a key was given.
const (
	bundlePage      = "index.html"
	bundleData      = "evidence.json"
	bundleManifest  = "manifest.json"
	bundleSignature = "manifest.sig"
)

type bundleIndex struct {
	Format string       `json:"format"` // moat-evidence
	MadeAt time.Time    `json:"made_at"`
	Head   string       `json:"chain_head"`
	Files  []FileDigest `json:"files"`
}

//go:embed evidence.html.tmpl
var evidenceHTML string

// WriteBundle writes evidence into a new folder. A nil key leaves it unsigned.
func WriteBundle(dir string, e *Evidence, key ed25519.PrivateKey) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("write the evidence into a new folder: %w", err)
	}
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	t, err := template.New("evidence").Funcs(template.FuncMap{"release": release}).Parse(evidenceHTML)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := t.Execute(&page, e); err != nil {
		return err
	}
	index := bundleIndex{Format: "moat-evidence", MadeAt: e.MadeAt, Head: e.Head,
		Files: []FileDigest{{bundlePage, digest(page.Bytes())}, {bundleData, digest(data)}}}
	manifest, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	files := map[string][]byte{bundlePage: page.Bytes(), bundleData: data, bundleManifest: manifest}
	if key != nil {
		files[bundleSignature] = []byte(base64.StdEncoding.EncodeToString(ed25519.Sign(key, manifest)) + "\n")
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("write the evidence: %w", err)
		}
	}
	return nil
}

// VerifyBundle checks that the files of a bundle are those that its manifest lists, that
// nothing else lies among them, and, with a key, that the manifest was signed with it. It
// returns the head of the chain of certificates, which is to be compared with the one that
// was kept elsewhere.
func VerifyBundle(dir string, key ed25519.PublicKey) (head string, err error) {
	manifest, err := os.ReadFile(filepath.Join(dir, bundleManifest))
	if err != nil {
		return "", fmt.Errorf("read the manifest: %w", err)
	}
	if key != nil {
		if err := checkSignature(dir, manifest, key); err != nil {
			return "", err
		}
	}
	var index bundleIndex
	if err := json.Unmarshal(manifest, &index); err != nil || index.Format != "moat-evidence" {
		return "", errors.New("not a bundle of evidence")
	}
	known := []string{bundleManifest, bundleSignature}
	for _, f := range index.Files {
		text, err := os.ReadFile(filepath.Join(dir, filepath.Base(f.Name)))
		if err != nil {
			return "", fmt.Errorf("read %s: %w", f.Name, err)
		}
		if digest(text) != f.SHA256 {
			return "", fmt.Errorf("%s was changed after the bundle was made", f.Name)
		}
		known = append(known, f.Name)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		if !slices.Contains(known, entry.Name()) {
			return "", fmt.Errorf("%s is not part of the bundle", entry.Name())
		}
	}
	return index.Head, nil
}

func checkSignature(dir string, manifest []byte, key ed25519.PublicKey) error {
	text, err := os.ReadFile(filepath.Join(dir, bundleSignature))
	if err != nil {
		return errors.New("the bundle is not signed")
	}
	signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || !ed25519.Verify(key, manifest, signature) {
		return errors.New("the signature is not of this key, or the manifest was changed")
	}
	return nil
}

// ReadSigningKey reads an Ed25519 private key from PEM (PKCS #8), as openssl genpkey
// -algorithm ed25519 writes it.
func ReadSigningKey(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("not a key in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("not a private key in PKCS #8")
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("not an Ed25519 key")
	}
	return private, nil
}

// ReadPublicKey reads an Ed25519 public key from PEM, as openssl pkey -pubout writes it.
func ReadPublicKey(text []byte) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("not a key in PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("not a public key")
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("not an Ed25519 key")
	}
	return public, nil
}
