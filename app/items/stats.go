package items

import (
	"context"

	"github.com/defarm-repo/defarm/app"
)

// Stats counts the items that the caller sees, by status.
func (s *Service) Stats(ctx context.Context, who app.Actor) (c app.ItemCounts, err error) {
	err = s.store.Read(ctx, func(r app.Reader) (err error) {
		c, err = r.Items().Counts(who.UserID, who.IsAdmin)
		return err
	})
	return c, err
}
