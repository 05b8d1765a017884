package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays of a token may be nested.
const maxDepth = 64

var (
	errNotObject = errors.New("not a JSON object")
	errEncoding  = errors.New("text that has no one meaning")
	errDuplicate = errors.New("duplicate member")
	errTooDeep   = errors.New("nested too deeply")
)

// decodeObject reads a JSON object that every reader understands in the same way:
// encoding/json alone takes the last of two equal members, replaces broken UTF-8
// and lone surrogates, and so could see another tenant than PostgreSQL's jsonb or
// the issuer does (RFC 8259, 4 and 8.2). Numbers stay as they are written.
func decodeObject(data []byte) (map[string]any, error) {
	if !json.Valid(data) {
		return nil, errNotObject
	}
	if !utf8.Valid(data) || !plainEscapes(data) {
		return nil, errEncoding
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := decodeValue(dec, 0)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errNotObject
	}
	return object, nil
}

func decodeValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	token, err := dec.Token()
	if err != nil {
		return nil, errNotObject
	}
	switch token {
	case json.Delim('{'):
		return decodeMembers(dec, depth)
	case json.Delim('['):
		return decodeElements(dec, depth)
	}
	return token, nil
}

func decodeMembers(dec *json.Decoder, depth int) (map[string]any, error) {
	object := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, errNotObject
		}
		if _, seen := object[name]; seen {
			return nil, errDuplicate
		}
		if object[name], err = decodeValue(dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return object, err
}

func decodeElements(dec *json.Decoder, depth int) ([]any, error) {
	array := []any{}
	for dec.More() {
		v, err := decodeValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := dec.Token()
	return array, err
}

// plainEscapes reports whether valid JSON has no escape that stands for a zero
// character or for half a surrogate pair: jsonb accepts neither.
func plainEscapes(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 {
			return true
		}
		if data[i+1] != 'u' {
			data = data[i+2:]
			continue
		}
		r := escapedRune(data[i:])
		data = data[i+6:]
		if r == 0 {
			return false
		}
		if !utf16.IsSurrogate(r) {
			continue
		}
		if len(data) < 6 || data[0] != '\\' || data[1] != 'u' ||
			utf16.DecodeRune(r, escapedRune(data)) == utf8.RuneError {
			return false
		}
		data = data[6:]
	}
}

// escapedRune reads the \uXXXX that s starts with; JSON is known to be valid.
func escapedRune(s []byte) rune {
	n, err := strconv.ParseUint(string(s[2:6]), 16, 32)
	if err != nil {
		return 0
	}
	return rune(n)
}
