package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// minRSABits is the least size of an RSA key (RFC 7518, 3.3).
const minRSABits = 2048

func allAlgorithms() []string {
	return append(symmetricAlgorithms(), asymmetricAlgorithms()...)
}

func symmetricAlgorithms() []string { return []string{"HS256", "HS384", "HS512"} }

func asymmetricAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// algorithmsOf returns the algorithms that a verification key is strong enough and
// of the right type for, the default one first; none for an unsuitable key.
func algorithmsOf(key any) []string {
	switch k := key.(type) {
	case []byte:
		return algorithmsOfSecret(len(k))
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
		}
	case *ecdsa.PublicKey:
		return algorithmsOfCurve(k.Curve)
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

// algorithmsOfSecret follows RFC 7518, 3.2: a key as long as the hash output.
func algorithmsOfSecret(n int) []string {
	switch {
	case n >= 64:
		return []string{"HS256", "HS384", "HS512"}
	case n >= 48:
		return []string{"HS256", "HS384"}
	case n >= 32:
		return []string{"HS256"}
	}
	return nil
}

// algorithmsOfCurve follows RFC 7518, 3.4: each curve has one algorithm.
func algorithmsOfCurve(c elliptic.Curve) []string {
	switch c {
	case elliptic.P256():
		return []string{"ES256"}
	case elliptic.P384():
		return []string{"ES384"}
	case elliptic.P521():
		return []string{"ES512"}
	}
	return nil
}

// chooseAlgorithms returns the algorithms that tokens under the one key may use.
func chooseAlgorithms(key any, configured []string) ([]string, error) {
	suitable := algorithmsOf(key)
	if secret, ok := key.([]byte); ok {
		return chooseForSecret(len(secret), suitable, configured)
	}
	if len(suitable) == 0 {
		return nil, fmt.Errorf("the key is of no supported type or size: RSA of %d bits and more, P-256, P-384, "+
			"P-521, Ed25519", minRSABits)
	}
	if len(configured) == 0 {
		return suitable[:1], nil
	}
	for _, alg := range configured {
		if !slices.Contains(suitable, alg) {
			return nil, fmt.Errorf("algorithm %s does not fit the key, which is for %s", alg, strings.Join(suitable, ", "))
		}
	}
	return configured, nil
}

func chooseForSecret(n int, suitable, configured []string) ([]string, error) {
	if len(configured) == 0 {
		configured = []string{"HS256"}
	}
	need := map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}
	for _, alg := range configured {
		if need[alg] == 0 {
			return nil, fmt.Errorf("algorithm %s does not fit a secret, which is for HS256, HS384, HS512", alg)
		}
		if !slices.Contains(suitable, alg) {
			return nil, fmt.Errorf("the secret has %d bytes, %s needs at least %d", n, alg, need[alg])
		}
	}
	return configured, nil
}

// parsePublicPEM reads the public key, or the certificate, of a PEM file. Of a chain
// the first certificate counts (RFC 7515, 4.1.6); two public keys are ambiguous.
func parsePublicPEM(text []byte) (any, error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, errors.New("a private key where only the public key is needed: keep it with the issuer")
	}
	if next, _ := pem.Decode(rest); next != nil && block.Type != "CERTIFICATE" {
		return nil, errors.New("more than one PEM block: use a JWKS for several keys")
	}
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	}
	return nil, fmt.Errorf("PEM block %q is neither a public key nor a certificate", block.Type)
}

// publicOf returns the verification half of a key; a secret is its own.
func publicOf(key any) any {
	if private, ok := key.(crypto.Signer); ok {
		return private.Public()
	}
	return key
}
