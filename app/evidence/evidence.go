// Package evidence shows what proves an item's history: its events, the Merkle
// root over them, the proof of one of them, where its document was stored, and
// the stored document itself.
//
// All of it follows the item: who may read the item may read its evidence, and
// everybody may once a circuit publishes the item openly. Within that, an event
// is narrowed by its visibility, and who sees only a part of the item (see
// app.CircuitItem) sees the events and records of his own circuits only. Leaf
// hashes are not narrowed: a proof needs the others, and they tell nothing.
package evidence

import (
	"context"

	"github.com/defarm-repo/defarm/app"
)

// Service answers questions about evidence; it changes nothing. It is safe for
// use by many goroutines.
type Service struct {
	store   app.Store
	env     app.Env
	encoder app.DocumentEncoder
}

// New returns the service.
func New(store app.Store, env app.Env, enc app.DocumentEncoder) *Service {
	return &Service{store: store, env: env, encoder: enc}
}

// view is how one caller reaches one item.
type view struct {
	whole    bool     // he sees the whole item
	circuits []string // else: the circuits through which he sees a part
	open     []app.Publication
}

// published reports whether everybody sees the item, if only in part.
func (v view) published() bool { return len(v.open) > 0 }

// openWhole reports whether everybody sees the whole item.
func (v view) openWhole() bool {
	for _, p := range v.open {
		if p.Whole {
			return true
		}
	}
	return false
}

// openIn reports whether the circuit publishes the item.
func (v view) openIn(circuitID string) bool {
	for _, p := range v.open {
		if p.CircuitID == circuitID {
			return true
		}
	}
	return false
}

// view finds out how the caller reaches the item; ok is false when he does not.
func (s *Service) view(r app.Reader, who app.Actor, it *app.Item) (v view, ok bool, err error) {
	sight, member, err := app.SeeItem(r, who, it)
	if err != nil {
		return v, false, err
	}
	v.whole = member && sight.Whole
	if member && !sight.Whole {
		v.circuits = sight.Part.Circuits
	}
	if v.whole || it.Local() {
		return v, member, nil // publication adds nothing
	}
	v.open, err = r.Items().Publications(it.Row, s.env.Now())
	return v, member || v.published(), err
}

// reach runs fn in a snapshot with the item that the caller reaches; absent is
// returned when there is no such item for him.
func (s *Service) reach(ctx context.Context, who app.Actor, dfid string, absent error, fn func(r app.Reader, it *app.Item, v view) error) error {
	return s.store.Read(ctx, func(r app.Reader) error {
		it, err := r.Items().ByDFID(dfid)
		if app.CodeOf(err) == app.CodeNotFound {
			return absent
		}
		if err != nil {
			return err
		}
		v, ok, err := s.view(r, who, it)
		if err != nil {
			return err
		}
		if !ok {
			return absent
		}
		return fn(r, it, v)
	})
}

// everybody is the caller of the public routes: nobody in particular.
func everybody() app.Actor { return app.Actor{} }
