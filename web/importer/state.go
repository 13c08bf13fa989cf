package importer

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// stateHead is the first line of a state file. It ties the file to one target:
// rows done there are not done elsewhere.
type stateHead struct {
	Version int    `json:"defarm_import"`
	Server  string `json:"server"`
	Circuit string `json:"circuit"`
	User    string `json:"user"`
}

// state remembers which rows are done, one line each, so that an import that
// was cut off goes on where it was. Losing a line repeats a row, which is
// harmless; so the file is not synced before it is closed. A nil state
// remembers nothing.
type state struct {
	mu   sync.Mutex
	file *os.File
	done map[string]bool // of earlier runs; not changed while running
}

// openState opens or creates the file at path. It fails when the file belongs
// to another target.
func openState(path string, head stateHead) (*state, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	s := &state{file: f, done: map[string]bool{}}
	if err := s.load(head); err != nil {
		return nil, errors.Join(fmt.Errorf("state file %s: %w", path, err), f.Close())
	}
	return s, nil
}

// load reads what is there, cuts off a line that a crash left half-written,
// and leaves the file positioned for appending.
func (s *state) load(head stateHead) error {
	in := bufio.NewReader(s.file)
	first, err := in.ReadString('\n')
	if errors.Is(err, io.EOF) && first == "" {
		return s.begin(head)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var have stateHead
	if json.Unmarshal([]byte(first), &have) != nil || have.Version == 0 {
		return errors.New("is not a state file of an import")
	}
	if have != head {
		return fmt.Errorf("belongs to circuit %s on %s as %s (version %d)", have.Circuit, have.Server, have.User, have.Version)
	}
	size := int64(len(first))
	for {
		l, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		s.done[strings.TrimSpace(l)] = true
		size += int64(len(l))
	}
	if err := s.file.Truncate(size); err != nil {
		return err
	}
	_, err = s.file.Seek(size, io.SeekStart)
	return err
}

func (s *state) begin(head stateHead) error {
	b, err := json.Marshal(head)
	if err != nil {
		return err
	}
	_, err = s.file.Write(append(b, '\n'))
	return err
}

// rowKey names a row by its line and content: an edited row is done again.
func rowKey(a animal) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", a.line)
	h.Write(a.body)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// has reports whether an earlier run did the row.
func (s *state) has(a animal) bool { return s != nil && s.done[rowKey(a)] }

// add remembers the row.
func (s *state) add(a animal) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.file.WriteString(rowKey(a) + "\n"); err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	return nil
}

// close makes what was remembered durable.
func (s *state) close() error {
	if s == nil {
		return nil
	}
	if err := errors.Join(s.file.Sync(), s.file.Close()); err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	return nil
}
