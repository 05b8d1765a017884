package problem

import "encoding/json"

// quote writes s as a JSON string; invalid UTF-8 becomes the replacement character.
func quote(s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return []byte(`""`)
	}
	return text
}
