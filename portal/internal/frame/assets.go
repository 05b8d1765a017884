package frame

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
)

//go:embed assets/*.css assets/*.js assets/*.svg assets/*.woff2
var assetFiles embed.FS

// assets are the embedded files under an address that changes with their bytes, so
// that browsers may keep them for ever.
type assets struct {
	files map[string]asset
}

type asset struct {
	version, media string
	data           []byte
}

func loadAssets() (*assets, error) {
	a := &assets{files: map[string]asset{}}
	err := fs.WalkDir(assetFiles, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := assetFiles.ReadFile(name)
		if err != nil {
			return err
		}
		a.add(name, data)
		return nil
	})
	// The style sheet names the font by the address that changes with its bytes.
	const sheet, font = "portal.css", "inter.woff2"
	a.add(sheet, bytes.ReplaceAll(a.files[sheet].data, []byte(font), []byte(a.path(font))))
	return a, err
}

func (a *assets) add(name string, data []byte) {
	sum := sha256.Sum256(data)
	a.files[path.Base(name)] = asset{hex.EncodeToString(sum[:6]), mediaType(name), data}
}

// brand adds a file of a brand, and returns its address. Brands may have files of the same name.
func (a *assets) brand(data, name string) string {
	sum := sha256.Sum256([]byte(data))
	version := hex.EncodeToString(sum[:6])
	a.files[version+"/"+name] = asset{version, mediaType(name), []byte(data)}
	return Base + "/assets/" + version + "/" + name
}

func mediaType(name string) string {
	switch path.Ext(name) {
	case ".woff2":
		return "font/woff2"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// path is the address of a file.
func (a *assets) path(name string) string {
	return Base + "/assets/" + a.files[name].version + "/" + name
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("version")+"/"+r.PathValue("file")]
	if !ok {
		f, ok = a.files[r.PathValue("file")]
	}
	if !ok || f.version != r.PathValue("version") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", f.media)
	// A client that has gone cannot be told.
	_, _ = w.Write(f.data)
}
