// Package sshsig signs texts with SSH keys and checks such signatures, in the format
// of OpenSSH (PROTOCOL.sshsig): what Key.Sign makes is accepted by ssh-keygen -Y verify, and Verify
// accepts what ssh-keygen -Y sign makes. It does no I/O, trusts no key that it is
// not given, and does not accept SHA-1, DSA, short RSA keys or certificates.
package sshsig

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Namespace tells signatures of inquest's documents from all others made with the same key.
const Namespace = "inquest-report"

const (
	magic     = "SSHSIG"
	pemType   = "SSH SIGNATURE"
	version   = 1
	leastRSA  = 2048 // bits
	maxArmour = 64 << 10
)

// envelope is a signature as it is packed (PROTOCOL.sshsig, blob format).
type envelope struct {
	Magic     [6]byte
	Version   uint32
	PublicKey string
	Namespace string
	Reserved  string
	Hash      string
	Signature string
}

// signed is what the key really signs.
type signed struct {
	Magic     [6]byte
	Namespace string
	Reserved  string
	Hash      string
	Digest    string
}

func digest(hash string, message []byte) (string, error) {
	switch hash {
	case "sha512":
		sum := sha512.Sum512(message)
		return string(sum[:]), nil
	case "sha256":
		sum := sha256.Sum256(message)
		return string(sum[:]), nil
	}
	return "", fmt.Errorf("hash algorithm %q: want sha512 or sha256", hash)
}

// ErrPassphrase says that a private key is encrypted and the passphrase missing.
var ErrPassphrase = errors.New("the key is encrypted and needs its passphrase")

// Key is a private key.
type Key struct{ signer ssh.Signer }

// ReadKey reads a private key as ssh-keygen writes it; passphrase may be nil.
func ReadKey(data, passphrase []byte) (*Key, error) {
	var signer ssh.Signer
	var err error
	if passphrase == nil {
		signer, err = ssh.ParsePrivateKey(data)
	} else {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(data, passphrase)
	}
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return nil, ErrPassphrase
	case err != nil:
		if _, _, _, _, public := ssh.ParseAuthorizedKey(data); public == nil {
			return nil, errors.New("a public key cannot sign: name the private one beside it")
		}
		return nil, fmt.Errorf("not a private SSH key: %s", strings.TrimPrefix(err.Error(), "ssh: "))
	}
	return &Key{signer}, acceptable(signer.PublicKey())
}

// acceptable refuses keys whose signatures prove nothing.
func acceptable(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		if k, ok := key.(ssh.CryptoPublicKey); ok {
			if r, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok && r.N.BitLen() >= leastRSA {
				return nil
			}
		}
		return fmt.Errorf("an RSA key of less than %d bits", leastRSA)
	}
	return fmt.Errorf("keys of type %s are not accepted: want ed25519, ecdsa or rsa", key.Type())
}

// Sign returns the armoured signature of a message.
func (k *Key) Sign(message []byte) ([]byte, error) {
	signer := k.signer
	const hash = "sha512"
	sum, _ := digest(hash, message)
	data := ssh.Marshal(signed{Magic: [6]byte([]byte(magic)), Namespace: Namespace, Hash: hash, Digest: sum})
	var sig *ssh.Signature
	var err error
	if s, ok := signer.(ssh.AlgorithmSigner); ok && signer.PublicKey().Type() == ssh.KeyAlgoRSA {
		sig, err = s.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA512)
	} else {
		sig, err = signer.Sign(rand.Reader, data)
	}
	if err != nil {
		return nil, err
	}
	blob := ssh.Marshal(envelope{
		Magic: [6]byte([]byte(magic)), Version: version, PublicKey: string(signer.PublicKey().Marshal()),
		Namespace: Namespace, Hash: hash, Signature: string(ssh.Marshal(sig)),
	})
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: blob}), nil
}

// Signature is one that was read.
type Signature struct {
	Key ssh.PublicKey // that the signature says made it
	envelope
}

// Read reads an armoured signature. Nothing in it has been checked yet.
func Read(armoured []byte) (*Signature, error) {
	if len(armoured) > maxArmour {
		return nil, errors.New("not an SSH signature: too long")
	}
	block, rest := pem.Decode(armoured)
	if block == nil || block.Type != pemType || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("not an SSH signature")
	}
	s := &Signature{}
	if err := ssh.Unmarshal(block.Bytes, &s.envelope); err != nil || string(s.Magic[:]) != magic {
		return nil, errors.New("not an SSH signature: damaged")
	}
	if s.Version != version {
		return nil, fmt.Errorf("an SSH signature of version %d, want %d", s.Version, version)
	}
	var err error
	if s.Key, err = ssh.ParsePublicKey([]byte(s.PublicKey)); err != nil {
		return nil, errors.New("not an SSH signature: no key in it")
	}
	return s, acceptable(s.Key)
}

