package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// secretBytes is how much randomness a generated secret has.
const secretBytes = 32

// jwtSecret gives the key that signs tokens: the configured one, else the one
// in the data directory, which is made when it is missing. The caller holds
// the directory's lock.
func jwtSecret(configured Secret, dir string, random io.Reader) ([]byte, error) {
	if configured != "" {
		return []byte(configured), nil
	}
	return keptSecret(filepath.Join(dir, jwtKeyFile), random)
}

// keptSecret reads the secret in file, or makes one. The file holds text, so
// that it can be moved into the environment as it is.
func keptSecret(file string, random io.Reader) ([]byte, error) {
	secret, err := readSecret(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	raw := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return nil, fmt.Errorf("make secret: %w", err)
	}
	if err := writeSecret(file, hex.EncodeToString(raw)+"\n"); err != nil {
		return nil, fmt.Errorf("keep secret: %w", err)
	}
	return readSecret(file)
}

func readSecret(file string) ([]byte, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("secret %s is not a regular file", file)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, fmt.Errorf("secret %s can be read by others (mode %04o): run `chmod 600 %s`, and think about replacing it", file, mode, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if len(secret) < minSecret {
		return nil, fmt.Errorf("secret %s has %d bytes, at least %d are needed: restore it from a backup, or remove it to have a new one made", file, len(secret), minSecret)
	}
	return []byte(secret), nil
}

// writeSecret writes a file that is either whole and on disk, or absent.
func writeSecret(file, text string) error {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, filepath.Base(file)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
