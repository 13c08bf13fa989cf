package db

import (
	"errors"
	"slices"
	"testing"

	"github.com/defarm-repo/defarm/app"
)

// A part that fails takes its own changes, and what it would have done after
// the commit, along; the rest of the write stays.
func TestTry(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	refused := errors.New("refused")
	var after []string
	mustWrite(t, d, func(tx app.Tx) error {
		if err := put(tx, "before"); err != nil {
			return err
		}
		for _, part := range []struct {
			name string
			err  error
		}{{"good", nil}, {"bad", refused}, {"better", nil}} {
			err := tx.Try(func() error {
				tx.AfterCommit(func() { after = append(after, part.name) })
				if err := put(tx, part.name); err != nil {
					return err
				}
				return part.err
			})
			if !errors.Is(err, part.err) {
				t.Errorf("%s: got %v, want %v", part.name, err, part.err)
			}
		}
		if err := tx.Try(func() error { return put(tx, "before") }); app.CodeOf(err) != app.CodeConflict {
			t.Errorf("a name that is taken: got %v, want a conflict", err)
		}
		return put(tx, "behind")
	})
	if got, want := names(t, d), []string{"before", "good", "better", "behind"}; !slices.Equal(got, want) {
		t.Errorf("users: got %v, want %v", got, want)
	}
	if want := []string{"good", "better"}; !slices.Equal(after, want) {
		t.Errorf("after the commit: got %v, want %v", after, want)
	}
	if _, err := d.User(t.Context(), "bad"); app.CodeOf(err) != app.CodeNotFound {
		t.Errorf("the part that failed: got %v, want that its user is not there", err)
	}
}

// A write that is undone takes its parts along.
func TestTryInsideAFailedWrite(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	refused := errors.New("refused")
	err := d.Write(t.Context(), func(tx app.Tx) error {
		if err := tx.Try(func() error { return put(tx, "part") }); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
	if got := names(t, d); len(got) != 0 {
		t.Errorf("users: got %v, want none", got)
	}
}