// Check reports whether the signature's key signed the message for our namespace. It
// does not say whose key that is.
func (s *Signature) Check(message []byte) error {
	if s.Namespace != Namespace {
		return fmt.Errorf("the signature is for namespace %q, not for %q", s.Namespace, Namespace)
	}
	sum, err := digest(s.Hash, message)
	if err != nil {
		return err
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal([]byte(s.Signature), &sig); err != nil {
		return errors.New("not an SSH signature: damaged")
	}
	if s.Key.Type() == ssh.KeyAlgoRSA && sig.Format != ssh.KeyAlgoRSASHA512 && sig.Format != ssh.KeyAlgoRSASHA256 {
		return fmt.Errorf("an RSA signature of type %s is not accepted", sig.Format)
	}
	if s.Key.Verify(ssh.Marshal(signed{Magic: s.Magic, Namespace: s.Namespace, Reserved: s.Reserved, Hash: s.Hash, Digest: sum}), &sig) != nil {
		return errors.New("the signature is of other content")
	}
	return nil
}

// Signer is somebody whose signatures are accepted.
type Signer struct {
	Name string // principals of the line, or the key's comment
	Key  ssh.PublicKey

	namespaces    []string // patterns; nil for all
	after, before time.Time
}

// ReadSigners reads the keys that may sign: lines of a public key file, or of an allowed_signers
// file as ssh-keygen(1) describes it. It refuses what it does not
// understand, so that no restriction is overlooked.
func ReadSigners(data []byte) ([]Signer, error) {
	var out []Signer
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := readSigner(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, errors.New("no public key in it")
	}
	return out, nil
}

func readSigner(line string) (Signer, error) {
	var s Signer
	first, rest := field(line)
	if keyType(first) {
		rest = line
	} else {
		s.Name = strings.Trim(first, `"`)
	}
	key, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil {
		return s, errors.New("neither a public SSH key nor a line of an allowed_signers file")
	}
	s.Key = key
	if s.Name == "" {
		s.Name = comment
		if len(options) > 0 {
			return s, fmt.Errorf("option %s before a key without principals", options[0])
		}
	}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "namespaces":
			s.namespaces = strings.Split(value, ",")
		case "valid-after":
			s.after, err = moment(value)
		case "valid-before":
			s.before, err = moment(value)
		default:
			return s, fmt.Errorf("option %s is not understood", name)
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, acceptable(key)
}

// field cuts the first word off a line; one in double quotes may hold blanks.
func field(line string) (first, rest string) {
	quoted := false
	for i, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case (r == ' ' || r == '\t') && !quoted:
			return line[:i], strings.TrimLeft(line[i:], " \t")
		}
	}
	return line, ""
}

func keyType(word string) bool {
	return strings.HasPrefix(word, "ssh-") || strings.HasPrefix(word, "ecdsa-sha2-") || strings.HasPrefix(word, "sk-ssh-") || strings.HasPrefix(word, "sk-ecdsa-")
}

// moment reads YYYYMMDD[HHMM[SS]] with an optional Z, local time without it.
func moment(text string) (time.Time, error) {
	zone := time.Local
	if t, utc := strings.CutSuffix(text, "Z"); utc {
		text, zone = t, time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(text) == len(layout) {
			return time.ParseInLocation(layout, text, zone)
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 20260131 or 202601312359Z", text)
}

// allows reports whether the line lets its key sign for our namespace at a time.
func (s Signer) allows(now time.Time) error {
	if s.namespaces != nil && !matches(s.namespaces, Namespace) {
		return fmt.Errorf("the key of %s may not sign for namespace %q", s.Name, Namespace)
	}
	if !s.after.IsZero() && now.Before(s.after) || !s.before.IsZero() && !now.Before(s.before) {
		return fmt.Errorf("the key of %s is not valid now", s.Name)
	}
	return nil
}

// matches reports whether a name is in a pattern list: the last pattern that begins with ! and matches excludes it.
func matches(patterns []string, name string) bool {
	found := false
	for _, p := range patterns {
		p, not := strings.CutPrefix(p, "!")
		if ok, err := path.Match(p, name); err == nil && ok {
			if not {
				return false
			}
			found = true
		}
	}
	return found
}

// Verify checks that one of the signers signed the message and returns which.
func Verify(message, armoured []byte, signers []Signer, now time.Time) (Signer, error) {
	s, err := Read(armoured)
	if err != nil {
		return Signer{}, err
	}
	if err := s.Check(message); err != nil {
		return Signer{}, err
	}
	why := fmt.Errorf("it was signed by another key, %s", ssh.FingerprintSHA256(s.Key))
	for _, one := range signers {
		if !bytes.Equal(one.Key.Marshal(), s.Key.Marshal()) {
			continue
		}
		if err := one.allows(now); err != nil {
			why = err
			continue
		}
		return one, nil
	}
	return Signer{}, why
}

// Fingerprint names a key as ssh-keygen -l does.
func (s Signer) Fingerprint() string { return ssh.FingerprintSHA256(s.Key) }
