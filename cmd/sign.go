package cmd

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"inquest/cmd/internal/sshsig"
)

// sigSuffix is what the name of a detached signature ends in, as ssh-keygen has it.
const sigSuffix = ".sig"

// passphraseVariable holds the passphrase of the key of --sign-with.
const passphraseVariable = "INQUEST_SIGN_PASSPHRASE"

// readSignKey reads the private key of --sign-with. The passphrase is asked for on the terminal when the
// environment does not hold it; a command line is read by everybody on the machine.
func readSignKey(ctx context.Context, name string) (*sshsig.Key, error) {
	data, err := readSmall(ctx, name)
	if err != nil {
		return nil, failed("", "--sign-with %v", err)
	}
	key, err := sshsig.ReadKey(data, nil)
	if errors.Is(err, sshsig.ErrPassphrase) {
		var passphrase []byte
		if passphrase, err = readPassphrase(name); err == nil {
			key, err = sshsig.ReadKey(data, passphrase)
		}
	}
	if err != nil {
		return nil, failed("ssh-keygen -t ed25519 makes a key; "+passphraseVariable+" in the environment holds its passphrase", "--sign-with %s: %v", name, err)
	}
	return key, nil
}

func readPassphrase(name string) ([]byte, error) {
	if p, ok := os.LookupEnv(passphraseVariable); ok {
		return []byte(p), nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, sshsig.ErrPassphrase
	}
	defer tty.Close()
	if _, err := io.WriteString(tty, "Passphrase of "+filepath.Base(name)+": "); err != nil {
		return nil, sshsig.ErrPassphrase
	}
	p, err := term.ReadPassword(int(tty.Fd()))
	_, _ = io.WriteString(tty, "\n")
	if err != nil {
		return nil, sshsig.ErrPassphrase
	}
	return p, nil
}

// put writes a file of the report, whole or not at all, and its signature beside it.
func (o *output) put(name string, data []byte) error {
	var sig []byte
	if o.key != nil {
		var err error
		if sig, err = o.key.Sign(data); err != nil {
			return err
		}
	}
	if err := replaceFile(name, data, 0o644); err != nil {
		return err
	}
	if sig == nil {
		return nil
	}
	return replaceFile(name+sigSuffix, sig, 0o644)
}

// signature checks the signature beside the report's file.
func (v *verification) signature() error {
	data, err := readSmall(v.c.Context(), v.keys)
	if err != nil {
		return failed("", "--verify-key %v", err)
	}
	signers, err := sshsig.ReadSigners(data)
	if err != nil {
		return failed("a public key such as id_ed25519.pub, or lines of allowed_signers: PRINCIPALS KEYTYPE KEY", "--verify-key %s: %v", v.keys, err)
	}
	message, err := readSmall(v.c.Context(), v.name)
	if err != nil {
		return failed("", "%v", err)
	}
	sig, err := readSmall(v.c.Context(), v.name+sigSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("there is no " + filepath.Base(v.name) + sigSuffix)
	}
	var by sshsig.Signer
	if err == nil {
		by, err = sshsig.Verify(message, sig, signers, time.Now())
	}
	if err != nil {
		v.line("signature", "not accepted: %v", err)
		v.bad = append(v.bad, "the signature does not hold")
		return nil
	}
	who := strings.TrimSpace(by.Name + " " + by.Fingerprint())
	v.good("signature", "ok: %s", who)
	return nil
}
