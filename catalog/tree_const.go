package catalog

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// constant reads a CONST. Its Value is the literal as text where the type is one
// that policies speak in, else the bytes in hexadecimal.
func (m *treeMapper) constant(n *treeNode) *Node {
	mapped := &Node{Kind: NodeConst, Type: m.l.typeNames[n.oid("consttype")], Null: n.flag("constisnull")}
	if !mapped.Null {
		mapped.Value = constText(mapped.Type, n.number("constlen"), n.get("constvalue").bytes)
	}
	return mapped
}

// constText decodes a Datum as little-endian servers, that is all common ones,
// hold it. What does not fit the type is given in hexadecimal.
func constText(typeName string, length int, b []byte) string {
	switch typeName {
	case "boolean":
		if len(b) > 0 && length == 1 {
			return strconv.FormatBool(b[0] != 0)
		}
	case "smallint", "integer", "bigint", "oid":
		if text, ok := integerText(length, b); ok {
			return text
		}
	case "uuid":
		if len(b) == 16 {
			return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
		}
	case "text", "character varying", "character", "json":
		if body, ok := varlena(b); ok && length == -1 {
			return string(body)
		}
	case "name", "unknown", "cstring":
		return strings.TrimRight(string(b), "\x00")
	}
	if strings.HasSuffix(typeName, "[]") {
		text, ok := arrayText(b)
		if ok && (text == "{}" || typeName == "text[]" || typeName == "character varying[]") {
			return text
		}
	}
	return `\x` + hex.EncodeToString(b)
}

func integerText(length int, b []byte) (string, bool) {
	if len(b) < 8 {
		return "", false
	}
	switch length {
	case 2:
		return strconv.Itoa(int(int16(binary.LittleEndian.Uint16(b)))), true
	case 4:
		return strconv.Itoa(int(int32(binary.LittleEndian.Uint32(b)))), true
	case 8:
		return strconv.FormatInt(int64(binary.LittleEndian.Uint64(b)), 10), true
	}
	return "", false
}

// varlena takes the length word, of one byte or four, off a value.
func varlena(b []byte) ([]byte, bool) {
	if len(b) >= 1 && b[0]&1 == 1 {
		return b[1:], int(b[0]>>1) == len(b)
	}
	if len(b) >= 4 && binary.LittleEndian.Uint32(b)>>2 == uint32(len(b)) {
		return b[4:], true
	}
	return nil, false
}

// arrayText decodes a one-dimensional array of text without nulls into its literal,
// {a,b}. Elements are aligned to four bytes.
func arrayText(b []byte) (string, bool) {
	body, ok := varlena(b)
	if !ok || len(body) < 12 {
		return "", false
	}
	dimensions, nulls := binary.LittleEndian.Uint32(body), binary.LittleEndian.Uint32(body[4:])
	if dimensions == 0 {
		return "{}", true
	}
	if dimensions != 1 || nulls != 0 || len(body) < 20 {
		return "", false
	}
	count, rest := binary.LittleEndian.Uint32(body[12:]), body[20:]
	var elements []string
	for range count {
		if len(rest) < 4 {
			return "", false
		}
		size := int(binary.LittleEndian.Uint32(rest) >> 2)
		if size < 4 || size > len(rest) {
			return "", false
		}
		elements = append(elements, arrayElement(string(rest[4:size])))
		rest = rest[min((size+3)&^3, len(rest)):]
	}
	return "{" + strings.Join(elements, ",") + "}", true
}

// arrayElement quotes an element that the array literal's syntax would misread.
func arrayElement(text string) string {
	if text != "" && !strings.ContainsAny(text, "{}\",\\ \t\n") && !strings.EqualFold(text, "null") {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
