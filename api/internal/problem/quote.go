package problem

import (
	"bytes"
	"encoding/json"
)

// plainJSON leaves <, > and & as they are: no browser takes the body for a page.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// quote writes s as a JSON string; invalid UTF-8 becomes the replacement character.
func quote(s string) []byte {
	text, err := plainJSON(s)
	if err != nil { // a string always marshals
		return []byte(`""`)
	}
	return text
}
