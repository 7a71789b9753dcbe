package sshsig

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

var message = []byte("{\n \"schema\": \"inquest/report/v1\"\n}\n")

// keygen runs ssh-keygen, the other side of the format.
func keygen(t *testing.T, stdin []byte, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		if os.Getenv("INQUEST_SSH_KEYGEN") == "required" {
			t.Fatal(err)
		}
		t.Skip("ssh-keygen is not installed")
	}
	cmd := exec.Command("ssh-keygen", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var keyTypes = []struct {
	name string
	args []string
}{
	{"ed25519", []string{"-t", "ed25519"}},
	{"ecdsa-256", []string{"-t", "ecdsa", "-b", "256"}},
	{"ecdsa-384", []string{"-t", "ecdsa", "-b", "384"}},
	{"ecdsa-521", []string{"-t", "ecdsa", "-b", "521"}},
	{"rsa-2048", []string{"-t", "rsa", "-b", "2048"}},
}

func newKey(t *testing.T, passphrase string, args ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "key")
	if out, err := keygen(t, nil, append(args, "-q", "-N", passphrase, "-C", "alice@example.org", "-f", path)...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSSHKeygenAcceptsOurs lets ssh-keygen check what Sign makes.
func TestSSHKeygenAcceptsOurs(t *testing.T) {
	for _, k := range keyTypes {
		for _, passphrase := range []string{"", "correct horse"} {
			t.Run(k.name+" "+passphrase, func(t *testing.T) {
				path := newKey(t, passphrase, k.args...)
				key, err := ReadKey(read(t, path), nil)
				if passphrase != "" {
					if err != ErrPassphrase {
						t.Fatalf("an encrypted key without passphrase: %v", err)
					}
					if _, err = ReadKey(read(t, path), []byte("wrong")); err == nil {
						t.Fatal("a wrong passphrase opens the key")
					}
					key, err = ReadKey(read(t, path), []byte(passphrase))
				}
				if err != nil {
					t.Fatal(err)
				}
				sig, err := key.Sign(message)
				if err != nil {
					t.Fatal(err)
				}
				dir := t.TempDir()
				write(t, filepath.Join(dir, "sig"), sig)
				write(t, filepath.Join(dir, "allowed"), append([]byte("alice@example.org "), read(t, path+".pub")...))
				verify := func(message []byte, namespace string) (string, error) {
					return keygen(t, message, "-Y", "verify", "-f", filepath.Join(dir, "allowed"), "-I", "alice@example.org", "-n", namespace, "-s", filepath.Join(dir, "sig"))
				}
				if out, err := verify(message, Namespace); err != nil {
					t.Errorf("ssh-keygen refuses it: %v: %s", err, out)
				}
				if _, err := verify(append(bytes.Clone(message), ' '), Namespace); err == nil {
					t.Error("ssh-keygen accepts it for other content")
				}
				if _, err := verify(message, "file"); err == nil {
					t.Error("ssh-keygen accepts it for another namespace")
				}
			})
		}
	}
}

// TestAcceptsSSHKeygen checks what ssh-keygen -Y sign makes.
func TestAcceptsSSHKeygen(t *testing.T) {
	for _, k := range keyTypes {
		for _, hash := range []string{"sha512", "sha256"} {
			t.Run(k.name+" "+hash, func(t *testing.T) {
				path := newKey(t, "", k.args...)
				sign := func(namespace string) []byte {
					file := filepath.Join(t.TempDir(), "report.json")
					write(t, file, message)
					if out, err := keygen(t, nil, "-Y", "sign", "-O", "hashalg="+hash, "-n", namespace, "-f", path, file); err != nil {
						t.Fatalf("%v: %s", err, out)
					}
					return read(t, file+".sig")
				}
				public := read(t, path+".pub")
				for name, file := range map[string][]byte{"public key": public, "allowed_signers": append([]byte("# ours\n\nalice@example.org,*@example.net namespaces=\"git,inquest-*\",valid-after=\"20200101\" "), public...)} {
					signers, err := ReadSigners(file)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					by, err := Verify(message, sign(Namespace), signers, time.Now())
					if err != nil || !strings.HasPrefix(by.Name, "alice@example.org") {
						t.Errorf("%s: signed by %q: %v", name, by.Name, err)
					}
					if _, err := Verify(message[1:], sign(Namespace), signers, time.Now()); err == nil {
						t.Errorf("%s: accepted for other content", name)
					}
					if _, err := Verify(message, sign("file"), signers, time.Now()); err == nil {
						t.Errorf("%s: accepted from another namespace", name)
					}
				}
			})
		}
	}
}

// Keys that were made once, so that what follows runs without ssh-keygen.
const (
	alice = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice"
	dss   = "ssh-dss AAAAB3NzaC1kc3MAAAAA"
)

func TestSignersThatAreRefused(t *testing.T) {
	for name, file := range map[string]string{
		"nothing":            "# nobody\n",
		"no key":             "alice@example.org\n",
		"garbage":            "\x00\x01\x02",
		"authority":          "*@example.org cert-authority " + alice,
		"unknown option":     "alice no-touch-required " + alice,
		"option, no name":    "namespaces=\"git\" " + alice + "\nnamespaces",
		"bad time":           "alice valid-before=\"tomorrow\" " + alice,
		"dss":                "alice " + dss,
		"one bad among good": "alice " + alice + "\nbob ssh-ed25519 AAAA",
	} {
		if s, err := ReadSigners([]byte(file)); err == nil {
			t.Errorf("%s: accepted as %v", name, s)
		}
	}
}

func TestSignerLimits(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for options, want := range map[string]bool{
		``:                                 true,
		`namespaces="inquest-report"`:      true,
		`namespaces="git"`:                 false,
		`namespaces="inquest-*,!*-report"`: false,
		`valid-after="20260601Z"`:          true,
		`valid-after="202606011201Z"`:      false,
		`valid-before="20260601120001Z"`:   true,
		`valid-before="20260601120000Z"`:   false,
		`valid-after="20250101Z",namespaces="inquest-report"`: true,
	} {
		signers, err := ReadSigners([]byte("alice " + options + " " + alice))
		if err != nil {
			t.Errorf("%s: %v", options, err)
			continue
		}
		if got := signers[0].allows(now) == nil; got != want {
			t.Errorf("%s: allowed is %v, want %v", options, got, want)
		}
	}
}

func TestBadSignatures(t *testing.T) {
	signers, err := ReadSigners([]byte(alice))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":   "",
		"text":    "not a signature",
		"pem":     "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"damaged": "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAA\n-----END SSH SIGNATURE-----\n",
		"long":    strings.Repeat("A", maxArmour+1),
	} {
		if _, err := Verify(message, []byte(text), signers, time.Now()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := ReadKey([]byte(alice), nil); err == nil || !strings.Contains(err.Error(), "public key") {
		t.Errorf("a public key to sign with: %v", err)
	}
	for _, text := range []string{"", "nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"} {
		if _, err := ReadKey([]byte(text), nil); err == nil {
			t.Errorf("%q is taken for a key", text)
		}
	}
}

// TestShortRSA holds back keys that are too short to prove anything.
func TestShortRSA(t *testing.T) {
	path := newKey(t, "", "-t", "rsa", "-b", "1024")
	if _, err := ReadKey(read(t, path), nil); err == nil {
		t.Error("an RSA key of 1024 bits may sign")
	}
	if _, err := ReadSigners(read(t, path+".pub")); err == nil {
		t.Error("an RSA key of 1024 bits is trusted")
	}
}

func FuzzSignature(f *testing.F) {
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n"), []byte(alice))
	f.Fuzz(func(t *testing.T, sig, keys []byte) {
		signers, err := ReadSigners(keys)
		if err != nil {
			return
		}
		if by, err := Verify(message, sig, signers, time.Time{}); err == nil {
			t.Errorf("a signature that nobody made, by %s", ssh.FingerprintSHA256(by.Key))
		}
	})
}
