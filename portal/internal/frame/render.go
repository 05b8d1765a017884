package frame

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/portal/internal/text"
)

//go:embed templates
var templateFiles embed.FS

// Views are the templates of a room: the parts that its pages share, and each page with
// the layout around it.
type Views struct {
	frame *Frame
	parts *template.Template
	pages map[string]*template.Template

	mu   sync.Mutex
	made map[made]*template.Template
}

// made is a template that writes numbers and dates by a locale.
type made struct {
	name   string
	locale *text.Locale
}

// Views parses the folder templates of a room: parts.html is shared by the pages, and
// every other file is the page of that name.
func (f *Frame) Views(files fs.FS, funcs template.FuncMap) (*Views, error) {
	parts := template.New("").Funcs(f.functions(text.British())).Funcs(funcs)
	if _, err := parts.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"); err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	v := &Views{frame: f, parts: parts, pages: map[string]*template.Template{}, made: map[made]*template.Template{}}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(files, "templates/parts.html"); err == nil {
		if _, err := parts.ParseFS(files, "templates/parts.html"); err != nil {
			return nil, fmt.Errorf("parse templates: %w", err)
		}
	}
	for _, name := range names {
		page, err := parts.Clone()
		if err == nil {
			_, err = page.ParseFS(files, name)
		}
		if err != nil {
			return nil, fmt.Errorf("parse template %s: %w", name, err)
		}
		v.pages[strings.TrimSuffix(path.Base(name), ".html")] = page
	}
	return v, nil
}

// Change parses another file over a page, whose blocks it may define anew. It must be
// called before the page is first rendered.
func (v *Views) Change(page string, files fs.FS, name string, funcs template.FuncMap) error {
	_, err := v.pages[page].Funcs(funcs).ParseFS(files, name)
	return err
}

// page is the one of that name, or the parts where name is empty, for a locale. A template
// that was executed cannot be cloned, so none of what was parsed is.
func (v *Views) page(name string, locale *text.Locale) (*template.Template, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t := v.made[made{name, locale}]; t != nil {
		return t, nil
	}
	from := v.parts
	if name != "" {
		from = v.pages[name]
	}
	t, err := from.Clone()
	if err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	t.Funcs(v.frame.functions(locale))
	v.made[made{name, locale}] = t
	return t, nil
}

func (f *Frame) functions(l *text.Locale) template.FuncMap {
	return template.FuncMap{
		"base": func() string { return Base }, "asset": f.assets.path,
		"count": l.Count, "lower": text.Lower, "clip": text.Clip,
		"counted": func(n int, noun string, many ...string) string {
			return l.Count(int64(n)) + " " + english.Plural(n, noun, many...)
		},
		"join": strings.Join, "int64": func(n int) int64 { return int64(n) },
		"ago":    func(at time.Time) string { return text.Ago(f.Now(), at) },
		"moment": func(at time.Time, zone *time.Location) string { return l.Moment(at.In(zone)) },
		"iso":    func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
	}
}

// Page is what the layout needs beside a page's own data.
type Page struct {
	Title   string
	Zone    *time.Location
	Locale  *text.Locale
	Look    *Look
	Shell   string // client, operator, or "" for a page without navigation
	Nav     []Link
	Tenant  string // for people
	Subject string
	ViewAs  *ViewAs
	Onward  string // where the browser goes on by itself; "" to stay
	Data    any
}

// Page is a page without navigation.
func (f *Frame) Page(r *http.Request, title string) *Page {
	p := &Page{Title: title, Zone: ZoneOf(r), Locale: f.LocaleOf(r), Look: f.Look(r)}
	if p.Look == nil { // an answer from before the host was looked at
		p.Look = f.plain
	}
	return p
}

// Render writes a whole page; nothing is sent when the template fails.
func (v *Views) Render(w http.ResponseWriter, status int, name string, data *Page) error {
	t, err := v.page(name, data.Locale)
	if err != nil {
		return err
	}
	return execute(w, status, t, "layout", data)
}

// Fragment writes one part of a page, for htmx to put in its place.
func (v *Views) Fragment(w http.ResponseWriter, status int, name string, data any) error {
	t, err := v.page("", text.British())
	if err != nil {
		return err
	}
	return execute(w, status, t, name, data)
}

func execute(w http.ResponseWriter, status int, t *template.Template, name string, data any) error {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that has gone cannot be told
	return nil
}

// Link is one place of the navigation.
type Link struct {
	Title, Href, Icon string
	On                bool
}
