package db

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the lock of the database at path: a file beside it that is
// open without sharing for as long as the server runs.
func lockFile(path string) (*os.File, error) {
	name := path + ".lock"
	p, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, fmt.Errorf("lock database %s: %w", path, err)
	}
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	const sharingViolation = syscall.Errno(32)
	if errors.Is(err, sharingViolation) {
		return nil, fmt.Errorf("database %s is in use by another server (lock file %s): %w", path, name, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("lock database %s: %w", path, err)
	}
	return os.NewFile(uintptr(h), name), nil
}
