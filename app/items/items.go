// Package items is the service of items: it shows them to those who may see
// them, finds and counts them (search.go, stats.go), makes and enriches traced
// ones outside circuits (trace.go, batch.go; conflict.go says what needs a
// decision first, pending.go decides), changes them (change.go), shares them
// (share.go), and makes and tidies local ones (create.go, local_*.go). How a
// local item becomes a traced one is package circuits.
//
// An item is seen by its owner, by administrators, by those with whom it is
// shared and by the members of the circuits that hold it; for everybody else it
// does not exist. Members of a circuit that does not hold the whole item see
// their part (app.Sight). Only its owner changes it.
package items

import (
	"context"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/quota"
)

// Service acts on items. It is safe for use by many goroutines.
type Service struct {
	store app.Store
	env   app.Env
	quota *quota.Quota
}

// New returns the service. What creating an item takes is taken from q.
func New(store app.Store, env app.Env, q *quota.Quota) *Service {
	return &Service{store: store, env: env, quota: q}
}

// Get returns an item by its DFID or "LID-<uuid>", as the caller sees it. The
// result is shared and must not be modified. ReasonItemNotFound when it does not
// exist or is not the caller's to see.
func (s *Service) Get(ctx context.Context, who app.Actor, dfid string) (*app.Item, error) {
	it, err := s.store.Item(ctx, dfid)
	if err != nil {
		return nil, err
	}
	if app.OwnsItem(who, it) {
		return it, nil
	}
	var (
		sight app.Sight
		seen  bool
	)
	err = s.store.Read(ctx, func(r app.Reader) (err error) {
		sight, seen, err = app.SeeItem(r, who, it)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !seen {
		return nil, notFound()
	}
	return sight.Of(it), nil
}

// List returns the items that the caller sees, in order of creation; an
// administrator sees all. Identifiers that are hidden from the caller do not
// count for the filter. The results are shared and must not be modified.
func (s *Service) List(ctx context.Context, who app.Actor, f app.ItemFilter, p app.Page) ([]*app.Item, error) {
	var (
		rows  []int64
		parts map[int64]app.PartialView
	)
	// What is seen is decided in the snapshot that selects the rows: a
	// membership that ends meanwhile takes the row away, never the veil.
	err := s.store.Read(ctx, func(r app.Reader) (err error) {
		rows, err = r.Items().VisibleRows(who.UserID, who.IsAdmin, f, p)
		if err == nil && !who.IsAdmin {
			parts, err = r.Items().InPart(who.UserID, rows)
		}
		return err
	})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	its, err := s.store.Items(ctx, rows)
	if err != nil || len(parts) == 0 {
		return its, err
	}
	out := make([]*app.Item, len(its))
	for i, it := range its {
		out[i] = it
		if part, ok := parts[it.Row]; ok && !app.OwnsItem(who, it) {
			out[i] = it.Part(part)
		}
	}
	return out, nil
}

// Mapping says what became of a local id: still local (DFID "") or which traced
// item it names now. Its owner and whoever sees the item may ask; for others,
// as for an unknown id, ReasonLocalItemNotFound.
func (s *Service) Mapping(ctx context.Context, who app.Actor, localID uuid.UUID) (app.LocalMapping, error) {
	var m app.LocalMapping
	err := s.store.Read(ctx, func(r app.Reader) error {
		var err error
		if m, err = r.Items().Mapping(localID); err != nil {
			return err
		}
		if m.OwnerID == who.UserID || who.IsAdmin {
			return nil
		}
		it, err := r.Items().ByRow(m.Row)
		if err != nil {
			return err
		}
		seen, err := app.MayReadItem(r, who, it)
		if err == nil && !seen {
			err = app.NotFound(app.ReasonLocalItemNotFound, "Local item not found")
		}
		return err
	})
	if err != nil {
		return app.LocalMapping{}, err
	}
	return m, nil
}

func notFound() error { return app.NotFound(app.ReasonItemNotFound, "Item not found") }
