package items

import (
	"context"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// Local returns what a local id names now: the local item, or the traced one
// that it became, as the caller sees it. The result must not be modified.
// ReasonLocalItemNotFound when there is none or it is not the caller's to see.
func (s *Service) Local(ctx context.Context, who app.Actor, localID uuid.UUID) (*app.Item, error) {
	var out *app.Item
	err := s.store.Read(ctx, func(r app.Reader) error {
		m, err := r.Items().Mapping(localID)
		if err != nil {
			return err
		}
		it, err := r.Items().ByRow(m.Row)
		if err != nil {
			return err
		}
		sight, seen, err := app.SeeItem(r, who, it)
		if err == nil && !seen {
			err = app.NotFound(app.ReasonLocalItemNotFound, "Local item not found")
		}
		if err != nil {
			return err
		}
		out = sight.Of(it)
		return nil
	})
	return out, err
}
