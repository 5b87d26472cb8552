package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	authorityYears = 10
	day            = 24 * time.Hour
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	path        string
}

// openAuthority reads the authority NAME.crt, NAME.key in a folder, or makes one.
func openAuthority(folder, name, title string) (*authority, error) {
	path := filepath.Join(folder, name)
	key, err := openKey(path + ".key")
	if err != nil {
		return nil, err
	}
	if content, err := os.ReadFile(path + ".crt"); err == nil {
		certificate, err := parseCertificate(content)
		return &authority{certificate, key, path}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: fmt.Sprintf("%s@%d", title, time.Now().Unix())},
		NotAfter:              time.Now().Add(authorityYears * 365 * day),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	certificate, content, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &authority{certificate, key, path}, writeFile(path+".crt", content, 0o644)
}

// issue writes NAME.crt and NAME.key next to the authority: a new certificate at each start, as the names may be others.
func (a *authority) issue(name string, subject pkix.Name, usage x509.ExtKeyUsage, names []string) error {
	path := filepath.Join(filepath.Dir(a.path), name)
	key, err := openKey(path + ".key")
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:     subject,
		NotAfter:    time.Now().Add(365 * day),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	for _, one := range names {
		if address := net.ParseIP(one); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, one)
		}
	}
	_, content, err := sign(template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	if usage == x509.ExtKeyUsageServerAuth {
		// The chain is whole, so that one who joins can compare the authority with the token.
		content = append(content, encode("CERTIFICATE", a.certificate.Raw)...)
	}
	return writeFile(path+".crt", content, 0o644)
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, []byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(raw)
	return certificate, encode("CERTIFICATE", raw), err
}

func openKey(path string) (*ecdsa.PrivateKey, error) {
	if content, err := os.ReadFile(path); err == nil {
		block, _ := pem.Decode(content)
		if block == nil {
			return nil, fmt.Errorf("%s: not a key", path)
		}
		return x509.ParseECPrivateKey(block.Bytes)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeFile(path, encode("EC PRIVATE KEY", raw), 0o600)
}

func encode(title string, raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: title, Bytes: raw})
}

func parseCertificate(content []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("not a certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

// fingerprint is the part of a token that pins the authority.
func fingerprint(certificate []byte) string {
	digest := sha256.Sum256(certificate)
	return hex.EncodeToString(digest[:])
}

// writeFile replaces a file at once, and makes its folder.
func writeFile(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, content, mode); err != nil {
		return err
	}
	if err := os.Chmod(fresh, mode); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}
