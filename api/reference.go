package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/auth"
)

//go:embed reference.html
var referenceHTML string

//go:embed reference.css
var referenceCSS string

var referencePage = template.Must(template.New("reference").Parse(referenceHTML))

// pagePolicy lets the page have its own style and send its own form, nothing else.
var pagePolicy = "default-src 'none'; style-src 'sha256-" + styleHash() +
	"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func styleHash() string {
	sum := sha256.Sum256([]byte(referenceCSS))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// pageData is what the template shows; no Tables and no Functions ask for a token.
type pageData struct {
	Title, Base, Schema string
	Schemas             []string
	Style               template.CSS
	Asks                bool
	Refused             bool
	Tables              []pageTable
	Functions           []*schema.Function
}

type pageTable struct {
	*schema.Table
	Methods []string
	Related []string
}

// page renders the reference of one schema.
func (d description) page() ([]byte, error) {
	data := pageData{Title: d.config.Title, Base: d.config.Base, Schema: d.profile, Schemas: d.state.Schemas,
		Functions: d.functions()}
	for _, t := range d.tables() {
		data.Tables = append(data.Tables, pageTable{t, allowed(t), d.state.TargetNames(t)})
	}
	return renderPage(data)
}

func renderPage(data pageData) ([]byte, error) {
	data.Style = template.CSS(referenceCSS) //nolint:gosec // a constant of this program
	var b bytes.Buffer
	err := referencePage.Execute(&b, data)
	return b.Bytes(), err
}

// browse lets a person read the reference: a browser that opens it has no token, so
// it is asked for one, which travels in a form and is not kept.
func (h *Handler) browse(authenticated http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		root := strings.TrimSuffix(r.URL.Path, "/") == h.config.Base
		if !root || !strings.Contains(r.Header.Get("Accept"), "text/html") || r.Header.Get("Authorization") != "" {
			authenticated.ServeHTTP(w, r)
			return
		}
		if r.Method != http.MethodPost {
			h.askForToken(w, false)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		token := strings.TrimSpace(strings.TrimPrefix(r.PostFormValue("token"), "Bearer "))
		if _, err := h.config.Verifier.Verify(r.Context(), token); errors.Is(err, auth.ErrNoKeys) {
			h.unauthorized(w, r, err)
			return
		} else if err != nil {
			h.askForToken(w, true)
			return
		}
		again := r.Clone(r.Context())
		again.Method, again.Body = http.MethodGet, http.NoBody
		again.Header.Set("Authorization", "Bearer "+token)
		again.Header.Set("Accept", "text/html")
		authenticated.ServeHTTP(w, again)
	})
}

func (h *Handler) askForToken(w http.ResponseWriter, refused bool) {
	body, err := renderPage(pageData{Title: h.config.Title, Base: h.config.Base, Asks: true, Refused: refused})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	if refused {
		w.WriteHeader(http.StatusUnauthorized)
	}
	_, _ = w.Write(body) // the client may have gone
}
