package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Key is a signing key: an id that the database knows it by, and 32 secret bytes. It
// prints as its id only.
type Key struct {
	id     string
	secret [sha256.Size]byte
}

// idLength is fixed because the sealed value has fixed widths (unseal.sql).
const idLength = 8

// NewKey returns a key of random bytes with a random id.
func NewKey() Key {
	var k Key
	k.id = strings.ToLower(rand.Text()[:idLength])
	rand.Read(k.secret[:]) // never fails: crypto/rand ends the program instead
	return k
}

// ParseKey reads what [Key.Encode] wrote: the id, blanks, and the secret in base64.
// Its errors do not repeat the text.
func ParseKey(text string) (Key, error) {
	var k Key
	fields := strings.Fields(text)
	if len(fields) != 2 || !validID(fields[0]) {
		return k, errors.New("a key is an id of 8 letters and digits, a blank, and 32 bytes in base64")
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(fields[1])
	if err != nil || len(secret) != len(k.secret) {
		return k, fmt.Errorf("key %s is not 32 bytes in base64", fields[0])
	}
	k.id = fields[0]
	copy(k.secret[:], secret)
	return k, nil
}

func validID(id string) bool {
	if len(id) != idLength {
		return false
	}
	return strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// ID returns the id that the database knows the key by. It is not a secret.
func (k Key) ID() string { return k.id }

// Encode returns the key as a line of a key file, secret included.
func (k Key) Encode() string {
	return k.id + " " + base64.StdEncoding.EncodeToString(k.secret[:]) + "\n"
}

// String returns the id: a key must not end up in a log.
func (k Key) String() string { return "seal key " + k.id }

// GoString is String.
func (k Key) GoString() string { return k.String() }

// pads returns the key xor 0x36 and xor 0x5c, padded to a block of SHA-256: what
// RFC 2104 hashes in front of the message and of the inner hash.
func pads(secret []byte) (inner, outer []byte) {
	inner, outer = make([]byte, sha256.BlockSize), make([]byte, sha256.BlockSize)
	copy(inner, secret)
	copy(outer, secret)
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	return inner, outer
}
